"""What is known besides the sources: times that cannot be true, the newest stamp, leap seconds, smears."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.combine import intersect
from agent.clock.conclude import Around, conclude
from agent.clock.instant import read_instant
from agent.clock.kernel import KernelLeap, KernelState, read_leap
from agent.clock.plausible import EARLIEST, after_epoch, rolled_over, why_not
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import RECEIVER, NoTime, Outcome, TimeSample
from tests.clock.clock_kit import NOON, VirtualClock, sample

AGO_20_YEARS_S = 20 * 365 * 86_400


def judged(*outcomes: Outcome, around: Around | None = None, box: VirtualClock | None = None) -> ClockProof:
    now = read_instant(box or VirtualClock())
    return conclude(outcomes, now, now, Policy(), around or Around())


class TestImpossibleTimes:
    def test_a_source_in_the_past_is_no_witness(self) -> None:
        """It tells 2006; were it counted, one honest server against it would prove nothing."""
        proof = judged(sample(AGO_20_YEARS_S, name="liar"), sample(0, name="honest"))
        assert proof.synchronized
        liar = proof.outcomes[0]
        assert isinstance(liar, NoTime)
        assert liar.reason == "it tells 2006-03-12, before this program existed (2026-01-01)"

    def test_a_box_that_all_believe_to_be_in_1970_is_not_synchronised(self) -> None:
        box = VirtualClock(datetime(1970, 1, 1, 0, 3, tzinfo=UTC))
        proof = judged(sample(0, source="chrony", name="chrony"), box=box)
        assert (proof.synchronized, proof.source, proof.tells_time) == (False, "none", False)
        assert proof.known_utc_at(box.boottime_ns()) is None
        assert "it was never set since this box was switched on" in proof.reasons[1]

    @pytest.mark.parametrize("shown", [datetime(1970, 1, 1), datetime(2000, 1, 1), datetime(2025, 12, 31)])  # noqa: DTZ001
    def test_an_unset_clock_is_said_to_be_one(self, shown: datetime) -> None:
        proof = judged(box=VirtualClock(shown.replace(tzinfo=UTC)))
        assert f"The system clock shows {shown:%Y-%m-%d}" in " ".join(proof.reasons)

    def test_a_clock_that_shows_a_date_is_not_said_to_be_unset(self) -> None:
        assert "shows" not in " ".join(judged(box=VirtualClock(EARLIEST)).reasons)

    @given(st.integers(-(1 << 70), 1 << 70))
    def test_any_time_is_judged(self, unix_ns: int) -> None:
        at = after_epoch(unix_ns)
        assert bool(why_not(unix_ns)) is (at is None or at < EARLIEST)
        if at is not None and rolled_over(at):
            assert at < EARLIEST or at.year >= 2045


class TestTheNewestStamp:
    FLOOR = NOON + timedelta(days=3)

    def test_time_does_not_run_backwards_past_it_on_one_word(self) -> None:
        box = VirtualClock()
        proof = judged(sample(0), around=Around(self.FLOOR), box=box)
        assert (proof.synchronized, proof.tells_time) == (False, False)
        assert proof.alarm == (
            "ALARM: a:123 puts the time at 2026-03-07T12:00:00Z, before the newest time that this box has stamped "
            "(2026-03-10T12:00:00Z): one of the two is wrong; a second source settles which."
        )
        assert proof.permits("interval", read_instant(box)).reason == proof.alarm
        assert proof.permits("cumulative", read_instant(box)).allowed
        assert proof.known_utc_at(box.boottime_ns()) is None

    def test_two_witnesses_outvote_the_past_but_the_alarm_stays(self) -> None:
        box = VirtualClock()
        proof = judged(sample(0, name="a"), sample(0, name="b"), around=Around(self.FLOOR), box=box)
        assert proof.synchronized
        assert proof.alarm in proof.reasons
        assert proof.permits("interval", read_instant(box)).allowed

    def test_an_unproven_clock_in_the_past_is_an_alarm_too(self) -> None:
        proof = judged(around=Around(self.FLOOR))
        assert proof.alarm.startswith("ALARM: the system clock shows 2026-03-07T12:00:00Z")

    @pytest.mark.parametrize(("ahead", "alarm"), [("0.009", False), ("0.01", False), ("0.011", True)])
    def test_the_uncertainty_is_given_credit(self, ahead: str, *, alarm: bool) -> None:
        floor = NOON + timedelta(seconds=float(ahead))
        assert bool(judged(sample(0, "0.01"), around=Around(floor)).alarm) is alarm

    def test_without_one_there_is_none(self) -> None:
        assert judged(sample(0)).alarm == ""


class TestLeapSeconds:
    def test_a_source_announces_one(self) -> None:
        proof = judged(replace(sample(0, name="a"), leap="insert"), sample(0, name="b"))
        assert proof.leap == "insert"

    def test_a_liar_does_not(self) -> None:
        liar = replace(sample(90, name="liar"), leap="delete")
        assert judged(sample(0, name="a"), sample(0, name="b"), liar).leap == "none"

    def test_the_kernel_is_asked_whoever_disciplines_it(self) -> None:
        assert judged(sample(0), around=Around(kernel=KernelLeap("delete"))).leap == "delete"

    def test_the_second_itself_is_a_second_less_sure(self) -> None:
        proof = judged(sample(0, "0.01"), around=Around(kernel=KernelLeap("insert", now=True)))
        assert proof.uncertainty_s == Decimal("1.01")
        assert "inserting a leap second" in " ".join(proof.reasons)

    @pytest.mark.parametrize(
        ("state", "status", "leap"),
        [
            (0, 0x2001, KernelLeap("none")),
            (1, 0x2011, KernelLeap("insert")),
            (2, 0x2021, KernelLeap("delete")),
            (3, 0x2011, KernelLeap("insert", now=True)),
            (4, 0x2001, KernelLeap("none")),
        ],
    )
    def test_the_kernels_states(self, state: int, status: int, leap: KernelLeap) -> None:
        assert read_leap(lambda: KernelState(state, status, 0, 0)) == leap

    def test_a_kernel_that_does_not_answer(self) -> None:
        def refuse() -> KernelState:
            raise OSError(1, "Operation not permitted")

        assert read_leap(refuse) == KernelLeap()


def test_a_smearing_source_is_noted() -> None:
    proof = judged(replace(sample(0, 1), smeared=True))
    assert proof.smeared
    assert "a:123 spreads a leap second over hours" in " ".join(proof.reasons)


def test_a_receiver_heard_directly_and_through_chrony_is_one_witness() -> None:
    """Were it two, one receiver with a rolled over counter would outvote an honest server."""
    wrong = [replace(sample(9, source="chrony", name="c"), peer=RECEIVER), replace(sample(9, name="g"), peer=RECEIVER)]
    proof = judged(*wrong, sample(0, name="honest"))
    assert not proof.synchronized
    assert "The two sources contradict" in proof.reasons[0]


@st.composite
def two_f_and_one(draw: st.DrawFn) -> tuple[Decimal, list[TimeSample], int]:
    """f liars, who may say anything, among 2f+1 sources; the others as wrong as they admit to be."""
    lies = draw(st.integers(0, 4))
    numbers = st.decimals(-1_000, 1_000, places=6)
    widths = st.decimals(0, 100, places=6)
    truth = draw(numbers)
    sources = [sample(draw(numbers), draw(widths), f"liar{n}") for n in range(lies)]
    for n in range(lies + 1):
        width = draw(widths)
        sources.append(sample(truth + width * draw(st.integers(-1_000, 1_000)) / 1_000, width, f"honest{n}"))
    return truth, draw(st.permutations(sources)), lies


@given(two_f_and_one(), st.integers(0, 100_000))
def test_with_f_liars_of_2f_plus_1_the_truth_is_inside_and_stays_there(
    crowd: tuple[Decimal, list[TimeSample], int], seconds: int
) -> None:
    """Through combining, rounding, and holdover of a box that drifts as fast as it may."""
    truth, sources, lies = crowd
    box = VirtualClock(offset_s=truth, ppm=50)
    proof = judged(*sources, box=box)
    assert proof.offset_s is not None
    assert proof.uncertainty_s is not None
    assert abs(proof.offset_s - truth) <= proof.uncertainty_s
    assert len(proof.contradicted) <= lies
    assert not any(name.startswith("honest") for name in proof.contradicted)
    box.advance(seconds)
    error = abs(proof.utc_at(box.boottime_ns()) - box.true_utc) // timedelta(microseconds=1)
    uncertainty = proof.uncertainty_at(box.boottime_ns())
    assert uncertainty is not None
    # Elapsed time is counted by the clock that drifts: 50 ppm of 50 ppm. Stamps are whole microseconds.
    assert Decimal(error) / 1_000_000 <= uncertainty * Decimal("1.00006") + Decimal("0.000002")


@given(two_f_and_one())
def test_what_is_claimed_is_never_surer_than_the_honest_together(crowd: tuple[Decimal, list[TimeSample], int]) -> None:
    """Liars can make us less sure, or leave us as we are; never surer than what all the honest ones allow at once."""
    _, sources, _ = crowd
    honest = [s for s in sources if s.name.startswith("honest")]
    agreement = intersect(sources)
    assert agreement is not None
    assert agreement.low_s <= max(s.low_s for s in honest)
    assert agreement.high_s >= min(s.high_s for s in honest)
