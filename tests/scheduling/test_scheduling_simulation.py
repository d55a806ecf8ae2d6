"""The schedule keeps its promises in towns of meters, over days of virtual time, with every fault there is."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.lines import Way
from agent.scheduling.agenda import Limits
from agent.scheduling.reads import Read, Standing
from agent.scheduling.retry import Failure
from tests.scheduling.scheduling_kit import (
    BEGIN,
    BUSY,
    DEAD_LINE,
    NO_ANSWER,
    REFUSED,
    SILENT,
    Town,
    asked_for,
    seeded,
    standing,
)

HOUR = timedelta(hours=1)
CITY = tuple(f"modem {number}" for number in range(8))
CYCLES = ("daily at 00:15", "daily at 00:15, 12:15", "business days at 06:00", "monthly on day 8 at 23:30")


def town(tmp_path: Path, seed: int, meters: int, *, crash_share: float = 0.0, sessions: int = 16) -> Town:
    dice = seeded(seed)
    faults = [None] * 12 + [SILENT, SILENT, BUSY, NO_ANSWER, DEAD_LINE, REFUSED]

    def fault(read: Read, _now: datetime) -> Failure | None:
        if read.meter.endswith("7"):
            return SILENT  # never answers
        found = dice.choice(faults)
        return SILENT if found is not None and found.about != "meter" and read.standing.way.number is None else found

    return Town(
        tmp_path / "schedule.sqlite",
        [meter(dice, number) for number in range(meters)],
        Limits(sessions=sessions),
        dice,
        fault,
        lambda _read: dice.uniform(5, 400),
        crash_share=crash_share,
    )


def meter(dice: random.Random, number: int) -> Standing:
    """A meter by probe, by gateway with others, or by telephone; two meters share one number now and then."""
    name, cycle = f"m{number}", dice.choice(CYCLES)
    kind = dice.randrange(4)
    if kind == 0:
        return standing(name, cycle)
    if kind == 1:
        gateway = f"10.0.0.{number % 50}:502"
        return standing(name, cycle, Way(gateway, (gateway,)))
    window = dice.choice((None, "23:00-14:00", "00:00-24:00"))
    if cycle.startswith("monthly"):
        window = None
    if kind == 2:
        return standing(name, cycle, Way(CITY[0], (CITY[0],), f"555{number}"), window, 600)
    return standing(name, cycle, Way("bank city", CITY, f"555{number // 2}"), window, 600)


def test_five_thousand_meters_for_a_day_and_a_night(tmp_path: Path) -> None:
    place = town(tmp_path, 1, 5_000, sessions=60)
    end = BEGIN + timedelta(days=1, hours=12)
    place.run(end)
    place.check(end)
    assert not place.missed
    assert place.visits > 5_000
    reasons = Counter(place.given_up.values())
    assert reasons["silent"] >= 500 // 2
    assert reasons["refused"] > 25


@pytest.mark.parametrize("seed", range(8))
def test_a_power_that_fails_at_any_step_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    place = town(tmp_path, seed, 40, crash_share=0.01, sessions=6)
    place.asked = [asked_for(f"m{number}", f"t-{number}", BEGIN - HOUR) for number in range(3)]
    end = BEGIN + timedelta(days=6)
    place.run(end)
    assert place.crashes
    place.check(end)
    answered = {(meter, due) for meter, due in place.spool.values()} | set(place.given_up)
    assert {meter for meter, due in answered if due.microsecond} >= {"m0", "m1", "m2"}
