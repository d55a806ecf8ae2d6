"""From one recorded visit to the profile that it speaks for, tried out before it is proposed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

from drivers.data import Identity, MeterData
from drivers.errors import DataError, UsageError
from drivers.learn.clock import of_clock
from drivers.learn.dimensions import of_dimensions
from drivers.learn.lesson import Lesson
from drivers.learn.line import of_line, refusals
from drivers.learn.profile_data import of_profile
from drivers.learn.tables import manufacturer_tables, of_tables
from drivers.learn.writing import Draft, as_toml
from drivers.profiles import Profile, Profiles, profile_of_text
from drivers.psem.codes import ResponseCode
from drivers.psem.overheard import Overheard, overhear
from drivers.psem.recognition import recognised
from drivers.psem.retold import Retold, retell
from drivers.transport.recording_file import Session, read_sessions

NOT_TRIED: Final = "not tried on hardware"
_UNPRINTED: Final = re.compile(r"[^ -~]|[\[\]]")  # what a pattern cannot hold
_LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True)
class Proposal:
    """The TOML of a profile that is valid and reads the meter no worse than without it; and what it leaves open."""

    name: str
    text: str
    lessons: tuple[Lesson, ...]
    recognised: str  # the profile that already means this meter, or generic


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who asks knows. `tried`: their statement that this was a real meter, with what and when."""

    name: str = ""
    tried: str = ""
    site_zone: tzinfo | None = None


def propose(recording: Path, profiles: Profiles, wishes: Wishes) -> Proposal:
    """Return the proposal that a recording of a visit supports.

    Raises `UsageError` for a file that is no recording or a statement that it belies, `DataError` without an ST00.
    """
    session, overheard = _richest(recording)
    first = retell(overheard, profiles.generic, site_zone=wishes.site_zone)
    if 0 not in first.context:
        raise DataError(
            f"{recording} shows no ST00 of a meter, which decides everything",
            advice="look at the meter with `mrsp tables URL ST00`, and learn from a visit that works",
        )
    if wishes.tried and not session.header.line.startswith("/dev/"):
        raise UsageError(
            f"--tried speaks of a real meter, but the recording was made on {session.header.line}",
            advice="leave it out, or learn from a visit over a serial port",
        )
    who = first.data.identity
    known = recognised(profiles, first.context)
    draft = Draft(
        name=wishes.name or _name(who),
        title=f"{who.manufacturer} {who.model}".strip() or "A meter that does not say who made it",
        status=f"tried on hardware: {wishes.tried}" if wishes.tried else NOT_TRIED,
        detect=_detect(who, known),
        recognised=known.name,
        source=_source(recording, session, who),
        lessons=tuple(_lessons(first, session, wishes.site_zone)),
        manufacturer_tables=tuple(manufacturer_tables(first.context, _octets(first), refusals(overheard))),
        problems=tuple(f"{problem.what}: {problem.reason}" for problem in first.data.problems),
    )
    profile_of_text(as_toml(replace(draft, lessons=())), draft.name)  # whether it is valid at all: its name, say
    draft = _tried_out(draft, first.data, overheard, wishes.site_zone)
    return Proposal(draft.name, as_toml(draft), draft.lessons, known.name)


def _richest(recording: Path) -> tuple[Session, Overheard]:
    """Return the session of a recording that shows most reads, the last of equals."""
    sessions = [(session, overhear(session.records)) for session in read_sessions(recording)]
    return max(reversed(sessions), key=lambda pair: len(pair[1].reads))


def _lessons(retold: Retold, session: Session, site_zone: tzinfo | None) -> Iterable[Lesson]:
    refused = refusals(retold.overheard)
    cleared = any(
        exchange.request is None and not exchange.asked and exchange.answer[:1] == bytes((ResponseCode.OK,))
        for exchange in retold.overheard.exchanges
    )
    yield from of_line(retold.overheard)
    yield from of_tables(retold.context, refused, cleared=cleared)
    yield from of_dimensions(retold.context, _octets(retold))
    yield from of_profile(retold)
    looks = [versions[-1].t_ns for table in (52, 55) for versions in [retold.versions.get(table, ())] if versions]
    yield of_clock(retold.context, site_zone, _box_time(session, looks[0] if looks else 0))


def _box_time(session: Session, t_ns: int) -> datetime:
    return session.header.started + timedelta(microseconds=t_ns // 1000)


def _octets(retold: Retold) -> dict[int, bytes]:
    return {table: versions[-1].octets for table, versions in retold.versions.items() if versions}


def _name(who: Identity) -> str:
    words = re.findall(r"[a-z0-9]+", f"{who.manufacturer} {who.model}".lower())
    return "-".join(words)[:_LONGEST_NAME].strip("-") or "unnamed-meter"


def _detect(who: Identity, known: Profile) -> dict[str, Any]:
    """Return a `[detect]` that means this model, and no other profile's meters equally well."""
    if not who.manufacturer and not who.model:
        return {}
    found: dict[str, Any] = {
        "manufacturer": _UNPRINTED.sub("?", who.manufacturer) or "*",
        "model": _UNPRINTED.sub("?", who.model) or "*",
    }
    if known.detect is not None and who.firmware_version:
        found["firmware"] = {"min": who.firmware_version, "max": who.firmware_version}
    return found


def _source(recording: Path, session: Session, who: Identity) -> str:
    """Say where the facts come from, without the id of the customer's meter."""
    digest = hashlib.sha256(recording.read_bytes()).hexdigest()
    on = session.header.started.date()
    versions = f"hardware {who.hardware_version}, firmware {who.firmware_version}"
    return f"one meter ({versions}), read on {on}; SHA-256 of the recording: {digest}"


def _tried_out(draft: Draft, before: MeterData, overheard: Overheard, site_zone: tzinfo | None) -> Draft:
    """Return the draft without the lessons that would make the reading worse, or the profile invalid."""
    kept = replace(draft, lessons=())
    for lesson in draft.lessons:
        with_it = replace(kept, lessons=(*kept.lessons, lesson))
        if lesson.value is not None and lesson.sure != "open" and not _no_worse(with_it, before, overheard, site_zone):
            seen = f"{lesson.seen}; left out: the reading would be worse with it"
            with_it = replace(kept, lessons=(*kept.lessons, replace(lesson, seen=seen, sure="open")))
        kept = with_it
    return kept


def _no_worse(draft: Draft, before: MeterData, overheard: Overheard, site_zone: tzinfo | None) -> bool:
    """Whether everything that was read without the profile is read with it, and no more is lost."""
    try:
        profile = profile_of_text(as_toml(draft), draft.name)
    except UsageError:
        return False
    after = retell(overheard, profile, site_zone=site_zone).data
    missing = {_register(one) for one in before.registers} - {_register(one) for one in after.registers}
    lost = [sum(problem.lost for problem in data.problems) for data in (before, after)]
    return not missing and lost[1] <= lost[0] and len(after.blocks) >= len(before.blocks)


def _register(one: Any) -> tuple[object, ...]:
    """Return what tells a register from others, and its value."""
    return (
        *(one.quantity, one.direction, one.kind, one.tier, one.season, one.period),
        *(one.phase, one.minimum, one.continuous, one.occurrence, one.self_read, one.raw, one.value, one.unit),
    )
