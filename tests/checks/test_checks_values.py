"""The checks of recorded values alone: their worked examples and their boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.checks import Subject, load_rule_set, run_checks
from agent.reading import CheckResult
from drivers.data import Event, MeterStatus, Problem
from drivers.errors import LineLost
from tests.checks.good_subject import (
    START,
    good_block,
    good_clock,
    good_register,
    good_subject,
    only,
    with_block,
    with_data,
    with_interval,
)

UBP = load_rule_set("ubp-2000")
CPUC = load_rule_set("cpuc-d97-12-048")
PGE = load_rule_set("pge-direct-access")


def judged(subject: Subject, check: str, rules: Any = UBP) -> CheckResult:
    return only(run_checks(subject, rules), check)


def with_clock(**changes: Any) -> Subject:
    return replace(good_subject(), clock=good_clock(**changes))


def tou_alone(**changes: Any) -> Subject:
    return with_data(with_clock(**changes), blocks=())


def later(block: Any, *, minutes: int) -> Any:
    return replace(block, first_interval_end=block.first_interval_end + timedelta(minutes=minutes))


class TestIntervals:
    def test_indices_count_through_the_blocks_whatever_their_order(self) -> None:
        subject = with_interval(good_subject(channels=1), 1, 3, status=("overflow",))
        result = judged(with_data(subject, blocks=subject.data.blocks[::-1]), "pulse_overflow")
        assert (result.outcome, result.intervals, result.measured, result.channel) == ("fail", (99,), "1", 1)

    @pytest.mark.parametrize(("count", "outcome"), [(65_534, "pass"), (65_535, "fail"), (65_536, "fail")])
    def test_saturation(self, count: int, outcome: str) -> None:
        subject = good_subject(channels=1)
        subject = with_interval(subject, 0, 5, count=count)
        assert judged(subject, "pulse_overflow").outcome == outcome
        unlimited = with_block(subject, 0, lambda block: replace(block, maximum_count=None))
        assert judged(unlimited, "pulse_overflow").outcome == "pass"

    def test_test_mode_now(self) -> None:
        subject = with_data(good_subject(), status=MeterStatus(mode=("metering", "test"), flags=()))
        result = judged(subject, "test_mode")
        assert (result.outcome, result.measured, result.intervals) == ("fail", "test", None)

    def test_test_mode_without_status_or_intervals(self) -> None:
        assert judged(with_data(good_subject(), status=None), "test_mode").reason is not None
        assert judged(with_data(good_subject(), status=None, blocks=()), "test_mode").outcome == "skipped"

    def test_power_outages_are_named_and_pass(self) -> None:
        subject = with_interval(good_subject(channels=1), 0, 7, status=("power_outage", "partial"))
        result = judged(subject, "power_outage")
        assert (result.outcome, result.intervals, result.channel) == ("pass", (7,), 1)

    def test_clock_settings_are_named_and_pass(self) -> None:
        subject = with_interval(good_subject(channels=1), 0, 7, status=("clock_adjusted", "short"))
        result = judged(subject, "time_reset")
        assert (result.outcome, result.intervals) == ("pass", (7,))

    def test_intervals_without_a_value(self) -> None:
        subject = with_interval(good_subject(channels=1), 0, 7, count=None, status=("skipped", "missing"))
        result = judged(subject, "missing_intervals")
        assert (result.outcome, result.intervals, result.measured) == ("fail", (7,), "1")

    @pytest.mark.parametrize(
        ("moved", "measured", "text"), [(1, "1", "a gap of 1 interval"), (8, "8", "a gap of 8 intervals")]
    )
    def test_a_gap_between_blocks(self, moved: int, measured: str, text: str) -> None:
        subject = with_block(good_subject(channels=1), 2, lambda block: later(block, minutes=15 * moved))
        result = judged(subject, "missing_intervals")
        assert (result.outcome, result.intervals, result.measured) == ("fail", (192,), measured)
        assert text in (result.reason or "")

    @pytest.mark.parametrize(("moved", "intervals"), [(1, (192,)), (3, (192, 193, 194))])
    def test_intervals_that_are_there_twice(self, moved: int, intervals: tuple[int, ...]) -> None:
        subject = with_block(good_subject(channels=1), 2, lambda block: later(block, minutes=-15 * moved))
        result = judged(subject, "missing_intervals")
        assert (result.outcome, result.intervals, result.measured) == ("fail", intervals, str(moved))

    def test_a_block_that_is_there_twice(self) -> None:
        subject = good_subject(channels=1)
        result = judged(with_data(subject, blocks=(*subject.data.blocks, subject.data.blocks[0])), "missing_intervals")
        assert (result.outcome, result.measured) == ("fail", "96")

    def test_a_boundary_moved_by_a_clock_setting_is_no_gap(self) -> None:
        subject = with_block(good_subject(channels=1), 2, lambda block: later(block, minutes=-5))
        assert judged(subject, "missing_intervals").outcome == "fail"
        explained = with_interval(subject, 2, 0, status=("clock_adjusted",))
        assert judged(explained, "missing_intervals").outcome == "pass"

    @pytest.mark.parametrize(
        "check", ["interval_count", "pulse_overflow", "power_outage", "missing_intervals", "time_reset", "spike"]
    )
    def test_without_intervals_nothing_is_judged(self, check: str) -> None:
        assert judged(with_data(good_subject(), blocks=()), check).outcome == "skipped"


class TestTouSum:
    """UBP A4 3.5: peak 50 and 150, off-peak 100 and 200; two periods, so two units either way."""

    @pytest.mark.parametrize(
        ("total", "outcome"), [(497, "fail"), (498, "pass"), (500, "pass"), (502, "pass"), (503, "fail")]
    )
    def test_the_worked_example(self, total: int, outcome: str) -> None:
        registers = (
            good_register(str(total)),
            good_register("150", tier=1),
            good_register("200", tier=2),
            good_register("50", tier=1, season="previous"),
            good_register("100", tier=2, season="previous"),
        )
        result = judged(with_data(good_subject(), registers=registers), "tou_sum")
        assert (result.outcome, result.limit, result.measured) == (outcome, "2", str(abs(total - 500)))

    def test_periods_that_run_on_over_the_season(self) -> None:
        registers = (good_register("350"), good_register("350", tier=1), good_register("50", tier=1, season="previous"))
        assert judged(with_data(good_subject(), registers=registers), "tou_sum").outcome == "pass"

    def test_cpuc_counts_active_periods_of_the_current_season(self) -> None:
        registers = (
            good_register("502"),
            good_register("300", tier=1),
            good_register("200", tier=2),
            good_register("0", tier=3),
        )
        assert judged(with_data(good_subject(), registers=registers), "tou_sum", CPUC).limit == "2"
        assert judged(with_data(good_subject(), registers=registers), "tou_sum", UBP).limit == "3"

    def test_registers_roll_over_one_by_one(self) -> None:
        registers = (good_register("294", digits=5), good_register("99968", tier=1), good_register("326", tier=2))
        assert judged(with_data(good_subject(), registers=registers), "tou_sum").outcome == "pass"

    @pytest.mark.parametrize(
        "registers",
        [
            (good_register("1"),),
            (good_register("1", tier=1),),
            (good_register("1"), good_register("1", tier=1, season="previous")),
            (good_register("2"), good_register("1", tier=1, multiplier=Decimal(80))),
            (good_register("2"), replace(good_register("1", tier=1), raw="1e")),
            (good_register("2"), replace(good_register("1", tier=1), raw="NaN")),
        ],
    )
    def test_what_cannot_be_compared_is_skipped(self, registers: Any) -> None:
        assert judged(with_data(good_subject(), registers=registers), "tou_sum").outcome == "skipped"


class TestSpike:
    @staticmethod
    def day(*counts: int | None) -> Subject:
        subject = good_subject(96, channels=1)
        for k in range(96):
            subject = with_interval(subject, 0, k, count=counts[k] if k < len(counts) else 1)
        return subject

    @pytest.mark.parametrize(
        ("counts", "outcome", "intervals"),
        [
            ((28, 11, 10), "pass", None),  # (28 − 10) ÷ 10 = 1.8
            ((29, 11, 10), "fail", (0,)),
            ((10, 1, 1), "pass", None),  # not above the threshold of 10 pulses
            ((11, 1, 1), "fail", (0,)),
            ((29, 30, 10), "fail", (0, 1)),
            ((-29, 11, 10), "fail", (0,)),
        ],
    )
    def test_the_rule(self, counts: tuple[int, ...], outcome: str, intervals: tuple[int, ...] | None) -> None:
        result = judged(self.day(*counts), "spike")
        assert (result.outcome, result.intervals) == (outcome, intervals)

    def test_what_exceeds_the_limit_also_reads_so(self) -> None:
        subject = self.day(2_800_001, 1_000_000, 1_000_000)
        subject = with_block(subject, 0, lambda block: replace(block, maximum_count=None))
        result = judged(subject, "spike")
        assert (result.outcome, result.measured, result.limit) == ("fail", "1.801", "1.8")

    def test_a_third_highest_of_nothing(self) -> None:
        result = judged(self.day(11, 0, *[0] * 94), "spike")
        assert (result.outcome, result.measured, result.unit) == ("fail", "11", "pulses")

    def test_days_are_those_of_the_site(self) -> None:
        """Three high intervals around a midnight: together no spike, on two days one."""
        subject = good_subject(96, channels=1)
        for k in range(96):
            subject = with_interval(subject, 0, k, count=90 if k in {31, 32, 33} else 10)
        assert judged(subject, "spike").outcome == "pass"
        split = replace(subject, site_zone=ZoneInfo("America/Los_Angeles"))  # midnight there = 08:00 UTC = interval 32
        split = with_data(split, blocks=(*split.data.blocks, good_block(START + timedelta(days=1, minutes=15), 32)))
        assert judged(split, "spike").intervals == (32, 33)

    def test_a_partial_day_borrows_from_its_neighbour(self) -> None:
        """A last day of one interval is judged with the 23:45 hours before it."""
        subject = good_subject(97, channels=1)
        subject = with_interval(subject, 1, 0, count=90)
        assert judged(subject, "spike").intervals == (96,)

    def test_fewer_than_three_values_or_no_energy_are_left_out(self) -> None:
        assert judged(self.day(1000, 1, *[None] * 94), "spike").outcome == "pass"
        volts = with_block(self.day(1000), 0, lambda block: replace(block, quantity="V"))
        assert judged(volts, "spike").outcome == "skipped"


class TestSelfReport:
    def test_each_fault_by_name(self) -> None:
        status = MeterStatus(mode=("metering",), flags=("low_battery", "rom_failure", "tamper_detect"))
        result = judged(with_data(good_subject(), status=status), "meter_diagnostics")
        assert (result.outcome, result.measured) == ("fail", "2")
        assert "low_battery, rom_failure" in (result.reason or "")

    @pytest.mark.parametrize(
        ("seconds", "code", "manufacturer", "outcome"),
        [(1, 44, False, "fail"), (0, 44, False, "pass"), (1, 44, True, "pass"), (1, 45, False, "pass")],
    )
    def test_events_since_the_last_read(self, seconds: int, code: int, *, manufacturer: bool, outcome: str) -> None:
        event = Event(START + timedelta(seconds=seconds), code, "low_battery", manufacturer=manufacturer)
        assert judged(with_data(good_subject(), events=(event,)), "meter_diagnostics").outcome == outcome

    def test_a_lost_phase(self) -> None:
        status = MeterStatus(mode=("metering",), flags=("low_loss_potential",))
        assert judged(with_data(good_subject(), status=status), "phase_loss").outcome == "fail"

    def test_without_status_and_dates_it_is_skipped(self) -> None:
        assert judged(with_data(good_subject(), status=None), "meter_diagnostics").outcome == "skipped"


class TestTableData:
    def test_what_is_lost_is_named(self) -> None:
        subject = with_data(good_subject(), problems=(Problem("ST64", "refused"),))
        result = judged(subject, "table_data")
        assert (result.outcome, result.measured, result.reason) == ("fail", "1", "ST64: refused")

    def test_a_broken_session_fails(self) -> None:
        result = judged(with_data(good_subject(), broken=LineLost("probe unplugged")), "table_data")
        assert (result.outcome, result.reason) == ("fail", "the session broke off: probe unplugged")

    def test_remarks_pass(self) -> None:
        subject = with_data(good_subject(), problems=(Problem("ST76", "one entry without time", lost=False),))
        assert judged(subject, "table_data").outcome == "pass"

    def test_long_lists_are_cut(self) -> None:
        problems = tuple(Problem(f"ST{number}", "refused") for number in range(50))
        result = judged(with_data(good_subject(), problems=problems), "table_data")
        assert result.measured == "50"
        assert (result.reason or "").endswith("and 45 more items")


def test_a_constant_that_every_register_adds_is_taken_into_the_sum() -> None:
    constant: dict[str, Any] = {"multiplier": Decimal("1.2"), "offset": Decimal("4.8")}  # 4 units of the meter's own
    registers = (
        replace(good_register("104"), **constant),
        replace(good_register("60", tier=1), **constant),
        replace(good_register("40", tier=2), **constant),
    )
    results = run_checks(with_data(good_subject(), registers=registers), load_rule_set("ubp-2000"))
    (found,) = [result for result in results if result.check == "tou_sum"]
    assert (found.outcome, found.measured) == ("pass", "0")
