"""Times as a meter stores them: wall time without a zone, in TM_FORMAT 0–4 (C12.19 §TM_FORMAT).

What they mean in UTC depends on the clock's qualifier, the zone and daylight saving: that is `times.py`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from drivers.c1219.number import Order
from drivers.errors import DataError

#: 1970-01-01 00:00 without a zone: TM_FORMAT 3 and 4 count from here, in whatever sense the qualifier gives.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)

#: Octets by TM_FORMAT.
LTIME_WIDTHS = (0, 6, 6, 5, 4)
STIME_WIDTHS = (0, 5, 5, 4, 4)
TIME_WIDTHS = (0, 3, 3, 4, 4)
DATE_WIDTHS = (0, 3, 3, 2, 2)

_BCD = 1
_BINARY = 2
_MINUTES = 3
_SECONDS = 4
_LAST_MINUTE = 0xFFFFFFFF // 60  # in 2106, when TM_FORMAT 4 ends; minutes could go on to the year 10136
_DAY = timedelta(days=1)  # a remaining span may be a whole one


class ImpossibleTime(ValueError):
    """Octets that are no time and are not one of the ways to say "no time" either."""


def width(widths: tuple[int, ...], tm_format: int) -> int:
    """Return the octets of a time type; raises `DataError` for the reserved TM_FORMATs 5–7."""
    if tm_format >= len(widths):
        raise DataError(
            f"ST00 announces the reserved time format {tm_format}",
            advice="read ST00 again; if it stays so, nothing with a time in it can be decoded",
        )
    return widths[tm_format]


def decode(octets: bytes, tm_format: int, order: Order) -> datetime | None:
    """Return LTIME_DATE or STIME_DATE octets as wall time; None where the meter says that there is none.

    All zero, all FF and a zero month with a zero day are ways to say "none". Raises `ImpossibleTime` for others.
    """
    if not any(octets) or octets == b"\xff" * len(octets):
        return None
    if tm_format in {_BCD, _BINARY}:
        return _from_fields(octets, bcd=tm_format == _BCD)
    count = int.from_bytes(octets[:4], order)
    if count in {0, 0xFFFFFFFF}:
        return None
    if tm_format == _SECONDS:
        return EPOCH + timedelta(seconds=count)
    seconds = octets[4] if len(octets) > 4 else 0
    if seconds > 59:
        raise ImpossibleTime(f"second {seconds}")
    if count > _LAST_MINUTE:
        raise ImpossibleTime(f"{count} minutes since 1970")
    return EPOCH + timedelta(minutes=count, seconds=seconds)


def encode(value: datetime | None, tm_format: int, order: Order, size: int) -> bytes:
    """Return wall time as `size` octets (LTIME_DATE or STIME_DATE); None as zeros."""
    if value is None:
        return bytes(size)
    if tm_format in {_BCD, _BINARY}:
        if not 1990 <= value.year <= 2089:
            raise ValueError(f"{value.year} does not fit a year of two digits")
        fields = (value.year % 100, value.month, value.day, value.hour, value.minute, value.second)[:size]
        return bytes(_to_bcd(field) if tm_format == _BCD else field for field in fields)
    if size == 0:
        return b""
    seconds = (value - EPOCH) // timedelta(seconds=1)
    if tm_format == _SECONDS:
        return seconds.to_bytes(4, order)
    return ((seconds // 60).to_bytes(4, order) + bytes([seconds % 60]))[:size]


def decode_time(octets: bytes, tm_format: int, order: Order) -> timedelta | None:
    """Return TIME octets as the span since midnight (or a remaining span); None where TM_FORMAT has no times."""
    if not octets or octets == b"\xff" * len(octets):
        return None
    if tm_format in {_MINUTES, _SECONDS}:
        seconds = int.from_bytes(octets, order)
        if timedelta(seconds=seconds) > _DAY:
            raise ImpossibleTime(f"second {seconds} of a day")
        return timedelta(seconds=seconds)
    hour, minute, second = (_from_bcd(octet) if tm_format == _BCD else octet for octet in octets)
    span = timedelta(hours=hour, minutes=minute, seconds=second)
    if minute > 59 or second > 59 or span > _DAY:
        raise ImpossibleTime(f"{hour:02}:{minute:02}:{second:02}")
    return span


def encode_time(value: timedelta | None, tm_format: int, order: Order, size: int) -> bytes:
    """Return a span below a day as TIME octets; None as all FF."""
    if value is None:
        return b"\xff" * size
    seconds = value // timedelta(seconds=1)
    if tm_format in {_MINUTES, _SECONDS}:
        return seconds.to_bytes(size, order)
    fields = (seconds // 3600, seconds // 60 % 60, seconds % 60)[:size]
    return bytes(_to_bcd(field) if tm_format == _BCD else field for field in fields)


def decode_date(octets: bytes, tm_format: int, order: Order) -> date | None:
    """Return DATE octets: YY MM DD in TM_FORMAT 1 and 2, days since 1970 in 3 and 4 (layout not confirmed)."""
    if not any(octets) or octets == b"\xff" * len(octets):
        return None
    if tm_format in {_MINUTES, _SECONDS}:
        return (EPOCH + timedelta(days=int.from_bytes(octets, order))).date()
    moment = _from_fields(octets + bytes(2), bcd=tm_format == _BCD)
    return None if moment is None else moment.date()


def encode_date(value: date | None, tm_format: int, order: Order, size: int) -> bytes:
    """Return a date as DATE octets; None as zeros."""
    if value is None:
        return bytes(size)
    if tm_format in {_MINUTES, _SECONDS}:
        return (value - EPOCH.date()).days.to_bytes(size, order)
    return encode(datetime.combine(value, time()), tm_format, order, size)


def _from_fields(octets: bytes, *, bcd: bool) -> datetime | None:
    fields = [_from_bcd(octet) if bcd else octet for octet in octets]
    year, month, day = fields[:3]
    if month == day == 0:
        return None
    if year > 99:
        raise ImpossibleTime(f"year {year}")
    try:
        hour, minute, second = (*fields[3:], 0)[:3]
        on = date(year + (1900 if year >= 90 else 2000), month, day)
        return datetime.combine(on, time(hour, minute, second))
    except ValueError:
        clock = ":".join(f"{field:02}" for field in fields[3:])
        raise ImpossibleTime(f"{year:02}-{month:02}-{day:02} {clock}") from None


def _from_bcd(octet: int) -> int:
    if octet >> 4 > 9 or octet & 15 > 9:
        raise ImpossibleTime(f"BCD octet {octet:02X}")
    return (octet >> 4) * 10 + (octet & 15)


def _to_bcd(value: int) -> int:
    return value // 10 * 16 + value % 10
