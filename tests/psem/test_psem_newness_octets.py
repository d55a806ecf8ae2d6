"""What a daily reading of a profile of 35 days costs on the line, all octets of the visit counted, both ways."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace as with_changes

from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario
from tests.psem.simulated import SimulatedMeter, days

NOW = datetime(2026, 6, 15, 17, 22, 31, tzinfo=UTC)
BOUND = 0.06


def four_channels(status: str) -> Scenario:
    """`profile-35d` with four channels: 36 blocks of 96 intervals of 15 minutes."""
    scenario = with_changes(load_scenario("profile-35d"), installed=date(2026, 4, 1))
    assert scenario.profile is not None
    only = scenario.profile.sets[0]
    four = with_changes(only, channels=only.channels * 2)
    return with_changes(scenario, profile=with_changes(scenario.profile, sets=(four,), status=status))


SCENARIOS = {
    "four channels, simple status": four_channels("simple"),
    "four channels, extended status": four_channels("extended"),
    "commercial-4ch": with_changes(load_scenario("commercial-4ch"), installed=date(2026, 4, 1)),
}


@pytest.mark.parametrize("hour", [1, 17])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_daily_reading_moves_less_than_six_percent(name: str, hour: int) -> None:
    start = NOW.replace(hour=hour)
    meter = SimulatedMeter(SCENARIOS[name], start - days(1))
    memory = meter.visit().memory()
    full = meter.later(days(1)).visit()
    for known in (memory, None):
        new = meter.visit(start - days(1), known)
        assert sum(len(block.counts) for block in new.data.blocks) == 4 * 97
        assert not new.reasons()
        assert new.octets < BOUND * full.octets, (new.octets, full.octets)


def test_a_reading_an_hour_later_reads_little_of_the_profile() -> None:
    meter = SimulatedMeter(SCENARIOS["four channels, simple status"], NOW)
    memory = meter.visit().memory()
    new = meter.later(timedelta(hours=1)).visit(NOW, memory)
    read = [request.count for request, _ in new.line.served() if getattr(request, "table", 0) == 64]  # type: ignore[union-attr]
    assert sum(len(block.counts) for block in new.data.blocks) == 4 * 5
    assert sum(read) < 2 * 41 + 5 * 8


def test_what_the_document_does_not_show_is_not_read() -> None:
    meter = SimulatedMeter(SCENARIOS["commercial-4ch"], NOW)
    tables = {getattr(request, "table", None) for request, _ in meter.visit(NOW - days(1)).line.served()}
    everything = {getattr(request, "table", None) for request, _ in meter.visit().line.served()}
    assert everything - tables == {2, 6, 13, 51}  # nameplate, utility, demand control, limits of no calendar


def test_progress_of_a_partial_reading_ends_at_its_total() -> None:
    meter = SimulatedMeter(SCENARIOS["commercial-4ch"], NOW)
    told = [step for step in meter.visit(NOW - days(1)).progress if step.stage == "ST64"]
    assert told[-1].done == told[-1].total
    assert 1056 < told[-1].total < 1400
    assert all(before.done <= after.done for before, after in pairwise(told))
