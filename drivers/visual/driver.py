"""A person's reading as a driver like any other: what the display shows, typed, is the meter's answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec

from drivers.base import Progress, Task
from drivers.data import Identity, MeterData, Problem, Register, SecondLook, Source
from drivers.errors import UsageError
from drivers.person import Question
from drivers.visual.dialogue import Dialogue, dialogue_of
from drivers.visual.entry import Entry, ShownRegister, check_shown, digits_of, value_of
from drivers.visual.loading import Draft, load_entry
from drivers.visual.trouble import WORDS, NotRead

LOOKS = 2  # that are granted after the first
LARGEST_PHOTO = 64 * 1024 * 1024  # octets that are hashed
_PIECE = 1 << 20
PROFILE = "visual"


class VisualDriver:
    """Reads meters by the eyes of a person."""

    schemes = ("visual",)

    async def read(self, task: Task) -> MeterData:
        """Return what the person brought, or says when asked.

        Raises `UsageError` for an entry that makes no sense, naming the field, and `NotRead` when there is no value,
        with the reasons of the person.
        """
        if task.clock_order is not None:
            raise UsageError("a person's reading cannot set the meter's clock", advice="leave out --set-clock")
        task.progress(Progress("entry"))
        draft = await asyncio.to_thread(load_entry, task.url)
        async with dialogue_of(task) as dialogue:
            await dialogue.brought(draft.entry)
            entry = await _completed(draft, dialogue)
            photos, problems = await asyncio.to_thread(_photos, entry.photos, draft.base)
            if not entry.registers:
                raise _not_read(entry, photos)
            data = MeterData(
                identity=Identity(entry.nameplate_id or ""),
                profile=PROFILE,
                method="manual",
                registers=tuple(_register(one, one.shown, k) for k, one in enumerate(entry.registers, start=1)),
                registers_ns=task.monotonic_ns(),
                has_tiers=any(one.tier for one in entry.registers),
                problems=(*problems, *_remarks(entry)),
                photos=photos,
                read_by=entry.read_by or "",
                read_at=entry.read_at,
            )
            return await _looked_again(data, entry, task, dialogue)


async def _completed(draft: Draft, dialogue: Dialogue) -> Entry:
    """Return the entry with what it lacks, as the person says."""
    entry, missing = draft.entry, draft.missing
    if missing is None:
        return entry
    if not dialogue.possible:
        raise UsageError(
            "visual reading: `reading` is missing, and there is no terminal to ask on",
            advice="visual://?reading=012345&nameplate=00123456, or visual:///path/reading.json",
        )
    if entry.nameplate_id is None:
        question = Question("nameplate", "type or scan the number on the meter's nameplate", example="00123456")
        nameplate = await dialogue.ask_until(question, _wrong_nameplate)
        entry = msgspec.structs.replace(entry, nameplate_id=nameplate.text)
    answer = await dialogue.ask_until(_question(missing), partial(check_shown, register=missing))
    if answer.text is None:
        return msgspec.structs.replace(entry, remark=answer.remark or entry.remark)
    return msgspec.structs.replace(entry, registers=(msgspec.structs.replace(missing, shown=answer.text),))


def _wrong_nameplate(text: str) -> str:
    return "" if text.isprintable() and len(text) <= 200 else "that is no number of a nameplate"


def _question(register: ShownRegister, *, again: bool = False) -> Question:
    what = f"type what the display shows for {register.name}, with all zeros"
    if again:
        because = "the first entry does not fit what is on record"
        return Question("register", f"look once more and {what}", because, example="012345", again=True)
    return Question("register", what, example="12.340" if register.sense == "demand" else "012345")


def _register(one: ShownRegister, shown: str, number: int) -> Register:
    """Return a value as displayed. Its source is a place on the display, which has no octets; it holds those typed."""
    dials, _ = digits_of(shown)
    return Register(
        quantity=one.quantity,
        direction=one.direction,
        kind=one.sense,
        tier=one.tier,
        raw=shown,
        value=value_of(shown, one.multiplier),
        multiplier=Decimal(one.multiplier),
        unit=one.quantity,
        period=one.period,
        digits=dials,
        source=Source(f"display {number}", 0, 0, shown.encode("ascii")),
    )


async def _looked_again(data: MeterData, entry: Entry, task: Task, dialogue: Dialogue) -> MeterData:
    """Have the person look again where the agent doubts: by what they typed twice, else by asking them now."""
    for look in range(LOOKS):
        wanted = task.second_look(data) if task.second_look is not None else ()
        if not wanted:
            break
        found: list[Register] = []
        asked = False
        for number, register in enumerate(entry.registers, start=1):
            if f"display {number}" not in wanted:
                continue
            shown = register.again[look] if look < len(register.again) else None
            if shown is None and dialogue.possible:
                asked = True
                shown = await _asked_again(register, dialogue)
            if shown is not None:
                found.append(_register(register, shown, number))
        if not found:
            break
        at_ns = task.monotonic_ns() if asked else data.again[-1].at_ns if data.again else data.registers_ns
        tables = tuple(register.source.table for register in found if register.source is not None)
        data = replace(data, again=(*data.again, SecondLook(tables, tuple(found), at_ns or 0)))
    return data


async def _asked_again(register: ShownRegister, dialogue: Dialogue) -> str | None:
    """Return what the person sees now; None if they give no answer that makes sense: the first stays unconfirmed."""
    try:
        answer = await dialogue.ask_until(_question(register, again=True), partial(check_shown, register=register))
    except UsageError:
        return None
    return answer.text


def _remarks(entry: Entry) -> list[Problem]:
    remarks = [Problem(code, WORDS[code], lost=False) for code in entry.trouble]
    return [*remarks, Problem("remark", entry.remark, lost=False)] if entry.remark else remarks


def _not_read(entry: Entry, photos: tuple[str, ...]) -> NotRead:
    reasons = [f"{WORDS[code]} ({code})" for code in entry.trouble] + ([entry.remark] if entry.remark else [])
    who = f" by {entry.read_by}" if entry.read_by else ""
    return NotRead(
        f"not read{who}: {'; '.join(reasons) or 'the person gave no value'}",
        trouble=entry.trouble,
        photos=photos,
        advice="send somebody again, or close the order with this reason",
    )


def _photos(names: Sequence[str], base: Path) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the references of photographs, with the SHA-256 of those that are there, and what is missing."""
    references, problems = [], []
    for name in names:
        path = base / name
        try:
            digest = _sha256(path)
        except OSError as error:
            problems.append(Problem(f"photo {name}", f"its file cannot be read: {error.strerror}", lost=False))
            references.append(path.name)
            continue
        if digest is None:
            problems.append(Problem(f"photo {name}", f"no file, or larger than {LARGEST_PHOTO:,} octets", lost=False))
        references.append(f"{path.name} sha256:{digest}" if digest else path.name)
    return tuple(references), problems


def _sha256(path: Path) -> str | None:
    """Return the hash of a file; None for what is no plain file, or a very large one."""
    if not path.is_file() or path.stat().st_size > LARGEST_PHOTO:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
