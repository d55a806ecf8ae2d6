"""What a person types at a visual read: kept while it is typed, and doubted at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from agent.console.api.bodies import there
from agent.console.api.endpoint import Endpoint, Given, Malformed, Taken
from agent.console.api.photos import PhotoNames, check_photos
from agent.console.api.shapes import shaped
from agent.console.at_stop import AtStop, at_stop, book_of
from agent.console.dials import complete, faces_of, value_at
from agent.console.request import person_of, world_of
from agent.field.drafts import Draft, decode_draft, encode_draft
from agent.field.visual import OddKind

Value = Annotated[str, Meta(max_length=64)]
Values = Annotated[tuple[Value, ...], Meta(max_length=64)]


class Typed(Taken, frozen=True):
    """What is typed so far, whether it makes sense yet or not.

    `values`: one for each of the stop's `registers`, exactly as displayed, leading zeros included; empty: not yet.
    `again`: of those that looked odd, looked up and typed once more.
    """

    values: Values = ()
    again: Values = ()
    nameplate_id: Annotated[str, Meta(max_length=200)] = ""
    photos: PhotoNames = ()
    remark: Annotated[str, Meta(max_length=200)] = ""

    def draft(self) -> Draft:
        """Return it as the console keeps it."""
        return msgspec.convert(msgspec.to_builtins(self), Draft)


class OddNow(Given, frozen=True):
    """One oddity of the register of that number. `serious`: it will fail a check, and is to be looked up anew."""

    register: int
    kind: OddKind
    text: str
    serious: bool


class TypedNow(Given, frozen=True):
    """What is kept, and what is odd about it."""

    typed: Typed
    odd: tuple[OddNow, ...]


async def show_typed(request: Request, stop_id: str) -> TypedNow:
    """Return what this person had typed at a stop, on whatever device."""
    at = await at_stop(request, stop_id)
    await world_of(request).access.saw(at.person, "stop", stop_id)
    content = await book_of(request).draft(stop_id, at.person.name)
    draft = Draft() if content is None else decode_draft(content)
    return TypedNow(typed=shaped(Typed, draft), odd=await _odd(request, at, draft.values))


async def keep_typed(request: Request, stop_id: str, body: Typed) -> TypedNow:
    """Keep what a person has typed so far: it outlives a dead battery. Return what is odd about it, at once.

    What earlier readings were is not said. It is gone when the person settles the stop.
    """
    at = await at_stop(request, stop_id)
    await check_photos(request, body.photos)
    odd = await _odd(request, at, body.values)
    await book_of(request).save_draft(stop_id, at.person.name, encode_draft(body.draft()))
    return TypedNow(typed=body, odd=odd)


async def forget_typed(request: Request, stop_id: str) -> None:
    """Forget what this person had typed at a stop."""
    await book_of(request).save_draft(stop_id, person_of(request).name, b"")


async def _odd(request: Request, at: AtStop, values: tuple[str, ...]) -> tuple[OddNow, ...]:
    """Return what is odd about the values that are typed whole."""
    faces = faces_of(at.stop.ordered)
    if len(values) > len(faces):
        raise Malformed(f"{len(values)} values for {len(faces)} registers")
    typed = [value_at(values, face.number) for face in faces]
    shown = [face.shown(value if complete(value) else "") for face, value in zip(faces, typed, strict=True)]
    desk = there(world_of(request).desk)
    found = await desk.looks_odd(at.stop.ordered.order, shown, stop_id=at.stop.stop_id)
    return tuple(shaped(OddNow, one) for one in found)


_TYPED = "/stops/{stop_id}/typed"
ENDPOINTS = (
    Endpoint(method="GET", path=_TYPED, function=show_typed, tag="reads"),
    Endpoint(method="PUT", path=_TYPED, function=keep_typed, tag="reads"),
    Endpoint(method="DELETE", path=_TYPED, function=forget_typed, tag="reads"),
)
