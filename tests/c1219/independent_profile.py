"""The second reader, continued: clock, load profile and logs, and the times and values of profile intervals."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.c1219.independent import (
    Cursor,
    General,
    Record,
    Unreadable,
    ltime_widths,
    signed,
    stime_widths,
    time_widths,
    type_widths,
)

item_widths = {1: 1, 2: 2, 4: 4, 8: 1, 16: 2, 32: 4}


def st52(octets: bytes, general: General) -> Record:
    """Length 8 in formats 1 and 2 (7 and 6 otherwise) carries a fraction octet after the clock."""
    cursor = Cursor(octets, general)
    clock = cursor.ltime()
    if len(octets) == ltime_widths[general.tm] + 2:
        cursor.take(1)
    qualifier = cursor.unsigned(1)
    cursor.end()
    return {"clock": clock, "qualifier": qualifier}


def st53(octets: bytes, general: General) -> Record:
    """Which optional fields are there is read from the length."""
    time, rest = time_widths[general.tm], len(octets) - time_widths[general.tm] - 1
    cursor = Cursor(octets, general)
    record: Record = {"dst_time_eff": cursor.time(), "dst_time_amt": cursor.unsigned(1), "offset": None}
    if rest in (2, 2 + time):
        record["offset"] = signed(cursor.take(2), general)
    if rest and rest in (time, 2 + time):
        cursor.take(time)
    cursor.end()
    return record


def st61(octets: bytes, general: General) -> Record:
    cursor = Cursor(octets, general)
    record: Record = {"memory": cursor.unsigned(4), "flags": cursor.unsigned(2), "formats": cursor.unsigned(1)}
    used = [n for n in range(4) if 64 + n in general.used]
    record["sets"] = {}
    for n in range(4) if len(octets) == 31 else used:
        values = cursor.unsigned(2), cursor.unsigned(2), cursor.unsigned(1), cursor.unsigned(1)
        if n in used:
            record["sets"][n] = dict(zip(["blocks", "ints", "channels", "minutes"], values, strict=True))
    cursor.end()
    return record


def st62(octets: bytes, general: General, actual: Record) -> dict[int, Record]:
    cursor, sets = Cursor(octets, general), {}
    for n, size in actual["sets"].items():
        channels = [tuple(cursor.many(1, 3)) for _ in range(size["channels"])]
        form, scaled = cursor.unsigned(1), actual["flags"] >> 6 + n & 1
        scalars = cursor.many(2, size["channels"]) if scaled else [1] * size["channels"]
        divisors = cursor.many(2, size["channels"]) if scaled else [1] * size["channels"]
        sets[n] = {"channels": channels, "format": form, "scalars": scalars, "divisors": divisors}
    cursor.end()
    return sets


def st63(octets: bytes, general: General) -> dict[int, Record]:
    cursor, sets = Cursor(octets, general), {}
    names = ["flags", "valid", "last", "last_seq", "unread", "valid_ints"]
    for n in range(4):
        if 64 + n in general.used:
            sets[n] = {name: cursor.unsigned(w) for name, w in zip(names, (1, 2, 2, 4, 2, 2), strict=True)}
    cursor.end()
    return sets


def block_size(general: General, actual: Record, n: int, form: int, *, closure: bool) -> int:
    size, flags = actual["sets"][n], actual["flags"]
    channels, ints = size["channels"], size["ints"]
    width = item_widths.get(form) or type_widths[general.ni1 if form == 64 else general.ni2]
    total = stime_widths[general.tm]
    total += channels * ((flags >> 4 & 1) * type_widths[general.ni1] + (flags >> 5 & 1) * 4 + 2 * closure)
    total += (flags >> 11 & 1) * ((ints + 7) // 8)
    return int(total + ints * ((flags >> 10 & 1) * (channels // 2 + 1) + channels * width))


def _item(cursor: Cursor, form: int) -> Fraction | None:
    if form in (64, 128):
        return cursor.ni(1 if form == 64 else 2)
    if form in (1, 2, 4):
        return Fraction(cursor.unsigned(item_widths[form]))
    return Fraction(signed(cursor.take(item_widths[form]), cursor.general))


def st64(octets: bytes, general: General, actual: Record, control: Record, n: int) -> list[Record]:
    """Decode ST64 + n: the length tells whether each block carries CLOSURE_STATUS."""
    form, size, flags = control["format"], actual["sets"][n], actual["flags"]
    if form not in (1, 2, 4, 8, 16, 32, 64, 128):
        raise Unreadable(f"interval format {form}")
    lengths = {c: size["blocks"] * block_size(general, actual, n, form, closure=c) for c in (False, True)}
    fits = [c for c in (False, True) if lengths[c] == len(octets)]
    if not fits:
        raise Unreadable(f"{len(octets)} octets, expected {lengths}")
    cursor = Cursor(octets, general)
    blocks = [_block(cursor, size, flags, form, closure=fits[0]) for _ in range(size["blocks"])]
    cursor.end()
    return blocks


def _block(cursor: Cursor, size: Record, flags: int, form: int, *, closure: bool) -> Record:
    channels, ints = size["channels"], size["ints"]
    block: Record = {"end": cursor.stime(), "readings": [], "closure": [], "valid": [1] * ints, "intervals": []}
    for _ in range(channels):
        reading = cursor.ni(1) if flags >> 4 & 1 else None
        block["readings"].append((reading, cursor.unsigned(4) if flags >> 5 & 1 else None))
    if closure:
        words = cursor.many(2, channels)
        block["closure"] = [(word & 15, word >> 4) for word in words]
    if flags >> 11 & 1:
        good = cursor.bits((ints + 7) // 8)
        block["valid"] = [int(k in good) for k in range(ints)]
    for _ in range(ints):
        nibbles = [0] * (channels + 1)
        if flags >> 10 & 1:
            written = cursor.take(channels // 2 + 1).hex()
            nibbles = [int(digit, 16) for digit in written[: channels + 1]]
        items = [_item(cursor, form) for _ in range(channels)]
        block["intervals"].append({"common": nibbles[0], "status": nibbles[1:], "items": items})
    return block


type_maxima = {1: 2**8 - 1, 2: 2**16 - 1, 4: 2**32 - 1, 8: 2**7 - 1, 16: 2**15 - 1, 32: 2**31 - 1}


def maximum(general: General, code: int) -> int | None:
    """The largest whole number of an interval format."""
    if code not in (64, 128):
        return type_maxima[code]
    form = general.ni1 if code == 64 else general.ni2
    if form in (5, 6, 12):
        return int(10 ** (2 * type_widths[form]) - 1)
    return int(2 ** (8 * type_widths[form] - 1) - 1) if form in (7, 8, 9, 10, 11) else None


def interval_value(actual: Record, most: int | None, block: Record, slot: int, channel: int) -> tuple[bool, set[str]]:
    """Whether the interval has a value on this channel, and the words said of it. `most` is the type's maximum."""
    interval, flags = block["intervals"][slot], actual["flags"]
    item, kept = interval["items"][channel], True
    words: set[str] = {"missing"} if item is None else set()
    at_maximum = item is not None and item == most
    status = interval["status"][channel]
    said = {1: "overflow", 2: "partial", 3: "long", 4: "skipped", 5: "test_mode"}
    if status in said:
        words.add(said[status])
    if status in (4, 7):
        words.add("missing")
        kept = False
    if interval["common"] & 2:
        words.add("power_outage")
    if flags >> 11 & 1 and not block["valid"][slot] and not any(interval["status"]):
        kept = False  # where a nibble says what the matter is, the nibble decides
        words.add("overflow" if at_maximum else "missing")
    if not flags >> 10 & 3 and at_maximum:
        words.add("overflow")
    return kept and item is not None, words


