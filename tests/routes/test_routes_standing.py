"""Two persons at one stop, and whatever they do: no reading is lost, nobody overwrites what they did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.routes import standing as acts
from agent.routes.codes import load_codes
from agent.routes.order import Position
from agent.routes.standing import CLAIM_FOR, MOST_CHANGES, MOST_NOTES, MOST_PHOTOS, Said, Standing, Taken, Taking, Who
from tests.routes.routes_kit import NOW

CODES = load_codes("mrsp-field")
ANN = Who("ann", NOW, 1, ZoneInfo("America/Los_Angeles"))
BOB = replace(ANN, by="bob")
READING = Taking("r-1", "interrogated")


def seen(who: Who, standing: Standing, **after: float) -> Who:
    """Return a person who sees the stop as it stands, some time later."""
    return replace(who, version=standing.version, now=who.now + timedelta(**after))


def troubled(was: Standing, who: Who, *codes: str, **said: Any) -> Standing:
    return acts.troubled(was, who, codes, CODES, Said(**said))


def test_a_claim_keeps_others_off_until_it_expires() -> None:
    claimed = acts.claimed(Standing(), ANN)
    assert claimed.holder(NOW) == "ann"
    with pytest.raises(Taken, match="ann is there, until 09:30 at the latest"):
        acts.claimed(claimed, seen(BOB, claimed, minutes=29))
    with pytest.raises(Taken, match="ann is there"):
        troubled(claimed, seen(BOB, claimed), "no_access")
    later = seen(BOB, claimed, minutes=30)
    assert acts.claimed(claimed, later).holder(later.now) == "bob"


def test_a_claim_is_renewed_without_a_new_version() -> None:
    claimed = acts.claimed(Standing(), ANN)
    again = acts.claimed(claimed, seen(ANN, claimed, minutes=20))
    assert (again.version, again.claimed_until) == (claimed.version, NOW + CLAIM_FOR + timedelta(minutes=20))
    assert acts.claimed(claimed, ANN).version == claimed.version  # pressed twice


def test_a_clock_that_was_set_back_makes_no_claim_last_longer() -> None:
    claimed = acts.claimed(Standing(), ANN)
    assert claimed.holder(NOW - timedelta(days=1)) is None


def test_who_saw_an_old_version_is_told_who_did_what_and_when() -> None:
    skipped = acts.skipped(Standing(), ANN, "later")
    with pytest.raises(Taken, match="ann left it for later at 09:00:00"):
        troubled(skipped, BOB, "no_access")
    read = acts.settled(Standing(), BOB, READING, CODES)
    with pytest.raises(Taken, match="bob read it at 09:00:00"):
        acts.skipped(read, ANN, None)


def test_pressed_twice_is_done_once() -> None:
    presses: tuple[Callable[[Standing], Standing], ...] = (
        lambda was: acts.skipped(was, ANN, None),
        lambda was: troubled(was, ANN, "no_access", text="dog", photos=("p",)),
        lambda was: acts.settled(was, ANN, READING, CODES),
        lambda was: acts.released(was, ANN),
    )
    for act in presses:
        once = act(Standing())
        assert act(once) is once


def test_a_reason_can_be_taken_back_and_a_reading_ends_it() -> None:
    unread = troubled(Standing(), ANN, "locked", "seal_broken", text="gate shut")
    assert (unread.state, unread.by, unread.codes) == ("unread", "ann", ("locked", "seal_broken"))
    back = troubled(unread, seen(BOB, unread), "seal_broken")
    assert (back.state, back.by, back.at, back.remark) == ("pending", None, None, None)
    read = acts.settled(unread, seen(BOB, unread), READING, CODES)
    assert (read.state, read.by, read.codes, read.remark) == ("read", "bob", ("seal_broken",), None)


def test_codes_that_go_with_a_reading_may_come_before_or_after_it() -> None:
    noted = troubled(acts.claimed(Standing(), ANN), replace(ANN, version=2), "seal_broken", text="cut")
    assert (noted.state, noted.holder(NOW)) == ("pending", "ann")
    read = acts.settled(noted, ANN, READING, CODES)
    assert (read.codes, read.remark, read.holder(NOW)) == (("seal_broken",), "cut", None)
    more = troubled(read, seen(ANN, read), "tampered")
    assert (more.state, more.reading_id, more.codes) == ("read", "r-1", ("tampered",))
    with pytest.raises(UsageError, match="no_access is a reason for no reading, and it has one"):
        troubled(more, seen(ANN, more), "no_access")
    with pytest.raises(UsageError, match="settled, and not to be skipped"):
        acts.skipped(more, seen(ANN, more), None)


def test_a_second_reading_counts_and_the_first_is_not_forgotten() -> None:
    first = acts.settled(Standing(), ANN, Taking("r-1", "interrogated", ("tou_sum",)), CODES)
    assert first.to_decide
    accepted = acts.accepted(first, BOB, "meter is known for it", "r-1")
    assert (accepted.to_decide, accepted.accepted_by) == (False, "bob")
    second = acts.settled(accepted, BOB, Taking("r-2", "keyed"), CODES)
    assert (second.reading_id, second.earlier_readings, second.by) == ("r-2", ("r-1",), "bob")
    assert (second.checks_failed, second.accepted_reason, second.accepted_by) == ((), None, None)
    assert acts.settled(second, ANN, Taking("r-1", "interrogated"), CODES) is second  # told again after a crash


def test_only_the_reading_that_was_seen_is_accepted() -> None:
    read = acts.settled(Standing(), ANN, Taking("r-2", "keyed", ("high_low_usage",)), CODES)
    with pytest.raises(Taken, match="it was read again at 09:00:00"):
        acts.accepted(read, BOB, "looked twice", "r-1")
    for other in (Standing(), acts.settled(Standing(), ANN, READING, CODES)):
        with pytest.raises(UsageError, match="no reading with a failed check"):
            acts.accepted(other, ANN, "fine", None)
    with pytest.raises(UsageError, match="the reason is empty"):
        acts.accepted(read, ANN, " ", None)


def test_a_reading_is_taken_while_another_person_is_there() -> None:
    claimed = acts.claimed(Standing(), ANN)
    read = acts.settled(claimed, BOB, READING, CODES)
    assert (read.state, read.by, read.holder(NOW)) == ("read", "bob", "ann")
    with pytest.raises(Taken, match="ann is there"):
        acts.released(read, seen(BOB, read))
    assert acts.released(read, seen(ANN, read)).holder(NOW) is None


def test_what_a_browser_makes_of_a_text_is_undone() -> None:
    unread = troubled(Standing(), ANN, "locked", text=" gate shut\r\nring twice \r\n")
    assert unread.remark == "gate shut\nring twice"
    assert troubled(Standing(), ANN, text=" \r\n").remark is None


def test_notes_disturb_nobody() -> None:
    noted = acts.noted(Standing(), BOB, Said("bell is broken", ("p-1",)))
    assert (noted.version, noted.photos, noted.notes[0].by) == (1, ("p-1",), "bob")
    assert troubled(noted, ANN, "no_access", photos=("p-2", "p-1")).photos == ("p-1", "p-2")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda was: acts.noted(was, ANN, Said()), "a note without text and photos"),
        (lambda was: acts.noted(was, ANN, Said("x" * 1_001)), "the note has 1,001 characters"),
        (lambda was: acts.noted(was, ANN, Said("a\x1b[31mb")), r"the note: character 2 is U\+001B"),
        (lambda was: acts.noted(was, ANN, Said(photos=("\u202egnp.exe",))), r"the reference of a photo: .*202E"),
        (lambda was: acts.skipped(was, ANN, "\u200bx"), r"the remark: .*U\+200B"),
        (lambda was: troubled(was, ANN, "none"), "'none' is no code of mrsp-field"),
        (lambda was: troubled(was, ANN, *list(CODES.codes)[:9]), "9 codes; at most 8"),
        (lambda was: troubled(was, ANN, photos=tuple(map(str, range(33)))), "33 photos; at most 32"),
        (lambda was: acts.settled(was, ANN, Taking("r\n1", "keyed"), CODES), "the reading's id: "),
        (lambda was: acts.settled(was, ANN, Taking("", "keyed"), CODES), "the reading's id is empty"),
    ],
)
def test_what_makes_no_sense_is_refused(act: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        act(Standing())


def test_nothing_grows_without_end_but_readings_are_always_taken() -> None:
    full = Standing(version=MOST_CHANGES, notes=acts.noted(Standing(), ANN, Said("x")).notes * MOST_NOTES)
    with pytest.raises(UsageError, match="50 notes already"):
        acts.noted(full, ANN, Said("y"))
    with pytest.raises(UsageError, match="changed 1,000 times"):
        acts.skipped(full, seen(ANN, full), None)
    assert acts.settled(full, ANN, Taking("r", "keyed", ("c",) * 100), CODES).state == "read"
    assert len(troubled(Standing(), ANN, photos=tuple(map(str, range(MOST_PHOTOS)))).photos) == MOST_PHOTOS


persons = st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 3), st.integers(-90, 90))
all_deeds = st.one_of(
    st.tuples(st.sampled_from(["claim", "release", "skip", "note"]), st.just("")),
    st.tuples(st.just("trouble"), st.sampled_from(["", "locked", "seal_broken", "locked seal_broken"])),
    st.tuples(st.just("settle"), st.sampled_from(["r1", "r2", "r3"])),
    st.tuples(st.just("accept"), st.sampled_from(["r1", "r2"])),
)


HERE = Position(latitude=Decimal("1.50"), longitude=Decimal(-2), accuracy_m=Decimal(5))


def done(was: Standing, who: Who, deed: tuple[str, str]) -> Standing:
    what, how = deed
    deeds: dict[str, Callable[[], Standing]] = {
        "claim": lambda: acts.claimed(was, who),
        "release": lambda: acts.released(was, who),
        "skip": lambda: acts.skipped(was, who, None),
        "note": lambda: acts.noted(was, who, Said("note", ("p",), HERE)),
        "trouble": lambda: troubled(was, who, *how.split(), position=HERE),
        "settle": lambda: acts.settled(was, who, Taking(how, "keyed", ("tou_sum",) if how == "r1" else ()), CODES),
        "accept": lambda: acts.accepted(was, who, "fine", how),
    }
    return deeds[what]()


@settings(max_examples=80)
@given(st.lists(st.tuples(persons, all_deeds), max_size=14))
def test_whatever_two_persons_do(course: list[tuple[tuple[str, int, int], tuple[str, str]]]) -> None:
    standing, taken, now = Standing(), list[str](), NOW
    for (by, behind, minutes), deed in course:
        now += timedelta(minutes=minutes)
        person = Who(by, now, standing.version - behind)
        before = standing
        holder = before.holder(now)
        try:
            standing = done(before, person, deed)
        except (Taken, UsageError):
            continue
        if deed[0] == "settle" and deed[1] not in taken:
            taken.append(deed[1])
        if standing.version != before.version and deed[0] in {"claim", "release", "skip", "trouble"}:
            assert behind == 0
            assert holder in {None, by}
        assert standing.version in {before.version, before.version + 1}
        assert [*standing.earlier_readings, *filter(None, [standing.reading_id])] == taken
        assert (standing.state == "read") == bool(taken)
        assert (standing.state == "unread") == any(CODES[key].non_reading for key in standing.codes)
        assert msgspec.json.decode(msgspec.json.encode(standing), type=Standing) == standing
