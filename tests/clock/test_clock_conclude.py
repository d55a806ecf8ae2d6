"""From what the sources said to the proof, and the words for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.conclude import conclude
from agent.clock.explain import clock_json, clock_text, exit_status, explanation
from agent.clock.instant import NS, read_instant
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import NoTime, Outcome, sentence
from drivers.decimal_text import plain
from tests.clock.clock_kit import NOON, VirtualClock, later, sample

ABSENT = NoTime("chrony", "chrony", "`chronyc` cannot be run: No such file or directory")


def judged(*outcomes: Outcome, box: VirtualClock | None = None, policy: Policy | None = None) -> ClockProof:
    now = read_instant(box or VirtualClock())
    return conclude(outcomes, now, now, policy or Policy())


class TestConclusion:
    def test_of_one_source(self) -> None:
        proof = judged(sample("0.25", "0.01"))
        assert (proof.synchronized, proof.source, proof.reference) == (True, "ntp", "GPS")
        assert (proof.offset_s, proof.uncertainty_s) == (Decimal("0.25"), Decimal("0.01"))
        assert proof.synchronized_at == NOON - timedelta(milliseconds=250)
        assert "Only one source" in proof.reasons[0]

    def test_absence_of_chrony_is_a_remark(self) -> None:
        proof = judged(ABSENT, sample(0, name="a"), sample(0, name="b"))
        assert proof.synchronized
        assert proof.reasons == ()
        assert proof.outcomes[0] == ABSENT

    def test_one_liar_of_three_is_named_and_ignored(self) -> None:
        proof = judged(sample(0, name="a"), sample("0.002", name="b"), sample(-90, name="liar:123"))
        assert proof.synchronized
        assert proof.offset_s is not None
        assert abs(proof.offset_s) <= Decimal("0.012")
        assert "liar:123 is not believed" in proof.reasons[0]

    def test_two_that_disagree_are_not_synchronised(self) -> None:
        box = VirtualClock()
        proof = judged(sample(0, name="a"), sample(90, name="b"), box=box)
        assert (proof.synchronized, proof.source, proof.offset_s) == (False, "none", None)
        assert "contradict" in proof.reasons[0]
        assert "contradict" in proof.permits("interval", read_instant(box)).reason

    def test_two_names_of_one_server_are_one_witness(self) -> None:
        twice = [replace(sample(-90, name=name), peer="192.0.2.1:123") for name in ("liar", "alias")]
        proof = judged(*twice, replace(sample(0, name="honest"), peer="192.0.2.2:123"))
        assert not proof.synchronized
        assert "The two sources contradict" in proof.reasons[0]

    def test_a_clock_beyond_the_limit_is_measured_but_not_synchronised(self) -> None:
        proof = judged(sample(90))
        assert (proof.synchronized, proof.source, proof.offset_s) == (False, "ntp", Decimal(90))
        assert proof.synchronized_at is None

    def test_a_step_while_measuring_spoils_it(self) -> None:
        box = VirtualClock()
        before = read_instant(box)
        box.step(-5)
        proof = conclude([sample(0)], before, read_instant(box), Policy())
        assert not proof.synchronized
        assert "stepped by -5.000000 s while" in proof.reasons[0]

    def test_no_source_at_all(self) -> None:
        assert judged().reasons == (
            "No source of time is configured; let chrony run on this box, or name NTP servers.",
        )
        assert judged(ABSENT).reasons == ("No source gave the time; let chrony run on this box, or name NTP servers.",)

    def test_samples_age_until_the_moment_of_the_proof(self) -> None:
        now = read_instant(VirtualClock())
        old = sample(0, "0.001", at_boottime_ns=now.boottime_ns - 10 * NS)
        assert conclude([old], now, now, Policy()).uncertainty_s == Decimal("0.0015")

    def test_the_kernels_word_counts_as_ntp(self) -> None:
        assert judged(sample(0, 5, "kernel", "kernel")).source == "ntp"

    def test_the_best_source_names_the_proof(self) -> None:
        proof = judged(sample(0, "0.1", "a"), sample(0, "0.001", "chrony", "chrony"))
        assert proof.source == "chrony"

    @given(offset=st.decimals(-100, 100, places=12), uncertainty=st.decimals(0, 100, places=12))
    def test_rounding_never_loses_the_truth(self, offset: Decimal, uncertainty: Decimal) -> None:
        proof = judged(sample(offset, uncertainty))
        assert proof.offset_s is not None
        assert proof.uncertainty_s is not None
        assert proof.offset_s - proof.uncertainty_s <= offset - uncertainty
        assert proof.offset_s + proof.uncertainty_s >= offset + uncertainty
        assert proof.uncertainty_s <= uncertainty + Decimal("2e-9")


class TestCoasting:
    """A chrony that has lost its servers still answers; the day of the synchronisation is when it last heard."""

    def test_a_recent_update_counts_as_now(self) -> None:
        proof = judged(replace(sample(0, source="chrony"), age_s=Decimal(8_192)))
        assert proof.synchronized_at == NOON

    def test_an_old_update_is_the_synchronisation(self) -> None:
        box = VirtualClock()
        hours13 = replace(sample(0, source="chrony"), age_s=Decimal(13 * 3_600))
        proof = judged(hours13, box=box)
        assert proof.synchronized_at == NOON - timedelta(hours=13)
        assert "46800 s ago" in proof.reasons[0]
        assert not proof.permits("interval", read_instant(box)).allowed, "that was yesterday"
        assert proof.permits("interval", read_instant(box), zone=ZoneInfo("Asia/Tokyo")).allowed

    def test_one_fresh_source_is_enough(self) -> None:
        stale = replace(sample(0, source="chrony"), age_s=Decimal(90_000))
        assert judged(stale, sample(0, name="b")).synchronized_at == NOON


class TestWords:
    def test_json_of_a_good_clock(self) -> None:
        box = VirtualClock()
        proof, now = judged(sample("0.000250", "0.010"), box=box), read_instant(box)
        answer = json.loads(clock_json(proof, now))
        sentences = answer.pop("explanation")
        assert answer == {
            "synchronized": True,
            "offset_s": "0.00025",
            "uncertainty_s": "0.01",
            "source": "ntp",
            "synchronized_at": "2026-03-07T11:59:59.999750Z",
            "permits": {"cumulative": True, "tou": True, "interval": True},
        }
        assert "synchronised: 0.000250 s fast, ± 0.010000 s" in sentences
        assert exit_status(proof, now) == 0

    def test_json_leaves_out_what_is_not_known(self) -> None:
        box = VirtualClock()
        proof, now = judged(ABSENT, box=box), read_instant(box)
        answer = json.loads(clock_json(proof, now))
        assert list(answer) == ["synchronized", "source", "permits", "explanation"]
        assert answer["permits"] == {"cumulative": True, "tou": False, "interval": False}
        assert answer["source"] == "none"
        assert exit_status(proof, now) == 5

    def test_json_of_a_wrong_clock_tells_how_wrong(self) -> None:
        box = VirtualClock()
        proof, now = judged(sample(-90), box=box), read_instant(box)
        answer = json.loads(clock_json(proof, now))
        assert (answer["synchronized"], answer["offset_s"]) == (False, "-90")
        assert "synchronized_at" not in answer
        assert "set it" in answer["explanation"]
        assert exit_status(proof, now) == 5

    @pytest.mark.parametrize("writer", [clock_text, explanation])
    def test_each_source_and_permit_has_its_sentence_once(self, writer: object) -> None:
        box = VirtualClock()
        outcomes = (ABSENT, sample(0, name="a"), sample(90, name="b"))
        proof = judged(*outcomes, box=box)
        text = clock_text(proof, read_instant(box)) if writer is clock_text else explanation(proof, read_instant(box))
        for outcome in outcomes:
            assert text.count(sentence(outcome)) == 1
        assert text.count("contradict") == 1
        assert text.count("Cumulative registers do not depend on the clock.") == 1
        assert "not synchronised" in text

    def test_text_after_a_step(self) -> None:
        box = VirtualClock()
        proof = judged(sample(0), box=box)
        box.step(7)
        assert "stepped by +7.000 s" in clock_text(proof, read_instant(box))
        assert clock_text(judged(), read_instant(box)).count("none is configured") == 1

    def test_uncertainty_is_that_of_now(self) -> None:
        box = VirtualClock()
        proof = judged(sample(0, "0.01"), box=box)
        answer = json.loads(clock_json(proof, later(read_instant(box), 1_000)))
        assert answer["uncertainty_s"] == "0.06"

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            ("0", "0"),
            ("-0.000", "0"),
            ("1E-9", "0.000000001"),
            ("90.000000000", "90"),
            ("1E+2", "100"),
            ("-1.50", "-1.5"),
        ],
    )
    def test_decimal_strings_are_plain(self, number: str, text: str) -> None:
        assert plain(Decimal(number)) == text
