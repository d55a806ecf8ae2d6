r"""The recording format, version 1: every octet exchanged with a meter, one JSON object a line, only ever appended to.

    {"mrsp-recording":1,"line":"/dev/ttyUSB0","baud":9600,"started":"2026-11-21T21:02:00.000000Z"}
    {"t":1520411,"dir":">","hex":"ee0000000001201310"}
    {"t":14770218,"dir":"<","hex":"06ee000000000500000100"}
    {"t":90122001,"dir":">","hex":"**********"}
    {"t":93000000,"event":"baud","value":19200}
    {"t":99000000,"event":"close","value":""}

`t`: nanoseconds since the start on a clock that is never set. `dir`: `>` sent to the meter, `<` received from it.
`hex`: lower-case; `**` for each octet that would tell a password. Events: `baud` (the new speed), `discard` (octets
dropped unread), `lost` (why), `modem` (a line said to a modem, `> ATDT5550100`, or by it, `< CONNECT 2400`; setting up
the call stands at the beginning, without its times), `close`. Each header line begins a session. Readers skip events
and keys that they do not know, and a torn last line of a session, which a power cut may leave.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from drivers.errors import DataError, UsageError

VERSION = 1
MARK = "mrsp-recording"
OCTETS_PER_LINE = 4096  # longer chunks take several lines
MAX_LINE = 16_384
MAX_FILE = 64 * 1024 * 1024  # a visit takes well under one megabyte
MASK = "**"

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_MASKED = re.compile(r"(?:\*\*)+")


@dataclass(frozen=True, slots=True)
class Header:
    """Begins a session."""

    line: str  # the transport's name, without secrets
    baud: int
    started: datetime


@dataclass(frozen=True, slots=True)
class Octets:
    """What went one way; `octets` is None where they are masked."""

    t: int
    direction: Literal[">", "<"]
    octets: bytes | None
    length: int
    line_number: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something else that happened to the line."""

    t: int
    name: str
    value: str | int
    line_number: int = 0


Record = Octets | Event


@dataclass(frozen=True, slots=True)
class Session:
    """One open line, from opening to closing."""

    header: Header
    records: tuple[Record, ...]
    last_line: int  # number of its last line in the file


def encode_header(header: Header) -> str:
    """Return the header line, without its line feed."""
    started = header.started.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return _json({MARK: VERSION, "line": header.line, "baud": header.baud, "started": started})


def encode_record(record: Record) -> str:
    """Return the line of one record, without its line feed."""
    if isinstance(record, Event):
        return _json({"t": record.t, "event": record.name, "value": record.value})
    text = MASK * record.length if record.octets is None else record.octets.hex()
    return _json({"t": record.t, "dir": record.direction, "hex": text})


def read_sessions(path: Path) -> list[Session]:
    """Read a recording, oldest session first.

    Raises `UsageError` when `path` cannot be read or is no recording of this version, `DataError` naming the line when
    it is damaged.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"recording {path} cannot be read: {error.strerror}") from error
    return parse_sessions(content, f"recording {path}")


def parse_sessions(content: bytes, name: str) -> list[Session]:
    """Like `read_sessions`, from the octets of a recording; `name` is for messages."""
    if len(content) > MAX_FILE:
        raise UsageError(f"{name} is larger than {MAX_FILE} octets")
    lines = content.split(b"\n")
    torn = len(lines) if lines[-1] else 0  # number of a last line without a line feed
    if not lines[-1]:
        lines.pop()
    if not lines or not is_header(lines[0]):
        raise UsageError(f"{name} is not a recording", advice=f"its first line would begin with {{{json.dumps(MARK)}:")
    return list(_sessions(name, lines, torn))


def is_header(line: bytes) -> bool:
    """Whether this line begins a session (of any version)."""
    return line.startswith(b'{"' + MARK.encode() + b'"')


def _sessions(name: str, lines: list[bytes], torn: int) -> Iterator[Session]:
    header: Header | None = None
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        place = f"{name}, line {number}"
        if is_header(line):
            if header is not None:
                yield Session(header, tuple(records), number - 1)
            header, records = _header(place, line), []
            continue
        try:
            record = _record(place, line, number)
        except DataError:
            if number == torn or (number < len(lines) and is_header(lines[number])):
                continue  # cut short by a crash
            raise
        if record is not None:
            records.append(record)
    if header is not None:
        yield Session(header, tuple(records), len(lines))


def _header(place: str, line: bytes) -> Header:
    fields = _object(place, line)
    if fields[MARK] != VERSION:
        raise UsageError(f"{place}: version {fields[MARK]!r} of the format is not known", advice="update this program")
    name, baud, started = fields.get("line"), fields.get("baud"), fields.get("started")
    if not isinstance(name, str) or type(baud) is not int or baud < 0 or not isinstance(started, str):
        raise DataError(f"{place}: a header has the text 'line', the number 'baud' and the time 'started'")
    try:
        when = datetime.fromisoformat(started)
    except ValueError as error:
        raise DataError(f"{place}: 'started' is not a time") from error
    if when.tzinfo is None:
        raise DataError(f"{place}: 'started' has no zone")
    return Header(name, baud, when)


def _record(place: str, line: bytes, number: int) -> Record | None:
    fields = _object(place, line)
    t = fields.get("t")
    if type(t) is not int or not 0 <= t < 1 << 63:
        raise DataError(f"{place}: 't' is not a number of nanoseconds")
    if "event" in fields:
        return _event(place, fields, t, number)
    direction, text = fields.get("dir"), fields.get("hex")
    if direction not in (">", "<"):
        raise DataError(f"{place}: 'dir' is neither '>' nor '<'")
    if not isinstance(text, str):
        raise DataError(f"{place}: 'hex' is missing")
    sent: Literal[">", "<"] = ">" if direction == ">" else "<"
    if _HEX.fullmatch(text):
        return Octets(t, sent, bytes.fromhex(text), len(text) // 2, number)
    if _MASKED.fullmatch(text):
        return Octets(t, sent, None, len(text) // 2, number)
    raise DataError(f"{place}: 'hex' is neither pairs of lower-case hexadecimal digits nor only {MASK}")


def _event(place: str, fields: dict[str, object], t: int, number: int) -> Event | None:
    name, value = fields.get("event"), fields.get("value", "")
    if name in ("baud", "discard"):
        if type(value) is not int or not 0 <= value < 1 << 31:
            raise DataError(f"{place}: the event {name} has no number as its value")
        return Event(t, str(name), value, number)
    if name in ("lost", "close"):
        if not isinstance(value, str):
            raise DataError(f"{place}: the event {name} has no text as its value")
        return Event(t, str(name), value, number)
    return None


def _object(place: str, line: bytes) -> dict[str, object]:
    if len(line) > MAX_LINE:
        raise DataError(f"{place}: longer than {MAX_LINE} octets")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON") from error
    if not isinstance(fields, dict):
        raise DataError(f"{place}: not a JSON object")
    return fields


def _json(fields: dict[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"))
