"""Make a reading's values again from the recording of its visit, and lay both side by side.

The document says which recording (by its SHA-256), which profile and which zone; everything else comes from the bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.document import SCHEMA, block_part, event_part, meter_part, register_part, status_part
from agent.errors import MrspError, UsageError
from agent.reading import Provenance, Reading, RegisterPart
from agent.side_by_side import Sides, plain_of, register_twins, side_by_side
from agent.utc_text import utc_text
from drivers.c1219.times import MeterTimes
from drivers.profiles import Profile, Profiles
from drivers.psem.overheard import overhear
from drivers.psem.recognition import recognised
from drivers.psem.retold import Hints, Retold, retell
from drivers.transport.recording_file import Session, parse_sessions


class Mismatch(MrspError):
    """The recording is not the one that the document names, or they contradict each other."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """The recording of a visit, its hash verified where the document names it."""

    content: bytes
    name: str  # for people: a file, or where it is kept

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def session(self) -> Session:
        """Return the visit: the last session in it. Raises `UsageError`, `DataError` if it is no recording."""
        return parse_sessions(self.content, f"recording {self.name}")[-1]


@dataclass(slots=True)
class Rederived:
    """A document beside what its recording says. `compared` is False where there is no document to compare with."""

    reading: Reading
    evidence: Evidence
    session: Session
    profile: Profile
    retold: Retold
    times: MeterTimes
    compared: bool
    sides: Sides
    remarks: list[str] = field(default_factory=list)


def decode_reading(content: bytes, name: str) -> Reading:
    """Return a reading document. Raises `UsageError` if it is none."""
    try:
        reading = msgspec.json.decode(content, type=Reading)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise UsageError(f"{name} is no reading document: {error}") from error
    if reading.schema != SCHEMA:
        raise UsageError(f"{name} is a document {reading.schema!r}, not {SCHEMA}")
    return reading


def verified(content: bytes, reading: Reading, name: str) -> Evidence:
    """Return the recording that the reading names, without what was appended to it later. Raises `Mismatch`."""
    named = reading.recording
    if named is None:
        return Evidence(content, name)
    evidence = Evidence(content[: named.octets], name)
    if evidence.sha256 != named.sha256:
        raise Mismatch(
            f"MISMATCH: {name} is not the recording of this reading, or was changed: its SHA-256 is {evidence.sha256}, "
            f"the document says {named.sha256}",
            advice="nothing can be proven with it; look for the unchanged one",
        )
    return evidence


def rederive(
    reading: Reading | None,
    evidence: Evidence,
    profiles: Profiles,
    *,
    profile: str | None = None,
    zone: str | None = None,
) -> Rederived:
    """Make everything again that the document says of the meter.

    `reading` None: there is none, only the recording. `profile`, `zone`: instead of those that the document names.
    Raises `UsageError` for an unknown profile or zone, `DataError` when the recording cannot be read.
    """
    session = evidence.session()
    overheard = overhear(session.records)
    named = profile or (reading.meter.profile if reading is not None else None)
    site_zone = zone_named(zone or (reading.site.zone if reading is not None and reading.site is not None else None))
    if named:
        chosen = profiles.find(named)
    else:
        chosen = recognised(profiles, retell(overheard, profiles.generic, site_zone=site_zone).context)
    shown = _meter_time(reading) if reading is not None else None
    hints = Hints(shown, octets=_octets(reading, reading.registers) if reading is not None else None)
    retold = retell(overheard, chosen, site_zone=site_zone, hints=hints)
    if 0 not in retold.context:
        raise Mismatch(f"{evidence.name}: ST00 was not read in it, so nothing can be derived from it")
    document = reading if reading is not None else _document(retold, evidence)
    sides = side_by_side(document, retold)
    if odd := _odd_blocks(sides):  # more may have been read than was used: look at the blocks of the document alone
        again = retell(overheard, chosen, site_zone=site_zone, hints=replace(hints, blocks=_blocks(document)))
        other = side_by_side(document, again)
        if _odd_blocks(other) < odd:
            retold, sides = again, other
    looks = document.verification.looks if document.verification is not None else ()
    for index, look in enumerate(looks):
        seen = replace(hints, octets=_octets(document, look.registers))
        other_look = retell(overheard, chosen, site_zone=site_zone, hints=seen)
        path = f"verification.looks[{index}].registers"
        twins = register_twins(path, look.registers, other_look.data.registers, evidence.sha256)
        sides.looks.append((other_look, twins))
    times = MeterTimes.of(retold.context, site_zone)
    made = Rederived(document, evidence, session, chosen, retold, times, reading is not None, sides)
    _remark(made, recognised(profiles, retold.context))
    return made


def _odd_blocks(sides: Sides) -> int:
    return sum(bool(twin.differences()) for twin in sides.blocks)


def zone_named(name: str | None) -> tzinfo | None:
    """Return the zone of that name; None without one. Raises `UsageError`."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


