"""What became of one stop, and what each act makes of it. Pure: a function takes a standing and returns the next.

A standing that says already what an act would make of it is returned as it is: a button pressed twice does it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec

from agent.errors import UsageError
from agent.routes.codes import CodeSet
from agent.routes.order import Position, RouteOrder
from agent.routes.safe_text import checked, typed
from agent.routes.view import MethodUsed, Note, Stop

CLAIM_FOR = timedelta(minutes=30)
LONGEST_REMARK = 1_000  # characters
LONGEST_NAME = 200  # of a person, a photo, a check, a reading
MOST_CODES = 8
MOST_NOTES = 50
MOST_PHOTOS = 32
MOST_FAILED = 64
MOST_CHANGES = 1_000  # of one stop: more is a program gone wrong


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one stop; the fields that `Stop` has too mean the same. `last_…`: the change that it is from."""

    state: Literal["pending", "read", "unread", "skipped"] = "pending"
    version: int = 1
    last_by: str | None = None
    last_at: datetime | None = None
    last_did: str = ""  # "claimed it"
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    method_used: MethodUsed | None = None
    by: str | None = None
    at: datetime | None = None
    reading_id: str | None = None
    earlier_readings: tuple[str, ...] = ()
    checks_failed: tuple[str, ...] = ()
    accepted_reason: str | None = None
    accepted_by: str | None = None
    codes: tuple[str, ...] = ()
    remark: str | None = None
    position: Position | None = None
    photos: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    def holder(self, now: datetime) -> str | None:
        """Return who is at the stop. A claim that lasts longer than any does is of a clock that was set back."""
        until = self.claimed_until
        return self.claimed_by if until is not None and now < until <= now + CLAIM_FOR else None

    @property
    def to_decide(self) -> bool:
        """Whether a check failed, and nobody has accepted it."""
        return self.state == "read" and bool(self.checks_failed) and self.accepted_reason is None


@dataclass(frozen=True, slots=True)
class Who:
    """The person who acts, and what they saw of the stop: its version, or None where that does not matter."""

    by: str
    now: datetime
    version: int | None = None
    zone: tzinfo = UTC  # of the route: for messages


@dataclass(frozen=True, slots=True)
class Said:
    """What a person adds in their own words and pictures."""

    text: str | None = None
    photos: tuple[str, ...] = ()  # references
    position: Position | None = None  # where they were


@dataclass(frozen=True, slots=True)
class Taking:
    """A reading of the stop, which is in the spool."""

    reading_id: str
    method: MethodUsed
    checks_failed: tuple[str, ...] = ()
    position: Position | None = None


class Taken(Exception):
    """Somebody else was there in between, or is there now."""


def claimed(standing: Standing, who: Who) -> Standing:
    """They are at the stop, or still are."""
    until = who.now + CLAIM_FOR
    if standing.holder(who.now) == who.by:
        return msgspec.structs.replace(standing, claimed_until=until)
    _undisturbed(standing, who)
    return _changed(standing, who, "claimed it", claimed_by=who.by, claimed_until=until)


def released(standing: Standing, who: Who) -> Standing:
    """They leave it. That of another person is not theirs to give back."""
    holder = standing.holder(who.now)
    if holder is None:
        return standing
    _undisturbed(standing, who)
    return _left(standing, who, "gave it back")


def skipped(standing: Standing, who: Who, remark: str | None) -> Standing:
    """They leave it for later."""
    remark = _remark(remark)
    if (standing.state, standing.by, standing.remark) == ("skipped", who.by, remark):
        return standing
    _undisturbed(standing, who)
    if standing.state in {"read", "unread"}:
        raise UsageError("it is settled, and not to be skipped")
    return _left(standing, who, "left it for later", state="skipped", by=who.by, at=who.now, remark=remark)


def noted(standing: Standing, who: Who, said: Said) -> Standing:
    """They add something. Nothing of what others saw becomes wrong by it: the version stays."""
    if not said.text and not said.photos:
        raise UsageError("a note without text and photos says nothing")
    text = typed(said.text, "the note", LONGEST_REMARK) if said.text else ""
    note = Note(by=who.by, at=who.now, text=text, photos=_photos(said.photos), position=said.position)
    if len(standing.notes) >= MOST_NOTES:
        raise UsageError(f"it has {MOST_NOTES} notes already")
    photos = _together(standing.photos, note.photos)
    return msgspec.structs.replace(standing, notes=(*standing.notes, note), photos=photos)


def troubled(standing: Standing, who: Who, codes: tuple[str, ...], known: CodeSet, said: Said) -> Standing:
    """They give codes and a remark, in place of those before: one of a non-reading settles it without a reading.

    A stop whose reason is taken back is open again.
    """
    remark = _remark(said.text)
    codes = tuple(dict.fromkeys(codes))
    if len(codes) > MOST_CODES:
        raise UsageError(f"{len(codes)} codes; at most {MOST_CODES} are kept")
    reasons = [key for key in codes if known[key].non_reading]
    photos = _together(standing.photos, _photos(said.photos))
    if (standing.codes, standing.remark, standing.photos, standing.last_by) == (codes, remark, photos, who.by):
        return standing
    _undisturbed(standing, who)
    position = said.position or standing.position
    fields: dict[str, Any] = {"codes": codes, "remark": remark, "photos": photos, "position": position}
    if not reasons:
        again = {"state": "pending", "by": None, "at": None} if standing.state == "unread" else {}
        return _changed(standing, who, "set down codes", **fields, **again)
    if standing.state == "read":
        raise UsageError(
            f"{reasons[0]} is a reason for no reading, and it has one", advice="give a code that goes with a reading"
        )
    return _left(standing, who, "could not read it", state="unread", by=who.by, at=who.now, **fields)


