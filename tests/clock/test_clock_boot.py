"""Stamps of a boot, and the UTC that a later proof of that boot gives them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import SystemClock
from agent.clock.boot import BootStamp, read_boot_stamp, same_boot, strayed_s
from agent.clock.instant import NS
from agent.clock.proof import ClockProof
from agent.clock.repair import resolve, uncertainty_of
from tests.clock.clock_kit import VirtualClock, proved

COLD = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)  # what a box without a battery clock shows
DAY = 86_400


def booted() -> VirtualClock:
    """A box switched on at noon, which believes that it is 1970."""
    box = VirtualClock()
    box.reboot(COLD)
    return box


def set_right(box: VirtualClock) -> None:
    """Chrony hears of the time, and steps the system clock to it."""
    box.step(float(-box.offset_s))


def wrong_by(box_utc: datetime, told: datetime) -> Decimal:
    return Decimal(abs(told - box_utc) // timedelta(microseconds=1)) / 1_000_000


def test_a_reading_before_the_time_is_known_gets_its_time_once_it_is() -> None:
    box = booted()
    box.advance(100)
    stamp, true = read_boot_stamp(box), box.true_utc
    box.advance(3_600)
    set_right(box)
    proof = proved(box)
    told = resolve(stamp, proof)
    assert told is not None
    assert wrong_by(true, told) < Decimal("0.001")
    assert uncertainty_of(stamp, proof) == Decimal("0.19"), "0.01 s of the source, 50 ppm of an hour"


def test_a_clock_that_nobody_sets_tells_the_time_all_the_same() -> None:
    """Sources agree that this is not 1970: the stamp is known, though the box may read no interval data."""
    box = booted()
    stamp, true = read_boot_stamp(box), box.true_utc
    proof = proved(box)
    assert not proof.synchronized
    assert resolve(stamp, proof) == true


def test_a_proof_of_another_boot_tells_nothing() -> None:
    box = booted()
    stamp = read_boot_stamp(box)
    box.reboot(COLD)
    set_right(box)
    proof = proved(box)
    assert resolve(stamp, proof) is None
    assert uncertainty_of(stamp, proof) is None


def test_a_box_that_cannot_tell_its_boots_apart_is_not_trusted() -> None:
    box = booted()
    box.boot = ""
    assert resolve(read_boot_stamp(box), proved(box)) is None
    assert not same_boot(read_boot_stamp(box), read_boot_stamp(box))


def test_what_is_no_proof_tells_nothing() -> None:
    box = booted()
    stamp, proof = read_boot_stamp(box), proved(box)
    for no_proof in (
        ClockProof(False, "none", proof.measured, proof.policy, stamp=stamp),
        ClockProof(True, "ntp", proof.measured, proof.policy, Decimal(0), Decimal(0)),  # does not say of which boot
        ClockProof(False, "ntp", proof.measured, proof.policy, Decimal(0), Decimal(0), believed=False, stamp=stamp),
    ):
        assert resolve(stamp, no_proof) is None


def test_beyond_a_minute_it_is_not_told() -> None:
    box = booted()
    stamp = read_boot_stamp(box)
    box.advance(13.8 * DAY)
    assert resolve(stamp, proved(box)) is not None
    box.advance(0.1 * DAY)
    assert resolve(stamp, proved(box)) is None


def test_what_was_slewed_in_between_is_counted() -> None:
    """Chrony took 2 s out, slowly, before the proof; CLOCK_BOOTTIME went along."""
    box = booted()
    stamp, true = read_boot_stamp(box), box.true_utc
    box.advance(24, slew_ppm=-83_333)
    set_right(box)
    proof = proved(box)
    told, uncertainty = resolve(stamp, proof), uncertainty_of(stamp, proof)
    assert told is not None
    assert uncertainty is not None
    assert Decimal("1.9") < wrong_by(true, told) <= uncertainty < Decimal("2.1")


def test_what_a_battery_clock_counted_while_asleep_is_good_to_two_seconds() -> None:
    box = booted()
    stamp, true = read_boot_stamp(box), box.true_utc
    box.sleep(7_200, error_s=1.7)
    set_right(box)
    proof = proved(box)
    told, uncertainty = resolve(stamp, proof), uncertainty_of(stamp, proof)
    assert told is not None
    assert uncertainty is not None
    assert Decimal("1.6") < wrong_by(true, told) <= uncertainty < Decimal("2.4")


@given(
    ppm=st.integers(-50, 50),
    before=st.integers(0, 5 * DAY),
    slewing=st.integers(0, 100),
    slew_ppm=st.sampled_from([-83_333, 0, 83_333]),
    asleep=st.integers(0, DAY),
    rounding=st.floats(-2, 2),
    later=st.booleans(),
)
def test_the_truth_is_within_the_uncertainty(  # noqa: PLR0917
    ppm: int, before: int, slewing: int, slew_ppm: int, asleep: int, rounding: float, later: bool
) -> None:
    """Stamp and proof in either order, whatever the box goes through in between."""
    box = VirtualClock(ppm=ppm)
    box.reboot(COLD)
    set_right(box)
    first, first_true, first_proof = read_boot_stamp(box), box.true_utc, proved(box)
    box.advance(before)
    box.advance(slewing, slew_ppm=slew_ppm)
    if asleep:
        box.sleep(asleep, error_s=rounding)
    box.step(-1_000)
    second, second_true, second_proof = read_boot_stamp(box), box.true_utc, proved(box)
    stamp, true, proof = (second, second_true, first_proof) if later else (first, first_true, second_proof)
    told, uncertainty = resolve(stamp, proof), uncertainty_of(stamp, proof)
    assert uncertainty is not None
    if told is not None:
        # The drift is reckoned from what the box counted, itself off by 50 ppm and the slew; stamps are whole µs.
        assert wrong_by(true, told) <= uncertainty * Decimal("1.0001") + Decimal("0.001")


def test_without_the_bare_oscillator_a_slew_has_to_be_assumed() -> None:
    one, other = BootStamp("a", 0), BootStamp("a", 10 * NS)
    assert strayed_s(one, other) == 3, "10 % of ten seconds, and two for sleep"
    assert strayed_s(one, one) == 0


class TestThisBox:
    def test_its_stamp(self) -> None:
        first, second = (read_boot_stamp(SystemClock()) for _ in range(2))
        assert same_boot(first, second)
        assert re.fullmatch(r"[0-9a-f-]{36}", first.boot_id)
        assert first.boottime_ns <= second.boottime_ns
        assert first.asleep_ns is not None
        assert first.asleep_ns >= -1_000_000
        assert strayed_s(first, second) < 1

    @pytest.mark.skipif(
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-T", "true"], capture_output=True, check=False).returncode != 0,
        reason="no time namespaces here",
    )
    def test_a_time_namespace_moves_its_counters(self) -> None:
        """CLOCK_BOOTTIME ten days on, CLOCK_MONOTONIC not: the same boot, which has slept for ten days."""
        here = read_boot_stamp(SystemClock())
        code = "from agent.clock import *; from agent.clock.boot import *; print(read_boot_stamp(SystemClock()))"
        said = subprocess.run(
            ["unshare", "-T", "--boottime", str(10 * DAY), sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        there = eval(said, {"BootStamp": BootStamp})  # noqa: S307 - printed by ourselves
        assert same_boot(here, there)
        assert there.boottime_ns - here.boottime_ns >= 10 * DAY * NS
        assert 2 <= strayed_s(here, there) < 3
