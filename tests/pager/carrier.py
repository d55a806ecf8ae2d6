"""A simulated carrier in the test's own loop, and the task of a visit to one of its meters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drivers.base import Task
from drivers.pager.formats import load_format
from drivers.secret import Secret
from metersim.pager.faults import parse_faults
from metersim.pager.gateway import Account, WctpGateway
from metersim.pager.meters import PagerMeter, fleet
from metersim.pager.serving import Door, serving

PIN = "5550000000"
METER = "00123456"
CODE = "s3cret&code"
FAST = {"poll_s": "0.01", "wait_s": "20", "grace_s": "5"}


@dataclass(frozen=True, slots=True)
class Carrier:
    """A gateway that is up, and where."""

    gateway: WctpGateway
    account: Account
    door: Door
    url: str

    @property
    def meter(self) -> PagerMeter:
        return self.gateway.meters[PIN]

    def task(self, keep: Path, options: Mapping[str, str] | None = None, *, pin: str = PIN, meter: str = METER) -> Task:
        return Task(
            url=f"wctp+{self.url}?recipient={pin}&meter={meter}",
            keep=keep,
            password=Secret(CODE.encode()),
            site_zone=UTC,
            options={**FAST, **(options or {})},
        )


@asynccontextmanager
async def carrier(
    *faults: str, count: int = 1, silence_s: float = 30.0, poll_interval_s: int = 0
) -> AsyncIterator[Carrier]:
    """Serve a carrier with `count` meters while the block runs."""
    meters = fleet(load_format("ascii-checked"), UTC, count=count, first_pin=int(PIN), first_meter=int(METER))
    account = Account("mrsp", CODE)
    gateway = WctpGateway(
        meters,
        {"mrsp": account},
        lambda: datetime.now(UTC),
        parse_faults(faults),
        poll_interval_s=poll_interval_s,
    )
    door = Door(gateway, silence_s=silence_s)
    async with serving(door) as url:
        yield Carrier(gateway, account, door, url)
