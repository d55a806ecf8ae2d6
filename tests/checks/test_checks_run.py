"""All checks together: a good reading passes, one thing wrong fails what it should, bad data never raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks import RuleSet, Subject, describe, load_rule_set, rule_set_names, run_checks
from agent.checks.run import CHECKS
from agent.history import History, PastMultiplier, PastPeriod, PastRegister, Usual, before_of
from agent.reading import CheckResult
from drivers.data import ClockSample, Event, Identity, IntervalBlock, MeterData, MeterStatus, Problem
from tests.checks.good_subject import (
    PRESENT,
    START,
    counted,
    failing,
    good_clock,
    good_register,
    good_subject,
    only,
    outcomes,
    with_before,
    with_block,
    with_data,
    with_history,
    with_interval,
    with_register,
)

RULE_SETS = [load_rule_set(name) for name in rule_set_names()]
UBP = load_rule_set("ubp-2000")
NAMES = [check.name for check in CHECKS]


def cut_last_interval(block: IntervalBlock) -> IntervalBlock:
    return replace(block, counts=block.counts[:-1], values=block.values[:-1], status=block.status[:-1])


def drop_block(subject: Subject, index: int) -> Subject:
    return with_data(subject, blocks=tuple(block for k, block in enumerate(subject.data.blocks) if k != index))


def received(subject: Subject, raw: str) -> Subject:
    """Change the register of received kWh, which no channel of two records."""
    return with_register(subject, 5, raw)


def wrong_channel_multiplier(subject: Subject) -> Subject:
    blocks = tuple(
        replace(block, multiplier=Decimal("0.5"), values=tuple(None if v is None else 2 * v for v in block.values))
        if block.channel == 1
        else block
        for block in subject.data.blocks
    )
    return with_data(subject, blocks=blocks)


def last_year(subject: Subject, **figures: Decimal) -> Subject:
    assert subject.history is not None
    return with_history(subject, periods=(msgspec.structs.replace(subject.history.periods[0], **figures),))


def last_year_usage(subject: Subject, percent: str) -> Subject:
    """Let the present usage be so many percent of last year's."""
    assert subject.history is not None
    usage = subject.history.periods[0].usage
    assert usage is not None
    return last_year(subject, usage=usage / Decimal(percent) * 100)


def idle_interval(subject: Subject, reactive_pulses: int) -> Subject:
    """Let interval 9 have no active energy, and so many pulses of reactive energy."""
    return counted(with_interval(with_interval(subject, 0, 9, count=0), 3, 9, count=reactive_pulses))


def firmware(subject: Subject) -> Subject:
    return with_data(subject, identity=replace(subject.data.identity, firmware_version="5.3"))


def stopped_clock(subject: Subject) -> Subject:
    assert subject.data.clock is not None
    return with_before(subject, meter_time=subject.data.clock.meter_time)


