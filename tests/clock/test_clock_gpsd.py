"""What gpsd says, line by line: which of it is a time, and how surely."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.gpsd import FIXES, WATCH, Listening
from agent.clock.instant import NS, Instant
from agent.clock.plausible import EARLIEST, EPOCH, ROLLOVER
from agent.clock.samples import TimeSample

BEGIN = datetime(2026, 3, 7, 12, tzinfo=UTC)
DEVICE = "/dev/ttyACM0"


def unix_ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1_000


def tpv(at: datetime, **changed: Any) -> bytes:
    told = {"class": "TPV", "device": DEVICE, "mode": 3, "time": f"{at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", "ept": 0.005}
    return json.dumps(told | changed).encode() + b"\r\n"


def pps(at: datetime, clock_ns: int) -> bytes:
    seconds, rest = divmod(clock_ns, NS)
    told = {"class": "PPS", "device": DEVICE, "real_sec": unix_ns(at) // NS, "real_nsec": 0}
    return json.dumps(told | {"clock_sec": seconds, "clock_nsec": rest, "precision": -20}).encode()


def instant(at: datetime, fast_s: Decimal | float | str = 0) -> Instant:
    """That true moment on a box whose clock is fast by so much."""
    return Instant(unix_ns(at) - unix_ns(BEGIN) + 1_000 * NS, unix_ns(at) + int(Decimal(fast_s) * NS))


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def listened(
    *, fast_s: Decimal | str = "0", lag_s: float = 0.1, local: bool = True, pulse: bool = False, **changed: Any
) -> TimeSample | None:
    """What comes of three fixes, a second apart, each told that long after its moment."""
    listening = Listening("gpsd here", local=local)
    heard = None
    for n in range(FIXES):
        moment = BEGIN + seconds(n)
        if pulse:
            edge = instant(moment, fast_s)
            assert listening.hear(pps(moment, edge.realtime_ns), edge) is None
        assert heard is None
        heard = listening.hear(tpv(moment, **changed), instant(moment + seconds(lag_s), fast_s))
    return heard


def test_three_fixes_are_a_time() -> None:
    heard = listened(fast_s="12.5", leapseconds=18)
    assert heard is not None
    assert (heard.source, heard.name, heard.reference, heard.stratum) == ("gnss", "gpsd here", "GNSS", None)
    assert heard.offset_s == Decimal("11.6"), "in the middle of 0 to 2 s after the moment told; it was 0.1 s"
    assert heard.uncertainty_s == Decimal("1.005")
    assert heard.detail == "/dev/ttyACM0, 3 fixes, no pulse"


def test_leap_seconds_that_it_may_not_have_heard_of_widen_it() -> None:
    heard = listened()
    assert heard is not None
    assert heard.uncertainty_s == Decimal("4.005")
    assert "leap seconds" in heard.detail


def test_a_pulse_makes_it_exact() -> None:
    heard = listened(fast_s="12.5", pulse=True, leapseconds=18)
    assert heard is not None
    assert (heard.offset_s, heard.uncertainty_s) == (Decimal("12.5"), Decimal("0.006"))
    assert "pulse of each second" in heard.detail


def test_a_pulse_stamped_by_another_box_is_not_used() -> None:
    heard = listened(fast_s="12.5", pulse=True, local=False, leapseconds=18)
    assert heard is not None
    assert heard.uncertainty_s == Decimal("1.005")


def test_a_pulse_stamped_by_another_clock_is_not_used() -> None:
    """gpsd behind a tunnel, on a box whose clock is 5 s off ours."""
    listening = Listening("gpsd", local=True)
    for n in range(FIXES - 1):
        moment = BEGIN + seconds(n)
        listening.hear(pps(moment, unix_ns(moment) + 5 * NS), instant(moment))
        assert listening.hear(tpv(moment, leapseconds=18), instant(moment + seconds(0.1))) is None
    heard = listening.hear(tpv(BEGIN + seconds(2), leapseconds=18), instant(BEGIN + seconds(2.1)))
    assert heard is not None
    assert "no pulse" in heard.detail


def test_a_pulse_that_gpsd_gave_to_the_wrong_second_is_not_used() -> None:
    listening = Listening("gpsd", local=True)
    heard = None
    for n in range(FIXES):
        moment = BEGIN + seconds(n)
        listening.hear(pps(moment - seconds(1), unix_ns(moment)), instant(moment))
        heard = listening.hear(tpv(moment, leapseconds=18), instant(moment + seconds(0.1)))
    assert heard is not None
    assert "no pulse" in heard.detail
    assert abs(heard.offset_s) <= heard.uncertainty_s


@given(
    fast=st.decimals(-100_000, 100_000, places=6),
    lags=st.lists(st.integers(0, 2_000), min_size=FIXES, max_size=FIXES),
    pulse=st.booleans(),
)
def test_the_truth_is_inside_however_late_the_reports_come(fast: Decimal, lags: list[int], *, pulse: bool) -> None:
    """Up to two seconds late; with a pulse, the quickest of them within its second."""
    if pulse:
        lags = [*lags[:-1], min(lags[-1], 999)]
    listening = Listening("gpsd", local=True)
    heard = None
    for n, lag in enumerate(lags):
        moment = BEGIN + seconds(2 * n)
        if pulse:
            edge = instant(moment, fast)
            listening.hear(pps(moment, edge.realtime_ns), edge)
        heard = listening.hear(tpv(moment, leapseconds=18), instant(moment + seconds(lag / 1_000), fast))
    assert heard is not None
    assert heard.low_s <= fast <= heard.high_s


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mode": 1}, "has no fix"),
        ({"mode": 0}, "has no fix"),
        ({"status": 5}, "dead reckoning"),
        ({"status": 8}, "simulated"),
        ({"time": ""}, "tells no time"),
        ({"time": "2026-03-07T12:00:60.000Z"}, "tells no time"),
        ({"time": "2026-03-07 12:00:00Z"}, "tells no time"),
        ({"leapseconds": 15}, "15 leap seconds"),
        ({"ept": 61}, "how wrong"),
        ({"ept": "NaN"}, "how wrong"),
        ({"ept": -1}, "how wrong"),
        ({"leapseconds": 0}, "0 leap seconds"),
        ({"time": "2006-07-22T12:00:00.000Z"}, "it tells 2006-07-22, before this program existed"),
        ({"time": "2045-10-21T12:00:00.000Z"}, "it has rolled over"),
    ],
)
def test_reports_that_are_no_time(changed: dict[str, Any], words: str) -> None:
    listening = Listening("gpsd", local=True)
    for n in range(2 * FIXES):
        assert listening.hear(tpv(BEGIN + seconds(n), **changed), instant(BEGIN + seconds(n))) is None
    assert words in listening.reason
    assert listening.has_no_fix is (words == "has no fix")


@given(st.datetimes(datetime(2026, 1, 1), datetime(2045, 8, 16)), st.sampled_from([-2048, -1024, 1024, 2048]))  # noqa: DTZ001 - hypothesis wants them so
def test_every_rollover_is_refused(naive: datetime, weeks: int) -> None:
    true = naive.replace(tzinfo=UTC, microsecond=0)
    assert EARLIEST <= true < EARLIEST + ROLLOVER
    listening = Listening("gpsd", local=True)
    for n in range(FIXES):
        shown = true + timedelta(weeks=weeks, seconds=n)
        assert listening.hear(tpv(shown), instant(true + seconds(n))) is None
    assert "not believed" in listening.reason


def test_a_fix_that_is_repeated_counts_once() -> None:
    """gpsd reports as sentences come in; and a receiver may hang, showing its last fix for ever."""
    listening = Listening("gpsd", local=True)
    for n in range(20):
        assert listening.hear(tpv(BEGIN), instant(BEGIN + seconds(n / 10))) is None
    assert listening.reason == "/dev/ttyACM0 gave 1 of 3 fixes, then no other"


def test_a_lost_fix_begins_anew() -> None:
    listening = Listening("gpsd", local=True)
    moments = [BEGIN + seconds(n) for n in range(6)]
    said = [
        listening.hear(tpv(moment, mode=1 if n == 2 else 3), instant(moment)) is not None
        for n, moment in enumerate(moments)
    ]
    assert said == [False, False, False, False, False, True]


def test_a_receiver_that_jumps_is_not_believed() -> None:
    listening = Listening("gpsd", local=True)
    for n in range(10):
        told = BEGIN + seconds(n + (10 if n % 2 else 0))
        assert listening.hear(tpv(told), instant(BEGIN + seconds(n))) is None
    assert "jumps" in listening.reason


def test_the_first_receiver_that_keeps_time_is_taken() -> None:
    listening = Listening("gpsd", local=True)
    heard = None
    for n in range(FIXES):
        moment = BEGIN + seconds(n)
        assert listening.hear(tpv(moment, device="/dev/ttyS1", mode=1), instant(moment)) is None
        heard = listening.hear(tpv(moment), instant(moment))
    assert heard is not None
    assert heard.detail.startswith("/dev/ttyACM0")


def test_what_is_there_is_said() -> None:
    listening = Listening("gpsd", local=True)
    assert listening.reason == "it reports nothing"
    at = instant(BEGIN)
    listening.hear(b'{"class":"DEVICES","devices":[]}', at)
    assert listening.reason == "it has no receiver"
    listening.hear(b'{"class":"ERROR","message":"Unrecognized\\u001b[2J"}', at)
    assert listening.reason == "it complains: Unrecognized\\x1b[2J"
    listening.hear(b'{"class":"DEVICES","devices":[{"path":"/dev/ttyACM0"},{"path":"/dev/ttyS1"}]}', at)
    assert listening.reason == "/dev/ttyACM0 tells no time; /dev/ttyS1 tells no time"


def test_a_thousand_receivers_are_not_kept() -> None:
    listening = Listening("gpsd", local=True)
    for n in range(1_000):
        listening.hear(tpv(BEGIN, device=f"/dev/tty{n}", mode=1), instant(BEGIN))
    assert len(listening.reason) < 1_000


@given(
    st.binary(max_size=300)
    | st.dictionaries(
        st.sampled_from(["class", "device", "mode", "time", "ept", "status", "leapseconds", "devices", "real_sec"]),
        st.sampled_from(["TPV", "PPS", "DEVICES", "ERROR", DEVICE, "2026-03-07T12:00:00Z", "\x1b"])
        | st.integers()
        | st.floats()
        | st.none()
        | st.lists(st.dictionaries(st.just("path"), st.text(max_size=5)), max_size=2),
    ).map(lambda report: json.dumps(report).encode())
)
def test_any_line_is_judged(line: bytes) -> None:
    listening = Listening("gpsd", local=True)
    assert listening.hear(line, instant(BEGIN)) is None
    assert listening.reason.isprintable()


def test_nesting_does_not_exhaust_it() -> None:
    listening = Listening("gpsd", local=True)
    assert listening.hear(b'{"class":' + b"[" * 60_000, instant(BEGIN)) is None


def test_the_watch_is_one_line_of_json() -> None:
    verb, _, request = WATCH.decode().partition("=")
    assert verb == "?WATCH"
    assert json.loads(request.rstrip(";\n")) == {"enable": True, "json": True, "pps": True}
