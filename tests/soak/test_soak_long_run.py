"""Days of a whole gateway in virtual time: nothing is lost, nothing grows; and the judge sees what it looks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.long_run import Life, Look, Plan, complaints, live

PLAN = Plan(days=3, meters=4, every_h=12, keep="1d", away=((30, 42),))


@pytest.mark.timeout(180)
def test_days_of_a_gateway(tmp_path: Path) -> None:
    life = live(PLAN, tmp_path)
    assert complaints(life, PLAN) == []
    assert life.delivered["readings"] >= PLAN.meters * (PLAN.hours // PLAN.every_h - 1)
    assert life.delivered["reports"] >= PLAN.days - 1


def test_the_judge_sees_what_is_lost_and_what_grows() -> None:
    plan = Plan(days=2, meters=1, every_h=24)
    steady = Look(12, 80.0, 2000, 16, 60, 2_000_000, 30)
    good = Life([replace(steady, hour=12 * k) for k in range(1, 9)], sequence=[1, 2, 3])
    good.reads["M-1"] = 2
    assert complaints(good, plan) == []
    assert complaints(replace(good, sequence=[1, 3]), plan) == ["of 3 documents 2 came, or not in order"]
    grown = [*good.looks[:-1], replace(steady, resident_mb=120.0, descriptors=17)]
    assert complaints(replace(good, looks=grown), plan) == [
        "resident_mb grew from 80 to 120",
        "descriptors grew from 16 to 17",
    ]
    good.reads["M-1"] = 0
    assert complaints(good, plan) == ["M-1: 0 of 2 reads"]