def _meter_time(reading: Reading) -> datetime | None:
    """Return what the meter's clock showed: which of several looks at it the document means."""
    try:
        return datetime.fromisoformat(reading.clock.meter_time or "")
    except ValueError:
        return None


def _octets(reading: Reading, registers: Iterable[RegisterPart]) -> dict[int, dict[int, bytes]]:
    """Return what of the tables that were read again these registers show: which of the looks they are from."""
    again = _read_again(reading)
    octets: dict[int, dict[int, bytes]] = {}
    for register in registers:
        place = register.provenance
        if place is not None and place.table in again:
            octets.setdefault(_table_id(place), {})[place.offset] = _from_hex(place.octets)
    return octets


def _read_again(reading: Reading) -> set[str]:
    """Return the names of the tables that the document says were read once more."""
    looks = reading.verification.looks if reading.verification is not None else ()
    return {name for look in looks for name in look.tables}


def _from_hex(text: str | None) -> bytes:
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        return b""  # it shows nothing, and will differ from what the recording does


def _blocks(reading: Reading) -> dict[int, dict[int, int]]:
    """Return how many intervals of which blocks the document has, by data table."""
    blocks: dict[int, dict[int, int]] = {}
    for block in reading.interval_blocks:
        if block.provenance is not None:
            blocks.setdefault(_table_id(block.provenance), {})[block.provenance.offset] = len(block.values)
    return blocks


def _table_id(place: Provenance) -> int:
    digits = place.table[2:]
    return int(digits) if place.table.startswith("ST") and digits.isdecimal() and len(digits) <= 4 else -1


def _document(retold: Retold, evidence: Evidence) -> Reading:
    """Return what a reading would say of the meter, where there is none to compare with."""
    data, sha256 = retold.data, evidence.sha256
    clock = {"meter_time": utc_text(data.clock.meter_time)} if data.clock is not None else {}
    return msgspec.convert(
        {
            "schema": SCHEMA,
            "reading_id": "",
            "agent_id": "",
            "sequence": 0,
            "purpose": "",
            "method": data.method,
            "read_started_at": "",
            "read_finished_at": "",
            "meter": plain_of(meter_part(data)),
            "clock": {"agent_source": "none", "corrected": False} | clock,
            "registers": [plain_of(register_part(register, None, sha256)) for register in data.registers],
            "interval_blocks": [plain_of(block_part(block, sha256)) for block in data.blocks],
            "events": [plain_of(event_part(event)) for event in data.events],
            "meter_status": plain_of(status_part(data.status)) if data.status is not None else None,
            "checks": [],
            "quality": "raw",
            "recording": {"sha256": sha256, "octets": len(evidence.content)},
        },
        Reading,
    )


def _remark(made: Rederived, meant: Profile) -> None:
    """Say what is odd and no contradiction."""
    data, remarks = made.retold.data, made.remarks
    if made.reading.recording is None and made.compared:
        remarks.append("the document names no recording: that this is the right one is not proven")
    if meant.name != made.profile.name:
        remarks.append(f"the meter by itself would be recognised as {meant.name}; derived as {made.profile.name}")
    for what, mine, theirs in (
        ("registers", made.sides.registers, data.registers),
        ("interval blocks", made.sides.blocks, data.blocks),
        ("events", made.sides.events, data.events),
    ):
        used = sum(twin.origin is not None for twin in mine)
        if used < len(theirs):
            why = "left out of it, or read only to be compared"
            remarks.append(f"the recording holds {len(theirs) - used} {what} that the document does not have: {why}")
    told = _read_again(made.reading)
    if changed := [name for name in made.retold.changed() if name not in {"ST52", "ST55", "ST63"} | told]:
        remarks.append(f"read more than once with different octets, the last ones count: {', '.join(changed)}")
