"""What a daily visit moves that asks only for what is new, against a visit that reads everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.memory import MeterMemory
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from metersim.meter import running_meter
from tests.benchmarks.figures import Figures
from tests.system.world import DEFAULT_PASSWORD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

SCENARIO = "profile-35d-4ch"
DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 21, 4, 7, 33, tzinfo=UTC)
BOUND = 0.06


async def visit(now: datetime, *, since: datetime | None = None, memory: MeterMemory | None = None) -> MeterData:
    """Read the meter as it is at `now`."""
    async with running_meter(SCENARIO, now=now, tcp=0, rate=0) as meter:
        secret = Secret(DEFAULT_PASSWORD.encode())
        data = await PsemDriver().read(Task(url=meter.address, password=secret, since=since, memory=memory))
        truth = meter.truth()
    assert data.broken is None
    assert not [problem for problem in data.problems if problem.lost]
    true = {
        (block.channel, end): value
        for block in truth.blocks
        for end, value in zip(block.ends, block.values, strict=True)
    }
    for block in data.blocks:
        for k, value in enumerate(block.values):
            assert true[block.channel, block.first_interval_end + k * timedelta(seconds=block.interval_s)] == value
    return data


def octets(data: MeterData) -> int:
    assert data.line is not None
    return data.line.bytes_sent + data.line.bytes_received


def intervals(data: MeterData) -> int:
    return sum(len(block.values) for block in data.blocks)


async def test_a_daily_visit_moves_little(figures: Figures) -> None:
    whole = await visit(FIRST)
    daily = await visit(FIRST + DAY, since=FIRST, memory=whole.memory)
    assert intervals(daily) >= 4 * 96
    figures.tell("a daily visit for what is new, octets", octets(daily), note=f"{intervals(daily)} intervals")
    figures.judge(
        "  ÷ octets of a full visit", octets(daily) / octets(whole), below=BOUND, note=f"{octets(whole)} octets"
    )
