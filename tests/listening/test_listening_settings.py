"""`[radio]`, and where a receiver on wheels is."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from agent.clock.settings import Server
from agent.listening.position import FRESH_NS, Whereabouts
from agent.listening.settings import RadioSettings
from drivers.ert.command import Tuning
from tests.clock.clock_kit import NOON, VirtualClock

TPV = {"class": "TPV", "mode": 3, "time": "2026-03-07T12:00:00.000Z", "lat": 39.739235833, "lon": -104.990251}


def test_defaults_are_those_of_a_dongle() -> None:
    settings = RadioSettings(plan="plan.csv")
    assert settings.tuning == Tuning()
    assert (settings.period, settings.offset, settings.hold_period) == (
        timedelta(days=1),
        timedelta(),
        timedelta(seconds=30),
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "plan"),
        ({"device": "-h"}, "device"),
        ({"device": "0 -F x"}, "device"),
        ({"gain": "loud"}, "gain"),
        ({"detector": ["autolevel", "--x"]}, "detector"),
        ({"sample_rate": 250_000}, "sample_rate"),
        ({"every": "10s"}, "every"),
        ({"every": "1h", "at": "1h"}, "at"),
        ({"every": "1h", "hold": "1h"}, "hold"),
        ({"gpsd": "a b"}, "gpsd"),
        ({"rest": "soon"}, "duration"),
        ({"frequency_mhz": 912}, "frequency_mhz"),
    ],
)
def test_mistakes_are_named(fields: dict[str, object], why: str) -> None:
    given = {"plan": "plan.csv", **fields} if fields else {}
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(given, RadioSettings)


def whereabouts(*reports: object) -> tuple[Whereabouts, VirtualClock]:
    clock = VirtualClock()
    where = Whereabouts(Server("127.0.0.1", 2947), clock)
    for report in reports:
        where.hear(json.dumps(report).encode() if not isinstance(report, bytes) else report)
    return where, clock


def test_a_fix_is_a_position_for_a_moment() -> None:
    where, clock = whereabouts({"class": "SKY", "hdop": 0.9}, TPV)
    position = where.position()
    assert position is not None
    assert (position.latitude, position.longitude) == (Decimal("39.7392358"), Decimal("-104.9902510"))
    assert (position.at, position.hdop) == (NOON, Decimal("0.9"))
    clock.advance(FRESH_NS / 1e9 + 1)
    assert where.position() is None


@pytest.mark.parametrize(
    "report",
    [
        {**TPV, "mode": 1},
        {**TPV, "mode": 0, "lat": 0, "lon": 0},
        {**TPV, "lat": None},
        {**TPV, "lat": 91},
        {**TPV, "time": ""},
        {**TPV, "time": "2026-03-07T12:00:00"},
    ],
)
def test_without_a_fix_there_is_none(report: object) -> None:
    where, _ = whereabouts(TPV, report)
    assert where.position() is None


def test_noise_changes_nothing() -> None:
    where, _ = whereabouts(TPV, b"{", b"\xff", b"[" * 100_000, {"class": "VERSION"}, {**TPV, "lat": "x"})
    assert where.position() is not None
