"""The inspection of a site: each condition looked for, what was found, who was told, and the report of it.

Each answer is kept when it is given. What is found that threatens somebody is said on every page from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.at_stop import AtStop, at_stop, opened, photos_of, position_of, tried, words_of
from agent.console.page import Page
from agent.console.request import by_htmx, field, form_of, go_to, person_of, show, world_of
from agent.errors import UsageError
from agent.inspections import (
    Answer,
    Changes,
    Checklist,
    Conflict,
    Inspection,
    InspectionDesk,
    Item,
    Mark,
    NotReported,
    NotThere,
    Party,
    subject_of,
)

_ANSWERS: tuple[Answer, ...] = get_args(Answer)
_REST: tuple[str, ...] = ("ok", "not_seen", "not_applicable")
PARTIES: tuple[Party, ...] = get_args(Party)


async def overview(request: Request) -> Response:
    """Show the lists, how far each is, and where the inspection is filed."""
    at = await opened(request)
    if isinstance(at, Response):
        return at
    return await _overview(request, at)


async def one_list(request: Request) -> Response:
    """Show the items of one list."""
    at = await opened(request)
    if isinstance(at, Response):
        return at
    return show(request, "inspection_list.html", _items(request, at, _list(request), await _draft(request, at)))


async def answer(request: Request) -> Response:
    """Keep the answer to one item, with the person's own words."""
    at, (checklist, item) = await at_stop(request), _item(request)
    draft = await _begun(request, at)
    mark, said = _mark(request, draft.marks.get(item.code)), ""
    if mark is None:
        raise HTTPException(400)
    try:
        draft = await _desk(request).save(draft.inspection_id, at.person.name, Changes(marks={item.code: mark}))
    except UsageError as error:
        said = error.message
    context = {**_items(request, at, checklist, draft), "item": item, "said": said, "failed": item.code}
    if by_htmx(request):
        return show(request, "parts/inspection_answer.html", context)
    if said:
        return show(request, "inspection_list.html", context, status=422)
    return go_to(request, f"{_path(at, checklist)}#item-{item.code}")


async def photo(request: Request) -> Response:
    """Keep a photograph of what was found."""
    at, (checklist, item) = await at_stop(request), _item(request)
    draft = await _begun(request, at)
    mark = draft.marks.get(item.code)
    if mark is None:
        raise HTTPException(400)
    before = mark

    async def added() -> None:
        photos = tuple(dict.fromkeys((*before.photos, *await photos_of(request))))
        changes = Changes(marks={item.code: msgspec.structs.replace(before, photos=photos)})
        await _desk(request).save(draft.inspection_id, at.person.name, changes)

    if said := await tried(added()):
        context = {**_items(request, at, checklist, draft), "said": said["said"], "failed": item.code}
        return show(request, "inspection_list.html", context, status=422)
    return go_to(request, f"{_path(at, checklist)}#item-{item.code}")


async def rest(request: Request) -> Response:
    """Answer all items of a list alike that are not answered yet."""
    at, checklist = await at_stop(request), _list(request)
    given = field(request, "rest")
    if given not in _REST:
        raise HTTPException(400)
    draft = await _begun(request, at)
    changes = Changes(rest={checklist.name: cast("Literal['ok', 'not_seen', 'not_applicable']", given)})
    await _desk(request).save(draft.inspection_id, at.person.name, changes)
    return go_to(request, f"{at.path}/inspection")


async def file(request: Request) -> Response:
    """File the inspection: from then on it does not change, and what was found is reported."""
    at, world = await at_stop(request), world_of(request)
    draft = await _draft(request, at)
    if draft is None:
        return go_to(request, f"{at.path}/inspection")
    try:
        position = position_of(request)
        draft = await _desk(request).save(
            draft.inspection_id, at.person.name, _last(request), version=_version(request)
        )
        if position is not None:
            changes = Changes(position=position)
            draft = await _desk(request).save(draft.inspection_id, at.person.name, changes, version=draft.version)
        await world.access.did(at.person, "files", "inspection", draft.inspection_id)
        await _desk(request).file(draft.inspection_id, at.person.name, version=draft.version)
    except NotReported:
        pass  # it is filed, and its reports are on their way
    except UsageError as error:
        said = {"said": error.message, "advice": error.advice}
        return await _overview(request, at, said, status=409 if isinstance(error, Conflict) else 422)
    return go_to(request, f"/inspections/{draft.inspection_id}")


async def discard(request: Request) -> Response:
    """Throw away what was answered so far."""
    at = await at_stop(request)
    draft = await _draft(request, at)
    if draft is not None and field(request, "sure"):
        await world_of(request).access.did(at.person, "discards", "inspection", draft.inspection_id)
        await _desk(request).discard(draft.inspection_id, at.person.name)
    return go_to(request, f"{at.path}/inspection")


async def filed(request: Request) -> Response:
    """Show an inspection that was filed."""
    return await _filed(request)


