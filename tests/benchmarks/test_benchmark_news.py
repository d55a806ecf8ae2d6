"""What a daily visit moves that asks only for what is new, against a visit that reads everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as with_changes

from drivers.base import Task
from drivers.data import MeterData
from drivers.memory import MeterMemory
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from metersim.meter import running_meter
from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario
from tests.benchmarks.figures import Figures
from tests.system.world import DEFAULT_PASSWORD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 21, 4, 7, 33, tzinfo=UTC)
BOUND = 0.06


def four_channels() -> Scenario:
    """`profile-35d` with four channels, and its house's registers."""
    scenario = load_scenario("profile-35d")
    assert scenario.profile is not None
    only = scenario.profile.sets[0]
    four = with_changes(only, channels=only.channels * 2)
    return with_changes(scenario, profile=with_changes(scenario.profile, sets=(four,), status="extended"))


async def visit(
    scenario: Scenario, now: datetime, *, since: datetime | None = None, memory: MeterMemory | None = None
) -> MeterData:
    """Read the meter as it is at `now`."""
    async with running_meter(scenario, now=now, tcp=0, rate=0) as meter:
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


async def shares(scenario: Scenario) -> tuple[int, int, int]:
    """Return the octets of a daily and of a full visit, and the intervals of the daily one."""
    whole = await visit(scenario, FIRST)
    daily = await visit(scenario, FIRST + DAY, since=FIRST, memory=whole.memory)
    assert intervals(daily) >= 4 * 96
    return octets(daily), octets(whole), intervals(daily)


async def test_a_daily_visit_moves_little(figures: Figures) -> None:
    daily, whole, found = await shares(four_channels())
    figures.tell("a daily visit for what is new, octets", daily, note=f"{found} intervals")
    figures.assert_below("  ÷ octets of a full visit", daily / whole, below=BOUND, note=f"{whole} octets")
    daily, whole, found = await shares(load_scenario("profile-35d-4ch"))
    figures.tell("  of a meter with ratios and daily self reads", daily, note=f"{found} intervals, and a self read")
    figures.tell("  ÷ octets of a full visit", daily / whole, note=f"{whole} octets")
