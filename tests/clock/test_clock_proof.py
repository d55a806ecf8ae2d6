"""The gate and the stamps, in virtual time: nothing here waits."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.instant import NS, read_instant
from agent.clock.proof import ClockProof, Kind, Policy
from tests.clock.clock_kit import NOON, VirtualClock, later, proved

DAY = 86_400
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
TIMED: tuple[Kind, ...] = ("interval", "tou")


def error_s(proof: ClockProof, box: VirtualClock) -> Decimal:
    """How wrong the stamp of this moment is."""
    wrong = abs(proof.utc_at(box.boottime_ns()) - box.true_utc)
    return Decimal(wrong // timedelta(microseconds=1)) / 1_000_000


class TestStamps:
    def test_are_corrected_by_the_offset(self) -> None:
        fast = VirtualClock(offset_s=Decimal("12.5"))
        proof = proved(fast)
        assert proof.offset_s == Decimal("12.5")
        assert proof.utc_at(fast.boottime_ns()) == NOON
        assert proof.synchronized_at == NOON

    @given(
        ppm=st.integers(-50, 50),
        seconds=st.integers(0, 31 * DAY),
        offset=st.decimals(-5_000, 5_000, places=6),
        misread=st.decimals(-1, 1, places=6),
    )
    def test_stay_within_the_uncertainty_for_a_month(
        self, ppm: int, seconds: int, offset: Decimal, misread: Decimal
    ) -> None:
        box = VirtualClock(offset_s=offset, ppm=ppm)
        proof = dataclasses.replace(
            proved(box, uncertainty_s="1"), offset_s=box.offset_s + misread
        )  # anywhere that the source allows
        box.advance(seconds)
        uncertainty = proof.uncertainty_at(box.boottime_ns())
        assert uncertainty is not None
        # The box counts elapsed time with the clock that drifts: 50 ppm of 50 ppm. Stamps are whole microseconds.
        assert error_s(proof, box) <= uncertainty * Decimal("1.00006") + Decimal("0.000002")

    @given(seconds=st.integers(0, 100), offset=st.decimals("-0.4", "0.4", places=3))
    def test_stay_within_the_uncertainty_while_a_daemon_slews_the_offset_away(
        self, seconds: int, offset: Decimal
    ) -> None:
        box = VirtualClock(offset_s=offset)
        proof = proved(box)
        slewing = min(Decimal(seconds), abs(offset) * 12)  # 83,333 ppm, chrony's default limit
        box.advance(float(slewing), slew_ppm=-83_333 if offset > 0 else 83_333)
        box.advance(float(seconds - slewing))
        uncertainty = proof.uncertainty_at(box.boottime_ns())
        assert uncertainty is not None
        assert error_s(proof, box) <= uncertainty

    def test_are_not_moved_by_a_step_of_the_system_clock(self) -> None:
        box = VirtualClock(offset_s=3)
        proof = proved(box)
        box.step(3_600)
        box.advance(10)
        assert proof.utc_at(box.boottime_ns()) == NOON + timedelta(seconds=10)

    def test_of_an_unproven_clock_are_what_the_system_clock_said(self) -> None:
        box = VirtualClock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
        proof = ClockProof(False, "none", read_instant(box), Policy())
        assert proof.utc_at(box.boottime_ns()) == datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
        assert proof.uncertainty_at(box.boottime_ns()) is None
        assert proof.error_bound_at(box.boottime_ns()) is None
        assert proof.synchronized_at is None


class TestHoldover:
    def test_reaches_the_limit_after_13_9_days_at_50_ppm(self) -> None:
        box = VirtualClock()
        proof = proved(box, uncertainty_s="0")
        after = box.boottime_ns() + 1_200_000 * NS  # 13.89 days
        assert proof.error_bound_at(after) == 60
        assert proof.uncertainty_at(after + NS) == Decimal("60.00005")

    def test_takes_the_configured_oscillator(self) -> None:
        box = VirtualClock()
        proof = proved(box, uncertainty_s="0", policy=Policy(ppm=Decimal("2.5")))
        assert proof.uncertainty_at(box.boottime_ns() + 1_000 * NS) == Decimal("0.0025")

    def test_widens_by_a_second_past_an_announced_leap(self) -> None:
        box = VirtualClock(datetime(2026, 6, 30, 23, 59, tzinfo=UTC))
        proof = proved(box, uncertainty_s="0", leap=True)
        assert proof.uncertainty_at(box.boottime_ns() + 59 * NS) == Decimal("0.00295")
        assert proof.uncertainty_at(box.boottime_ns() + 61 * NS) == Decimal("1.00305")


class TestGate:
    @pytest.mark.parametrize("kind", TIMED)
    @pytest.mark.parametrize(
        ("offset", "uncertainty", "allowed"),
        [
            ("0", "0.01", True),
            ("59.99", "0.01", True),
            ("-59.99", "0.01", True),
            ("59.99", "0.010000001", False),
            ("-59.99", "0.010000001", False),
            ("0", "60", True),
            ("0", "60.000000001", False),
            ("61", "0", False),
        ],
    )
    def test_is_offset_plus_uncertainty_within_a_minute(
        self, kind: Kind, offset: str, uncertainty: str, *, allowed: bool
    ) -> None:
        box = VirtualClock(offset_s=Decimal(offset))
        proof = proved(box, uncertainty_s=uncertainty)
        assert proof.permits(kind, read_instant(box)).allowed is allowed
        assert proof.synchronized is allowed

    def test_says_which_way_the_clock_is_wrong(self) -> None:
        box = VirtualClock(offset_s=-90)
        permit = proved(box).permits("interval", read_instant(box))
        assert "90.000 s slow" in permit.reason
        assert "60 s allowed" in permit.reason

    def test_takes_the_limit_of_a_rule_set(self) -> None:
        box = VirtualClock(offset_s=70)
        proof, now = proved(box), read_instant(box)
        assert not proof.permits("interval", now).allowed
        assert proof.permits("interval", now, limit_s=Decimal(180)).allowed
        assert not proof.permits("interval", now, limit_s=Decimal(70)).allowed

    def test_always_lets_cumulative_registers_through(self) -> None:
        box = VirtualClock()
        unproven = ClockProof(False, "none", read_instant(box), Policy(), reasons=("No source gave the time.",))
        box.step(1_000_000)
        assert unproven.permits("cumulative", read_instant(box)).allowed
        refused = unproven.permits("tou", read_instant(box))
        assert not refused.allowed
        assert "No source gave the time." in refused.reason

    @pytest.mark.parametrize("step", [0.06, -0.06, 1, -1, 3_600, -1_000_000])
    def test_a_step_voids_the_proof_at_once(self, step: float) -> None:
        box = VirtualClock()
        proof = proved(box)
        assert proof.permits("interval", read_instant(box)).allowed
        box.step(step)
        permit = proof.permits("interval", read_instant(box))
        assert not permit.allowed
        assert "stepped" in permit.reason
        assert proof.stepped_s(read_instant(box)) == Decimal(str(step))
        box.step(-step)
        box.advance(1)
        assert proof.permits("interval", read_instant(box)).allowed, "stepped back: the same clock as measured"

    def test_small_steps_add_up(self) -> None:
        box = VirtualClock()
        proof = proved(box)
        verdicts = []
        for _ in range(4):
            box.step(0.02)
            verdicts.append(proof.permits("tou", read_instant(box)).allowed)
        assert verdicts == [True, True, False, False]

    def test_slewing_and_suspend_do_not_void_it(self) -> None:
        box = VirtualClock(offset_s=1)
        proof = proved(box)
        box.advance(10, slew_ppm=-83_333)
        box.advance(3 * 3_600)  # asleep: CLOCK_BOOTTIME counts on
        assert proof.permits("interval", read_instant(box)).allowed

    def test_a_proof_of_another_boot_is_none(self) -> None:
        box = VirtualClock()
        box.advance(100)
        proof = proved(box)
        permit = proof.permits("interval", read_instant(VirtualClock()))
        assert not permit.allowed
        assert "another boot" in permit.reason

    def test_is_immutable(self) -> None:
        proof = proved(VirtualClock())
        with pytest.raises(dataclasses.FrozenInstanceError):
            proof.synchronized = False  # type: ignore[misc]


class TestDay:
    def test_begins_at_local_midnight(self) -> None:
        box = VirtualClock(datetime(2026, 3, 8, 7, 59, tzinfo=UTC))  # 23:59 PST, the eve of daylight saving
        proof = proved(box, policy=Policy(zone=LOS_ANGELES))
        now = read_instant(box)
        assert proof.permits("interval", later(now, 59)).allowed
        permit = proof.permits("interval", later(now, 60))
        assert not permit.allowed
        assert "2026-03-08, America/Los_Angeles" in permit.reason

    def test_of_daylight_saving_has_23_hours(self) -> None:
        box = VirtualClock(datetime(2026, 3, 8, 8, 0, tzinfo=UTC))
        proof, now = proved(box, policy=Policy(zone=LOS_ANGELES)), read_instant(box)
        assert proof.permits("tou", later(now, 23 * 3_600 - 1)).allowed
        assert not proof.permits("tou", later(now, 23 * 3_600)).allowed

    def test_is_that_of_the_site_if_given(self) -> None:
        box = VirtualClock(datetime(2026, 3, 7, 23, 30, tzinfo=UTC))
        proof, now = proved(box), read_instant(box)
        assert not proof.permits("interval", later(now, 3_600)).allowed
        assert proof.permits("interval", later(now, 3_600), zone=LOS_ANGELES).allowed

    def test_is_that_of_true_time_not_of_the_system_clock(self) -> None:
        box = VirtualClock(datetime(2026, 3, 7, 23, 59, 30, tzinfo=UTC), offset_s=45)  # shows the 8th already
        proof, now = proved(box), read_instant(box)
        assert proof.permits("interval", later(now, 15)).allowed
        assert not proof.permits("interval", later(now, 30)).allowed

    def test_a_month_of_daily_readings(self) -> None:
        """Proved each morning a poor box reads all day; the day that nobody proves it, it does not."""
        box = VirtualClock(datetime(2026, 3, 1, 14, tzinfo=UTC), ppm=20)  # 06:00 PST
        policy = Policy(zone=LOS_ANGELES)
        proof = proved(box, policy=policy)
        read = []
        for day in range(31):
            if day != 12:
                proof = proved(box, policy=policy)
            box.advance(16 * 3_600)  # 22:00
            permit = proof.permits("interval", read_instant(box))
            read.append(permit.allowed)
            uncertainty = proof.uncertainty_at(box.boottime_ns())
            assert uncertainty is not None
            assert error_s(proof, box) <= uncertainty
            box.advance(8 * 3_600)
        assert read == [day != 12 for day in range(31)]
        assert box.offset_s == Decimal("53.568"), "31 days at 20 ppm: nobody set the clock"

    def test_a_clock_that_nobody_sets_ends_beyond_the_minute(self) -> None:
        """Measuring it each day does not make it right."""
        box = VirtualClock(ppm=45)
        days = 0
        while proved(box).permits("interval", read_instant(box)).allowed:
            box.advance(DAY)
            days += 1
        assert days == 16  # 60 s at 45 ppm: 15.4 days
