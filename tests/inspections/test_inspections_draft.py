"""What may be answered, what an answer makes of a draft, and what it cannot be filed without."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.inspections import Answer, Changes, Mark, NotComplete, Subject, checklists, subject_of
from agent.inspections.checklist import by_code
from agent.inspections.draft import MOST_OCTETS, begun, changed, check_complete
from agent.inspections.inspection import Inspection
from agent.order import Order, Site
from agent.routes.order import Position
from tests.inspections.inspections_kit import FRIDAY, SITE, SUBJECT

LISTS = checklists()
EMPTY = begun(SUBJECT, "ann", "gw-1", FRIDAY)


def saved(draft: Inspection = EMPTY, minutes: int = 1, **changes: Any) -> Inspection:
    return changed(draft, Changes(**changes), LISTS, FRIDAY + timedelta(minutes=minutes))


def test_an_inspection_is_of_a_place() -> None:
    order = Order(url="visual://", nameplate_id="7", order_id="o", site=Site(zone="America/Denver"))
    assert subject_of(order, "s").place == "id 7"
    assert subject_of(msgspec.structs.replace(order, site=SITE)).place == "sdp 1-0-00001-7"
    with pytest.raises(UsageError, match="needs a stop, a meter or a service delivery point"):
        begun(Subject(), "ann", "gw-1", FRIDAY)


def test_answers_are_added_replaced_and_taken_back() -> None:
    first = saved(marks={"wiring": Mark("ok"), "animals": Mark("found", remark="a dog")})
    second = saved(first, 2, marks={"wiring": Mark("not_seen"), "animals": None}, told=("customer",), remark="rain")
    assert list(first.marks) == ["wiring", "animals"]
    assert second.marks == {"wiring": Mark("not_seen")}
    assert (second.told, second.remark, second.version) == (("customer",), "rain", 3)
    assert saved(second, 3, remark=None).remark is None
    assert saved(second, 3).remark == "rain"


def test_the_rest_of_a_list_is_answered_at_once_and_replaces_nothing() -> None:
    draft = saved(marks={"cutouts": Mark("found")}, rest={"pole_mounted": "ok", "pad_mounted": "not_applicable"})
    assert draft.marks["cutouts"].answer == "found"
    assert {draft.marks[code].answer for code in ("fuses", "grounding_conductor")} == {"ok"}
    assert sum(mark.answer == "not_applicable" for mark in draft.marks.values()) == 4
    with pytest.raises(UsageError, match="no checklist 'attic'"):
        saved(rest={"attic": "ok"})


def test_what_is_found_counts_from_its_first_answer() -> None:
    first = saved(marks={"animals": Mark("found")})
    again = saved(first, 9, marks={"animals": Mark("found", remark="two dogs")})
    assert again.since["animals"] == FRIDAY + timedelta(minutes=1)
    assert saved(again, 10, marks={"animals": Mark("ok")}).since["animals"] == FRIDAY + timedelta(minutes=10)


def test_a_threat_is_known_at_once_and_only_as_long_as_it_is_found() -> None:
    assert saved(marks={"wiring": Mark("found")}).threat
    assert not saved(marks={"wiring": Mark("corrected")}).threat
    assert not saved(marks={"substances": Mark("found")}).threat
    raised = saved(marks={"substances": Mark("found", immediate=True)})
    assert raised.threat
    assert not saved(raised, 2, marks={"substances": Mark("corrected")}).threat


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"marks": {"ghost": Mark("ok")}}, "no checklist has an item 'ghost'"),
        ({"marks": {"ghost": None}}, "no checklist has an item 'ghost'"),
        ({"marks": {"jumpers": Mark("corrected")}}, "is reported even where it has been put right"),
        ({"marks": {"animals": Mark("ok", immediate=True)}}, "only what is found is a threat"),
        ({"marks": {"animals": Mark("maybe")}}, "Invalid enum value 'maybe'"),  # type: ignore[arg-type]
        ({"rest": {"meter": "found"}}, "Invalid enum value 'found'"),
        ({"remark": "x" * 501}, "length <= 500"),
        ({"remark": "a\x1b[2J"}, r"U\+001B"),
        ({"remark": "a\ud800"}, "."),
        ({"photos": ("p",) * 17}, "length <= 16"),
        ({"marks": {"animals": Mark("found", photos=("a\u202eb",))}}, r"U\+202E"),
        ({"told": ("newspaper",)}, "Invalid enum value"),
    ],
)
def test_what_no_item_allows_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        saved(**changes)


def test_an_inspection_is_bounded() -> None:
    items = by_code(LISTS)
    long = Mark("found", remark="x" * 500, photos=("p" * 200,) * 16)
    with pytest.raises(UsageError, match=f"at most {MOST_OCTETS:,} octets"):
        saved(marks=dict.fromkeys(items, long))
    assert len(saved(marks=dict.fromkeys(items, Mark("found", remark="x" * 500))).marks) == len(items)


def test_nothing_cannot_be_filed_and_a_part_can() -> None:
    with pytest.raises(NotComplete, match="nothing of this inspection is answered"):
        check_complete(EMPTY, LISTS)
    check_complete(saved(marks={"wiring": Mark("found")}), LISTS)
    other = saved(marks={"electrical_other": Mark("found")})
    with pytest.raises(NotComplete, match="Another electrical hazard: it is not said what it is"):
        check_complete(other, LISTS)
    check_complete(saved(other, 2, marks={"electrical_other": Mark("found", remark="sparks")}), LISTS)


MARKS = st.builds(Mark, st.sampled_from(get_args(Answer)), st.booleans(), st.none() | st.text(max_size=20), st.just(()))
CHANGES = st.builds(
    Changes,
    marks=st.dictionaries(st.sampled_from([*list(by_code(LISTS))[:12], "ghost"]), st.none() | MARKS, max_size=3),
    rest=st.dictionaries(st.sampled_from([one.name for one in LISTS]), st.sampled_from(["ok", "not_seen"]), max_size=1),
    remark=st.text(max_size=20),
    position=st.none() | st.builds(Position, latitude=st.just(Decimal("39.7")), longitude=st.just(Decimal(-105))),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=6))
def test_whatever_is_answered_a_draft_is_whole_or_stays_as_it_was(steps: list[Changes]) -> None:
    draft = EMPTY
    for minutes, changes in enumerate(steps, start=1):
        try:
            draft = changed(draft, changes, LISTS, FRIDAY + timedelta(minutes=minutes))
        except UsageError:
            continue
        kept = msgspec.json.decode(msgspec.json.encode(draft), type=Inspection)
        assert kept == draft
        assert set(draft.since) == set(draft.marks) <= set(by_code(LISTS))
        assert draft.threat == any(
            mark.answer == "found" and (mark.immediate or by_code(LISTS)[code][1].immediate)
            for code, mark in draft.marks.items()
        )