SPOILED: dict[str, tuple[Callable[[Subject], Subject], set[str]]] = {
    "agent clock 60.001 s": (lambda s: replace(s, clock=good_clock(uncertainty_s=Decimal("59.997"))), {"agent_clock"}),
    "wrong id": (lambda s: with_data(s, identity=Identity(meter_id="12345679")), {"meter_id_internal"}),
    "wrong nameplate": (lambda s: replace(s, nameplate_id="12345679"), {"meter_id_external"}),
    "meter clock 180.001 s": (
        lambda s: replace(s, clock=good_clock(meter_offset_s=Decimal("180.001"))),
        {"meter_clock"},
    ),
    "one digit": (lambda s: replace(s, dials=4), {"dial_count"}),
    "one decimal": (lambda s: replace(s, decimals=3), {"demand_decimals"}),
    "one tier": (lambda s: with_data(s, registers=(*s.data.registers, good_register("4", tier=3))), {"tou_sum"}),
    "last interval": (lambda s: with_block(s, 2, cut_last_interval), {"interval_count"}),
    "older last read": (lambda s: replace(s, last_read_at=START - timedelta(minutes=15)), {"interval_count"}),
    "lost block": (lambda s: drop_block(s, 1), {"interval_count", "missing_intervals"}),
    "block twice": (lambda s: with_data(s, blocks=(*s.data.blocks, s.data.blocks[0])), {"missing_intervals"}),
    "no value": (lambda s: with_interval(s, 1, 9, count=None, status=("missing",)), {"missing_intervals"}),
    "overflow flag": (lambda s: with_interval(s, 1, 9, status=("overflow",)), {"pulse_overflow"}),
    "test interval": (lambda s: with_interval(s, 1, 9, status=("test_mode",)), {"test_mode"}),
    "in test mode": (lambda s: with_data(s, status=MeterStatus(("test",), ())), {"test_mode"}),
    "spike of the load": (lambda s: counted(with_interval(s, 1, 9, count=73)), {"spike"}),
    "spike of the recorder": (lambda s: with_interval(s, 1, 9, count=73), {"spike", "sum_check"}),
    "low battery": (lambda s: with_data(s, status=MeterStatus(("metering",), ("low_battery",))), {"meter_diagnostics"}),
    "lost phase": (lambda s: with_data(s, status=MeterStatus(("metering",), ("low_loss_potential",))), {"phase_loss"}),
    "lost table": (lambda s: with_data(s, problems=(Problem("ST76", "refused"),)), {"table_data"}),
    "backwards": (lambda s: received(s, "50999"), {"register_advance"}),
    "register jumps": (lambda s: with_register(s, 4, "41003"), {"sum_check"}),
    "multiplier on record": (
        lambda s: with_history(s, multipliers=(PastMultiplier(multiplier=Decimal(80)),)),
        {"configuration_change"},
    ),
    "channel multiplier": (wrong_channel_multiplier, {"configuration_change", "sum_check"}),
    "firmware": (firmware, {"configuration_change"}),
    "constants": (lambda s: with_data(s, constants={"source 0 MULTIPLIER": "80"}), {"configuration_change"}),
    "channels on record": (lambda s: with_history(s, channels=3), {"channel_count"}),
    "usage 200.001 %": (lambda s: last_year_usage(s, "200.001"), {"high_low_usage"}),
    "usage 39.999 %": (lambda s: last_year_usage(s, "39.999"), {"high_low_usage"}),
    "low demand": (lambda s: last_year(s, peak_demand=Decimal("30.851")), {"high_low_demand"}),
    "high demand": (lambda s: last_year(s, peak_demand=Decimal("6.169")), {"high_low_demand"}),
    "reactive alone": (lambda s: idle_interval(s, 5), {"reactive"}),
    "clock stands still": (stopped_clock, {"stale_snapshot"}),
}

UNHARMED: dict[str, Callable[[Subject], Subject]] = {
    "agent clock 60 s": lambda s: replace(s, clock=good_clock(uncertainty_s=Decimal("59.996"))),
    "meter clock 180 s": lambda s: replace(s, clock=good_clock(meter_offset_s=Decimal(-180))),
    "one tier": lambda s: with_data(s, registers=(*s.data.registers, good_register("3", tier=3))),
    "outage": lambda s: with_interval(s, 1, 9, status=("power_outage", "partial")),
    "clock set": lambda s: with_interval(s, 1, 9, status=("clock_adjusted", "long")),
    "no spike": lambda s: counted(with_interval(s, 1, 9, count=72)),
    "two multipliers": lambda s: with_register(s, 4, "41002"),
    "two multipliers less": lambda s: with_register(s, 4, "40998"),
    "register stands still": lambda s: received(s, "51000"),
    "usage 200 %": lambda s: last_year_usage(s, "200"),
    "usage 40 %": lambda s: last_year_usage(s, "40"),
    "demand 40 %": lambda s: last_year(s, peak_demand=Decimal("30.85")),
    "demand 200 %": lambda s: last_year(s, peak_demand=Decimal("6.17")),
    "reactive 4 pulses": lambda s: idle_interval(s, 4),
    "blocks in any order": lambda s: with_data(s, blocks=s.data.blocks[::-1]),
}