def stored_order(status: Record, blocks: int) -> list[int]:
    """Element numbers of the valid blocks, oldest first."""
    valid, newest, descending = status["valid"], status["last"], status["flags"] & 1
    if not valid:
        return []
    if descending:
        return [(newest + valid - 1 - k) % blocks for k in range(valid)]
    return [(newest - valid + 1 + k) % blocks for k in range(valid)]


def interval_ends(end: datetime, valid: int, minutes: int, *, descending: bool) -> list[datetime]:
    """End of slots 0 to valid - 1."""
    step = timedelta(minutes=minutes)
    return [end - step * (k if descending else valid - 1 - k) for k in range(valid)]


def joins(ends: list[datetime], ints: int, minutes: int) -> bool:
    """Whether full blocks follow one another without a gap."""
    return all(b - a == timedelta(minutes=ints * minutes) for a, b in pairwise(ends))


def st71(octets: bytes, general: General) -> Record:
    cursor = Cursor(octets, general)
    flags, std, mfg, hist_data, event_data = cursor.many(1, 5)
    histories, events = cursor.many(2, 2)
    if len(octets) == 12:
        cursor.take(3)
    cursor.end()
    record = {"flags": flags, "std": std, "mfg": mfg, "hist_data": hist_data, "event_data": event_data}
    return record | {"histories": histories, "events": events}


def log(octets: bytes, general: General, actual: Record, *, history: bool) -> Record:
    """ST74 (history) or ST76; one octet more than expected in each entry is a fraction after the time."""
    cursor, flags = Cursor(octets, general), actual["flags"]
    names = ["flags", "valid", "last", "last_seq", "unread"]
    record: Record = {name: cursor.unsigned(w) for name, w in zip(names, (1, 2, 2, 4, 2), strict=True)}
    timed, numbered = not history or flags >> 1 & 1, flags & 1
    sequenced, data = not history or flags >> 2 & 1, actual["hist_data" if history else "event_data"]
    count, width = actual["histories" if history else "events"], ltime_widths[general.tm]
    size = width * timed + 2 * numbered + 2 * sequenced + 4 + data
    extra = (len(octets) - 11) // count - size if count else 0
    if extra not in (0, 1) or (extra and not timed):
        raise Unreadable(f"entries of {size + extra} octets, expected {size}")
    entries: list[Any] = []
    for _ in range(count):
        entry: Record = {"time": cursor.ltime() if timed else None}
        cursor.take(extra)
        entry["number"] = cursor.unsigned(2) if numbered else None
        entry["seq"] = cursor.unsigned(2) if sequenced else None
        entry["user"], code = cursor.unsigned(2), cursor.unsigned(2)
        entry |= {"code": code & 0x7FF, "mfg": code >> 11 & 1, "argument": cursor.take(data)}
        entries.append(entry)
    cursor.end()
    return record | {"entries": entries}