async def made_safe(request: Request) -> Response:
    """Set down that an immediate threat is gone."""
    person, words = person_of(request), words_of(request, "remark")
    inspection_id = request.path_params["inspection_id"]
    try:
        await _desk(request).made_safe(inspection_id, person.name, words)
    except NotThere:
        raise HTTPException(404) from None
    except UsageError as error:
        return await _filed(request, said=error.message, status=422)
    await world_of(request).access.did(person, "made safe", "inspection", inspection_id)
    return go_to(request, f"/inspections/{inspection_id}")


async def _filed(request: Request, *, said: str = "", status: int = 200) -> Response:
    try:
        inspection = await _desk(request).inspection(request.path_params["inspection_id"])
    except NotThere:
        raise HTTPException(404) from None
    if inspection.filed_at is None:
        raise HTTPException(404)
    await world_of(request).access.saw(person_of(request), "inspection", inspection.inspection_id)
    answers = {one: [code for code, mark in inspection.marks.items() if mark.answer == one] for one in _ANSWERS}
    context = {"inspection": inspection, "answers": answers, "said": said}
    return show(request, "inspection_filed.html", context, status=status)


async def _overview(
    request: Request, at: AtStop, said: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    desk, draft = _desk(request), await _draft(request, at)
    marks = _marks(draft)
    far = [
        (
            one,
            sum(item.code in marks for item in one.items),
            sum(item.code in marks and marks[item.code].answer == "found" for item in one.items),
        )
        for one in desk.lists
    ]
    context = {
        **at.context(),
        "draft": draft,
        "far": far,
        "parties": PARTIES,
        "earlier": await desk.of_stop(at.stop.stop_id),
        "said": "",
        "advice": "",
        **(said or {}),
    }
    return show(request, "inspection.html", context, status=status)


def _items(request: Request, at: AtStop, checklist: Checklist, draft: Inspection | None) -> dict[str, Any]:
    """Return what the templates of one list need."""
    lists = _desk(request).lists
    after = lists[lists.index(checklist) + 1 :]
    return {
        **at.context(),
        "list": checklist,
        "draft": draft,
        "marks": _marks(draft),
        "following": after[0] if after else None,
        "takes_photos": world_of(request).photos is not None,
        "said": "",
        "failed": "",
    }


async def _draft(request: Request, at: AtStop) -> Inspection | None:
    """Return what this person has answered at this stop, and not filed."""
    drafts = await _desk(request).drafts(at.person.name)
    return next((one for one in drafts if one.subject.stop_id == at.stop.stop_id), None)


async def _begun(request: Request, at: AtStop) -> Inspection:
    """Return this person's draft at this stop, begun if there is none."""
    ordered = at.stop.ordered
    subject = subject_of(ordered.order, at.stop.stop_id, ordered.hazards)
    return await _desk(request).begin(subject, at.person.name)


def _mark(request: Request, before: Mark | None) -> Mark | None:
    """Return what the form says of an item: an answer, or, where it was found, what it is like."""
    given = field(request, "answer")
    said = next((one for one in _ANSWERS if one == given), before.answer if before is not None else None)
    if said is None:
        return None
    mark = msgspec.structs.replace(before, answer=said) if before is not None else Mark(said)
    if "remark" in form_of(request):
        mark = msgspec.structs.replace(
            mark, remark=words_of(request, "remark") or None, immediate=bool(field(request, "immediate"))
        )
    return mark if said == "found" else msgspec.structs.replace(mark, immediate=False)


def _last(request: Request) -> Changes:
    """Return what is said of the whole when it is filed."""
    given = form_of(request).getlist("told")
    return Changes(told=tuple(one for one in PARTIES if one in given), remark=words_of(request, "remark") or None)


def _marks(draft: Inspection | None) -> Mapping[str, Mark]:
    return draft.marks if draft is not None else {}


def _list(request: Request) -> Checklist:
    name = request.path_params["list"]
    found = next((one for one in _desk(request).lists if one.name == name), None)
    if found is None:
        raise HTTPException(404)
    return found


def _item(request: Request) -> tuple[Checklist, Item]:
    checklist, code = _list(request), request.path_params["code"]
    found = next((one for one in checklist.items if one.code == code), None)
    if found is None:
        raise HTTPException(404)
    return checklist, found


def _version(request: Request) -> int:
    text = field(request, "version")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise HTTPException(400)
    return int(text)


def _path(at: AtStop, checklist: Checklist) -> str:
    return f"{at.path}/inspection/lists/{checklist.name}"


def _desk(request: Request) -> InspectionDesk:
    desk = world_of(request).inspections
    if desk is None:
        raise HTTPException(404)
    return desk


_LIST = "/stops/{stop_id}/inspection/lists/{list}"
PAGES = (
    Page("/stops/{stop_id}/inspection", overview),
    Page(_LIST, one_list),
    Page(f"{_LIST}/rest", rest, method="POST"),
    Page(f"{_LIST}/items/{{code}}", answer, method="POST"),
    Page(f"{_LIST}/items/{{code}}/photo", photo, method="POST", body="upload"),
    Page("/stops/{stop_id}/inspection/filed", file, method="POST"),
    Page("/stops/{stop_id}/inspection/discarded", discard, method="POST"),
    Page("/inspections/{inspection_id}", filed),
    Page("/inspections/{inspection_id}/safe", made_safe, method="POST"),
)
