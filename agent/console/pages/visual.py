"""A read by eye: the dials typed as on the meter's face, doubted at once, and looked up again where they look odd.

What the record has is never shown, nor the first entry where the same is to be typed again: who knows what is expected
reads that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.at_stop import AtStop, at_stop, book_of, come_to, opened, photos_of, tried
from agent.console.dials import Face, complete, faces_of, typed_again, typed_values, unfinished, value_at
from agent.console.page import Page
from agent.console.request import by_htmx, field, go_to, show, texts_of, world_of
from agent.errors import UsageError
from agent.field.desk import FieldDesk
from agent.field.drafts import Draft, decode_draft, encode_draft, entry_of
from agent.field.views import Work
from agent.field.visual import Odd


async def form(request: Request) -> Response:
    """Show the face of each register, with what this person had typed before."""
    at = await opened(request)
    if isinstance(at, Response):
        return at
    return await _faces(request, at, await _draft(request, at))


async def save(request: Request) -> Response:
    """Keep what is typed so far, and say at once what is odd about it; a part of the page."""
    at = await at_stop(request)
    draft = await _kept(request, at)
    conflict = {} if at.mine else await tried(come_to(request, at))
    if not by_htmx(request):
        return go_to(request, f"{at.path}/visual")
    faces = faces_of(at.stop.ordered)
    context = {**at.context(), "faces": faces, "odd": await _odd(request, at, draft), "conflict": "", **conflict}
    return show(request, "parts/visual_kept.html", {**context, "kept_at": world_of(request).now()})


async def photo(request: Request) -> Response:
    """Keep a photograph of the display with what is typed."""
    at = await at_stop(request)
    draft = await _draft(request, at)

    async def added() -> None:
        photos = tuple(dict.fromkeys((*draft.photos, *await photos_of(request))))
        await _keep(request, at, msgspec.structs.replace(draft, photos=photos))

    if said := await tried(added()):
        return await _faces(request, at, draft, said, status=422)
    return go_to(request, f"{at.path}/visual#photos")


async def submit(request: Request) -> Response:
    """Take what is typed, if nothing is missing; where it looks odd, ask for it once more."""
    at = await at_stop(request)
    draft = await _kept(request, at)
    if missing := await _missing(request, at, draft):
        return await _faces(request, at, draft, missing, status=422)
    if said := await tried(come_to(request, at)):
        return await _faces(request, await at_stop(request), draft, said, status=409 if "conflict" in said else 422)
    if await _doubtful(request, at, draft) or _other_nameplate(at, draft):
        return go_to(request, f"{at.path}/visual/again")
    return await _begun(request, at, draft)


async def ask_again(request: Request) -> Response:
    """Show the faces of what looks odd, empty."""
    at = await opened(request)
    if isinstance(at, Response):
        return at
    draft = await _draft(request, at)
    doubtful = await _doubtful(request, at, draft)
    if unfinished(faces_of(at.stop.ordered), draft) or not (doubtful or _other_nameplate(at, draft)):
        return go_to(request, f"{at.path}/visual")
    return await _asked(request, at, draft)


async def take_again(request: Request) -> Response:
    """Compare what is typed once more; take the reading when everything that looked odd was confirmed."""
    at = await at_stop(request)
    faces, draft, texts = faces_of(at.stop.ordered), await _draft(request, at), texts_of(request)
    asked = await _doubtful(request, at, draft)
    anew = {face.number: face.typed(lambda name: field(request, name)) for face in asked}
    if any(not complete(value) for value in anew.values()):
        return await _asked(request, at, draft, {"said": texts("visual.all_digits")}, status=422)
    draft, differ = typed_again(faces, draft, anew)
    nameplate = field(request, "nameplate") or draft.nameplate_id
    draft = msgspec.structs.replace(draft, nameplate_id=nameplate)
    await _keep(request, at, draft)
    if differ and await _doubtful(request, at, draft):
        said = texts("visual.not_the_same", register=differ[0].register.name)
        return await _asked(request, at, draft, {"said": said}, status=422, nameplate=False)
    return await _begun(request, at, draft)


async def _begun(request: Request, at: AtStop, draft: Draft) -> Response:
    """Begin the job of a reading that is complete. What was typed stays kept until its stop is settled."""
    world, ordered = world_of(request), at.stop.ordered
    try:
        shown = [face.shown("0") for face in faces_of(ordered)]
        complete_one = msgspec.structs.replace(draft, trouble=at.caveats)
        entry = entry_of(shown, complete_one, read_by=at.person.name)
        await world.access.did(at.person, "typed a reading", "stop", at.stop.stop_id)
        work = Work("visual", ordered.order, entry=entry, stop_id=at.stop.stop_id)
        job = await _desk(request).start(work, at.person.name)
    except UsageError as error:
        return await _faces(request, at, draft, {"said": error.message, "advice": error.advice}, status=422)
    return go_to(request, f"/jobs/{job.job_id}")


async def _missing(request: Request, at: AtStop, draft: Draft) -> Mapping[str, str]:
    """Say what has to be typed before a reading can be taken."""
    texts, faces = texts_of(request), faces_of(at.stop.ordered)
    if left := unfinished(faces, draft):
        return {"said": texts("visual.missing", register=left[0].register.name)}
    if wrong := [one for one in await _odd(request, at, draft) if one.kind == "not_a_number"]:
        return {"said": f"{faces[wrong[0].register].register.name}: {wrong[0].text}"}
    order = at.stop.ordered.order
    if order.expected_meter_id and not (draft.nameplate_id or order.nameplate_id or field(request, "without")):
        return {"said": texts("visual.no_nameplate"), "without": "1"}
    return {}


def _other_nameplate(at: AtStop, draft: Draft) -> bool:
    """Whether the nameplate says something else than the record: then it is looked at again, once."""
    expected = at.stop.ordered.order.expected_meter_id
    return bool(expected and draft.nameplate_id) and draft.nameplate_id != expected


async def _doubtful(request: Request, at: AtStop, draft: Draft) -> tuple[Face, ...]:
    """Return the registers whose values look odd and were not confirmed."""
    odd = {one.register for one in await _odd(request, at, draft) if one.serious}
    return tuple(
        face
        for face in faces_of(at.stop.ordered)
        if face.number in odd and value_at(draft.again, face.number) != value_at(draft.values, face.number)
    )


async def _odd(request: Request, at: AtStop, draft: Draft) -> Sequence[Odd]:
    """Return what is odd about the values that are typed whole."""
    faces = faces_of(at.stop.ordered)
    values = [value_at(draft.values, face.number) for face in faces]
    shown = [face.shown(value if complete(value) else "") for face, value in zip(faces, values, strict=True)]
    return await _desk(request).looks_odd(at.stop.ordered.order, shown, stop_id=at.stop.stop_id)


async def _draft(request: Request, at: AtStop) -> Draft:
    content = await book_of(request).draft(at.stop.stop_id, at.person.name)
    return Draft() if content is None else decode_draft(content)


async def _kept(request: Request, at: AtStop) -> Draft:
    """Keep what the form says, and return it. A value that was changed is no longer confirmed."""
    before = await _draft(request, at)
    values = typed_values(faces_of(at.stop.ordered), lambda name: field(request, name))
    again = tuple(
        text if text == value_at(values, number) else "" for number, text in enumerate(before.again[: len(values)])
    )
    draft = msgspec.structs.replace(
        before,
        values=values,
        again=again,
        nameplate_id=field(request, "nameplate"),
        remark=" ".join(field(request, "remark").split()),
    )
    await _keep(request, at, draft)
    return draft


async def _keep(request: Request, at: AtStop, draft: Draft) -> None:
    await book_of(request).save_draft(at.stop.stop_id, at.person.name, encode_draft(draft))


async def _faces(
    request: Request, at: AtStop, draft: Draft, said: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    """Show the page on which everything is typed."""
    faces = faces_of(at.stop.ordered)
    context = {
        **at.context(),
        "faces": [(face, value_at(draft.values, face.number)) for face in faces],
        "odd": await _odd(request, at, draft),
        "draft": draft,
        "takes_photos": world_of(request).photos is not None,
        "codes": [code for _, code in at.walk.view.codes.sorted(at.stop.codes) if code.kind == "trouble"],
        "conflict": "",
        "said": "",
        "advice": "",
        "without": "",
        **(said or {}),
    }
    return show(request, "visual.html", context, status=status)


async def _asked(
    request: Request,
    at: AtStop,
    draft: Draft,
    said: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    nameplate: bool = True,
) -> Response:
    """Show the page on which what looks odd is typed once more."""
    odd = [one for one in await _odd(request, at, draft) if one.serious]
    context = {
        **at.context(),
        "faces": [(face, "") for face in await _doubtful(request, at, draft)],
        "odd": odd,
        "nameplate": nameplate and _other_nameplate(at, draft),
        "said": "",
        **(said or {}),
    }
    return show(request, "visual_again.html", context, status=status)


def _desk(request: Request) -> FieldDesk:
    desk = world_of(request).desk
    if desk is None:
        raise HTTPException(404)
    return desk


PAGES = (
    Page("/stops/{stop_id}/visual", form),
    Page("/stops/{stop_id}/visual", submit, method="POST"),
    Page("/stops/{stop_id}/visual/draft", save, method="POST"),
    Page("/stops/{stop_id}/visual/photo", photo, method="POST", body="upload"),
    Page("/stops/{stop_id}/visual/again", ask_again),
    Page("/stops/{stop_id}/visual/again", take_again, method="POST"),
)
