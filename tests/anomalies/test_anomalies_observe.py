"""Each finding that asks for a report is seen, by the words that the checks really use; nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest

from agent.anomalies.kinds import KINDS
from agent.anomaly import Finding
from agent.checks import load_rule_set, run_checks
from agent.checks.run import CHECKS
from agent.checks.subject import Subject
from agent.history import History, PastMultiplier, before_of
from agent.reading import CheckResult, ClockPart, EventPart, MeterPart
from drivers.data import Identity, MeterStatus
from tests.anomalies.anomalies_kit import check, reading, seen, shown, status
from tests.checks.good_subject import good_clock, good_subject, with_data, with_interval

RULES = load_rule_set("ubp-2000")
BEFORE = datetime(2026, 2, 28, tzinfo=UTC)


def judged(subject: Subject) -> tuple[CheckResult, ...]:
    return run_checks(subject, RULES)


def test_every_finding_has_its_kind_and_every_check_of_a_kind_exists() -> None:
    assert set(KINDS) == set(get_args(Finding))
    known = {one.name for one in CHECKS}
    assert all(set(kind.checks) <= known for kind in KINDS.values())
    assert all(kind.title and kind.advice and not kind.advice.endswith(".") for kind in KINDS.values())


def test_hazards_alone_are_safety_related_by_default() -> None:
    assert {name for name, kind in KINDS.items() if kind.safety_related} == {
        "electrical_hazard",
        "installation_defect",
        "life_support",
        "meter_missing",
        "phase_loss",
        "physical_danger",
        "seal_defect",
        "tamper",
        "theft_of_service",
    }


def test_a_good_visit_shows_nothing_and_clears_much() -> None:
    subject = good_subject()
    found = seen(reading(*judged(subject), meter_status=status()))
    assert all(not one.marks for one in found.values())
    assert {"wrong_meter", "clock_must_be_set", "dial_count_differs", "pulse_overflow", "tamper"} <= set(found)


def test_what_was_skipped_says_nothing() -> None:
    results = tuple(check(one.name, "skipped", "nothing to judge") for one in CHECKS)
    assert set(seen(reading(*results), clock_failures=1)) == set()


def test_a_check_that_broke_says_nothing() -> None:
    results = tuple(check(one.name, "fail", "the check broke on these data: KeyError: 1") for one in CHECKS)
    assert shown(reading(*results), clock_failures=1) == {}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.checks])
def test_a_failure_shows_it_a_pass_clears_it_and_a_confirmed_failure_stays(name: Finding) -> None:
    (by, *_) = KINDS[name].checks
    assert name in shown(reading(check(by, "fail", "wrong", measured="2", limit="1")))
    assert name in shown(reading(check(by, "verified", "wrong", measured="2", limit="1")))
    assert seen(reading(check(by, "pass")))[name].marks == ()
    assert name in shown(reading(check(by, "pass", channel=1), check(by, "fail", "wrong", channel=2)))


def test_the_wrong_meter_is_named_and_not_held_against_the_record() -> None:
    subject = with_data(good_subject(), identity=Identity(meter_id="999"))
    results = (*judged(subject), check("dial_count", "fail", "7 digits", measured="7", limit="5"))
    found = shown(reading(*results, meter=MeterPart(meter_id="999", expected_meter_id="12345678")))
    assert found == {"wrong_meter": ("999",)}
    nameplate = shown(reading(*judged(replace(good_subject(), nameplate_id="777"))))
    assert nameplate == {"wrong_meter": ("nameplate 777",)}


def test_differing_records_name_both_numbers() -> None:
    found = shown(reading(*judged(replace(good_subject(), dials=4, decimals=3))))
    assert found == {"dial_count_differs": ("5 instead of 4",), "decimals_differ": ("2 instead of 3",)}


def test_overflow_is_told_by_channel() -> None:
    subject = with_interval(with_interval(good_subject(), 0, 4, count=65_535), 4, 7, status=("overflow",))
    assert shown(reading(*judged(subject)))["pulse_overflow"] == ("channel 1", "channel 2")


def test_faults_of_the_meter_are_told_one_by_one() -> None:
    state = MeterStatus(mode=("metering",), flags=("low_battery", "rom_failure", "low_loss_potential"))
    found = shown(reading(*judged(with_data(good_subject(), status=state))))
    assert found == {"meter_diagnostics": ("low_battery", "rom_failure"), "phase_loss": ("low_loss_potential",)}


def test_a_meter_left_in_test_mode_is_not_one_that_was_tested() -> None:
    now = with_data(good_subject(), status=MeterStatus(mode=("test",), flags=()))
    assert shown(reading(*judged(now), meter_status=status(mode=("test",)))) == {"test_mode": ("",)}
    then = with_interval(good_subject(), 0, 3, status=("test_mode",))
    assert seen(reading(*judged(then), meter_status=status()))["test_mode"].marks == ()


def test_each_change_of_the_configuration_is_told_for_itself_and_without_the_time() -> None:
    subject = good_subject()
    before = before_of(subject.data, BEFORE)
    new = with_data(subject, identity=replace(subject.data.identity, model="B2", manufacturer="M"))
    history = History(multipliers=(PastMultiplier(multiplier=Decimal(40)),))
    earlier = replace(before, configuration={**before.configuration, "identity": {"model": "A1", "manufacturer": "M"}})
    results = judged(replace(new, before=earlier, history=history))
    marks = shown(reading(*results))["configuration_change"]
    assert "model was A1, is B2" in marks
    assert any("the record says 40" in mark for mark in marks)
    assert not any("since" in mark for mark in marks)


class TestClock:
    def test_a_clock_that_is_off_must_be_set(self) -> None:
        late = replace(good_subject(), clock=good_clock(meter_offset_s=Decimal(-181)))
        found = seen(reading(*judged(late)), clock_failures=1)
        assert found["clock_must_be_set"].marks == ("",)
        assert "no leave to correct it" in found["clock_must_be_set"].reasons

    def test_one_that_is_good_enough_for_its_registers_must_be_set_all_the_same(self) -> None:
        late = replace(with_data(good_subject(), blocks=()), clock=good_clock(meter_offset_s=Decimal(200)))
        results = judged(late)
        assert all(result.outcome != "fail" for result in results if result.check == "meter_clock")
        assert "clock_must_be_set" in shown(reading(*results))

    def test_one_that_was_set_is_in_order(self) -> None:
        part = ClockPart(agent_source="ntp", corrected=True, correction="set")
        assert seen(reading(check("meter_clock", "fail", "200 s fast"), clock=part))["clock_must_be_set"].marks == ()

    def test_a_correction_that_failed_is_told(self) -> None:
        part = ClockPart(agent_source="ntp", corrected=False, correction="refused", correction_reason="too far off")
        found = seen(reading(check("meter_clock", "fail", "200 s fast"), clock=part))["clock_must_be_set"]
        assert found.reasons == ("200 s fast", "its correction: refused (too far off)")

    def test_the_third_failure_in_a_row_asks_for_an_inspection_until_the_clock_is_right(self) -> None:
        failed = reading(check("meter_clock", "fail", "200 s fast"))
        told = {count: seen(failed, clock_failures=count).get("physical_inspection_required") for count in range(6)}
        assert [count for count, one in told.items() if one is not None and one.marks] == [3, 4, 5]
        assert [count for count, one in told.items() if one is None] == [1, 2]


class TestWhatTheMeterSaysItself:
    def test_flags_of_the_status(self) -> None:
        found = shown(reading(meter_status=status("tamper_detect", "reverse_rotation", "low_battery")))
        assert found == {"tamper": ("tamper_detect",), "reverse_rotation": ("reverse_rotation",)}
        cleared = seen(reading(meter_status=status()))
        assert (cleared["tamper"].marks, cleared["reverse_rotation"].marks) == ((), ())

    def test_events_since_the_last_read_alone(self) -> None:
        events = (
            EventPart(code=47, name="tamper_attempt", at="2026-02-27T10:00:00Z"),
            EventPart(code=57, name="device_unsealed", at="2026-02-28T10:00:00Z"),
            EventPart(code=47, name="tamper_attempt"),
            EventPart(code=48, name="reverse_rotation", at="2026-02-28T10:00:00Z", manufacturer=True),
        )
        assert shown(reading(events=events), last_read_at=BEFORE) == {"tamper": ("device_unsealed",)}
        assert shown(reading(events=events)) == {}

    def test_a_status_that_was_not_read_says_nothing(self) -> None:
        assert "tamper" not in seen(reading())


def test_a_bench_has_nothing_to_report() -> None:
    assert seen(reading(check("phase_loss", "fail"), purpose="bench", meter_status=status("tamper_detect"))) == {}


def test_long_marks_are_kept_short_and_apart() -> None:
    one, other = (check("configuration_change", "fail", "x" * 500 + tail) for tail in "ab")
    (first,), (second,) = (shown(reading(result))["configuration_change"] for result in (one, other))
    assert first != second
    assert len(first) == len(second) == 120
