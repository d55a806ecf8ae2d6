"""What SNPP says (RFC 1861), without I/O: commands to octets, lines to replies.

Only the first four letters of a command matter. A reply is three digits and a text; help goes over many lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from drivers.errors import LocalProtocolError, MeterProtocolError

LONGEST_LINE = 1_024  # octets of a reply line, its end included; servers say a few dozen
MOST_HELP_LINES = 500
_REPLY = re.compile(r"([0-9]{3})(?:[ -](.*))?", re.ASCII | re.DOTALL)
_ARGUMENT = re.compile(r"[!-~]+", re.ASCII)
_TEXT = re.compile(r"[ -~]*", re.ASCII)
_TAG = re.compile(r"\s*(\S+)\s+(\S+)(?:\s+(.*))?", re.DOTALL)
_STATUS = re.compile(r"\s*(\S+)\s+([0-9]{12}|[0-9]{14})([+-][0-9]{1,4})?(?:\s+(.*))?", re.ASCII | re.DOTALL)

GREETING = 220
GONE = 421
NOT_IMPLEMENTED = 500
BEGIN_INPUT = 354
HELP_LINE = 214
QUEUED = 960


@dataclass(frozen=True, slots=True)
class SnppReply:
    """One reply of a server."""

    code: int
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is a success: any 2xx, since servers differ in which, and 8xx and 9xx of two-way paging."""
        return self.code // 100 in (2, 8, 9)

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Tag:
    """Names a two-way message for asking what became of it: `960 <tag> <pass code> text`."""

    tag: str
    pass_code: str


@dataclass(frozen=True, slots=True)
class TagStatus:
    """What became of a two-way message (MSTAtus). `text` is the device's reply where `code` is 888 or 889."""

    code: int
    sequence: str
    at: datetime | None
    text: str

    @property
    def state(self) -> str:
        """Return the state in words of ours: `queued`, `delivered`, `answered` or `failed`."""
        if self.code in (888, 889):
            return "answered"
        return {8: "delivered", 9: "queued"}.get(self.code // 100, "failed")


def command(verb: str, *arguments: str, text: str | None = None) -> bytes:
    """Return one command line. `text` goes last and may hold spaces. Raises `LocalProtocolError` for other characters.

    An octet that ends the line early would let a text give commands of its own.
    """
    for argument in arguments:
        if not _ARGUMENT.fullmatch(argument):
            raise LocalProtocolError(f"{verb}: an argument has other characters than printable ASCII without spaces")
    if text is not None and not _TEXT.fullmatch(text):
        raise LocalProtocolError(f"{verb}: the text has other characters than printable ASCII")
    words = (verb, *arguments, *(() if text is None else (text,)))
    return " ".join(words).encode("ascii") + b"\r\n"


def data_lines(text: str) -> bytes:
    """Return a message of several lines for DATA, its end included; a line that begins with a dot gets another one.

    Raises `LocalProtocolError` for characters other than printable ASCII and line feeds.
    """
    lines = text.split("\n")
    if not all(_TEXT.fullmatch(line) for line in lines):
        raise LocalProtocolError("DATA: the text has other characters than printable ASCII")
    dotted = (f".{line}" if line.startswith(".") else line for line in lines)
    return "".join(f"{line}\r\n" for line in (*dotted, ".")).encode("ascii")


def parse_reply(line: bytes) -> SnppReply:
    """Return the reply in one line. Raises `MeterProtocolError` for what is none."""
    found = _REPLY.fullmatch(line.decode("latin-1").rstrip("\r\n"))
    if found is None:
        raise MeterProtocolError(f"not a reply of a paging terminal: {line[:60]!r}")
    return SnppReply(int(found[1]), (found[2] or "").strip())


def parse_tag(reply: SnppReply) -> Tag | None:
    """Return the tag that a SEND of a two-way message was answered with, if it was."""
    found = _TAG.fullmatch(reply.text) if reply.code == QUEUED else None
    return None if found is None else Tag(found[1], found[2])


def parse_status(reply: SnppReply) -> TagStatus:
    """Return what became of a two-way message: `<code> <sequence> <YYMMDDHHMMSS[+-GMT]> text`.

    Raises `MeterProtocolError` for a reply that is no status. A time that does not exist is None.
    """
    found = _STATUS.fullmatch(reply.text)
    if found is None or reply.code // 100 not in (7, 8, 9):
        raise MeterProtocolError(f"not a status of a message: {reply}")
    return TagStatus(reply.code, found[1], _moment(found[2], found[3]), (found[4] or "").strip())


def _moment(digits: str, offset: str | None) -> datetime | None:
    """Return YYMMDDHHMMSS or YYYYMMDDHHMMSS; `offset` in hours, or hours and minutes, from GMT (none: GMT)."""
    zone = UTC
    try:
        if offset:
            hours, minutes = (int(offset[1:3]), int(offset[3:])) if len(offset) == 5 else (int(offset[1:]), 0)
            shift = timedelta(hours=hours, minutes=minutes)
            zone = timezone(-shift if offset[0] == "-" else shift)
        at = datetime.strptime(digits, "%Y%m%d%H%M%S" if len(digits) == 14 else "%y%m%d%H%M%S").replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
