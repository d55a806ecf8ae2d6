"""What a changed file means for an agent that runs; one that is of no use changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent import reloading
from agent.attending import Attendant, order_of
from agent.config import Config, MeterSection, load_config
from agent.errors import ConfigError
from agent.reload import Change, change_of
from agent.reloading import Reloader
from agent.requests.judging import Contracts
from agent.scheduling.agenda import Limits
from tests.scheduling.scheduling_kit import SILENT, asked_for, standing
from tests.scheduling.test_scheduling_scheduler import (  # noqa: F401 - the fixture is used by itself
    Town,
    _no_waiting,
    rows,
    running,
    settled,
    turns_until,
)

BASE = """\
[agent]
agent_id = "gw-1"
{agent}
[clock]
ntp = ["time.example"]
{more}
"""
METER = '[[meters]]\nname = "{name}"\nurl = "tcp://10.0.0.{n}:4001"\nevery = "{every}"\nexpected_meter_id = "{n}"\n'


def parsed(tmp_path: Path, *meters: tuple[str, int, str], agent: str = "", more: str = "") -> Config:
    text = BASE.format(agent=agent, more=more)
    text += "".join(METER.format(name=name, n=n, every=every) for name, n, every in meters)
    (tmp_path / "mrsp.toml").write_text(text)
    return load_config(tmp_path / "mrsp.toml")


def test_the_difference_is_told_by_name(tmp_path: Path) -> None:
    running = parsed(tmp_path, ("a", 1, "1d"), ("b", 2, "1d"), ("c", 3, "1d")).settings
    wanted = parsed(
        tmp_path, ("b", 2, "1d"), ("c", 3, "1h"), ("d", 4, "1d"), more="[schedule]\nsessions = 3\n"
    ).settings
    change = change_of(running, wanted)
    assert (change.added, change.changed, change.removed) == (("d",), ("c",), ("a",))
    assert (change.sections, change.restart) == (("[schedule]",), ())
    assert change.settings == wanted
    assert change.words() == "new meters: d; changed meters: c; meters no longer read: a; taken over: [schedule]"
    assert change_of(wanted, wanted).words() == "nothing has changed"


def test_what_the_agent_was_begun_with_stays_until_a_restart(tmp_path: Path) -> None:
    running = parsed(tmp_path, ("a", 1, "1d")).settings
    more = "[spool]\nbudget_octets = 2000000\n"
    wanted = parsed(tmp_path, ("a", 1, "1h"), agent='state_directory = "/elsewhere"', more=more).settings
    change = change_of(running, wanted)
    assert change.restart == ("[agent]", "[spool]")
    assert change.changed == ("a",)
    assert change.settings.agent == running.agent
    assert change.settings.spool == running.spool
    assert change.settings.meters == wanted.meters


@pytest.mark.parametrize(("console", "kept"), [("", False), ('[console]\nlisten = "127.0.0.1:8443"\n', True)])
def test_directories_are_taken_over_where_the_schedule_is_alone(tmp_path: Path, console: str, *, kept: bool) -> None:
    running = parsed(tmp_path, more=console).settings
    wanted = parsed(tmp_path, agent='profile_directories = ["own"]', more=console).settings
    change = change_of(running, wanted)
    assert change.restart == (("[agent]",) if kept else ())
    assert change.sections == (() if kept else ("[agent] profile_directories",))


def test_what_fits_only_with_the_rest_is_not_taken_over_in_part(tmp_path: Path) -> None:
    calling = '[call_in]\nmodems = ["modem:///dev/ttyS9"]\n[[call_in.meters]]\nmeter = "a"\n'
    running = parsed(tmp_path, ("a", 1, "1d"), more=calling).settings
    with pytest.raises(ConfigError, match="cannot be taken over without what needs a restart"):
        change_of(running, parsed(tmp_path, ("b", 2, "1d")).settings)
    changed = parsed(tmp_path, ("a", 5, "1d"), more=calling).settings
    assert change_of(running, changed).restart == ("[call_in]",)


@dataclass
class Notes:
    """A reloader with what it told systemd and the agent."""

    config: Config
    reloader: Reloader = field(init=False)
    told: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reloader = Reloader(self.config, lambda: load_config(self.config.base / "mrsp.toml"), self.take)

    async def take(self, change: Change) -> None:
        self.changes.append(change)

    def notify(self, text: str) -> bool:
        self.told.append(text)
        self.happened.set()
        return True

    async def once(self) -> str:
        """Ask, and return what systemd is told in the end."""
        before = len(self.told)
        self.reloader.ask()
        while len(self.told) < before + 2:
            self.happened.clear()
            await self.happened.wait()
        assert self.told[before].startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert self.told[before + 1].startswith("READY=1\nSTATUS=")
        return self.told[before + 1]


@asynccontextmanager
async def reloading_of(config: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Notes]:
    notes = Notes(config)
    monkeypatch.setattr(reloading, "notify", notes.notify)
    task = asyncio.create_task(notes.reloader.run())
    try:
        yield notes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_valid_file_is_taken_over_and_one_of_no_use_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with reloading_of(parsed(tmp_path, ("a", 1, "1d")), monkeypatch) as notes:
        parsed(tmp_path, ("a", 1, "1d"), ("b", 2, "1d"))
        assert "new meters: b" in await notes.once()
        (tmp_path / "mrsp.toml").write_text('[agent]\nagent_id = "gw-1"\nagent = 1\n')
        assert "has a mistake" in await notes.once()
        assert "line 3" in caplog.text
        (tmp_path / "mrsp.toml").unlink()
        assert "the one before is in force" in await notes.once()
        assert [change.added for change in notes.changes] == [("b",)]
        parsed(tmp_path, ("a", 1, "1d"))
        assert "meters no longer read: b" in await notes.once()


async def test_another_version_of_the_fleets_configuration_waits_for_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(parsed(tmp_path, ("a", 1, "1d")), fleet_version=7)
    async with reloading_of(config, monkeypatch) as notes:
        await notes.once()
        assert notes.changes == []
    assert "tried at a start only" in caplog.text


def test_requests_are_judged_by_the_meters_of_now() -> None:
    contracts = Contracts([])
    contracts.renew([MeterSection(name="a", url="tcp://h:1")])
    assert set(contracts.by_name) == {"a"}


def test_visits_go_by_the_new_orders_and_a_meter_that_is_gone_is_still_known(tmp_path: Path) -> None:
    from agent.clock.system import SystemClock
    from agent.visit import Box

    config = parsed(tmp_path, ("a", 1, "1d"), ("b", 2, "1d"))
    orders = {meter.name: order_of(config, meter) for meter in config.settings.meters}
    box = Box(agent_id="gw-1", clock=SystemClock())
    nothing: Callable[[], None] = lambda: None  # noqa: E731 - these parts are not used here
    attendant = Attendant(config, orders, box, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]
    attendant.adopt(parsed(tmp_path, ("a", 9, "1d"), agent='profile_directories = ["own"]'))
    assert attendant.orders["a"].url == "tcp://10.0.0.9:4001"
    assert attendant.orders["b"].url == "tcp://10.0.0.2:4001"
    assert attendant.box.profile_dirs == (tmp_path / "own",)


async def test_the_schedule_goes_on_with_other_meters_without_dropping_a_read(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event())
    switched = []
    async with running(tmp_path, town, standing("a"), standing("gone", "daily at 00:20")) as schedule:
        await turns_until(lambda: bool(town.visits))
        adopted = [standing("a"), standing("new", "daily at 03:00")]
        await schedule.adopt(adopted, Limits(spread=timedelta()), lambda: switched.append(len(town.visits)))
        assert town.hold is not None
        town.hold.set()
        await settled(tmp_path, 2)
        assert set(schedule.backlog()) == {"waiting", "ready", "visiting", "late"}
    assert switched == [1]
    assert [meter for meter, _due in town.visits[:2]] == ["a", "new"]
    assert len(set(town.visits)) == len(town.visits)


async def test_a_request_for_a_meter_that_is_gone_is_over_and_set_down(tmp_path: Path) -> None:
    town = Town(results=[SILENT] * 60)
    async with running(tmp_path, town, standing("a", "monthly on day 1 at 12:00")) as schedule:
        await schedule.request(asked_for("a"))
        await settled(tmp_path, 1, "waiting")
        await schedule.adopt([], Limits(spread=timedelta()), lambda: None)
        await settled(tmp_path, 1, "given_up")
    assert [(row.why, row.request_id) for row in rows(tmp_path)] == [("not_configured", "t-1")]