@settings(max_examples=25, deadline=None)
@given(
    intervals=st.integers(1, 400),
    channels=st.integers(1, 4),
    interval_s=st.sampled_from([60, 300, 900, 1800, 3600]),
    rules=st.sampled_from(RULE_SETS),
)
def test_a_reading_that_satisfies_every_rule_passes_all(
    intervals: int, channels: int, interval_s: int, rules: RuleSet
) -> None:
    results = run_checks(good_subject(intervals, channels=channels, interval_s=interval_s), rules)
    assert list(dict.fromkeys(result.check for result in results)) == NAMES
    unheard = {"implausible_jump"}  # of one-way telemetry only
    if channels == 1:
        unheard.add("reactive")
    if intervals * interval_s + 60 < rules.stale_snapshot.least_s:
        unheard.add("stale_snapshot")
    assert {check for check, outcome in outcomes(results).items() if outcome != "pass"} == unheard


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.name)
def test_one_thing_wrong_fails_what_it_should(what: str, rules: RuleSet) -> None:
    spoil, expected = SPOILED[what]
    if rules.name == "pge-direct-access" and what in {"last interval", "older last read"}:
        expected = set()  # one interval off: less than five
    assert failing(run_checks(spoil(good_subject()), rules)) == expected


@pytest.mark.parametrize("what", UNHARMED)
def test_at_the_boundary_nothing_fails(what: str) -> None:
    assert failing(run_checks(UNHARMED[what](good_subject()), UBP)) == set()


FLAGS = {
    "overflow": {"pulse_overflow"},
    "test_mode": {"test_mode"},
    "power_outage": set(),
    "clock_adjusted": set(),
    "daylight_saving": set(),
}


