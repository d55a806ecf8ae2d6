"""The sum check: the worked figures of UBP A4 1.4.3 and 5.2, its boundaries, and what it cannot judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks import RuleSet, Subject, load_rule_set, run_checks
from agent.checks.sum_check import increments
from agent.history import History, PastRegister
from agent.reading import CheckResult
from drivers.data import IntervalBlock
from drivers.decimal_text import plain
from tests.checks.good_subject import (
    START,
    good_block,
    good_register,
    good_subject,
    only,
    with_before,
    with_block,
    with_data,
    with_history,
    with_register,
)

UBP, CPUC, PGE = (load_rule_set(name) for name in ("ubp-2000", "cpuc-d97-12-048", "pge-direct-access"))
FIRST_END = datetime(1998, 5, 1, 16, tzinfo=UTC)  # of the interval that begins at 3 PM
HOUR = timedelta(hours=1)


def judged(subject: Subject, rules: RuleSet = UBP) -> CheckResult:
    return only(run_checks(subject, rules), "sum_check")


def hourly(counts: tuple[int | None, ...], multiplier: str = "1") -> IntervalBlock:
    scale = Decimal(multiplier)
    return replace(
        good_block(FIRST_END, len(counts), interval_s=3600),
        counts=counts,
        values=tuple(None if count is None else count * scale for count in counts),
        status=tuple(() if count is not None else ("missing",) for count in counts),
        multiplier=scale,
    )


def read(block: IntervalBlock, start: str, stop: str, at: tuple[datetime, datetime], **changes: Any) -> Subject:
    """Return a visit with one channel; the registers hold `start` and `stop`, read at two times."""
    multiplier = changes.pop("multiplier", Decimal(1))
    register = replace(good_register(stop), multiplier=multiplier, value=Decimal(stop) * multiplier, **changes)
    subject = with_data(good_subject(), registers=(register,), blocks=(block,), clock=None)
    past = PastRegister(quantity="kWh", value=Decimal(start) * multiplier, at=at[0])
    return replace(
        subject,
        history=History(registers=(past,)),
        before=None,
        last_read_at=at[0],
        read_started_at=at[1],
        read_at=at[1],
    )


class TestTheWorkedFigures:
    """Read at 3:30 PM, first hourly interval 240 kWh; read again at 11:15 AM, last interval 120 kWh."""

    COUNTS = (240, *[100] * 18, 120)
    TIMES = (FIRST_END - HOUR / 2, FIRST_END + 19 * HOUR + HOUR / 4)

    @pytest.mark.parametrize(("multiplier", "back", "start"), [(1, 120, 55435), (80, 1, 55554)])
    def test_the_start_read_is_put_back_by_whole_increments(self, multiplier: int, back: int, start: int) -> None:
        found = increments(Fraction(240), Fraction(1, 2), Fraction(multiplier))
        assert (int(found), 55555 - int(found)) == (back, start)

    @pytest.mark.parametrize(("multiplier", "margin"), [(1, Fraction(30)), (80, Fraction(375, 1000))])
    def test_the_margin_is_widened_by_the_part_of_an_interval_after_the_last(
        self, multiplier: int, margin: Fraction
    ) -> None:
        assert increments(Fraction(120), Fraction(1, 4), Fraction(multiplier)) == margin

    @pytest.mark.parametrize(
        ("more", "outcome"), [(-33, "fail"), (-32, "pass"), (0, "pass"), (32, "pass"), (33, "fail")]
    )
    def test_redone_with_both(self, more: int, outcome: str) -> None:
        stop = 55435 + sum(self.COUNTS) + more
        result = judged(read(hourly(self.COUNTS), "55555", str(stop), self.TIMES))
        assert result.outcome == outcome
        assert f"failed by {abs(120 - more)} kWh at first" in (result.reason or "") or outcome == "fail"
        if outcome == "pass":
            assert (result.measured, result.limit, result.unit) == (str(abs(more)), "32", "kWh")
            assert "passes when redone: (a) start read put back by 120 kWh" in (result.reason or "")
        else:
            assert (result.measured, result.limit) == (str(abs(120 - more)), "2")
            assert f"redone (a) start read put back by 120 kWh, to the begin of its interval: {abs(more)} of 32" in (
                result.reason or ""
            )

    @pytest.mark.parametrize(
        ("more", "outcome"), [("240", "pass"), ("241", "fail"), ("-190", "pass"), ("-191", "fail")]
    )
    def test_a_multiplier_of_80(self, more: str, outcome: str) -> None:
        """As it is, 2 increments, 160 kWh; put back by 1 increment, 2 + 0.375 increments, 190 kWh."""
        stop = (Decimal(55554) * 80 + sum(self.COUNTS) + Decimal(more)) / 80
        result = judged(read(hourly(self.COUNTS), "55555", str(stop), self.TIMES, multiplier=Decimal(80)))
        assert result.outcome == outcome

    def test_the_rule_set_decides_whether_it_is_redone(self) -> None:
        subject = read(hourly(self.COUNTS), "55555", str(55435 + sum(self.COUNTS)), self.TIMES)
        strict = msgspec.structs.replace(UBP, sum_check=msgspec.structs.replace(UBP.sum_check, redo=()))
        assert judged(subject, strict).outcome == "fail"

    def test_a_rollover_at_the_dials(self) -> None:
        """Start 99968, stop 00294 on 5 dials: 326."""
        times = (FIRST_END - HOUR, FIRST_END + 2 * HOUR)
        block = hourly((100, 126, 100))
        result = judged(read(block, "99968", "00294", times, digits=5))
        assert (result.outcome, result.measured) == ("pass", "0")
        assert "rolled over" in (result.reason or "")
        by_order = replace(read(block, "99968", "00294", times), dials=5)
        assert judged(by_order).outcome == "pass"
        unknown = replace(read(block, "99968", "00294", times), dials=None)
        assert (judged(unknown).outcome, judged(unknown).measured) == ("skipped", None)


class TestTheBoundary:
    """At the end of an interval nothing is prorated: so many multipliers, and no more."""

    TIMES = (FIRST_END - HOUR, FIRST_END + 9 * HOUR)
    COUNTS = tuple(range(100, 110))

    @pytest.mark.parametrize(
        ("rules", "multipliers"), [(UBP, 2), (CPUC, 1), (PGE, 2)], ids=lambda rules: str(rules)[:20]
    )
    @pytest.mark.parametrize("multiplier", ["1", "80", "2.5"])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_so_many_multipliers(self, rules: RuleSet, multipliers: int, multiplier: str, sign: int) -> None:
        scale = Decimal(multiplier)
        used = sum(self.COUNTS) * min(scale, Decimal(1))
        for off, outcome in ((Decimal(multipliers), "pass"), (multipliers + Decimal("0.001"), "fail")):
            stop = 50_000 + used / scale + sign * off
            block = hourly(self.COUNTS, str(min(scale, Decimal(1))))
            result = judged(read(block, "50000", str(stop), self.TIMES, multiplier=scale), rules)
            assert (result.outcome, result.limit) == (outcome, plain(multipliers * scale))
            assert result.clause == rules.sum_check.clause

    def test_a_pulse_that_is_worth_more_than_a_step_of_the_register(self) -> None:
        block = hourly(self.COUNTS, "2.4")
        used = sum(self.COUNTS) * Decimal("2.4")
        result = judged(read(block, "50000", str(50_000 + used + Decimal("4.8")), self.TIMES))
        assert (result.outcome, result.measured, result.limit) == ("pass", "4.8", "4.8")
        assert "one pulse, 2.4 kWh, stands for the multiplier" in (result.reason or "")

    @pytest.mark.parametrize(("off", "outcome"), [("2", "pass"), ("2.001", "fail")])
    def test_a_register_that_is_read_in_finer_steps(self, off: str, outcome: str) -> None:
        """Its multiplier for kWh is 1: that of the display, not that of the last digit of its store."""
        block, scale = hourly(self.COUNTS), Decimal("0.001")
        stop = (50_000 + sum(self.COUNTS) + Decimal(off)) / scale
        result = judged(read(block, "50000000", str(stop), self.TIMES, multiplier=scale))
        assert (result.outcome, result.measured, result.limit) == (outcome, off, "2")
        exact = msgspec.structs.replace(
            UBP, sum_check=msgspec.structs.replace(UBP.sum_check, least_multiplier=Decimal(0))
        )
        wh = hourly(tuple(count * 1000 for count in self.COUNTS), "0.001")
        stop = (50_000 + sum(self.COUNTS)) / scale
        for more, found in ((2, "pass"), (3, "fail")):
            result = judged(read(wh, "50000000", str(stop + more), self.TIMES, multiplier=scale), exact)
            assert (result.outcome, result.limit) == (found, "0.002")

    def test_a_register_in_wh_and_a_channel_in_kwh(self) -> None:
        block = hourly(self.COUNTS)
        subject = read(block, "50000000", str(50_000_000 + 1000 * sum(self.COUNTS) + 2000), self.TIMES)
        (register,) = subject.data.registers
        subject = with_data(subject, registers=(replace(register, quantity="Wh", unit="Wh"),))
        subject = with_history(
            subject, registers=(PastRegister(quantity="Wh", value=Decimal(50_000_000), at=self.TIMES[0]),)
        )
        assert (judged(subject).outcome, judged(subject).measured, judged(subject).unit) == ("pass", "2000", "Wh")


class TestMissingIntervals:
    TIMES = (FIRST_END - HOUR, FIRST_END + 9 * HOUR)

    @pytest.mark.parametrize(("more", "outcome"), [(0, "pass"), (2, "pass"), (3, "fail"), (-2, "pass"), (-3, "fail")])
    def test_the_difference_is_scaled_by_the_share_of_good_intervals(self, more: int, outcome: str) -> None:
        """9 of 10 intervals: nine tenths of the difference against their sum."""
        block = hourly((100, 100, 100, None, *[100] * 5, 100 + more))
        result = judged(read(block, "50000", "51000", self.TIMES))
        assert result.outcome == outcome
        assert "(b) difference scaled by 9 of 10 intervals that are good" in (result.reason or "")
        assert (result.measured, result.limit) == (
            (str(abs(more)), "2") if outcome == "pass" else (str(100 - more), "2")
        )

    @pytest.mark.parametrize("word", ["partial", "overflow", "skipped", "test_mode"])
    def test_incomplete_intervals_are_not_good(self, word: str) -> None:
        block = hourly((100,) * 10)
        block = replace(block, counts=(*block.counts[:9], 3), status=(*[()] * 9, (word,)))
        result = judged(read(block, "50000", "51000", self.TIMES))
        assert (result.outcome, result.measured) == ("pass", "0")

    def test_an_interval_that_is_there_twice_counts_once(self) -> None:
        block = hourly((100,) * 10)
        subject = read(block, "50000", "51000", self.TIMES)
        twice = with_data(subject, blocks=(block, replace(block, counts=block.counts[:3], status=block.status[:3])))
        assert (judged(twice).outcome, judged(twice).measured) == ("pass", "0")

    def test_intervals_after_the_last_that_is_there_are_missing(self) -> None:
        block = hourly((100,) * 7)
        result = judged(read(block, "50000", "51000", self.TIMES))
        assert result.outcome == "pass"
        assert "7 of 10" in (result.reason or "")

    def test_nothing_good_is_skipped(self) -> None:
        result = judged(read(hourly((None,) * 10), "50000", "51000", self.TIMES))
        assert (result.outcome, result.measured) == ("skipped", None)
        assert "none of 10 intervals is good" in (result.reason or "")


class TestWhichReadsAreCompared:
    def test_the_oldest_earlier_read_whose_intervals_are_there(self) -> None:
        """The order's read is older than the data; the agent's own last read is at their begin."""
        subject = good_subject()
        assert judged(subject).outcome == "pass"
        later = with_history(
            subject, registers=(PastRegister(quantity="kWh", value=Decimal(0), at=START + timedelta(hours=10)),)
        )
        assert judged(later).outcome == "pass"

    def test_intervals_that_were_not_asked_for_are_not_missing(self) -> None:
        subject = replace(good_subject(channels=1), before=None)
        result = judged(subject)
        assert result.outcome == "skipped"
        assert "the intervals were read from 2026-03-01T00:00:00Z on, and the start read is of 2026-01-30" in (
            result.reason or ""
        )

    def test_without_any_earlier_read(self) -> None:
        assert "no earlier reading" in (judged(replace(good_subject(), history=None, before=None)).reason or "")

    def test_what_another_meter_read_is_not_compared(self) -> None:
        subject = with_before(replace(good_subject(), history=None), meter_id="99")
        assert "of another meter, 99" in (judged(subject).reason or "")

    def test_reads_within_one_interval(self) -> None:
        subject = read(hourly((1,)), "5", "5", (FIRST_END + HOUR / 4, FIRST_END + HOUR / 2))
        assert "no interval lies between the reads" in (judged(subject).reason or "")

    def test_two_channels_of_one_kind_are_not_told_apart(self) -> None:
        subject = good_subject(channels=1)
        twin = tuple(replace(block, channel=2) for block in subject.data.blocks)
        result = judged(with_data(subject, blocks=(*subject.data.blocks, *twin)))
        assert "several channels record kWh delivered" in (result.reason or "")

    def test_without_intervals_or_energy(self) -> None:
        assert judged(with_data(good_subject(), blocks=())).outcome == "skipped"
        volts = with_block(good_subject(intervals=9, channels=1), 0, lambda b: replace(b, quantity="V", unit="V"))
        assert judged(volts).reason == "no channel records energy"

    @pytest.mark.parametrize("change", [{"multiplier": Decimal(0)}, {"multiplier": Decimal("NaN")}, {"interval_s": 0}])
    def test_a_channel_that_cannot_be_added_up(self, change: dict[str, Any]) -> None:
        subject = with_block(good_subject(intervals=9, channels=1), 0, lambda block: replace(block, **change))
        assert judged(subject).outcome == "skipped"


class TestBlockReadings:
    """Where no earlier read is on record, the readings that the meter keeps at the ends of its blocks serve."""

    @staticmethod
    def subject(*ends: str | None) -> Subject:
        subject = replace(good_subject(192, channels=1), history=None, before=None)
        blocks = tuple(
            replace(
                block, start_register=None if a is None else Decimal(a), stop_register=None if b is None else Decimal(b)
            )
            for block, a, b in zip(subject.data.blocks, ends, ends[1:], strict=False)
        )
        return with_data(subject, blocks=blocks)

    @pytest.mark.parametrize(("last", "outcome"), [("1101.5", "pass"), ("1103.5", "pass"), ("1103.501", "fail")])
    def test_a_run_of_blocks(self, last: str, outcome: str) -> None:
        result = judged(self.subject("0", "550.75", last))  # 2203 pulses of 0.25 kWh a day
        assert (result.outcome, result.limit) == (outcome, "2")
        assert "2 blocks in a row" in (result.reason or "")

    def test_blocks_without_readings(self) -> None:
        assert judged(self.subject("0", None, "1101.5")).outcome == "skipped"

    def test_a_counter_that_began_afresh_is_left_out(self) -> None:
        assert "1 block in a row" in (judged(self.subject("900", "100", "650.75")).reason or "")


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 500), min_size=1, max_size=60),
    before=st.integers(0, 3599),
    after=st.integers(0, 3599),
    start=st.integers(0, 99_999),
)
def test_intervals_and_register_of_one_load_agree(counts: list[int], before: int, after: int, start: int) -> None:
    """A register of 5 dials that counts an even load through every interval, read at any second."""
    block = hourly(tuple(counts))
    begin, end = FIRST_END - HOUR + timedelta(seconds=before), FIRST_END + (len(counts) - 1) * HOUR
    usage = Fraction(sum(counts)) - Fraction(counts[0] * before, 3600) + Fraction(counts[-1] * after, 3600)
    stop = (start + int(usage)) % 100_000
    subject = read(block, str(start), str(stop), (begin, end + timedelta(seconds=after)), digits=5)
    assert judged(subject).outcome == "pass"
    assert judged(with_register(subject, 0, str((stop + 40_000) % 100_000))).outcome == "fail"
