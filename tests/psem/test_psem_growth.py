"""A meter that stores intervals while it is read: whatever comes home is what it stored, also where the line breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from drivers.psem.codes import ResponseCode
from metersim.meter.model import microseconds
from metersim.meter.truth import truth_of
from tests.psem.simulated import SimulatedMeter, Visited
from tests.young_meters import young

NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)
DATA = (64, 65, 66, 67)
STATUS = 63


@dataclass
class Jump:
    """Time passes when the data sets or their status are asked for the `at`-th time; the line may break later."""

    meter: SimulatedMeter
    at: int
    by: timedelta
    breaks_at: int | None = None
    refuses_status: bool = False
    seen: int = 0
    statuses: int = 0

    def __call__(self, table: int, _offset: int | None, _count: int | None) -> ResponseCode | None:
        if table not in (*DATA, STATUS):
            return None
        self.seen += 1
        if self.seen == self.at:
            self.meter.passed += self.by
        if self.seen == self.breaks_at:
            self.meter.line.pull_the_plug()
        self.statuses += table == STATUS
        return ResponseCode.ISC if self.refuses_status and table == STATUS and self.statuses > 1 else None


def a_meter(scenario: str) -> SimulatedMeter:
    """One with few blocks of profile, all of them full but the newest."""
    return SimulatedMeter(young(scenario, NOW, blocks=5), NOW)


def wrong(meter: SimulatedMeter, visited: Visited) -> dict[tuple[int, int, datetime], object]:
    """What came home and is not what the meter has stored, of what it still holds."""
    after = truth_of(meter.meter, microseconds(meter.now + meter.passed))
    stored = {
        (block.data_set, block.channel, end): (count, words)
        for block in after.blocks
        for end, count, words in zip(block.ends, block.counts, block.status, strict=True)
    }
    oldest = {key: min(end for *one, end in stored if tuple(one) == key) for key in {key[:2] for key in stored}}
    found = {
        (block.data_set, block.channel, block.first_interval_end + k * timedelta(seconds=block.interval_s)): got
        for block in visited.data.blocks
        for k, got in enumerate(zip(block.counts, block.status, strict=True))
    }
    return {key: got for key, got in found.items() if key[2] >= oldest[key[:2]] and stored.get(key) != got}


def blocks_short(meter: SimulatedMeter, visited: Visited) -> int:
    """How many intervals fewer came home than the meter held when the visit began."""
    held = sum(len(block.ends) for block in truth_of(meter.meter, microseconds(meter.now)).blocks)
    return max(0, held - sum(len(block.counts) for block in visited.data.blocks))


SCENARIOS = ["profile-35d", "descending-fifo-2008", "residential-tou"]
SHIFTS_OR_WRAPS = ["profile-35d", "descending-fifo-2008"]
STEPS = [timedelta(minutes=16), timedelta(days=1, hours=1)]


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize(
    ("scenario", "trouble"),
    [
        *((name, "none") for name in SCENARIOS),
        *((name, trouble) for name in SHIFTS_OR_WRAPS for trouble in ("line breaks", "ST63 refused")),
    ],
)
@pytest.mark.parametrize("since", [None, NOW - timedelta(days=2)], ids=["all", "new"])
def test_intervals_that_end_during_a_read_never_mix_it_up(
    scenario: str, step: timedelta, trouble: str, since: datetime | None
) -> None:
    for at in _moments(scenario, since):
        meter = a_meter(scenario)
        breaks_at = at + 1 + at % 3 if trouble == "line breaks" else None
        meter.before_read = Jump(meter, at, step, breaks_at, refuses_status=trouble == "ST63 refused")
        visited = meter.visit(since)
        assert wrong(meter, visited) == {}, f"time passed at read {at}"
        assert visited.data.blocks or trouble != "none"
        if (short := blocks_short(meter, visited)) and since is None:
            assert any(problem.lost for problem in visited.data.problems) or visited.data.broken, short


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_where_no_interval_can_have_ended_a_break_costs_no_block_that_came(scenario: str) -> None:
    quiet = a_meter(scenario)
    reads = quiet.before_read = Jump(quiet, 0, timedelta())
    whole = quiet.visit()
    meter = a_meter(scenario)
    meter.before_read = Jump(meter, 2, timedelta(seconds=10), breaks_at=reads.seen)
    visited = meter.visit()
    assert visited.data.broken
    assert visited.data.blocks == whole.data.blocks


@cache
def _moments(scenario: str, since: datetime | None) -> list[int]:
    """Of the reads of a quiet visit the first, the last ones, and some in between."""
    meter = a_meter(scenario)
    counting = meter.before_read = Jump(meter, 0, timedelta())
    meter.visit(since)
    reads = counting.seen
    return sorted({*range(2, reads, max(1, reads // 3)), reads - 1, reads})