@settings(max_examples=60, deadline=None)
@given(
    channel=st.integers(0, 3),
    interval=st.integers(0, 199),
    word=st.sampled_from(sorted(FLAGS)),
    rules=st.sampled_from(RULE_SETS),
)
def test_one_flag_anywhere_fails_its_check_there(channel: int, interval: int, word: str, rules: RuleSet) -> None:
    subject = with_interval(good_subject(channels=4), 3 * channel + interval // 96, interval % 96, status=(word,))
    results = run_checks(subject, rules)
    assert failing(results) == FLAGS[word]
    for result in results:
        if result.outcome == "fail":
            assert (result.channel, result.intervals) == (channel + 1, (interval,))


@settings(max_examples=60, deadline=None)
@given(channel=st.integers(0, 3), interval=st.integers(0, 199), rules=st.sampled_from(RULE_SETS))
def test_one_missing_interval_anywhere_fails_its_check_there(channel: int, interval: int, rules: RuleSet) -> None:
    block, k = 3 * channel + interval // 96, interval % 96
    subject = with_interval(good_subject(channels=4), block, k, count=None, status=("missing",))
    results = run_checks(subject, rules)
    assert failing(results) == {"missing_intervals"}
    assert only(results, "missing_intervals").intervals == (interval,)


@settings(max_examples=60, deadline=None)
@given(
    milliseconds=st.integers(-400_000, 400_000) | st.sampled_from([180_000, 180_001, -180_000, -180_001]),
    rules=st.sampled_from(RULE_SETS),
)
def test_the_meters_clock_fails_beyond_180_s_and_nowhere_else(milliseconds: int, rules: RuleSet) -> None:
    subject = replace(good_subject(20), clock=good_clock(meter_offset_s=Decimal(milliseconds).scaleb(-3)))
    assert failing(run_checks(subject, rules)) == ({"meter_clock"} if abs(milliseconds) > 180_000 else set())


@settings(max_examples=60, deadline=None)
@given(
    percent=st.decimals(1, 400, places=3) | st.sampled_from(list(map(Decimal, ["39.999", "40", "200", "200.001"]))),
    rules=st.sampled_from(RULE_SETS),
)
def test_usage_fails_outside_40_to_200_percent_and_nowhere_else(percent: Decimal, rules: RuleSet) -> None:
    subject = good_subject(20)
    assert subject.history is not None
    (register,), (period,) = subject.history.registers, subject.history.periods
    earlier = msgspec.structs.replace(register, value=PRESENT[0] - 10 * percent)
    past = msgspec.structs.replace(period, usage=Decimal(1000))
    subject = with_history(subject, registers=(earlier,), periods=(past,))
    expected = set() if 40 <= percent <= 200 else {"high_low_usage"}
    assert failing(run_checks(subject, rules)) == expected


@settings(max_examples=60, deadline=None)
@given(digits=st.integers(1, 12), dials=st.integers(1, 12), rules=st.sampled_from(RULE_SETS))
def test_one_digit_more_than_dials_fails(digits: int, dials: int, rules: RuleSet) -> None:
    register = good_register("9" * digits, direction="total")
    subject = replace(with_data(good_subject(20), registers=(register,)), dials=dials, history=None, before=None)
    assert failing(run_checks(subject, rules)) == ({"dial_count"} if digits > dials else set())
    known = with_data(subject, registers=(replace(register, digits=digits),))
    assert failing(run_checks(known, rules)) == ({"dial_count"} if digits != dials else set())


INDEPENDENT = [
    "agent clock 60.001 s",
    "wrong id",
    "wrong nameplate",
    "one digit",
    "one decimal",
    "one tier",
    "lost block",
    "in test mode",
    "lost table",
    "channels on record",
    "multiplier on record",
    "low demand",
]


@given(chosen=st.lists(st.sampled_from(INDEPENDENT), unique=True))
@settings(max_examples=40, deadline=None)
def test_no_failure_hides_another(chosen: list[str]) -> None:
    subject = good_subject()
    expected: set[str] = set()
    for what in chosen:
        spoil, fails = SPOILED[what]
        subject, expected = spoil(subject), expected | fails
    assert failing(run_checks(subject, UBP)) == expected


def test_every_result_names_rule_set_and_clause_and_every_skip_its_reason() -> None:
    bare = Subject(MeterData(Identity(""), "", "manual"), good_clock(), START, START)
    for rules in RULE_SETS:
        for subject in (good_subject(), bare, *(spoil(good_subject()) for spoil, _ in SPOILED.values())):
            for result in run_checks(subject, rules):
                assert result.rule_set == rules.name
                assert result.clause
                assert result.outcome == "pass" or result.reason
                assert result.intervals != ()


@dataclass(frozen=True)
class Odd:
    """How odd the data of a property test may be: what a driver could return, or what no driver should."""

    times: st.SearchStrategy[datetime]
    numbers: st.SearchStrategy[Decimal]


def utc_times(first: int, last: int) -> st.SearchStrategy[datetime]:
    bounds = (datetime(year, 6, 1, tzinfo=UTC).replace(tzinfo=None) for year in (first, last))
    return st.datetimes(*bounds, timezones=st.just(UTC))


POSSIBLE = Odd(utc_times(1900, 2300), st.decimals(-(10**20), 10**20, places=6))
ABSURD = Odd(utc_times(1, 9999), st.decimals(allow_nan=True, allow_infinity=True))
WORDS = ["overflow", "missing", "partial", "test_mode", "power_outage", "clock_adjusted"]


def blocks_of(odd: Odd) -> st.SearchStrategy[IntervalBlock]:
    return st.builds(
        IntervalBlock,
        channel=st.integers(-1, 3),
        quantity=st.sampled_from(["kWh", "kvarh", "V", ""]),
        direction=st.sampled_from(["delivered", "net"]),
        unit=st.sampled_from(["kWh", "kvarh", ""]),
        interval_s=st.sampled_from([-1, 0, 1, 900, 86_400]),
        first_interval_end=odd.times,
        counts=st.lists(st.none() | st.integers(-(2**70), 2**70) | odd.numbers, max_size=5).map(tuple),
        multiplier=odd.numbers,
        values=st.just(()),
        status=st.lists(st.lists(st.sampled_from(WORDS), max_size=2).map(tuple), max_size=5).map(tuple),
        maximum_count=st.none() | st.integers(0, 255),
    )


@st.composite
def periods_of(draw: st.DrawFn, odd: Odd) -> PastPeriod:
    start, end = sorted((draw(odd.times), draw(odd.times)))
    end = max(end, start + timedelta(microseconds=1))
    return PastPeriod(start=start, end=end, usage=draw(st.decimals(0, 10**9, places=3)), peak_demand=Decimal(5))


@st.composite
def subjects(draw: st.DrawFn, odd: Odd) -> Subject:
    raw = st.text(max_size=6) | st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", fullmatch=True)
    registers = tuple(
        replace(good_register("1", tier=tier, kind="demand" if tier == 3 else "cumulative"), raw=draw(raw))
        for tier in range(draw(st.integers(0, 4)))
    )
    maybe = st.none() | odd.numbers
    data = MeterData(
        Identity(draw(st.text(max_size=3))),
        "",
        registers=registers,
        blocks=tuple(draw(st.lists(blocks_of(odd), max_size=4))),
        clock=ClockSample(draw(odd.times), 0, 0, Decimal(0), Decimal(0), Decimal(0)),
        has_clock=True,
        method=draw(st.sampled_from(["optical", "manual", "modem", "radio"])),
        events=(Event(draw(st.none() | odd.times), 44, ""),),
    )
    past = st.builds(PastRegister, quantity=st.just("kWh"), value=st.decimals(0, 10**9, places=3), at=odd.times)
    history = History(
        registers=tuple(draw(st.lists(past, max_size=1))),
        periods=tuple(draw(st.lists(periods_of(odd), max_size=1))),
        multipliers=(PastMultiplier(multiplier=Decimal(2)),),
        channels=draw(st.none() | st.integers(0, 9)),
        service_limit=draw(st.none() | st.decimals("0.001", 10**6, places=3)),
        usual=Usual(spike_ratio=draw(st.none() | st.decimals(0, 9, places=1)), usage_low=Decimal(90)),
    )
    before = before_of(replace(data, registers=tuple(replace(r, raw=draw(raw)) for r in registers)), draw(odd.times))
    clock = good_clock(
        meter_offset_s=draw(maybe),
        meter_offset_uncertainty_s=draw(maybe),
        offset_s=draw(maybe),
        uncertainty_s=draw(maybe),
    )
    return Subject(
        data,
        clock,
        draw(odd.times),
        draw(odd.times),
        expected_meter_id=draw(st.none() | st.text(max_size=3)),
        last_read_at=draw(st.none() | odd.times),
        dials=draw(st.none() | st.integers(1, 18)),
        decimals=2,
        history=draw(st.none() | st.just(history)),
        before=draw(st.none() | st.just(before)),
    )


@settings(max_examples=150, deadline=None)
@given(subject=subjects(POSSIBLE))
def test_whatever_a_driver_returns_is_judged(subject: Subject) -> None:
    for rules in RULE_SETS:
        results = run_checks(subject, rules)
        assert list(dict.fromkeys(result.check for result in results)) == NAMES
        assert not [result for result in results if "broke on these data" in (result.reason or "")]
        assert all(describe(result) for result in results)


@settings(max_examples=100, deadline=None)
@given(subject=subjects(ABSURD))
def test_absurd_data_never_raise(subject: Subject) -> None:
    results = run_checks(subject, UBP)
    assert list(dict.fromkeys(result.check for result in results)) == NAMES


LEAP = datetime(2017, 1, 1, tzinfo=UTC)  # the second before was a leap second, which no time of day here shows


def at_leap_second(subject: Subject) -> Subject:
    """Let a clock that counted the leap second be read one second late, at the boundary of an interval."""
    blocks = tuple(
        replace(block, first_interval_end=LEAP - (START + timedelta(minutes=15 * 8) - block.first_interval_end))
        for block in subject.data.blocks
    )
    sample = ClockSample(LEAP - timedelta(seconds=1), 0, 0, Decimal(0), Decimal(0), Decimal(1))
    moved = replace(with_data(subject, blocks=blocks, clock=sample), read_started_at=LEAP, read_at=LEAP)
    begin = LEAP - timedelta(minutes=15 * 8)
    clock = good_clock(meter_offset_s=Decimal(-1))
    moved = replace(moved, last_read_at=begin, history=None, clock=clock)
    return with_before(moved, read_at=begin, meter_time=begin)


ODD_SHAPES: dict[str, Callable[[], Subject]] = {
    "empty profile": lambda: with_data(good_subject(), blocks=()),
    "a block of nothing": lambda: with_block(good_subject(), 0, lambda b: replace(b, counts=(), values=(), status=())),
    "one interval": lambda: good_subject(1),
    "no history": lambda: replace(good_subject(), history=None, before=None),
    "no values": lambda: with_data(
        good_subject(), registers=tuple(replace(r, value=None, raw="") for r in good_subject().data.registers)
    ),
    "negative usage": lambda: received(with_register(good_subject(), 0, "-5"), "-5"),
    "read before everything on record": lambda: replace(good_subject(), read_at=START - timedelta(days=900)),
    "read in the far future": lambda: replace(good_subject(), read_at=START + timedelta(days=36_500)),
    "no identity": lambda: with_data(good_subject(), identity=Identity("")),
    "empty order": lambda: replace(good_subject(), history=History(), last_read_at=None, dials=None, decimals=None),
}


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.name)
def test_odd_shapes_are_judged_or_skipped_with_a_reason(shape: str, rules: RuleSet) -> None:
    results = run_checks(ODD_SHAPES[shape](), rules)
    assert list(dict.fromkeys(result.check for result in results)) == NAMES
    for result in results:
        assert "broke on these data" not in (result.reason or "")
        assert result.outcome == "pass" or result.reason
        assert len(result.reason or "") < 1000


