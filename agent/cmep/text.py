"""The text of CMEP: fields, dates, intervals, numbers and lines, both ways."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from agent.cmep.dialect import Dialect
from drivers.decimal_text import plain

LONGEST_LINE = 2048  # with CR LF
LONGEST_FIELD = 254  # without its delimiters
LONGEST_NUMBER = 16
_NUMBER = re.compile(r"[Hh][0-9A-Fa-f]+|[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([EeDd][+-]?[0-9]{1,4})?", re.ASCII)
MOST_DIGITS = 64  # of a number that somebody else wrote: 16 by the text, but not all keep to it


class Inexpressible(ValueError):
    """A value that CMEP has no form for; the message says why."""


def line_of(fields: list[str], dialect: Dialect) -> str:
    """Join fields to a line with its end. Raises `Inexpressible` for what is not ASCII or too long."""
    body = ",".join(map(quoted, fields))
    match dialect.crc_field:
        case "empty":
            body += ","
        case "crc16":
            body += f",H{crc16(f'{body},'.encode()):04X}"
        case "none":
            pass
    line = body + ("\r\n" if dialect.line_end == "crlf" else "\n")
    if len(line) > LONGEST_LINE:
        raise Inexpressible(f"a line of {len(line)} characters; CMEP allows {LONGEST_LINE}")
    return line


def quoted(field: str) -> str:
    """Return a field as it stands in a line: in quotes where it holds a comma. A quote in it has no form."""
    if not field.isascii() or not (field.isprintable() or not field):
        raise Inexpressible(f"{field!r} has letters that are not printable ASCII")
    if '"' in field:
        raise Inexpressible(f"{field!r} has a quotation mark")
    field = field.strip()
    if len(field) > LONGEST_FIELD:
        raise Inexpressible(f"a field of {len(field)} characters; CMEP allows {LONGEST_FIELD}")
    return f'"{field}"' if "," in field else field


def split(line: str) -> list[str]:
    """Return the fields of a line without its end. Raises `ValueError` for quotes that do not match."""
    fields: list[str] = []
    rest = line
    while True:
        blank = len(rest) - len(rest.lstrip(" "))
        if rest[blank : blank + 1] == '"':
            end = rest.find('"', blank + 1)
            if end < 0:
                raise ValueError(f"field {len(fields) + 1}: a quotation mark is not closed")
            field, rest = rest[blank + 1 : end], rest[end + 1 :].lstrip(" ")
            if rest and not rest.startswith(","):
                raise ValueError(f"field {len(fields) + 1}: text after its quotation mark")
            fields.append(field)
            if not rest:
                return fields
            rest = rest[1:]
        else:
            field, comma, rest = rest.partition(",")
            if '"' in field:
                raise ValueError(f"field {len(fields) + 1}: a quotation mark within it")
            fields.append(field.strip(" "))
            if not comma:
                return fields


def date_time(at: datetime, zone: tzinfo) -> str:
    """Write a time as CCYYMMDDHHMM. Raises `Inexpressible` for one with seconds."""
    local = at.astimezone(zone)
    if local.second or local.microsecond:
        raise Inexpressible(f"{at.isoformat()} is between two minutes, and CMEP has no seconds")
    return f"{local:%Y%m%d%H%M}".rjust(12, "0")


def minute(at: datetime) -> datetime:
    """Return the minute in which a register was read, which is all that CMEP can say."""
    return at.replace(second=0, microsecond=0)


def read_date_time(text: str, zone: tzinfo) -> datetime | None:
    """Read CCYYMMDDHHMM; None if it is empty. Raises `ValueError`."""
    if not text:
        return None
    if len(text) != 12 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no time like 202611210815")
    numbers = (int(text[:4]), *(int(text[i : i + 2]) for i in range(4, 12, 2)))
    local = datetime(*numbers, tzinfo=zone)  # type: ignore[misc,arg-type]  # its ValueError says which number is wrong
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(f"{text!r} does not exist in {zone}: the clock is put forward over it")
    return at


def interval(seconds: int) -> str:
    """Write the length of an interval as MMDDHHMM. Raises `Inexpressible` for what is no whole minute."""
    minutes, rest = divmod(seconds, 60)
    if rest or not 0 < minutes < 24 * 60 * 100:
        raise Inexpressible(f"intervals of {seconds} s; CMEP counts minutes")
    days, minutes = divmod(minutes, 24 * 60)
    return f"00{days:02}{minutes // 60:02}{minutes % 60:02}"


def read_interval(text: str) -> timedelta | None:
    """Read MMDDHHMM; None where it is empty or nothing but zeros. Raises `ValueError`, also for months."""
    if not text:
        return None
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no interval like 00000015")
    months, days, hours, minutes = (int(text[i : i + 2]) for i in range(0, 8, 2))
    if months:
        raise ValueError(f"{text!r}: months are of no fixed length, and every stamp would have to be given")
    length = timedelta(days=days, hours=hours, minutes=minutes)
    return length or None


def number(value: Decimal) -> str:
    """Write a number without exponent. Raises `Inexpressible` for one of more than 16 characters."""
    text = plain(value)
    if not value.is_finite() or len(text) > LONGEST_NUMBER:
        raise Inexpressible(f"the number {text} is longer than {LONGEST_NUMBER} characters")
    return text


def read_number(text: str) -> Decimal:
    """Read a number: decimal, hexadecimal with leading H, or with an exponent E or D. An empty one is zero."""
    if not text:
        return Decimal(0)
    if len(text) > MOST_DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no number")
    if text[0] in "Hh":
        return Decimal(int(text[1:], 16))
    try:
        value = Decimal(text.upper().replace("D", "E"))
    except InvalidOperation:
        raise ValueError(f"{text!r} is beyond all measure") from None
    if value and abs(value.adjusted()) > MOST_DIGITS:
        raise ValueError(f"{text!r} is beyond all measure")
    return value


def crc16(octets: bytes) -> int:
    """Return CRC-16/ARC: polynomial 8005 reflected, from 0."""
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
