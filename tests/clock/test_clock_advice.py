"""What the operator is told: why the clock permits a read or does not, and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from agent.clock.advice import OTHERWISE, REMEDIES, advice
from agent.clock.boot import read_boot_stamp
from agent.clock.conclude import Around, conclude
from agent.clock.explain import clock_json, clock_text, explanation
from agent.clock.instant import read_instant
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import Cause, NoTime, Outcome, SourceKind
from tests.clock.clock_kit import NOON, VirtualClock, later, proved, sample


def heard(box: VirtualClock, *outcomes: Outcome, floor: datetime | None = None) -> ClockProof:
    now = read_instant(box)
    return conclude(outcomes, now, now, Policy(), Around(floor, stamp=read_boot_stamp(box)))


def told(box: VirtualClock, *outcomes: Outcome, floor: datetime | None = None) -> str:
    return " ".join(advice(heard(box, *outcomes, floor=floor), read_instant(box)))


def test_a_good_clock_needs_none() -> None:
    box = VirtualClock()
    proof = proved(box)
    assert advice(proof, read_instant(box)) == []
    assert "What to do" not in clock_text(proof, read_instant(box))


@pytest.mark.parametrize(
    ("source", "cause", "words"),
    [
        ("chrony", "missing", "apt install chrony"),
        ("chrony", "down", "systemctl start chrony"),
        ("chrony", "waiting", "chronyc sources"),
        ("ntp", "useless", "UDP port 123"),
        ("gnss", "down", "systemctl start gpsd"),
        ("gnss", "waiting", "open sky"),
        ("gnss", "useless", "cgps"),
        ("kernel", "useless", "timedatectl"),
    ],
)
def test_each_silent_source_has_its_remedy(source: SourceKind, cause: Cause, words: str) -> None:
    steps = told(VirtualClock(), NoTime(source, "name", "reason", cause))
    assert words in steps
    assert "`mrsp clock` again" in steps
    assert "--registers-only" in steps
    assert ("--ntp HOST" in steps) is (source != "ntp")
    assert ("--gpsd" in steps) is (source != "gnss")


def test_every_remedy_is_a_sentence() -> None:
    for text in (*REMEDIES.values(), *OTHERWISE.values()):
        assert text.endswith(".")


def test_three_silent_servers_are_one_remedy() -> None:
    steps = told(VirtualClock(), *(NoTime("ntp", name, "no answer") for name in "abc"))
    assert steps.count("UDP port 123") == 1


def test_two_that_contradict_need_a_third() -> None:
    steps = told(VirtualClock(), sample(0, name="a"), sample(90, name="b"))
    assert "a and b cannot both be right: name a third source" in steps


def test_many_that_contradict_are_to_be_looked_at() -> None:
    assert "a and b and c: look at the offsets" in told(
        VirtualClock(), *(sample(9 * n, name="abc"[n]) for n in range(3))
    )
    assert "4 sources: look at" in told(VirtualClock(), *(sample(9 * n, name="abcd"[n]) for n in range(4)))


def test_a_wrong_clock_is_set_by_chrony() -> None:
    assert "chronyc makestep" in told(VirtualClock(), sample(90))


def test_a_vague_source_is_to_be_replaced() -> None:
    assert "a better source" in told(VirtualClock(), sample(0, 61))


def test_a_step_is_to_be_looked_into() -> None:
    box = VirtualClock()
    proof = proved(box)
    box.step(7)
    assert "who sets the system clock" in " ".join(advice(proof, read_instant(box)))


def test_yesterdays_proof_is_to_be_renewed() -> None:
    box = VirtualClock()
    steps = " ".join(advice(proved(box), later(read_instant(box), 13 * 3_600)))
    assert "once today" in steps


def test_an_alarm_needs_a_second_witness() -> None:
    box = VirtualClock()
    steps = told(box, sample(0), floor=NOON + timedelta(days=1))
    assert "second source" in steps


def test_the_words_are_in_both_forms() -> None:
    box = VirtualClock()
    proof, now = heard(box, sample(90)), read_instant(box)
    for step in advice(proof, now):
        assert f"\n  {step}" in clock_text(proof, now)
        assert step in explanation(proof, now)
    assert '"explanation"' in clock_json(proof, now)


def test_the_whole_of_it_at_five_in_the_morning() -> None:
    """A van's box, no battery clock, no network, receiver just switched on."""
    box = VirtualClock(datetime(1970, 1, 1, 0, 2, tzinfo=UTC))
    proof = heard(box, NoTime("gnss", "gpsd 127.0.0.1:2947", "/dev/ttyACM0 has no fix (within 10 s)", "waiting"))
    assert clock_text(proof, read_instant(box)) == (
        "The clock of this box is not synchronised: how far it is off is not known.\n"
        "No source gave the time; let chrony run on this box, or name NTP servers.\n"
        "The system clock shows 1970-01-01: it was never set since this box was switched on.\n"
        "\n"
        "Sources\n"
        "  gpsd 127.0.0.1:2947 gives no time: /dev/ttyACM0 has no fix (within 10 s).\n"
        "\n"
        "May be read\n"
        "  cumulative  yes  Cumulative registers do not depend on the clock.\n"
        "  tou         no   The clock is not proven.\n"
        "  interval    no   The clock is not proven.\n"
        "\n"
        "What to do\n"
        "  The receiver hears too few satellites: take its antenna under open sky; after a long time switched off it "
        "needs up to a quarter of an hour. `cgps` shows what it hears.\n"
        "  Or, with a network: ask servers directly: `mrsp clock --ntp HOST` (three, so that one may be wrong).\n"
        "  Then: `mrsp clock` again.\n"
        "  Without the proof: `mrsp read URL --registers-only` takes the cumulative registers, which need no clock."
    )
    assert Decimal(0) == proof.stepped_s(read_instant(box))
