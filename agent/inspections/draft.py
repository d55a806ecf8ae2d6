"""What a person's answers make of a draft. Pure: every rule of what may be answered, and what is missing, is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from agent.document import uuid7
from agent.errors import UsageError
from agent.inspections.checklist import Checklist, Item, by_code
from agent.inspections.errors import NotComplete
from agent.inspections.inspection import Changes, Inspection, Mark, Subject
from agent.routes.safe_text import wrong_in

MOST_OCTETS = 131_072  # of an inspection: fifty long remarks
_ITEMS = Mapping[str, tuple[Checklist, Item]]


def begun(subject: Subject, by: str, agent_id: str, at: datetime) -> Inspection:
    """Return an empty draft. Raises `UsageError` for a subject that names no place."""
    if subject.stop_id is None and subject.place is None:
        raise UsageError("an inspection needs a stop, a meter or a service delivery point", advice="name one of them")
    return Inspection(
        inspection_id=str(uuid7(at)),
        agent_id=agent_id,
        subject=subject,
        by=by,
        started_at=at,
        changed_at=at,
        version=1,
    )


def changed(draft: Inspection, changes: Changes, lists: Sequence[Checklist], at: datetime) -> Inspection:
    """Return the draft after a save. Raises `UsageError` for what no item has, or its item does not allow."""
    changes = _checked(changes)
    items = by_code(lists)
    marks = dict(draft.marks)
    for code, mark in changes.marks.items():
        _check_mark(code, mark, items)
        if mark is None:
            marks.pop(code, None)
        else:
            marks[code] = mark
    names = {one.name: one for one in lists}
    for name, answer in changes.rest.items():
        if name not in names:
            raise UsageError(f"there is no checklist {name!r}", advice="known: " + ", ".join(names))
        for item in names[name].items:
            marks.setdefault(item.code, Mark(answer))
    inspection = msgspec.structs.replace(
        draft,
        version=draft.version + 1,
        changed_at=at,
        marks={code: marks[code] for code in items if code in marks},
        since={code: _since(draft, code, mark, at) for code, mark in marks.items() if code in items},
        told=draft.told if changes.told is UNSET else changes.told,
        remark=draft.remark if changes.remark is UNSET else changes.remark,
        photos=draft.photos if changes.photos is UNSET else changes.photos,
        position=draft.position if changes.position is UNSET else changes.position,
        threat=any(is_threat(items[code][1], mark) for code, mark in marks.items() if code in items),
    )
    if len(msgspec.json.encode(inspection)) > MOST_OCTETS:
        raise UsageError(f"an inspection has at most {MOST_OCTETS:,} octets", advice="shorten the remarks")
    return inspection


def is_threat(item: Item, mark: Mark) -> bool:
    """Whether what is found is an immediate threat: by its nature, or because the person calls it one."""
    return mark.answer == "found" and (item.immediate or mark.immediate)


def check_complete(draft: Inspection, lists: Sequence[Checklist]) -> None:
    """Raise `NotComplete` for a draft that says nothing, or leaves out words without which an answer says nothing.

    An inspection that leaves items unanswered is filed as it is: a hazard does not wait for the rest of the lists.
    """
    if not draft.marks:
        raise NotComplete("nothing of this inspection is answered yet", advice="answer at least one item")
    for code, (_, item) in by_code(lists).items():
        mark = draft.marks.get(code)
        if mark is not None and item.remark_needed and mark.answer in {"found", "corrected"} and mark.remark is None:
            raise NotComplete(f"{item.text}: it is not said what it is", advice="describe it in the remark")


def _check_mark(code: str, mark: Mark | None, items: _ITEMS) -> None:
    if code not in items:
        raise UsageError(f"no checklist has an item {code!r}", advice="load the page anew")
    if mark is None:
        return
    item = items[code][1]
    if mark.answer == "corrected" and not item.correctable:
        raise UsageError(f"{item.text}: it is reported even where it has been put right", advice="answer `found`")
    if mark.immediate and mark.answer != "found":
        raise UsageError(f"{item.text}: only what is found is a threat", advice="answer `found`")


def _since(draft: Inspection, code: str, mark: Mark, at: datetime) -> datetime:
    """Return when this answer was given first: what was found is due from then on, not from when it was filed."""
    before = draft.marks.get(code)
    return draft.since.get(code, at) if before is not None and before.answer == mark.answer else at


def _checked(changes: Changes) -> Changes:
    """Return the changes if all of them are within their limits. Raises `UsageError`."""
    try:
        checked = msgspec.convert(msgspec.to_builtins(changes), Changes)
    except msgspec.ValidationError as error:
        raise UsageError(f"an inspection cannot say this: {error}", advice="shorten or correct it") from error
    for text in _texts(checked):
        if wrong := wrong_in(text, lines=True):
            raise UsageError(f"an inspection cannot say this: {wrong}", advice="leave that out")
    return checked


def _texts(changes: Changes) -> Iterator[str]:
    marks = [mark for mark in changes.marks.values() if mark is not None]
    yield from (mark.remark for mark in marks if mark.remark is not None)
    yield from (photo for mark in marks for photo in mark.photos)
    if isinstance(changes.remark, str):
        yield changes.remark
    if changes.photos is not UNSET:
        yield from changes.photos
