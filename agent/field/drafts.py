"""What a person has typed so far, and what becomes of it when they say that it is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.errors import UsageError
from drivers.visual.entry import Entry, ShownRegister, check_shown

_Typed = Annotated[str, Meta(max_length=64)]
_Typeds = Annotated[tuple[_Typed, ...], Meta(max_length=64)]


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What was typed so far, whether it makes sense yet or not: survives a reload and a dead battery."""

    values: _Typeds = ()  # one for each register to be typed; empty: not yet
    again: _Typeds = ()  # typed once more where the first looked odd
    nameplate_id: Annotated[str, Meta(max_length=200)] = ""
    trouble: Annotated[tuple[Annotated[str, Meta(max_length=40)], ...], Meta(max_length=8)] = ()
    photos: Annotated[tuple[Annotated[str, Meta(max_length=80)], ...], Meta(max_length=32)] = ()
    remark: Annotated[str, Meta(max_length=200)] = ""


def encode_draft(draft: Draft) -> bytes:
    """Return a draft as it is kept with a stop."""
    return msgspec.json.encode(draft)


def decode_draft(content: bytes) -> Draft:
    """Return a draft; an empty one for what is none: it is only a help."""
    try:
        return msgspec.json.decode(content, type=Draft)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Draft()


def entry_of(
    faces: Sequence[ShownRegister], draft: Draft, *, read_by: str | None = None, read_at: datetime | None = None
) -> Entry:
    """Return what a person brings, complete. Raises `UsageError` naming the register or the field, and what is wrong.

    `faces`: the registers to be typed (their `shown` means nothing). Another number of digits than theirs is taken as
    it is typed, and judged by the checks. Where there is a reason (`trouble`), values may be missing. `read_at`: None
    for what is typed at the meter, now.
    """
    if len(draft.values) > len(faces):
        raise UsageError(f"{len(draft.values)} values for {len(faces)} registers")
    given = {
        "nameplate_id": draft.nameplate_id.strip() or None,
        "registers": list(_registers(faces, draft)),
        "read_by": read_by,
        "read_at": read_at,
        "photos": draft.photos,
        "trouble": draft.trouble,
        "remark": draft.remark.strip() or None,
    }
    if not given["registers"] and not draft.trouble:
        raise UsageError("nothing is typed", advice="type what the display shows, or say why there is no reading")
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, Entry)
    except msgspec.ValidationError as error:
        raise UsageError(str(error).replace(" - at `$.", ": `")) from error


def _registers(faces: Sequence[ShownRegister], draft: Draft) -> Iterator[dict[str, object]]:
    for number, face in enumerate(faces):
        typed = _at(draft.values, number)
        if not typed and draft.trouble:
            continue
        if not typed:
            raise UsageError(f"{face.name}: nothing is typed")
        uncounted = msgspec.structs.replace(face, dials=None, decimals=None, again=())
        looks = [typed, *filter(None, [_at(draft.again, number)])]
        for text in looks:
            if wrong := check_shown(text, uncounted):
                raise UsageError(f"{face.name}: {wrong}")
        yield {**msgspec.to_builtins(uncounted), "shown": typed, "again": looks[1:]}


def _at(texts: tuple[str, ...], number: int) -> str:
    return texts[number].strip() if number < len(texts) else ""