def test_a_leap_second_is_no_missing_interval() -> None:
    """The last interval ends a second after the read by the meter's own clock: it may be in the data, or not."""
    for had_it in (True, False):
        subject = at_leap_second(good_subject(8, channels=1))
        if not had_it:
            subject = with_block(subject, 0, cut_last_interval)
        seconds = timedelta(seconds=2)
        subject = replace(subject, read_started_at=LEAP - seconds, read_at=LEAP)
        assert "interval_count" not in failing(run_checks(subject, UBP))


def test_a_check_that_breaks_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
        raise ZeroDivisionError("nothing to divide by")

    position = NAMES.index("spike")
    checks = (*CHECKS[:position], replace(CHECKS[position], judge=broken), *CHECKS[position + 1 :])
    monkeypatch.setattr("agent.checks.run.CHECKS", checks)
    results = run_checks(good_subject(), UBP)
    assert failing(results) == {"spike"}
    assert "ZeroDivisionError: nothing to divide by" in (only(results, "spike").reason or "")


def described(subject: Subject, check: str) -> str:
    return describe(only(run_checks(subject, UBP), check))


def test_sentences_say_what_is_wrong_and_what_to_do() -> None:
    slow = replace(good_subject(), clock=good_clock(meter_offset_s=Decimal("-200.5")))
    assert described(slow, "meter_clock") == (
        "Meter clock: the meter's clock is 200.5 s slow; "
        "the meter's clock must be set (only if the order authorises it), else report an anomaly."
    )
    assert described(good_subject(), "meter_clock") == "Meter clock: in order (-1.3 s, limit 180 s)."
    assert described(good_subject(), "meter_id_internal") == "Internal meter id: in order (12345678)."
    remote = replace(with_data(good_subject(), method="modem"), nameplate_id=None)
    assert (
        described(remote, "meter_id_external")
        == "External meter id: not checked, no nameplate id: read remotely, nobody is at the meter."
    )
    outage = with_interval(good_subject(), 0, 1, status=("power_outage",))
    assert described(outage, "power_outage") == (
        "Power outages, channel 1: in order; 1 interval with a power failure: not for interpolation or reference days."
    )
    verified = replace_outcome(only(run_checks(replace(good_subject(), dials=4), UBP), "dial_count"))
    assert "failed, but a second reading gave the same (5 digits, limit 4 digits)" in describe(verified)
    assert describe(CheckResult("new_check", "pass", "x", "y")) == "New check: in order."


def replace_outcome(result: CheckResult) -> CheckResult:
    return msgspec.structs.replace(result, outcome="verified")