def settled(standing: Standing, who: Who, reading: Taking, codes: CodeSet) -> Standing:
    """It is read. Never refused for what others did: the reading is there. What spoke against one is gone."""
    reading_id = checked(reading.reading_id, "the reading's id", LONGEST_NAME)
    if reading_id == standing.reading_id or reading_id in standing.earlier_readings:
        return standing
    earlier = () if standing.reading_id is None else (*standing.earlier_readings, standing.reading_id)
    changed = _left if standing.holder(who.now) in {None, who.by} else _changed
    return changed(
        standing,
        who,
        "read it",
        state="read",
        method_used=reading.method,
        by=who.by,
        at=who.now,
        reading_id=reading_id,
        earlier_readings=earlier,
        checks_failed=reading.checks_failed[:MOST_FAILED],
        accepted_reason=None,
        accepted_by=None,
        codes=tuple(key for key in standing.codes if not codes[key].non_reading),
        remark=standing.remark if standing.state in {"pending", "read"} else None,
        position=reading.position or standing.position,
    )


def accepted(standing: Standing, who: Who, reason: str, reading_id: str | None) -> Standing:
    """They take the reading although a check failed."""
    reason = typed(reason, "the reason", LONGEST_REMARK)
    if reading_id is not None and reading_id != standing.reading_id:
        raise Taken(f"it was read again{_when(standing, who)}")
    if (standing.accepted_reason, standing.accepted_by) == (reason, who.by):
        return standing
    if standing.state != "read" or not standing.checks_failed:
        raise UsageError("there is no reading with a failed check to accept")
    return _changed(standing, who, "accepted it", accepted_reason=reason, accepted_by=who.by)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What of a stop never changes."""

    stop_id: str
    route_id: str
    sequence: int
    ordered: RouteOrder
    out_of_route: bool


def stop_of(fixed: Fixed, standing: Standing, now: datetime) -> Stop:
    """Return a stop as a person sees it `now`."""
    holder = standing.holder(now)
    open_claim = holder is not None and standing.state in {"pending", "skipped"}
    return Stop(
        stop_id=fixed.stop_id,
        route_id=fixed.route_id,
        sequence=fixed.sequence,
        ordered=fixed.ordered,
        state="claimed" if open_claim else standing.state,
        version=standing.version,
        method_used=standing.method_used,
        by=holder if open_claim else standing.by,
        at=standing.last_at if open_claim else standing.at,
        claimed_by=holder,
        claimed_until=standing.claimed_until if holder is not None else None,
        reading_id=standing.reading_id,
        earlier_readings=standing.earlier_readings,
        checks_failed=standing.checks_failed,
        accepted_reason=standing.accepted_reason,
        accepted_by=standing.accepted_by,
        codes=standing.codes,
        remark=standing.remark,
        position=standing.position,
        photos=standing.photos,
        notes=standing.notes,
        out_of_route=fixed.out_of_route,
    )


def _undisturbed(standing: Standing, who: Who) -> None:
    """Raise `Taken` if somebody changed the stop since `who` saw it, or is there now."""
    holder = standing.holder(who.now)
    if holder is not None and holder != who.by and standing.claimed_until is not None:
        until = standing.claimed_until.astimezone(who.zone)
        raise Taken(f"{holder} is there, until {until:%H:%M} at the latest")
    if who.version is not None and who.version != standing.version:
        raise Taken(f"{standing.last_by or 'somebody'} {standing.last_did or 'changed it'}{_when(standing, who)}")


def _when(standing: Standing, who: Who) -> str:
    return f" at {standing.last_at.astimezone(who.zone):%H:%M:%S}" if standing.last_at is not None else ""


def _left(standing: Standing, who: Who, did: str, **fields: Any) -> Standing:
    return _changed(standing, who, did, claimed_by=None, claimed_until=None, **fields)


def _changed(standing: Standing, who: Who, did: str, **fields: Any) -> Standing:
    if standing.version >= MOST_CHANGES and fields.get("state") != "read":
        raise UsageError(f"it was changed {MOST_CHANGES:,} times", advice="something acts by itself: find out what")
    return msgspec.structs.replace(
        standing, version=standing.version + 1, last_by=who.by, last_at=who.now, last_did=did, **fields
    )


def _remark(text: str | None) -> str | None:
    return typed(text, "the remark", LONGEST_REMARK) if text and not text.isspace() else None


def _photos(references: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(checked(reference, "the reference of a photo", LONGEST_NAME) for reference in references)


def _together(before: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    photos = tuple(dict.fromkeys((*before, *more)))
    if len(photos) > MOST_PHOTOS:
        raise UsageError(f"{len(photos)} photos; at most {MOST_PHOTOS} are kept with one stop")
    return photos
