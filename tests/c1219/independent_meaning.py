"""The second reader, concluded: from what the tables hold to engineering values and UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from tests.c1219.independent import Record

powers = {0: 0, 1: 2, 2: 3, 3: 6, 4: 9, 5: -2, 6: -3, 7: -6}


def entry_of(flags: list[int], bit: int, source: int, entries: int) -> int | None:
    """Position of a source's entry in ST12 to ST15, or None if it has none."""
    flagged = sum(flag >> bit & 1 for flag in flags)
    if entries == len(flags) and flagged < entries:
        return source if source < entries else None
    if source >= len(flags) or not flags[source] >> bit & 1:
        return None
    place = sum(flag >> bit & 1 for flag in flags[:source])
    return place if place < entries else None


def engineering(raw: Fraction, uom: Record, flags: int, constant: Record | None) -> Fraction:
    """Value in the base unit (W, Wh, V …)."""
    value = raw
    if constant is not None and flags >> 3 & 1:
        if flags >> 5 & 1:
            value = value * constant["multiplier"] + (constant["offset"] or 0)
        for ratios in constant["sets"]:
            if not ratios["applied"]:
                value *= ratios["ct"] if uom["id_code"] in (*range(8), 12, 13, 15) else 1
                value *= ratios["vt"] if uom["id_code"] in (*range(8), 8, 9, 11) else 1
    return value * Fraction(10) ** powers[uom["multiplier"]]


def united_states_dst(local_standard: datetime, amount: timedelta) -> bool:
    """Whether summer time held, of a time on the standard clock; both changes are at 02:00 of the clock in use."""
    midnight = local_standard.replace(hour=0, minute=0, second=0, day=1)
    first_of_march, first_of_november = midnight.replace(month=3), midnight.replace(month=11)
    start = first_of_march + timedelta(days=(6 - first_of_march.weekday()) % 7 + 7, hours=2)
    end = first_of_november + timedelta(days=(6 - first_of_november.weekday()) % 7, hours=2) - amount
    return start <= local_standard < end


def to_utc(said: datetime, qualifier: int, tm: int, zone_minutes: int, dst_minutes: int) -> datetime:
    """UTC of a stored time, by the United States rule where summer time is included; the first of a repeated hour."""
    zone_applied, dst_applied, gmt = qualifier >> 5 & 1, qualifier >> 6 & 1, qualifier >> 4 & 1
    if not zone_applied and not gmt and tm in (1, 2):
        zone_applied = 1
    shift = timedelta(minutes=zone_minutes if zone_applied else 0)
    if dst_applied:
        amount = timedelta(minutes=dst_minutes)
        if united_states_dst(said - shift - amount + timedelta(minutes=zone_minutes), amount):
            shift += amount
    return (said - shift).replace(tzinfo=UTC)
