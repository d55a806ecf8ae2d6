"""What the laboratory tells of its scenarios follows from physics: energy is conserved, clocks run as they do."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NoReturn

import msgspec
import pytest

from drivers.c1219.record import Layout
from drivers.errors import UsageError
from metersim.lab import Laboratory, VisitPart
from metersim.lab.document import BlockPart, RegisterPart
from metersim.meter.compose import File, composed
from tests.metersim.lab_kit import expectation, laboratory


def made(text: str) -> Laboratory:
    return Laboratory.of(composed(File("test.toml", text)))


def total(visit: VisitPart, direction: str = "delivered", tier: int = 0) -> RegisterPart:
    """The present summation of active energy."""
    (found,) = (
        one
        for one in visit.registers
        if (one.table, one.kind, one.direction, one.tier) == ("ST23", "cumulative", direction, tier)
        and one.unit.endswith("Wh")
    )
    return found


def fails(visit: VisitPart) -> dict[str, str]:
    return {check.check: check.because for check in visit.checks if check.outcome == "fail"}


def advance(block: BlockPart) -> Decimal:
    """What the register that stands at the ends of a block moved on by."""
    return Decimal(block.stop_register or "NaN") - Decimal(block.start_register or "NaN")


def flagged(visit: VisitPart, word: str, channel: int = 1) -> list[str]:
    return [
        end
        for block in visit.interval_blocks
        if block.channel == channel
        for end, words in zip(block.ends(), block.status, strict=True)
        if word in words
    ]


def test_a_year_of_four_channels_adds_up_to_its_registers() -> None:
    (visit,) = expectation("year-4ch").visits
    assert sum(len(block.pulses) for block in visit.interval_blocks) == 140_352  # as the manual says
    begin = datetime.fromisoformat("2026-01-01T06:00:00+00:00")
    for channel in range(1, 5):
        blocks = [block for block in visit.interval_blocks if block.channel == channel]
        ends = [datetime.fromisoformat(end) for block in blocks for end in block.ends()]
        assert len(ends) == 365 * 96 + 48
        assert ends[0] == begin + timedelta(minutes=15)
        assert all(later - earlier == timedelta(minutes=15) for earlier, later in pairwise(ends))
        whole = [block for block in blocks if block.passed is None]
        assert 4 <= len(blocks) - len(whole) <= 20  # those with an outage
        assert all(sum(map(Decimal, filter(None, block.values))) == advance(block) for block in whole)
        assert all(before.stop_register == after.start_register for before, after in pairwise(blocks))
    assert [check.check for check in visit.checks if check.outcome == "fail"] == ["missing_intervals"]


def test_nothing_is_found_by_encoding_or_decoding_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_arguments: object) -> NoReturn:
        raise AssertionError("a table was made or read")

    monkeypatch.setattr(Layout, "encode", touched)
    monkeypatch.setattr(Layout, "decode", touched)
    assert laboratory("rollover").expect() == expectation("rollover")


def test_the_same_seed_tells_the_same_to_the_octet() -> None:
    first, again = (msgspec.json.encode(laboratory("outages").expect()) for _ in range(2))
    assert first == again
    assert msgspec.json.encode(expectation("outages", 2)) != first


def test_holidays_are_off_peak_and_the_rates_of_a_visit_add_up() -> None:
    holiday, autumn, thanksgiving = expectation("tariff").visits
    for visit in (holiday, autumn, thanksgiving):
        rates = [Decimal(total(visit, tier=tier).value) for tier in (1, 2, 3)]
        assert sum(rates) == Decimal(total(visit).value)
        assert all(rates)
    one = laboratory("tariff")
    at = [datetime.fromisoformat(f"2026-11-{day}T19:30:00-05:00") for day in (25, 26, 27)]
    calendar = one.meter(datetime.fromisoformat("2026-06-23T00:00:00Z")).calendar
    assert [calendar.tier_at(int(day.timestamp())) for day in at] == [1, 0, 1]
    assert {register.season for register in holiday.registers} == {"current"}
    assert "previous" in {register.season for register in autumn.registers}


def test_what_goes_past_the_meter_is_used_and_seen_by_no_check() -> None:
    before, after = expectation("tamper-bypass").visits
    assert all(use.used == use.counted for use in before.energy)
    delivered, received = after.energy
    share = Decimal(delivered.counted) / Decimal(delivered.used)
    assert Decimal("0.35") < share < Decimal("0.5")  # 70 % of eleven days in thirteen are gone
    assert received.used == received.counted
    assert Decimal(total(after).value) - Decimal(total(before).value) == Decimal(delivered.counted)
    assert fails(after) == {}
    assert "no check can see it" in after.really[-1].what


def test_a_meter_turned_over_counts_the_same_energy_in_the_other_register() -> None:
    _, turned, righted = expectation("tamper-turned").visits
    for visit in (turned, righted):
        (out, into) = visit.energy
        lost, won = Decimal(out.used) - Decimal(out.counted), Decimal(into.counted) - Decimal(into.used)
        assert lost == won > 0
    assert {event.name for event in turned.events} >= {"tamper_attempt", "reverse_rotation"}
    assert set(righted.meter_status.flags) == {"tamper_detect", "reverse_rotation"}


def test_a_written_constant_changes_what_is_read_and_not_what_is_counted() -> None:
    before, after, _ = expectation("tamper-constants").visits
    assert Decimal(total(after).multiplier) / Decimal(total(before).multiplier) == Decimal("0.8")
    assert Decimal(total(after).raw) > Decimal(total(before).raw)
    assert Decimal(total(after).value) < Decimal(total(before).value)
    assert "multiplier of Wh delivered" in fails(after)["configuration_change"]
    assert all(use.used == use.counted for use in after.energy)


def test_dials_run_over_and_the_rest_of_a_kilowatt_hour_is_kept() -> None:
    before, after = expectation("rollover").visits
    assert 99_000 < Decimal(total(before).raw) < 100_000
    assert Decimal(total(after).raw) < 1000
    moved = Decimal(total(after).raw) + 100_000 - Decimal(total(before).raw)
    assert abs(moved - Decimal(after.energy[0].counted)) < 1
    assert after.record.dials == 5
    assert fails(after) == {}


def test_a_dead_battery_makes_long_intervals_and_leaves_none_out() -> None:
    good, dead = (expectation(name).visits[-1] for name in ("outages", "dead-battery"))
    assert good.clock is not None
    assert dead.clock is not None
    lost = sum((4, 3725, 43_500, 31))
    assert abs(Decimal(good.clock.meter_offset_s) - Decimal(dead.clock.meter_offset_s) - lost) < Decimal("0.2")
    assert set(fails(good)) == {"missing_intervals"}
    assert set(fails(dead)) == {"meter_clock", "meter_diagnostics"}
    assert flagged(dead, "missing") == []
    assert len(flagged(dead, "power_outage")) == 4 < len(flagged(good, "power_outage")) == 57
    assert good.energy == dead.energy


def test_a_clock_drifts_and_is_set() -> None:
    offsets = [Decimal(visit.clock.meter_offset_s) for visit in expectation("drifting-clock").visits if visit.clock]
    drift = Decimal("104e-6")
    fourteen_days = 14 * 86_400 * drift
    assert abs(offsets[1] - offsets[0] - fourteen_days) < 1
    assert abs(offsets[2] - offsets[1] - (fourteen_days / 2 - 60)) < 1
    assert 0 < offsets[3] < 60
    third, last = expectation("drifting-clock").visits[2:]
    assert flagged(third, "long") == ["2026-04-01T14:15:00Z"]
    assert [event.code for event in last.events if event.log == "event" and event.code in {3, 4}] == [3, 4, 3, 4]


@pytest.mark.parametrize(
    ("offset_s", "outcome"), [("-178.9", "pass"), ("179.5", "either"), ("-180.5", "either"), ("181.1", "fail")]
)
def test_a_clock_at_the_limit_is_as_it_is_measured(offset_s: str, outcome: str) -> None:
    text = f'use = ["residential-tou"]\ninstalled = 2026-01-31\nclock.offset_s = "{offset_s}"\n'
    (visit,) = made(text).expect([datetime.fromisoformat("2026-02-01T12:00:00Z")]).visits
    assert [check.outcome for check in visit.checks if check.check == "meter_clock"] == [outcome]


def test_a_clock_that_has_not_reached_the_visit_before_counts_no_intervals() -> None:
    text = """
        use = ["residential-tou"]
        title = "a day late"
        installed = 2026-02-01
        clock = { battery = "dead", offset_at = 2026-02-02T00:00:00Z }
        outage = [{ at = 2026-02-03T00:00:00Z, seconds = 90000 }]
        visits = [2026-02-05T12:00:00Z, 2026-02-06T11:00:00Z]
    """
    last = made(text).expect().visits[-1]
    assert last.record.last_read_at == "2026-02-05T12:00:00Z"
    assert "interval_count" not in {check.check for check in last.checks}


def test_full_counters_stop_and_the_memory_forgets() -> None:
    early, late = expectation("full-counters").visits
    (named,) = (check.intervals or {} for check in early.checks if check.check == "pulse_overflow")
    assert named == {"1": tuple(f"2026-01-{time}:00Z" for time in ("14T23:15", "14T23:30", "14T23:45", "15T00:00"))}
    full = [
        (count, value, passed)
        for block in early.interval_blocks
        if block.channel == 1 and block.passed is not None
        for count, value, passed in zip(block.pulses, block.values, block.passed, strict=True)
        if value != passed
    ]
    assert len(full) == 4
    assert all(count == 255 and int(passed) > 255 for count, _, passed in full)
    assert "912 of 1152 are held" in fails(late)["interval_count"]


def test_people_away_use_little_and_bread_is_a_spike() -> None:
    expected = expectation("load-shapes").visits[-1]
    by_day = dict.fromkeys(range(6, 20), 0)
    for block in expected.interval_blocks:
        if block.channel == 1:
            for end, count in zip(block.ends(), block.pulses, strict=True):
                at = datetime.fromisoformat(end) - timedelta(hours=5, minutes=15)
                if at.month == 2 and at.day in by_day:
                    by_day[at.day] += int(count or 0)
    assert max(by_day[day] for day in range(6, 16)) * 10 < min(by_day[day] for day in range(16, 20))
    (named,) = (check.intervals for check in expected.checks if check.check == "spike")
    assert named == {"1": ("2026-02-18T16:15:00Z",)}


def test_outages_go_on_after_the_start_if_the_story_does() -> None:
    text = """
        use = ["residential-tou"]
        title = "later"
        installed = 2026-01-01
        outages_per_year = 0
        until = 2026-03-01T00:00:00Z
        clock.battery = "dead"
        [[outage]]
        at = 2026-02-10T10:00:00Z
        seconds = 1000
        [[outage]]
        at = 2026-03-10T10:00:00Z
        seconds = 1000
    """
    meter = made(text).meter(datetime.fromisoformat("2026-02-01T00:00:00Z"))
    assert len(meter.supply.outages) == 1
    assert meter.flags == ()  # the battery has not been missed yet
    assert meter.supply.is_off(meter.supply.outages[0][0])
    assert not meter.supply.is_off(meter.supply.outages[0][1])


def test_a_scenario_that_does_not_say_when_it_is_read_must_be_told() -> None:
    lab = made('use = ["minimal"]')
    with pytest.raises(UsageError, match=r"neither `visits` nor `clock\.start`"):
        lab.expect()
    (visit,) = lab.expect([datetime.fromisoformat("2026-02-01T12:00:00Z")]).visits
    assert visit.clock is None
    assert visit.interval_blocks == ()


@pytest.mark.parametrize("rules", ["cpuc-d97-12-048", "pge-direct-access"])
def test_the_other_rule_sets_judge_by_their_own_limits(rules: str) -> None:
    expected = laboratory("full-counters").expect(rule_set=rules)
    assert expected.rule_set == rules
    assert "interval_count" in fails(expected.visits[-1])
    with pytest.raises(UsageError, match="allowed: ubp-2000"):
        laboratory("full-counters").expect(rule_set="none")


def test_a_scenario_is_known_by_its_digest() -> None:
    here, there = (made(f'use = ["minimal"]\ntitle = "{title}"') for title in ("a", "b"))
    assert len(here.sha256) == 64
    assert here.sha256 != there.sha256
    assert made('use = ["minimal"]\ntitle = "a"').sha256 == here.sha256
