"""The checks with history: what usage and demand were, what an order says of its customer, and what it may not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import RuleSet, Subject, load_rule_set, run_checks
from agent.checks.exact import shown
from agent.history import History, PastPeriod, PastRegister, Usual
from agent.reading import CheckResult
from tests.checks.good_subject import (
    counted,
    good_register,
    good_subject,
    only,
    with_data,
    with_history,
    with_interval,
)

UBP, CPUC, PGE = (load_rule_set(name) for name in ("ubp-2000", "cpuc-d97-12-048", "pge-direct-access"))
JUNE_1, JUNE_30 = datetime(2026, 6, 1, 17, tzinfo=UTC), datetime(2026, 6, 30, 9, tzinfo=UTC)


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, 12, tzinfo=UTC)


def period(start: datetime, end: datetime, usage: str | None = None, demand: str | None = None) -> PastPeriod:
    return PastPeriod(
        start=start, end=end, usage=None if usage is None else Decimal(usage),
        peak_demand=None if demand is None else Decimal(demand),
    )  # fmt: skip


def month(usage: str, *periods: PastPeriod, demand: str = "10", **changes: Any) -> Subject:
    """Return a read of June 30 by hand: `usage` kWh since June 1, and a peak of `demand` kW."""
    registers = (good_register(str(1000 + Decimal(usage))), good_register(demand, kind="demand"))
    subject = with_data(good_subject(), registers=registers, blocks=(), clock=None, method="manual")
    history = History(registers=(PastRegister(quantity="kWh", value=Decimal(1000), at=JUNE_1),), periods=periods)
    history = msgspec.structs.replace(history, **changes)
    return replace(subject, history=history, before=None, last_read_at=JUNE_1, read_started_at=JUNE_30, read_at=JUNE_30)


def judged(subject: Subject, check: str, rules: RuleSet = UBP) -> CheckResult:
    return only(run_checks(subject, rules), check)


LAST_YEAR = period(day(2025, 6, 1), day(2025, 6, 30), "290", "10")  # 29 days, 10 kWh a day
MAY = period(day(2026, 5, 2), day(2026, 6, 1), "600", "20")  # 30 days, 20 kWh a day


class TestMonthlyUsage:
    @pytest.mark.parametrize("rules", [UBP, CPUC, PGE], ids=lambda rules: str(rules.name))
    @pytest.mark.parametrize(
        ("usage", "outcome", "measured"),
        [
            ("115.999", "fail", "39.999655"),
            ("116", "pass", "40"),  # 4 kWh a day over the 29 days from June 1 to June 30
            ("290", "pass", "100"),
            ("580", "pass", "200"),
            ("580.001", "fail", "200.000345"),
        ],
    )
    def test_40_to_200_percent_inclusive(self, usage: str, outcome: str, measured: str, rules: RuleSet) -> None:
        result = judged(month(usage, LAST_YEAR), "high_low_usage", rules)
        assert (result.outcome, result.measured, result.limit, result.unit) == (outcome, measured, "40 to 200", "%")
        assert result.clause == rules.high_low_usage.clause
        assert "the same period last year, 2025-06-01 to 2025-06-30" in (result.reason or "")

    def test_last_year_comes_before_last_month(self) -> None:
        assert judged(month("115", LAST_YEAR, MAY), "high_low_usage").outcome == "fail"
        assert "2025-06-01" in (judged(month("290", LAST_YEAR, MAY), "high_low_usage").reason or "")

    @pytest.mark.parametrize(
        ("start", "end", "found"),
        [
            (day(2025, 5, 17), day(2025, 6, 16), True),  # June 16 is the day in the middle: 30 days, the one after it
            (day(2025, 5, 16), day(2025, 6, 15), False),
            (day(2025, 6, 16), day(2025, 7, 16), True),
            (day(2025, 6, 17), day(2025, 7, 17), False),
        ],
    )
    def test_the_same_period_is_the_one_that_holds_the_day_in_the_middle(
        self, start: datetime, end: datetime, *, found: bool
    ) -> None:
        result = judged(month("290", period(start, end, "300")), "high_low_usage")
        assert ("the same period last year" in (result.reason or "")) is found
        assert ("the last period" in (result.reason or "")) is not found

    def test_of_two_periods_that_meet_on_that_day_the_later_one(self) -> None:
        periods = (period(day(2025, 5, 17), day(2025, 6, 16), "30"), period(day(2025, 6, 16), day(2025, 7, 16), "300"))
        assert "2025-06-16 to 2025-07-16" in (judged(month("290", *periods), "high_low_usage").reason or "")

    def test_the_odd_number_of_days_has_its_middle(self) -> None:
        """From April 13 to May 13 it is April 28."""
        subject = month("290", period(day(2025, 4, 28), day(2025, 5, 28), "300"))
        subject = replace(subject, read_at=day(2026, 5, 13))
        past = PastRegister(quantity="kWh", value=Decimal(1000), at=day(2026, 4, 13))
        result = judged(with_history(subject, registers=(past,)), "high_low_usage")
        assert "the same period last year" in (result.reason or "")

    @pytest.mark.parametrize(("days", "outcome"), [(27, "pass"), (26, "skipped")])
    def test_a_period_has_27_days(self, days: int, outcome: str) -> None:
        short = period(day(2026, 6, 1) - timedelta(days=days), day(2026, 6, 1), str(10 * days))
        assert judged(month("290", short), "high_low_usage").outcome == outcome

    def test_cpuc_takes_the_highest_of_three_periods(self) -> None:
        periods = tuple(
            period(day(2026, k, 1), day(2026, k + 1, 1), usage)
            for k, usage in ((2, "2800"), (3, "1240"), (4, "300"), (5, "310"))
        )
        result = judged(month("1160", *periods), "high_low_usage", CPUC)  # 40 a day; the highest of three is 40
        assert (result.outcome, result.measured) == ("pass", "100")
        assert "the highest of the last 3 periods, 2026-03-01 to 2026-06-01" in (result.reason or "")
        assert judged(month("1160", *periods), "high_low_usage").outcome == "fail"

    def test_days_are_those_where_the_meter_stands(self) -> None:
        """July 1 at 02:00 UTC is still June 30 in California: 29 days, not 30."""
        subject = replace(month("580", LAST_YEAR), read_at=datetime(2026, 7, 1, 2, tzinfo=UTC))
        here = replace(subject, site_zone=ZoneInfo("America/Los_Angeles"))
        assert judged(here, "high_low_usage").measured == "200"
        assert judged(subject, "high_low_usage").measured == "193.333333"

    def test_history_in_another_unit(self) -> None:
        subject = month("290", msgspec.structs.replace(LAST_YEAR, quantity="Wh", usage=Decimal(290_000)))
        assert judged(subject, "high_low_usage").measured == "100"

    def test_a_year_of_nothing(self) -> None:
        nothing = msgspec.structs.replace(LAST_YEAR, usage=Decimal(0))
        assert judged(month("0", nothing), "high_low_usage").outcome == "pass"
        result = judged(month("0.29", nothing), "high_low_usage")
        assert (result.outcome, result.measured, result.unit) == ("fail", "0.01", "kWh a day")

    @pytest.mark.parametrize(
        ("subject", "said"),
        [
            (replace(month("290"), history=None), "carries no history"),
            (month("290"), "no past period is on record"),
            (month("290", msgspec.structs.replace(LAST_YEAR, direction="received")), "no past period"),
            (month("290", LAST_YEAR, registers=()), "no earlier reading of the registers is on the order"),
            (month("-1", LAST_YEAR), "usage is negative, the register went backwards"),
            (replace(month("290", LAST_YEAR), read_at=JUNE_1), "no day lies between"),
            (replace(month("290", LAST_YEAR), read_at=day(2026, 5, 1)), "contradictory: the earlier reading on record"),
            (month("290", period(day(2026, 5, 20), day(2026, 6, 20), "9")), "contradictory: a past period on record"),
            (with_data(month("290", LAST_YEAR), registers=()), "(kWh delivered) were not read"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_compared_is_skipped(self, subject: Subject, said: str) -> None:
        result = judged(replace(subject, dials=None), "high_low_usage")
        assert (result.outcome, result.measured) == ("skipped", None)
        assert said in (result.reason or "")

    def test_the_leap_day(self) -> None:
        subject = month("290", period(day(2023, 2, 10), day(2023, 3, 12), "300"))
        past = PastRegister(quantity="kWh", value=Decimal(1000), at=day(2024, 2, 14))
        subject = replace(with_history(subject, registers=(past,)), read_at=day(2024, 3, 14))
        assert "same period last year" in (judged(subject, "high_low_usage").reason or "")


class TestIntervalUsage:
    """27 days of hourly intervals: 138 kWh a day of 5.75 kWh an hour, all of them alike."""

    @staticmethod
    def subject(past: str, *, intervals: int = 28 * 24) -> Subject:
        subject = good_subject(intervals, channels=1, interval_s=3600)
        flat = tuple(
            replace(block, counts=(23,) * len(block.counts), values=(Decimal("5.75"),) * len(block.counts))
            for block in subject.data.blocks
        )
        subject = counted(with_data(subject, blocks=flat))
        begin = day(2025, 3, 1)
        return with_history(subject, registers=(), periods=(period(begin, begin + timedelta(days=100), past),))

    @pytest.mark.parametrize(
        ("rules", "past", "outcome", "limit"),
        [
            (UBP, "18400", "pass", "25"),  # 184 a day: 138 is 25 % less
            (UBP, "18400.1", "fail", "25"),
            (UBP, "11040", "pass", "25"),
            (UBP, "11039.9", "fail", "25"),
            (CPUC, "27600", "pass", "50"),
            (CPUC, "27600.1", "fail", "50"),
            (PGE, "9200", "pass", "50"),
            (PGE, "9199.9", "fail", "50"),
        ],
    )
    def test_within_the_rule(self, rules: RuleSet, past: str, outcome: str, limit: str) -> None:
        result = judged(self.subject(past), "high_low_usage", rules)
        assert (result.outcome, result.limit, result.unit, result.channel) == (outcome, limit, "%", 1)
        assert result.clause == rules.high_low_usage.interval.clause
        assert (Decimal(result.measured or "NaN") > Decimal(limit)) is (outcome == "fail")

    def test_less_than_a_billing_period_is_not_judged(self) -> None:
        assert judged(self.subject("13800", intervals=27 * 24), "high_low_usage").outcome == "pass"
        assert judged(self.subject("13800", intervals=27 * 24 - 1), "high_low_usage").outcome == "skipped"

    def test_what_must_be_estimated_is_left_out(self) -> None:
        subject = self.subject("13800")
        subject = with_interval(subject, 0, 5, count=None, status=("missing",))
        subject = with_interval(subject, 0, 6, count=9, status=("partial",))
        assert judged(subject, "high_low_usage").measured == "0"

    def test_registers_and_intervals_are_both_judged(self) -> None:
        results = [
            r
            for r in run_checks(good_subject(35 * 24, channels=1, interval_s=3600), UBP)
            if r.check == "high_low_usage"
        ]
        assert [(result.outcome, result.clause) for result in results] == [("pass", "A4 3.3.1"), ("pass", "A4 1.5.1")]


class TestDemand:
    @pytest.mark.parametrize(
        ("rules", "demand", "outcome"),
        [
            (UBP, "3.999", "fail"),
            (UBP, "4", "pass"),
            (UBP, "20", "pass"),
            (UBP, "20.001", "fail"),
            (PGE, "20.001", "fail"),
            (CPUC, "7.499", "fail"),
            (CPUC, "7.5", "pass"),
            (CPUC, "12.5", "pass"),
            (CPUC, "12.501", "fail"),
        ],
    )
    def test_its_limits(self, rules: RuleSet, demand: str, outcome: str) -> None:
        result = judged(month("290", LAST_YEAR, demand=demand), "high_low_demand", rules)
        assert (result.outcome, result.clause) == (outcome, rules.high_low_demand.clause)

    def test_the_highest_of_all_rates_counts(self) -> None:
        subject = month("290", LAST_YEAR, demand="1")
        subject = with_data(subject, registers=(*subject.data.registers, good_register("10", kind="demand", tier=2)))
        assert judged(subject, "high_low_demand").measured == "100"

    def test_minima_and_the_demand_of_another_period_are_not_peaks(self) -> None:
        registers = (
            good_register("10", kind="demand", minimum=True),
            good_register("10", kind="demand", period="previous_reset"),
            good_register("10", kind="demand", phase="A"),
        )
        result = judged(with_data(month("290", LAST_YEAR), registers=registers), "high_low_demand")
        assert result.reason == "no demand register was read"

    def test_without_history(self) -> None:
        assert judged(month("290"), "high_low_demand").outcome == "skipped"
        assert judged(replace(month("290"), history=None), "high_low_demand").outcome == "skipped"


class TestZeroConsumption:
    @pytest.mark.parametrize(("usage", "outcome"), [("0", "fail"), ("0.001", "pass"), ("1", "pass")])
    def test_more_than_nothing(self, usage: str, outcome: str) -> None:
        assert judged(month(usage), "zero_consumption").outcome == outcome

    def test_negative_usage_is_another_check(self) -> None:
        subject = replace(month("-1"), dials=None)
        assert judged(subject, "zero_consumption").outcome == "skipped"
        assert judged(subject, "register_advance").outcome == "fail"

    def test_an_inactive_meter(self) -> None:
        assert "not active" in (judged(month("0", active=False), "zero_consumption").reason or "")

    def test_what_a_meter_received_may_be_nothing(self) -> None:
        subject = month("0")
        (register, demand) = subject.data.registers
        subject = with_data(subject, registers=(replace(register, direction="received"), demand))
        past = PastRegister(quantity="kWh", value=Decimal(1000), at=JUNE_1, direction="received")
        assert judged(with_history(subject, registers=(past,)), "zero_consumption").outcome == "skipped"


class TestUsual:
    def test_the_customers_own_limit_is_named(self) -> None:
        subject = month("290", LAST_YEAR, usual=Usual(usage_low=Decimal(110)))
        result = judged(subject, "high_low_usage")
        assert (result.outcome, result.limit, result.clause) == ("fail", "110 to 200", "A4 3.3.1")
        assert (result.reason or "").endswith("; low 110 by the order, not 40")

    def test_the_spike_check_of_irregular_usage(self) -> None:
        subject = counted(with_interval(good_subject(channels=1), 1, 9, count=73))
        assert judged(subject, "spike").outcome == "fail"
        usual = Usual(spike_ratio=Decimal(2), spike_ignored_pulses=Decimal(15))
        result = judged(with_history(subject, usual=usual), "spike")
        assert (result.outcome, result.reason) == ("pass", "ratio 2, ignored_pulses 15 by the order, not 1.8, 10")

    def test_percentages_of_intervals_and_demand(self) -> None:
        usual = Usual(usage_within=Decimal(1), demand_high=Decimal(100), demand_low=Decimal(100))
        assert judged(month("290", LAST_YEAR, usual=usual), "high_low_demand").limit == "100 to 100"
        results = run_checks(with_history(TestIntervalUsage.subject("13900"), usual=usual), UBP)
        assert "within 1 by the order, not 25" in (only(results, "high_low_usage").reason or "")

    def test_limits_that_contradict_the_rule_set_are_not_applied(self) -> None:
        result = judged(month("290", LAST_YEAR, usual=Usual(usage_low=Decimal(300))), "high_low_usage")
        assert (result.outcome, result.limit) == ("pass", "40 to 200")
        assert "low 300 by the order is not applied: `low` must not be above `high`" in (result.reason or "")

    @pytest.mark.parametrize("check", ["reactive", "high_low_usage", "zero_consumption"])
    def test_what_the_order_leaves_out(self, check: Any) -> None:
        subject = with_history(good_subject(), usual=Usual(omit=(check,)))
        assert judged(subject, check).reason == "left out by the order: a customer of irregular usage"

    def test_other_checks_cannot_be_left_out(self) -> None:
        for check in ("spike", "sum_check", "high_low_demand"):
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({"usual": {"omit": [check]}}, History)

    def test_reactive_energy_that_is_not_billed(self) -> None:
        assert "not billed" in (judged(with_history(good_subject(), reactive_billed=False), "reactive").reason or "")


REGISTER = {"quantity": "kWh", "value": "1", "at": "2026-06-01T00:00:00Z"}
PERIOD = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z", "usage": "1"}
OVERLAPPING = PERIOD | {"start": "2026-05-31T00:00:00Z", "end": "2026-07-01T00:00:00Z"}


class TestContradictoryOrders:
    @pytest.mark.parametrize(
        ("history", "said"),
        [
            ({"periods": [PERIOD | {"end": "2026-05-01T00:00:00Z"}]}, "which is not after its start"),
            ({"periods": [PERIOD | {"usage": "-1"}]}, "`usage` is negative"),
            ({"periods": [PERIOD | {"usage": "NaN"}]}, "`usage` must be a number"),
            ({"periods": [PERIOD | {"usage": "1e99"}]}, "`usage` must be a number"),
            ({"periods": [PERIOD | {"peak_demand": "-1"}]}, "`peak_demand` is negative"),
            ({"periods": [{k: v for k, v in PERIOD.items() if k != "usage"}]}, "neither `usage` nor `peak_demand`"),
            ({"periods": [PERIOD, OVERLAPPING]}, "overlap"),
            ({"periods": [PERIOD | {"start": "2026-05-01T00:00:00"}]}, "periods[0].start"),
            ({"registers": [REGISTER | {"value": "-0.1"}]}, "`value` is negative"),
            ({"registers": [REGISTER, REGISTER | {"value": "2"}]}, "there are two of kWh delivered tier 0"),
            ({"registers": [REGISTER | {"tier": -1}]}, "registers[0].tier"),
            ({"registers": [REGISTER | {"colour": "red"}]}, "colour"),
            ({"multipliers": [{"multiplier": "0"}]}, "must be above 0"),
            ({"multipliers": [{"multiplier": "2"}, {"multiplier": "3"}]}, "there are two of kWh delivered"),
            ({"service_limit": "0"}, "must be above 0"),
            ({"channels": 256}, "channels"),
            ({"usual": {"usage_low": "90", "usage_high": "80"}}, "`usage_low` is above `usage_high`"),
            ({"usual": {"spike_ratio": "-1"}}, "must not be negative"),
        ],
    )  # fmt: skip
    def test_are_refused_when_they_are_loaded(self, history: dict[str, Any], said: str) -> None:
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(history, History)
        assert said in str(caught.value)

    def test_periods_that_meet_and_net_usage_are_none(self) -> None:
        following = PERIOD | {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
        net = PERIOD | {"direction": "net", "usage": "-5"}
        history = msgspec.convert({"periods": [following, PERIOD, net]}, History)
        assert msgspec.json.decode(msgspec.json.encode(history), type=History) == history


@given(st.fractions(0, 300, max_denominator=10**7), st.fractions(0, 300, max_denominator=10**7))
def test_numbers_read_as_they_compare(measured: Any, limit: Any) -> None:
    """A result that fails also reads so, whatever the rounding."""
    a, b = shown(measured, limit)
    assert (a > b) is (measured > limit)
    assert abs(a - Decimal(measured.numerator) / measured.denominator) < Decimal("0.00001")
