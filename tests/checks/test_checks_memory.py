"""The checks against the last read: what moved, what should have, what changed; and what a visit leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from agent.checks import Subject, load_rule_set, run_checks
from agent.history import (
    LONGEST,
    MOST_REGISTERS,
    MOST_SETTINGS,
    Before,
    History,
    PastMultiplier,
    PastRegister,
    before_of,
)
from agent.reading import CheckResult
from drivers.data import Identity, Problem
from drivers.errors import LineLost
from tests.checks.good_subject import (
    START,
    counted,
    good_before,
    good_clock,
    good_register,
    good_subject,
    only,
    with_before,
    with_block,
    with_data,
    with_history,
    with_interval,
    with_register,
)

UBP = load_rule_set("ubp-2000")
RECEIVED = 5  # index of a register that no channel of two records


def judged(subject: Subject, check: str) -> CheckResult:
    return only(run_checks(subject, UBP), check)


class TestRegisterAdvance:
    @pytest.mark.parametrize(
        ("earlier", "present", "outcome", "measured"),
        [
            ("51000", "51000", "pass", "0"),
            ("51000", "50999.999", "fail", "-0.001"),
            ("99968", "00294", "pass", "326"),
            ("60000", "10000", "pass", "50000"),  # half a turn
            ("60000", "10001", "fail", "-49999"),
        ],
    )
    def test_one_rollover_of_at_most_half_a_turn(self, earlier: str, present: str, outcome: str, measured: str) -> None:
        subject = replace(with_register(good_subject(), RECEIVED, earlier), before=None)
        before = good_before(subject.data)
        subject = replace(with_register(subject, RECEIVED, present), history=None, before=before)
        result = judged(subject, "register_advance")
        assert result.outcome == outcome
        assert result.measured == measured or Decimal(measured) > 0

    def test_the_worked_rollover(self) -> None:
        past = PastRegister(quantity="kWh", value=Decimal(99_968), at=START)
        subject = with_data(good_subject(), registers=(good_register("00294"),))
        subject = replace(subject, history=History(registers=(past,)), before=None)
        result = judged(subject, "register_advance")
        assert (result.outcome, result.measured, result.reason) == (
            "pass",
            "326",
            "kWh delivered rolled over at its dials",
        )

    def test_without_the_number_of_dials_there_is_no_rollover(self) -> None:
        result = judged(replace(with_register(good_subject(), RECEIVED, "1"), dials=None), "register_advance")
        assert result.outcome == "fail"
        assert "kWh received reads 1, less than 51000 kWh of this agent's last read" in (result.reason or "")
        assert "the number of dials, for a rollover, is not known" in (result.reason or "")

    def test_each_rate_has_its_own_register(self) -> None:
        subject = with_register(good_subject(), 1, "2344")
        assert "kWh delivered, rate 1" in (judged(subject, "register_advance").reason or "")

    def test_a_net_register_may_run_backwards(self) -> None:
        register = good_register("5", direction="net")
        subject = with_data(good_subject(), registers=(register,))
        before = before_of(with_data(subject, registers=(replace(register, raw="9"),)).data, START)
        result = judged(replace(subject, before=before, history=None), "register_advance")
        assert result.reason == "net registers may run backwards"

    def test_what_the_meter_counted_is_compared_whatever_its_constants_were(self) -> None:
        """After a multiplier of 80 was corrected to 40 the value is lower, the register is not."""
        subject = good_subject()
        earlier = good_register("51000", direction="received", multiplier=Decimal(80), value=Decimal(4_080_000))
        present = good_register("51001", direction="received", multiplier=Decimal(40), value=Decimal(2_040_040))
        before = before_of(replace(subject.data, registers=(earlier,)), START)
        subject = replace(with_data(subject, registers=(present,)), before=before, history=None)
        assert judged(subject, "register_advance").outcome == "pass"
        assert "multiplier of kWh received was 80, is 40" in (judged(subject, "configuration_change").reason or "")

    @pytest.mark.parametrize("raw", ["", "1e", "NaN", "Infinity"])
    def test_a_memory_without_a_number(self, raw: str) -> None:
        subject = replace(good_subject(), history=None)
        assert subject.before is not None
        spoilt = tuple(replace(register, raw=raw) for register in subject.before.registers)
        assert judged(with_before(subject, registers=spoilt), "register_advance").outcome == "skipped"


class TestConfigurationChange:
    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (
                lambda s: with_data(s, identity=replace(s.data.identity, firmware_version="5.3")),
                "firmware version was 5.2, is 5.3",
            ),
            (
                lambda s: with_data(s, identity=replace(s.data.identity, utility={"tariff_id": "E-19"})),
                None,  # it was not read the last time
            ),
            (
                lambda s: with_data(s, constants={"source 0 MULTIPLIER": "80"}),
                "source 0 MULTIPLIER was 1, is 80",
            ),
            (
                lambda s: with_data(s, constants={"source 0 MULTIPLIER": "1", "source 1 MULTIPLIER": "1"}),
                "source 1 MULTIPLIER is new, 1",
            ),
            (
                lambda s: with_data(s, blocks=tuple(block for block in s.data.blocks if block.channel == 1)),
                "channel 2 records was kvarh delivered, is gone",
            ),
            (
                lambda s: with_data(s, blocks=tuple(replace(b, interval_s=1800) for b in s.data.blocks)),
                "interval length of channel 1 was 900 s, is 1800 s",
            ),
            (
                lambda s: with_data(s, registers=(replace(s.data.registers[0], digits=6), *s.data.registers[1:])),
                None,
            ),
            (lambda s: with_data(s, registers=s.data.registers[:1], blocks=(), constants={}), None),  # registers only
        ],
    )  # fmt: skip
    def test_old_and_new_are_named(self, spoil: Any, said: str | None) -> None:
        result = judged(spoil(good_subject()), "configuration_change")
        assert result.outcome == ("pass" if said is None else "fail")
        if said is not None:
            assert said in (result.reason or "")
            assert "since the read of 2026-03-01T00:00:00Z" in (result.reason or "")

    def test_a_reading_that_is_not_whole_says_nothing_of_what_it_lacks(self) -> None:
        subject = good_subject()
        lost = with_data(subject, blocks=subject.data.blocks[:1], constants={"source 0 MULTIPLIER": "1"})
        assert judged(lost, "configuration_change").outcome == "fail"
        assert judged(with_data(lost, problems=(Problem("ST64", "refused"),)), "configuration_change").outcome == "pass"
        assert judged(with_data(lost, broken=LineLost("unplugged")), "configuration_change").outcome == "pass"

    def test_the_record_of_the_order(self) -> None:
        subject = with_history(good_subject(), multipliers=(PastMultiplier(multiplier=Decimal(80)),))
        reason = judged(subject, "configuration_change").reason or ""
        assert "multiplier of kWh delivered is 1, the record says 80" in reason
        assert "multiplier of kWh delivered, rate 2 is 1, the record says 80" in reason
        alone = replace(subject, before=None)
        assert judged(alone, "configuration_change").outcome == "fail"

    def test_nothing_to_compare_with(self) -> None:
        subject = with_history(good_subject(), multipliers=())
        assert "no earlier reading" in (judged(replace(subject, before=None), "configuration_change").reason or "")
        assert "another meter, 9" in (judged(with_before(subject, meter_id="9"), "configuration_change").reason or "")
        assert "nothing of the configuration" in (
            judged(with_before(subject, configuration={}), "configuration_change").reason or ""
        )


class TestStaleSnapshot:
    def test_a_clock_that_stands_still(self) -> None:
        subject = good_subject()
        assert subject.data.clock is not None
        result = judged(with_before(subject, meter_time=subject.data.clock.meter_time), "stale_snapshot")
        assert (result.outcome, result.measured, result.unit) == ("fail", "0", "s")
        assert "the meter's clock has not moved since the last read" in (result.reason or "")

    @staticmethod
    def still(subject: Subject) -> Subject:
        """Let no register have moved since the last read."""
        registers = subject.data.registers
        earlier = with_data(subject, registers=registers, blocks=()).data
        before = replace(before_of(earlier, START), meter_time=START)
        return replace(subject, before=before, history=None)

    def test_registers_that_stand_still_under_load(self) -> None:
        result = judged(self.still(good_subject()), "stale_snapshot")
        assert result.outcome == "fail"
        assert "no register has moved since the last read, 2026-03-01T00:00:00Z, although channel 1 recorded" in (
            result.reason or ""
        )

    @pytest.mark.parametrize(("pulses", "outcome"), [(8, "pass"), (9, "fail")])
    def test_a_load_counts_if_it_should_have_moved_the_register(self, pulses: int, outcome: str) -> None:
        """Two steps of the register are 8 pulses of 0.25 kWh."""
        subject = good_subject(8, channels=1)
        for k in range(8):
            subject = with_interval(subject, 0, k, count=pulses if k == 5 else 0)
        result = judged(self.still(subject), "stale_snapshot")
        assert result.outcome == outcome
        assert ("no load was seen" in (result.reason or "")) is (outcome == "pass")

    def test_the_interval_of_the_last_read_is_not_counted(self) -> None:
        subject = good_subject(8, channels=1)
        for k in range(8):
            subject = with_interval(subject, 0, k, count=99 if k == 0 else 0)
        subject = with_before(self.still(subject), meter_time=START + timedelta(minutes=5))
        assert judged(subject, "stale_snapshot").outcome == "pass"

    @pytest.mark.parametrize(("power", "outcome"), [("0", "pass"), ("0.03", "pass"), ("0.05", "fail")])
    def test_a_load_at_the_moment(self, power: str, outcome: str) -> None:
        """Two steps in the 50 hours since are 0.04 kW."""
        subject = good_subject(channels=1)
        load = replace(good_register(power, kind="demand"), kind="instantaneous")
        subject = with_data(subject, registers=(*subject.data.registers, load), blocks=())
        assert judged(self.still(subject), "stale_snapshot").outcome == outcome

    @pytest.mark.parametrize(("seconds", "outcome"), [(299, "skipped"), (300, "fail")])
    def test_reads_shortly_after_one_another(self, seconds: int, outcome: str) -> None:
        subject = good_subject()
        assert subject.data.clock is not None
        read_at = subject.read_at - timedelta(seconds=seconds)
        subject = with_before(subject, read_at=read_at, meter_time=subject.data.clock.meter_time)
        assert judged(subject, "stale_snapshot").outcome == outcome

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda s: replace(s, before=None),
            lambda s: with_before(s, meter_id="other"),
            lambda s: with_before(s, read_at=s.read_at + timedelta(days=1)),
            lambda s: with_data(s, registers=(), clock=None),
        ],
    )
    def test_without_memory_it_is_skipped(self, spoil: Any) -> None:
        assert judged(spoil(good_subject()), "stale_snapshot").outcome == "skipped"


class TestImplausibleJump:
    @staticmethod
    def heard(raw: str, **history: Any) -> Subject:
        """Return a value heard by radio ten hours after 51000 kWh were."""
        subject = good_subject()
        register = good_register(raw)
        data = replace(subject.data, method="radio", registers=(register,), blocks=(), clock=None, has_clock=False)
        before = before_of(replace(data, registers=(replace(register, raw="51000"),)), START)
        subject = replace(subject, data=data, before=before, read_at=START + timedelta(hours=10))
        return replace(subject, history=History(**history))

    @pytest.mark.parametrize(
        ("raw", "history", "outcome", "limit"),
        [
            ("51961", {}, "pass", "961"),  # 96 kW by our default, and one step
            ("51962", {}, "fail", "961"),
            ("51101", {"service_limit": Decimal(10)}, "pass", "101"),
            ("51102", {"service_limit": Decimal(10)}, "fail", "101"),
        ],
    )
    def test_what_the_service_can_draw(self, raw: str, history: dict[str, Any], outcome: str, limit: str) -> None:
        result = judged(self.heard(raw, **history), "implausible_jump")
        assert (result.outcome, result.limit, result.unit) == (outcome, limit, "kWh")
        assert result.measured == str(int(raw) - 51000)

    def test_a_value_that_fell_is_another_check(self) -> None:
        subject = replace(self.heard("50999"), dials=None)
        assert judged(subject, "implausible_jump").outcome == "skipped"
        assert judged(subject, "register_advance").outcome == "fail"

    def test_gas_has_no_default(self) -> None:
        subject = self.heard("51001")
        gas = replace(subject.data.registers[0], quantity="ft3", unit="ft3")
        assert subject.before is not None
        last = tuple(replace(register, quantity="ft3") for register in subject.before.registers)
        subject = with_before(with_data(subject, registers=(gas,)), registers=last)
        assert "not on record" in (judged(subject, "implausible_jump").reason or "")
        subject = replace(subject, history=History(service_limit=Decimal("0.01")))
        assert judged(subject, "implausible_jump").limit == "1.1"

    def test_a_meter_that_answers_is_not_judged(self) -> None:
        assert judged(good_subject(), "implausible_jump").outcome == "skipped"

    def test_the_first_value_ever(self) -> None:
        assert judged(replace(self.heard("1"), before=None), "implausible_jump").outcome == "skipped"


class TestChannelCount:
    @pytest.mark.parametrize(("expected", "outcome"), [(1, "fail"), (2, "pass"), (3, "fail")])
    def test_as_on_record(self, expected: int, outcome: str) -> None:
        result = judged(with_history(good_subject(), channels=expected), "channel_count")
        assert (result.outcome, result.measured, result.limit) == (outcome, "2", str(expected))

    def test_no_data_at_all(self) -> None:
        empty = with_data(good_subject(), blocks=())
        assert judged(empty, "channel_count").outcome == "fail"
        assert judged(replace(empty, registers_only=True), "channel_count").outcome == "skipped"
        assert judged(replace(empty, clock=good_clock(permits_interval=False)), "channel_count").outcome == "skipped"
        assert judged(with_history(empty, channels=0), "channel_count").outcome == "pass"
        assert judged(with_history(empty, channels=None), "channel_count").outcome == "skipped"


class TestReactive:
    @staticmethod
    def idle(pulses: int, *, channels: int = 2) -> Subject:
        subject = with_interval(good_subject(channels=channels), 0, 9, count=0)
        return counted(with_interval(subject, 3, 9, count=pulses))

    @pytest.mark.parametrize(("pulses", "outcome"), [(0, "pass"), (4, "pass"), (5, "fail"), (-5, "fail")])
    def test_the_threshold(self, pulses: int, outcome: str) -> None:
        result = judged(self.idle(pulses), "reactive")
        assert (result.outcome, result.measured, result.limit) == (outcome, str(abs(pulses)), "4")
        assert (result.channel, result.intervals) == ((1, (9,)) if outcome == "fail" else (None, None))

    def test_active_energy_of_any_channel_counts(self) -> None:
        """With channel 3 kWh were received in the same interval."""
        assert judged(self.idle(5, channels=3), "reactive").outcome == "pass"

    def test_reactive_channels_of_one_scale_count_together(self) -> None:
        subject = self.idle(3)
        twin = tuple(replace(b, channel=3, direction="received") for b in subject.data.blocks if b.channel == 2)
        result = judged(with_data(subject, blocks=(*subject.data.blocks, *twin)), "reactive")
        assert (result.outcome, result.measured) == ("fail", "6")
        other = tuple(replace(block, multiplier=Decimal(7)) for block in twin)
        result = judged(with_data(subject, blocks=(*subject.data.blocks, *other)), "reactive")
        assert (result.outcome, result.measured) == ("pass", "3")

    def test_blocks_that_are_cut_otherwise_are_matched_by_time(self) -> None:
        subject = self.idle(5)
        later = [b for b in subject.data.blocks if b.channel == 2]
        head = later[0]
        cut = replace(
            head,
            first_interval_end=head.first_interval_end + timedelta(minutes=45),
            counts=head.counts[3:], values=head.values[3:], status=head.status[3:],
        )  # fmt: skip
        blocks = (*(b for b in subject.data.blocks if b.channel == 1), cut, *later[1:])
        assert judged(with_data(subject, blocks=blocks), "reactive").intervals == (9,)

    def test_an_interval_without_a_value_is_not_zero(self) -> None:
        subject = with_interval(self.idle(5), 0, 9, count=None, status=("missing",))
        assert judged(subject, "reactive").outcome == "pass"

    def test_other_intervals_or_none(self) -> None:
        subject = self.idle(5)
        hourly = with_block(subject, 3, lambda block: replace(block, interval_s=3600))
        assert judged(hourly, "reactive").outcome == "pass"
        assert judged(good_subject(channels=1), "reactive").outcome == "skipped"
        assert judged(with_data(subject, blocks=()), "reactive").outcome == "skipped"


class TestBefore:
    def test_it_survives_a_round_trip(self) -> None:
        before = before_of(good_subject().data, START)
        assert msgspec.json.decode(msgspec.json.encode(before), type=Before) == before

    def test_it_holds_what_the_checks_need(self) -> None:
        subject = good_subject()
        before = before_of(subject.data, subject.read_at)
        assert (before.meter_id, before.read_at) == ("12345678", subject.read_at)
        assert before.meter_time == subject.data.clock.meter_time if subject.data.clock else None
        assert [register.raw for register in before.registers[:2]] == ["052345", "2345"]
        assert before.configuration["channels"]["channel 2 records"] == "kvarh delivered"
        assert before.digest != before_of(with_data(subject, constants={"source 0 MULTIPLIER": "2"}).data, START).digest

    def test_it_is_bounded_and_still_notices_any_change(self) -> None:
        data = good_subject().data
        many = {f"source {k} {'long' * 50}": "9" * 500 for k in range(3000)}
        registers = tuple(good_register("1" * (1 if tier else 4000), tier=tier) for tier in range(1000))
        huge = replace(data, constants=many, registers=registers, identity=Identity("1", firmware_version="5" * 10_000))
        before = before_of(huge, START)
        assert len(before.registers) == MOST_REGISTERS
        assert all(register.tier for register in before.registers)  # what no meter can show is not kept in part
        assert all(len(section) <= MOST_SETTINGS + 1 for section in before.configuration.values())
        assert all(len(text) <= LONGEST for section in before.configuration.values() for text in section)
        assert len(msgspec.json.encode(before)) < 131_072
        last = max(many)
        changed = before_of(replace(huge, constants=many | {last: "8" * 500}), START)
        assert changed.digest != before.digest
        assert changed.configuration != before.configuration
