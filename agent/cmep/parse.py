"""Read CMEP lines that somebody wrote. Whatever is wrong with one is said with its line and field, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar, cast, get_args

from agent.cmep.dialect import Dialect
from agent.cmep.records import (
    LABELS,
    MOST_PERIODS,
    MOST_TRIPLES,
    PURPOSES,
    Head,
    IntervalRecord,
    Point,
    Purpose,
    Quality,
    Record,
    TouRecord,
    TouValue,
)
from agent.cmep.text import LONGEST_LINE, crc16, read_date_time, read_interval, read_number, split
from agent.errors import UsageError

QUALITIES = get_args(Quality)
MOST_OCTETS = 64 * 1024 * 1024
_T = TypeVar("_T")


class CmepError(UsageError):
    """A line that is no CMEP; the message names line and field."""


def parsed(content: bytes, dialect: Dialect) -> list[Record]:
    """Return the records of a file. Lines may end in CR LF or LF, and in no last field, an empty one or a CRC.

    Raises `CmepError` for the first line that is wrong, or of another record type.
    """
    if len(content) > MOST_OCTETS:
        raise CmepError(f"a file of {len(content)} octets: more than {MOST_OCTETS} are not read")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CmepError(f"line {line}: the octet {content[error.start]:02X} is not ASCII") from error
    return [
        _record(line.removesuffix("\r"), number, dialect)
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]


def _record(line: str, number: int, dialect: Dialect) -> Record:
    if len(line) > LONGEST_LINE - 2:
        raise CmepError(f"line {number} has {len(line)} characters; CMEP allows {LONGEST_LINE} with its end")
    try:
        fields = _Fields(split(line), line, dialect)
        return _READERS[fields.one_of(1, "record type", tuple(_READERS))](fields)
    except ValueError as error:
        raise CmepError(f"line {number}: {error}") from error


class _Fields:
    """The fields of one line, counted from 1 as the text of CMEP does; missing ones are empty."""

    def __init__(self, texts: list[str], line: str, dialect: Dialect) -> None:
        self.texts = texts
        self.line = line
        self.zone = dialect.time_zone
        self.checked = dialect.crc_field == "crc16"

    def text(self, place: int) -> str:
        return self.texts[place - 1] if place <= len(self.texts) else ""

    def read(self, place: int, what: str, read: Callable[[str], _T]) -> _T:
        try:
            return read(self.text(place))
        except ValueError as error:
            raise ValueError(f"field {place} ({what}): {error}") from error

    def time(self, place: int, what: str) -> datetime | None:
        return self.read(place, what, lambda text: read_date_time(text, self.zone))

    def number(self, place: int, what: str) -> Decimal:
        return self.read(place, what, read_number)

    def head(self) -> Head:
        return Head(
            version=self.text(2),
            sender_id=self.text(3),
            sender_customer_id=self.text(4),
            receiver_id=self.text(5),
            receiver_customer_id=self.text(6),
            made_at=self.time(7, "time stamp"),
            meter_id=self.text(8),
            purpose=cast(Purpose, self.one_of(9, "purpose", PURPOSES)),
            commodity=self.one_of(10, "commodity", ("E", "G", "W", "S")),
            units=self.text(11),
        )

    def one_of(self, place: int, what: str, words: tuple[str, ...]) -> str:
        text = self.text(place).upper()
        if text not in words:
            raise ValueError(f"field {place} ({what}): {text[:20]!r} is none of {', '.join(filter(None, words))}")
        return text

    def quality(self, place: int) -> str:
        """Read a quality flag; some makers append a decimal mask of bits to it."""
        text = self.text(place)
        if text[:1] not in QUALITIES or not (text[1:].isdigit() or not text[1:]) or len(text) > 12:
            raise ValueError(f"field {place} (quality): {text[:20]!r} is none of R, E, A, N, or empty")
        return text

    def count(self, place: int, most: int) -> int:
        text = self.text(place)
        if not (text.isdigit() and text.isascii() and len(text) <= 3) or not 1 <= int(text) <= most:
            raise ValueError(f"field {place} (count): {text[:20]!r} is no number from 1 to {most}")
        return int(text)

    def whole(self, place: int) -> None:
        """Check that every triple is there, and what follows from `place` on: nothing, an empty field or a CRC.

        By the text of CMEP a record may stop early and what is missing is zero. A line cut short would then be billed.
        """
        if len(self.texts) < place - 1:
            raise ValueError("it stops before its last triple: it was cut short")
        if len(self.texts) > place:
            raise ValueError(f"{len(self.texts) - place} fields more than its count says")
        crc = self.text(place)
        if crc and self.checked and crc.upper() != f"H{crc16(self.line[: self.line.rindex(',') + 1].encode()):04X}":
            raise ValueError(f"field {place} (CRC): {crc[:20]!r} does not fit the line")

    def value(self, place: int, quality: str) -> Decimal | None:
        if quality.startswith("N"):
            return None
        if not self.text(place):
            raise ValueError(f"field {place} (value): it is empty, and its quality is not N")
        return self.number(place, "value")


def _intervals(fields: _Fields) -> IntervalRecord:
    length = fields.read(13, "interval", read_interval)
    count = fields.count(14, MOST_TRIPLES)
    fields.whole(15 + 3 * count)
    points: list[Point] = []
    for place in range(15, 15 + 3 * count, 3):
        at = fields.time(place, "date/time")
        if at is None:
            if not points or length is None:
                raise ValueError(f"field {place} (date/time): it is empty, and there is nothing to count on from")
            at = points[-1].at + length
        quality = fields.quality(place + 1)
        points.append(Point(at, quality, fields.value(place + 2, quality)))
    return IntervalRecord(fields.head(), fields.number(12, "constant"), length, tuple(points))


def _periods(fields: _Fields) -> TouRecord:
    count = fields.count(16, MOST_PERIODS)
    fields.whole(17 + 3 * count)
    values = tuple(_period(fields, place) for place in range(17, 17 + 3 * count, 3))
    return TouRecord(
        head=fields.head(),
        season=fields.one_of(12, "season", ("", "S", "W")),
        constant=fields.number(13, "constant"),
        start=fields.time(14, "data start time"),
        end=fields.time(15, "data time stamp"),
        values=values,
    )


def _period(fields: _Fields, place: int) -> TouValue:
    quality = fields.quality(place + 1)
    return TouValue(fields.one_of(place, "label", LABELS), quality, fields.value(place + 2, quality))


_READERS: dict[str, Callable[[_Fields], Record]] = {"MEPMD01": _intervals, "MEPMD02": _periods}
