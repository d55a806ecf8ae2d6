"""The checks of identity, clocks and counts alone: their worked examples and their boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.checks import Subject, load_rule_set, run_checks
from agent.reading import CheckResult
from drivers.data import Identity
from tests.checks.good_subject import (
    START,
    good_before,
    good_block,
    good_clock,
    good_register,
    good_subject,
    only,
    with_block,
    with_data,
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


class TestAgentClock:
    @pytest.mark.parametrize(
        ("offset", "uncertainty", "outcome", "measured"),
        [
            ("59.98", "0.02", "pass", "60"),
            ("-59.98", "0.02", "pass", "60"),
            ("59.98", "0.021", "fail", "60.001"),
            ("0", "60.001", "fail", "60.001"),
        ],
    )
    def test_offset_and_uncertainty_together(self, offset: str, uncertainty: str, outcome: str, measured: str) -> None:
        result = judged(with_clock(offset_s=Decimal(offset), uncertainty_s=Decimal(uncertainty)), "agent_clock")
        assert (result.outcome, result.measured, result.limit, result.unit) == (outcome, measured, "60", "s")

    def test_what_the_proof_forbids_fails_with_its_reason(self) -> None:
        result = judged(with_clock(permits_interval=False, reason="not synchronised today"), "agent_clock")
        assert (result.outcome, result.reason) == ("fail", "not synchronised today")

    def test_an_unsynchronised_clock_fails(self) -> None:
        result = judged(with_clock(offset_s=None, uncertainty_s=None, reason="no source"), "agent_clock")
        assert (result.outcome, result.measured, result.reason) == ("fail", None, "no source")

    def test_tou_registers_alone_need_the_tou_permission_only(self) -> None:
        subject = replace(tou_alone(permits_interval=False), registers_only=True)
        assert judged(subject, "agent_clock").outcome == "pass"
        subject = replace(tou_alone(permits_tou=False), registers_only=True)
        assert judged(subject, "agent_clock").outcome == "fail"

    def test_a_tou_meter_without_a_profile_needs_the_tou_permission_only(self) -> None:
        assert judged(tou_alone(permits_interval=False), "agent_clock").outcome == "pass"

    def test_cumulative_registers_do_not_need_it(self) -> None:
        clock = good_clock(permits_interval=False, permits_tou=False)
        subject = with_data(good_subject(), blocks=(), registers=(good_register("1"),), has_tiers=False)
        assert judged(replace(subject, clock=clock, registers_only=True), "agent_clock").outcome == "skipped"

    def test_an_order_reduced_to_cumulative_registers_is_on_record_as_failed(self) -> None:
        clock = good_clock(permits_interval=False, permits_tou=False, reason="no source")
        subject = with_data(good_subject(), blocks=(), registers=(good_register("1"),))
        assert judged(replace(subject, clock=clock), "agent_clock").outcome == "fail"

    def test_a_bench_without_the_proof_says_so(self) -> None:
        assert judged(with_clock(agent_checked=False), "agent_clock").outcome == "skipped"


class TestMeterId:
    @pytest.mark.parametrize(
        ("found", "expected", "outcome"),
        [
            ("A17", "A17", "pass"),
            (" A17\0\0", "A17  ", "pass"),
            ("A17", "a17", "fail"),
            ("A 17", "A17", "fail"),
            ("12345", "00012345", "pass"),  # BCD: the padding is gone from the meter's id
            ("00012345", "12345", "fail"),  # zeros that a meter sends are characters of its id
            ("00012345", "00012345", "pass"),
            ("A12", "0A12", "fail"),
            ("0", "000", "fail"),
            ("", "12345", "fail"),
            ("12346", "12345", "fail"),
        ],
    )
    def test_internal(self, found: str, expected: str, outcome: str) -> None:
        subject = with_data(replace(good_subject(), expected_meter_id=expected), identity=Identity(meter_id=found))
        assert judged(subject, "meter_id_internal").outcome == outcome

    def test_both_ids_are_kept_as_evidence(self) -> None:
        subject = with_data(good_subject(), identity=Identity(meter_id="99"))
        result = judged(subject, "meter_id_internal")
        assert (result.measured, result.limit, result.clause) == ("99", "12345678", "A4 1.3.1, A4 3.10")

    @pytest.mark.parametrize(
        ("method", "internal", "external"),
        [
            ("optical", "pass", "pass"),
            ("manual", "skipped", "pass"),
            ("modem", "pass", "skipped"),
            ("cellular", "pass", "skipped"),
            ("radio", "pass", "skipped"),
            ("pager", "pass", "skipped"),
            ("modbus", "pass", "skipped"),
        ],
    )
    def test_which_is_checked_when(self, method: Any, internal: str, external: str) -> None:
        on_site = method in {"optical", "manual"}
        typed = "12345678" if on_site else None
        subject = replace(with_data(good_subject(), method=method), nameplate_id=typed)
        assert judged(subject, "meter_id_internal").outcome == internal
        assert judged(subject, "meter_id_external").outcome == external

    def test_a_nameplate_id_of_a_remote_read_is_judged_all_the_same(self) -> None:
        subject = replace(with_data(good_subject(), method="cellular"), nameplate_id="12345679")
        assert judged(subject, "meter_id_external").outcome == "fail"

    @pytest.mark.parametrize("blank", [None, "", "  ", "\0"])
    def test_nothing_on_record_is_skipped(self, blank: str | None) -> None:
        subject = replace(good_subject(), expected_meter_id=blank)
        assert judged(subject, "meter_id_internal").outcome == "skipped"
        assert judged(subject, "meter_id_external").outcome == "skipped"
        subject = replace(good_subject(), nameplate_id=blank)
        assert judged(subject, "meter_id_external").outcome == "skipped"

    def test_a_nameplate_is_compared_exactly(self) -> None:
        assert judged(replace(good_subject(), nameplate_id="012345678"), "meter_id_external").outcome == "fail"


class TestMeterClock:
    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize(("off", "outcome"), [("180", "pass"), ("180.001", "fail"), ("0", "pass")])
    def test_interval_meters(self, off: str, outcome: str, sign: int) -> None:
        result = judged(with_clock(meter_offset_s=sign * Decimal(off)), "meter_clock")
        assert (result.outcome, result.limit, result.clause) == (outcome, "180", "A4 1.3.2")

    @pytest.mark.parametrize(
        ("off", "outcome", "remarked"),
        [("180", "pass", False), ("180.001", "pass", True), ("3300", "pass", True), ("3300.001", "fail", False)],
    )
    def test_tou_registers_alone(self, off: str, outcome: str, *, remarked: bool) -> None:
        result = judged(tou_alone(meter_offset_s=Decimal(off)), "meter_clock")
        assert (result.outcome, result.limit, result.clause) == (outcome, "3300", "A4 3.2")
        assert ("must be set" in (result.reason or "")) is remarked

    @pytest.mark.parametrize("rules", [CPUC, PGE])
    def test_rule_sets_without_the_monthly_variant(self, rules: Any) -> None:
        assert judged(tou_alone(meter_offset_s=Decimal("180.001")), "meter_clock", rules).outcome == "fail"

    @pytest.mark.parametrize(
        ("off", "uncertainty", "outcome", "said"),
        [
            ("179", "1", "pass", False),
            ("179", "1.001", "pass", True),
            ("181", "1.001", "fail", True),
            ("181", "1", "fail", True),
            ("181", "0.999", "fail", False),
        ],
    )
    def test_a_limit_within_the_uncertainty_is_said(
        self, off: str, uncertainty: str, outcome: str, *, said: bool
    ) -> None:
        clock = {"meter_offset_s": Decimal(off), "meter_offset_uncertainty_s": Decimal(uncertainty)}
        result = judged(with_clock(**clock), "meter_clock")
        assert result.outcome == outcome
        assert ("not decidable" in (result.reason or "")) is said

    def test_an_uncertainty_wider_than_the_limit_proves_only_failures(self) -> None:
        wide = {"meter_offset_uncertainty_s": Decimal(181)}
        assert judged(with_clock(meter_offset_s=Decimal(0), **wide), "meter_clock").outcome == "skipped"
        assert judged(with_clock(meter_offset_s=Decimal(361), **wide), "meter_clock").outcome == "skipped"
        assert judged(with_clock(meter_offset_s=Decimal("361.001"), **wide), "meter_clock").outcome == "fail"

    def test_whole_hours_hint_at_the_zone(self) -> None:
        result = judged(with_clock(meter_offset_s=Decimal(-3599)), "meter_clock")
        assert result.outcome == "fail"
        assert "3599 s slow" in (result.reason or "")
        assert "time zone" in (result.reason or "")

    def test_without_a_clock_or_a_proof_it_is_skipped(self) -> None:
        assert judged(with_data(good_subject(), has_clock=False), "meter_clock").outcome == "skipped"
        assert judged(with_clock(meter_offset_s=None), "meter_clock").outcome == "skipped"
        assert judged(with_clock(meter_offset_uncertainty_s=None), "meter_clock").outcome == "skipped"

    @pytest.mark.parametrize(("off", "outcome"), [("180", "pass"), ("180.001", "fail")])
    def test_a_bench_takes_its_own_clock_for_true(self, off: str, outcome: str) -> None:
        bench = with_clock(agent_checked=False, meter_offset_s=Decimal(off), meter_offset_uncertainty_s=None)
        result = judged(bench, "meter_clock")
        assert result.outcome == outcome
        assert "waives its proof" in (result.reason or "")

    def test_an_ambiguous_time_of_the_meter_is_said(self) -> None:
        subject = good_subject()
        assert subject.data.clock is not None
        sample = replace(subject.data.clock, ambiguous=True, note="repeated hour")
        assert "repeated hour" in (judged(with_data(subject, clock=sample), "meter_clock").reason or "")


class TestIntervalCount:
    def test_the_data_begin_before_the_last_read(self) -> None:
        subject = replace(good_subject(), last_read_at=START + timedelta(minutes=47))
        result = judged(subject, "interval_count")
        assert (result.outcome, result.measured, result.limit) == ("pass", "197", "197")

    def test_an_interval_that_ended_at_the_last_read_belongs_to_the_last_read(self) -> None:
        subject = replace(good_subject(), last_read_at=START + timedelta(minutes=45))
        assert judged(subject, "interval_count").measured == "197"
        subject = replace(good_subject(), last_read_at=START + timedelta(minutes=45, microseconds=-1))
        assert judged(subject, "interval_count").measured == "198"

    def test_a_meter_that_holds_too_little_names_the_span(self) -> None:
        subject = replace(good_subject(channels=1), last_read_at=START - timedelta(days=2))
        result = judged(subject, "interval_count")
        assert (result.outcome, result.measured, result.limit, result.channel) == ("fail", "200", "392", 1)
        assert "between the last read, 2026-02-27T00:00:00Z, and now" in (result.reason or "")
        assert "begin only at 2026-03-01T00:00:00Z" in (result.reason or "")
        assert "at most 3300 s: proratable" in (result.reason or "")

    def test_a_clock_off_by_more_than_55_minutes_is_not_proratable(self) -> None:
        subject = replace(good_subject(), last_read_at=START - timedelta(days=2))
        subject = replace(subject, clock=good_clock(meter_offset_s=Decimal("3300.001")))
        results = [result for result in run_checks(subject, UBP) if result.check == "interval_count"]
        assert [result.channel for result in results] == [1, 2]
        assert all("not proratable" in (result.reason or "") for result in results)

    @pytest.mark.parametrize(("absent", "outcome"), [(0, "pass"), (4, "pass"), (5, "fail")])
    def test_pge_accepts_less_than_five(self, absent: int, outcome: str) -> None:
        subject = replace(good_subject(channels=1), last_read_at=START - timedelta(minutes=15 * absent))
        assert judged(subject, "interval_count", PGE).outcome == outcome
        assert judged(subject, "interval_count", UBP).outcome == ("fail" if absent else "pass")

    def test_too_many_intervals_fail_as_well(self) -> None:
        subject = good_subject(channels=1)
        assert subject.data.clock is not None
        slow = replace(subject.data.clock, meter_time=subject.data.clock.meter_time - timedelta(minutes=15))
        result = judged(with_data(subject, clock=slow), "interval_count")
        assert (result.outcome, result.measured, result.limit) == ("fail", "200", "199")
        assert "1 interval too many" in (result.reason or "")

    @pytest.mark.parametrize("got_it", [True, False])
    def test_a_boundary_during_the_read_may_be_in_or_out(self, *, got_it: bool) -> None:
        subject = good_subject(200 if got_it else 199, channels=1)
        boundary = START + timedelta(minutes=15 * 200)
        subject = replace(
            subject, read_started_at=boundary - timedelta(seconds=5), read_at=boundary + timedelta(seconds=5)
        )
        assert subject.data.clock is not None
        for seconds in (-5, 0, 5):
            sample = replace(subject.data.clock, meter_time=boundary + timedelta(seconds=seconds))
            assert judged(with_data(subject, clock=sample), "interval_count").outcome == "pass"

    def test_without_the_meters_clock_the_time_of_the_read_counts(self) -> None:
        assert judged(with_data(good_subject(), clock=None), "interval_count").outcome == "pass"

    @pytest.mark.parametrize(
        "last",
        [None, START.replace(tzinfo=None), START + timedelta(days=90)],
        ids=["unknown", "naive", "later"],
    )
    def test_an_unusable_last_read_is_skipped(self, last: datetime | None) -> None:
        assert judged(replace(good_subject(), last_read_at=last), "interval_count").outcome == "skipped"

    def test_an_empty_profile_lacks_every_interval(self) -> None:
        subject = with_data(good_subject(), blocks=(good_block(START + timedelta(minutes=15), 0),))
        result = judged(subject, "interval_count")
        assert (result.outcome, result.measured, result.limit) == ("fail", "0", "200")

    def test_one_interval(self) -> None:
        assert judged(good_subject(1), "interval_count").measured == "1"

    @pytest.mark.parametrize(
        ("day", "intervals"),
        [((2026, 3, 8), 92), ((2026, 11, 1), 100), ((2026, 7, 1), 96)],
        ids=["spring", "autumn", "plain"],
    )
    def test_days_of_daylight_saving_changes(self, day: tuple[int, int, int], intervals: int) -> None:
        zone = ZoneInfo("America/Los_Angeles")
        begin = datetime(*day, tzinfo=zone).astimezone(UTC)
        after = datetime(day[0], day[1], day[2] + 1, tzinfo=zone).astimezone(UTC)
        block = good_block(begin + timedelta(minutes=15), intervals)
        subject = with_data(good_subject(channels=1), blocks=(block,), clock=None)
        before = replace(good_before(subject.data), read_at=begin)
        subject = replace(subject, last_read_at=begin, read_started_at=after, read_at=after, site_zone=zone)
        subject = replace(subject, history=None, before=before)
        assert judged(subject, "interval_count").measured == str(intervals)
        assert not {result.check for result in run_checks(subject, UBP) if result.outcome == "fail"}
        assert judged(subject, "sum_check").outcome == "pass"

    @pytest.mark.parametrize("interval_s", [0, -900, 300])
    def test_no_single_interval_length_is_skipped(self, interval_s: int) -> None:
        subject = with_block(good_subject(channels=1), 1, lambda block: replace(block, interval_s=interval_s))
        assert judged(subject, "interval_count").outcome == "skipped"


class TestDialsAndDecimals:
    @pytest.mark.parametrize(
        ("raw", "dials", "outcome", "measured"),
        [
            ("99999", 5, "pass", "5"),
            ("100000", 5, "fail", "6"),
            ("0012345", 6, "pass", "5"),
            ("0000000", 5, "pass", "1"),
            ("-99999.99", 5, "pass", "5"),
        ],
    )
    def test_digits_of_the_raw_register(self, raw: str, dials: int, outcome: str, measured: str) -> None:
        register = good_register(raw, multiplier=Decimal(80))
        subject = with_data(replace(good_subject(), dials=dials), registers=(register,))
        result = judged(subject, "dial_count")
        assert (result.outcome, result.measured, result.limit, result.unit) == (outcome, measured, str(dials), "digits")

    def test_the_profile_knows_better_than_the_value(self) -> None:
        subject = with_data(good_subject(), registers=(good_register("12345", digits=6),))
        assert judged(subject, "dial_count").outcome == "fail"

    def test_dials_are_of_cumulative_registers_only(self) -> None:
        subject = with_data(good_subject(), registers=(good_register("1234567", kind="demand"),))
        assert judged(subject, "dial_count").outcome == "skipped"
        assert judged(replace(good_subject(), dials=None), "dial_count").outcome == "skipped"

    @pytest.mark.parametrize(
        ("raws", "outcome"),
        [(["1.23"], "pass"), (["1.2"], "fail"), (["1.234"], "fail"), (["1", "1.2", "1.23"], "pass")],
    )
    def test_the_demand_register_that_shows_most_decimals(self, raws: list[str], outcome: str) -> None:
        subject = with_data(good_subject(), registers=tuple(good_register(raw, kind="demand") for raw in raws))
        assert judged(subject, "demand_decimals").outcome == outcome

    def test_demand_decimals_are_for_reads_on_site(self) -> None:
        assert judged(with_data(good_subject(), method="modem"), "demand_decimals").outcome == "skipped"
        assert judged(replace(good_subject(), decimals=None), "demand_decimals").outcome == "skipped"
        assert judged(with_data(good_subject(), registers=()), "demand_decimals").outcome == "skipped"

    def test_the_rule_asks_for_a_second_reading(self) -> None:
        assert UBP.dial_count.reread
        assert UBP.demand_decimals.reread
