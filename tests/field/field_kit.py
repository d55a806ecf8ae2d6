"""An agent for field work, whole but for its meters: configuration, spool, ledger, records and a desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from agent.box import configured_box, records_of
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.field.desk import FieldDesk, JobView, Keeper, Work
from agent.follow_up import FollowUp
from agent.keys import create_device_key, load_device_key
from agent.ledger import LEDGER, Ledger
from agent.order import Order
from agent.reading import Reading
from agent.seal import Sealer
from agent.spool import Spool
from drivers.visual.entry import Entry, ShownRegister

CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
"""


PASSWORD_FILE = "meter.password"  # noqa: S105 - of the simulated meters


@dataclass
class Settled:
    """A book of routes that remembers what it is told, and may refuse it."""

    told: list[tuple[str, str, str, str, tuple[str, ...]]] = field(default_factory=list)
    refusal: Exception | None = None

    async def settle(self, stop_id: str, by: str, reading_id: str, method: str, checks_failed: tuple[str, ...]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.told.append((stop_id, by, reading_id, method, checks_failed))


@dataclass
class House:
    """One life of the agent."""

    config: Config
    keeper: Keeper
    desk: FieldDesk
    routes: Settled

    @property
    def spool(self) -> Spool:
        return self.keeper.spool

    async def stored(self, view: JobView) -> Reading:
        """Return the reading of a job as the spool has it."""
        assert view.reading_id is not None
        shown = await self.spool.show(view.reading_id)
        assert shown.document is not None
        return msgspec.json.decode(shown.document, type=Reading)

    async def readings(self) -> list[str]:
        """Return the readings in the spool, in the order in which they came."""
        return [entry.document_id for entry in await self.spool.entries() if entry.kind == "reading"]

    @property
    def left(self) -> list[str]:
        """The files of works and promises that are not over."""
        field = self.config.state_directory / "field"
        return sorted(path.name for name in ("works", "owed") for path in (field / name).glob("*"))


@asynccontextmanager
async def opened_house(directory: Path, **desk: Any) -> AsyncIterator[House]:
    """Open the agent that lives in `directory`, which may have lived before."""
    file, password = directory / "mrsp.toml", directory / PASSWORD_FILE
    file.write_text(CONFIG)
    password.touch(mode=0o600)
    password.write_text("00000000")
    config = load_config(file)
    if not config.key_directory.exists():
        create_device_key(config.key_directory)
    records = records_of(config)
    box = configured_box(config, SystemClock(), records=records)
    sealer = Sealer(load_device_key(config.key_directory))
    async with await Spool.open(config.spool_file, agent_id="gw-1", sealer=sealer) as spool:
        keeper = Keeper(config, box, spool, FollowUp(records, spool), Ledger(config.state_directory / LEDGER))
        routes = Settled()
        house = House(config, keeper, FieldDesk(keeper, routes=routes, **desk), routes)
        try:
            yield house
        finally:
            await house.desk.close()


def probe(url: str, *, stop_id: str | None = None, **order: Any) -> Work:
    """Return the work of reading by probe; the clock is not proven on the bench."""
    return Work(
        "probe",
        Order("probe:", clock_check=False, **{"password_file": PASSWORD_FILE, **order}),
        url=url,
        stop_id=stop_id,
    )


def typed(*shown: str, stop_id: str | None = None, entry: dict[str, Any] | None = None, **order: Any) -> Work:
    """Return the work of a reading that was typed."""
    registers = tuple(
        ShownRegister(shown=text, quantity=quantity) for text, quantity in zip(shown, ("kWh", "kvarh"), strict=False)
    )
    brought = Entry(registers=registers, **(entry or {}))
    return Work("visual", Order("visual://", clock_check=False, **order), entry=brought, stop_id=stop_id)


async def until(desk: FieldDesk, view: JobView, reached: Callable[[JobView], bool]) -> JobView:
    """Return the first picture of a job that is as wanted; fails with the last one if it ends before."""
    async for one in desk.watch(view.job_id):
        view = one
        if reached(view):
            return view
    raise AssertionError(view)


async def over(desk: FieldDesk, view: JobView) -> JobView:
    """Return the last picture of a job."""
    return await until(desk, view, lambda one: one.ended)


def wants_answer(view: JobView) -> bool:
    return view.state == "asking"


async def running(desk: FieldDesk) -> None:
    """Let a desk make up for what an earlier life left."""
    task = asyncio.create_task(desk.run())
    await desk.caught_up.wait()
    assert not task.done()
    for view in desk.jobs():
        await over(desk, view)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
