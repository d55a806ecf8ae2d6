"""Scenarios put together from pieces, on meters of every edition: what is expected is what the agent finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from metersim.lab import Laboratory, VisitPart, differences
from metersim.meter.compose import File, composed
from tests.metersim.lab_kit import read


@dataclass(frozen=True)
class Story:
    """A scenario, the checks that fail at its last visit, and the codes of its log that tell that it happened."""

    text: str
    seed: int = 1
    fails: frozenset[str] = frozenset()
    logged: frozenset[int] = frozenset()


POWER, CLOCK_SET, DST_ON, DST_OFF = {1, 2}, {3, 4}, {22}, {23}
REPROGRAMMED, LOW_BATTERY, PHASE, OPENED, TURNED = {36}, {44}, {45}, {47}, {48}

OLD_EDITION_DEAD_BATTERY = """
    use = ["closure-1997", "shape-office"]
    installed = 2026-01-10
    outages_per_year = 60
    visits = [2026-01-20T12:00:00Z, 2026-01-27T12:00:00Z]
    clock.offset_at = 2026-01-10T12:00:00Z
    clock.battery = "dead"
    load = [{ name = "all", shape = "office", pulses_per_hour = 1500 }]
    outage = [{ at = 2026-01-24T03:00:00Z, seconds = 7000 }]
"""
NEW_EDITION_AUTUMN = """
    use = ["descending-fifo-2008"]
    installed = 2026-10-20
    outages_per_year = 0
    visits = [2026-10-31T12:00:00-07:00, 2026-11-03T06:00:00-08:00]
    registers.dials = 6
    clock.offset_at = 2026-10-20T12:00:00Z
    clock.set = [{ at = 2026-11-02T10:02:05-08:00, by_s = 70 }]
    load = [{ name = "apparent", start_pulses = 500_000 }]
    outage = [{ at = 2026-11-01T08:40:00Z, seconds = 3000 }, { at = 2026-11-02T11:40:00Z, seconds = 9 }]
"""
BIG_ENDIAN_PHASE = """
    use = ["big-endian-float-bcd", "holidays-2026"]
    installed = 2026-06-25
    outages_per_year = 0
    visits = [2026-06-30T12:00:00Z, 2026-07-04T08:00:00Z]
    clock.offset_at = 2026-06-25T12:00:00Z
    tamper = [
        { kind = "lost_phase", percent = 40, from = 2026-07-02T07:00:00Z, until = 2026-07-03T07:00:00Z },
        { kind = "opened", from = 2026-07-02T07:00:00Z },
    ]
"""
HOUSE_SPRING_TURNED_AND_ROLLED = """
    use = ["residential-tou", "tariff-three-rate", "shape-car"]
    installed = 2026-02-27
    outages_per_year = 0
    visits = [2026-03-06T12:00:00-05:00, 2026-03-13T12:00:00-04:00]
    registers.dials = 8
    clock.offset_at = 2026-02-27T12:00:00Z
    load = [
        { name = "house", start_pulses = 99_400_000, part = [{ pulses_per_hour = 3000, shape = "car" }] },
        { name = "roof", start_pulses = 99_700_000 },
    ]
    tamper = [{ kind = "reversed", load = "house", into = "roof", from = 2026-03-09T00:00:00-04:00 }]
    outage = [{ at = 2026-03-08T06:50:00Z, seconds = 4000 }]
"""
SHOP_REPROGRAMMED = """
    use = ["commercial-4ch", "holidays-2026"]
    installed = 2026-01-10
    outages_per_year = 0
    visits = [2026-01-16T12:00:00-06:00, 2026-01-21T12:00:00-06:00]
    layout.ni_format1 = "FLOAT64"
    quirks = { interval_scale = 0.5, status_nibbles = "low_first", open_block_end = "block_grid" }
    clock.offset_at = 2026-01-10T12:00:00Z
    clock.offset_s = 0
    tamper = [{ kind = "reprogrammed", source = "varh delivered", multiplier = 2, from = 2026-01-18T12:00:00Z }]
"""
STORIES = {
    "1997, closure, a dead battery": Story(
        OLD_EDITION_DEAD_BATTERY, 3, frozenset({"meter_clock", "meter_diagnostics"}), frozenset(POWER | LOW_BATTERY)
    ),
    "2008, autumn, rolled over, clock set": Story(
        NEW_EDITION_AUTUMN, 2, frozenset({"missing_intervals"}), frozenset(POWER | DST_OFF | CLOCK_SET)
    ),
    "1997, msb, a phase lost for a day": Story(
        BIG_ENDIAN_PHASE, 5, frozenset({"meter_diagnostics", "phase_loss"}), frozenset(PHASE | OPENED)
    ),
    "a house in spring, turned over, rolled over": Story(
        HOUSE_SPRING_TURNED_AND_ROLLED, 7, frozenset({"missing_intervals"}), frozenset(POWER | DST_ON | TURNED)
    ),
    "a shop with a new constant": Story(
        SHOP_REPROGRAMMED, 4, frozenset({"configuration_change", "sum_check"}), frozenset(REPROGRAMMED)
    ),
}


def laboratory(name: str) -> Laboratory:
    story = STORIES[name]
    return Laboratory.of(composed(File("story.toml", f'title = "{name}"\n{story.text}')), story.seed)


@cache
def visits_of(name: str) -> tuple[VisitPart, ...]:
    return laboratory(name).expect().visits


@pytest.mark.parametrize("name", STORIES)
def test_the_agent_finds_what_must_be_found(name: str, tmp_path: Path) -> None:
    story, visits = STORIES[name], visits_of(name)
    found = read(laboratory(name), visits[-1], tmp_path)
    assert differences(visits[-1], found) == []
    assert {check["check"] for check in found["checks"] if check["outcome"] in {"fail", "verified"}} == story.fails
    since = datetime.fromisoformat(visits[0].at)
    assert {one.code for one in visits[-1].events if datetime.fromisoformat(one.at) > since} >= story.logged


def went_back(visits: tuple[VisitPart, ...]) -> set[str]:
    """Return the directions of the totals that show less than at the visit before."""
    first, last = (
        {
            one.quantity + one.direction: int(one.raw)
            for one in visit.registers
            if (one.table, one.kind, one.tier) == ("ST23", "cumulative", 0)
        }
        for visit in visits
    )
    return {key for key, raw in last.items() if raw < first[key]}


@pytest.mark.parametrize(
    ("name", "registers"),
    [
        ("2008, autumn, rolled over, clock set", {"VAhdelivered"}),
        ("a house in spring, turned over, rolled over", {"Whdelivered", "Whreceived"}),
    ],
)
def test_dials_have_run_over_between_the_visits(name: str, registers: set[str]) -> None:
    assert went_back(visits_of(name)) >= registers
