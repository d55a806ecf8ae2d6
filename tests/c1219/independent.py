"""A second reader of the tables, written from the standard's layouts alone: plain functions, `struct` and `Fraction`.

It shares no line with `drivers.c1219` and imports nothing of ours, so that a difference between the two is a finding
about one of them. It answers with plain dictionaries keyed by the standard's identifiers in lower case. It is no
product: where a table does not have the length its layout gives, it raises `Unreadable`.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Literal

epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - a meter's time has no zone
type_widths = {0: 8, 1: 4, 2: 12, 3: 6, 4: 4, 5: 6, 6: 4, 7: 3, 8: 4, 9: 5, 10: 6, 11: 8, 12: 8, 13: 21}
ltime_widths = {0: 0, 1: 6, 2: 6, 3: 5, 4: 4}
stime_widths = {0: 0, 1: 5, 2: 5, 3: 4, 4: 4}
time_widths = {0: 0, 1: 3, 2: 3, 3: 4, 4: 4}

Record = dict[str, Any]


class Unreadable(Exception):
    """The octets do not fit the layout."""


@dataclass
class General:
    """What ST00 decides for all the other tables."""

    order: Literal["little", "big"]
    int_format: int
    tm: int
    ni1: int
    ni2: int
    id_form: int
    version: int
    mfg_status: int
    dims: tuple[int, int, int, int]
    used: set[int]


class Cursor:
    """Walk through one table."""

    def __init__(self, octets: bytes, general: General) -> None:
        self.octets, self.general, self.at = octets, general, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.octets):
            raise Unreadable(f"{self.at} + {count} > {len(self.octets)}")
        self.at += count
        return self.octets[self.at - count : self.at]

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), self.general.order)

    def many(self, width: int, count: int) -> list[int]:
        return [self.unsigned(width) for _ in range(count)]

    def bits(self, octet_count: int) -> list[int]:
        octets = self.take(octet_count)
        return [k for k in range(8 * octet_count) if octets[k // 8] & (1 << (k % 8))]

    def ni(self, which: int) -> Fraction | None:
        form = self.general.ni1 if which == 1 else self.general.ni2
        return number(self.take(type_widths[form]), form, self.general)

    def ltime(self) -> datetime | None:
        return moment(self.take(ltime_widths[self.general.tm]), self.general, seconds=True)

    def stime(self) -> datetime | None:
        return moment(self.take(stime_widths[self.general.tm]), self.general, seconds=False)

    def time(self) -> int | None:
        return time_of_day(self.take(time_widths[self.general.tm]), self.general)

    def end(self) -> None:
        if self.at != len(self.octets):
            raise Unreadable(f"{len(self.octets) - self.at} octets too many")


def signed(octets: bytes, general: General) -> int:
    plain, top = int.from_bytes(octets, general.order), 1 << (8 * len(octets) - 1)
    if not plain & top:
        return plain
    return {0: plain - 2 * top, 1: plain - 2 * top + 1, 2: top - plain}[general.int_format]


def number(octets: bytes, form: int, general: General) -> Fraction | None:
    if form in (0, 1):
        mark = "<" if general.order == "little" else ">"
        value: float = struct.unpack(mark + ("d" if form == 0 else "f"), octets)[0]
        return Fraction(value) if math.isfinite(value) else None
    if form in (2, 3, 13):
        text = octets.decode("latin-1").strip(" \0")
        fits = re.fullmatch(r"([+-]?) *([0-9]+\.?[0-9]*|\.[0-9]+)([Ee][+-]?[0-9]{1,3})?", text)
        return Fraction(fits[1] + fits[2].removesuffix(".") + (fits[3] or "")) if fits else None
    if form in (5, 6, 12):
        return bcd(octets)
    return Fraction(signed(octets, general), 10000 if form == 4 else 1)


def bcd(octets: bytes) -> Fraction | None:
    """Digits A minus, B blank, D point; blanks and fill (C, E, F) stand around a number, never inside one."""
    text = octets.hex().strip("bcef").replace("a", "-").replace("d", ".")
    if not re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return None
    return Fraction(text.removesuffix("."))


def moment(octets: bytes, general: General, *, seconds: bool) -> datetime | None:
    """The time as the meter says it, or None for no time."""
    if general.tm in (1, 2):
        return _calendar(written(octets, general))
    count = int.from_bytes(octets[:4], general.order)
    rest = octets[4] if seconds and general.tm == 3 else 0
    minutes = count if general.tm == 3 else 0
    if general.tm == 0 or count in (0, 0xFFFFFFFF) or rest > 59 or minutes > 0xFFFFFFFF // 60:
        return None  # of format 3 everything after 2106, when format 4 ends
    return epoch + (timedelta(seconds=count) if general.tm == 4 else timedelta(minutes=minutes, seconds=rest))


def written(octets: bytes, general: General) -> list[int]:
    """Two digits in each octet, decimal or binary; 255 for hexadecimal ones."""
    if general.tm == 2:
        return list(octets)
    return [int(f"{octet:02x}") if f"{octet:02x}".isdigit() else 255 for octet in octets]


def _calendar(fields: list[int]) -> datetime | None:
    year, month, day, *clock = fields
    try:
        date = epoch.replace(1900 + year if year >= 90 else 2000 + year, month, day)
        return date.replace(hour=clock[0], minute=clock[1], second=sum(clock[2:])) if year <= 99 else None
    except ValueError:
        return None


def time_of_day(octets: bytes, general: General) -> int | None:
    """Seconds, or None."""
    if general.tm == 0:
        return None
    if general.tm in (3, 4):
        count = int.from_bytes(octets, general.order)
        return count if count <= 86400 else None
    hour, minute, second = written(octets, general)
    count = hour * 3600 + minute * 60 + second
    return count if minute < 60 and second < 60 and count <= 86400 else None


def st00(octets: bytes) -> tuple[Record, General]:
    if len(octets) < 19:
        raise Unreadable("short")
    one, two, three = octets[0:3]
    names = ["nameplate_type", "default_set_used", "max_proc_parm_length", "max_resp_data_len", "std_version_no"]
    names += ["std_revision_no", "dim_std_tbls_used", "dim_mfg_tbls_used", "dim_std_proc_used", "dim_mfg_proc_used"]
    names += ["dim_mfg_status_used", "nbr_pending"]
    record = Record(zip(names, octets[7:19], strict=True))
    record |= {"data_order": one & 1, "char_format": one >> 1 & 7, "model_select": one >> 4 & 7, "tm_format": two & 7}
    record |= {"data_access": two >> 3 & 3, "id_form": two >> 5 & 1, "int_format": two >> 6, "ni_format1": three & 15}
    record |= {"ni_format2": three >> 4, "device_class": octets[3:7].hex().upper()}
    dims = octets[13], octets[14], octets[15], octets[16]
    general = General(
        "big" if one & 1 else "little",
        two >> 6,
        two & 7,
        three & 15,
        three >> 4,
        two >> 5 & 1,
        octets[11],
        octets[17],
        dims,
        set(),
    )
    cursor = Cursor(octets, general)
    cursor.take(19)
    sets = ["std_tbls_used", "mfg_tbls_used", "std_proc_used", "mfg_proc_used", "std_tbls_write", "mfg_tbls_write"]
    for name, size in zip(sets, [*dims, dims[0], dims[1]], strict=True):
        record[name] = cursor.bits(size)
    cursor.end()
    general.used = set(record["std_tbls_used"])
    return record, general


def st11(octets: bytes, general: General) -> Record:
    cursor = Cursor(octets, general)
    flags, uoms, demands, length, controls, constants, selector, sources = cursor.many(1, 8)
    cursor.end()
    names = ["pf_exclude", "reset_exclude", "block_demand", "sliding_demand", "thermal_demand", "set1", "set2", "bit7"]
    return {name: flags >> k & 1 for k, name in enumerate(names)} | {
        "nbr_uom_entries": uoms,
        "nbr_demand_ctrl_entries": demands,
        "data_ctrl_length": length,
        "nbr_data_ctrl_entries": controls,
        "nbr_constants_entries": constants,
        "constants_selector": selector,
        "nbr_sources": sources,
    }


def st12(octets: bytes, general: General, actual: Record) -> list[Record]:
    cursor, entries = Cursor(octets, general), []
    for word in cursor.many(4, actual["nbr_uom_entries"]):
        entry: Record = {"id_code": word & 255, "time_base": word >> 8 & 7, "multiplier": word >> 11 & 7}
        entry["nfs"] = word >> 31
        entry |= {"quadrants": [q + 1 for q in range(4) if word >> 14 + q & 1], "net_flow": word >> 18 & 1}
        entry |= {"segmentation": word >> 19 & 7, "harmonic": word >> 22 & 1, "id_resource": word >> 23 & 31}
        entries.append(entry)
    cursor.end()
    return entries


def st13(octets: bytes, general: General, actual: Record) -> Record:
    cursor, record = Cursor(octets, general), Record()
    if actual["reset_exclude"]:
        record["reset_exclusion"] = cursor.unsigned(1)
    if actual["pf_exclude"]:
        record["p_fail_recogntn_tm"], record["p_fail_exclusion"], record["cold_load_pickup"] = cursor.many(1, 3)
    record["minutes"] = [
        cursor.unsigned(1) * cursor.unsigned(1) if actual["sliding_demand"] else cursor.unsigned(2)
        for _ in range(actual["nbr_demand_ctrl_entries"])
    ]
    cursor.end()
    return record


def st14(octets: bytes, general: General, actual: Record) -> list[bytes]:
    cursor = Cursor(octets, general)
    records = [cursor.take(actual["data_ctrl_length"]) for _ in range(actual["nbr_data_ctrl_entries"])]
    cursor.end()
    return records


def st15(octets: bytes, general: General, actual: Record) -> list[Record]:
    """Electric constants, OFFSET present or not as the length tells."""
    width, count = type_widths[general.ni1], actual["nbr_constants_entries"]
    sets = (1 + 2 * width) * (actual["set1"] + actual["set2"])
    offset = len(octets) == count * (2 * width + sets)
    cursor, entries = Cursor(octets, general), []
    for _ in range(count):
        entry: Record = {"multiplier": cursor.ni(1), "offset": cursor.ni(1) if offset else None, "sets": []}
        for _ in range(actual["set1"] + actual["set2"]):
            applied = cursor.unsigned(1) & 1
            entry["sets"].append({"applied": applied, "ct": cursor.ni(1), "vt": cursor.ni(1)})
        entries.append(entry)
    cursor.end()
    return entries


def st16(octets: bytes, general: General, actual: Record) -> list[int]:
    cursor = Cursor(octets, general)
    flags = cursor.many(1, actual["nbr_sources"])
    cursor.end()
    return flags


def st21(octets: bytes, general: General) -> Record:
    cursor = Cursor(octets, general)
    one, two, *counts = cursor.many(1, 10)
    cursor.end()
    names = ["season_info", "date_time", "demand_reset_ctr", "demand_reset_lock", "cum", "cont_cum", "time_remaining"]
    record = {name: one >> k & 1 for k, name in enumerate(names)}
    record |= {"sr_inhibit_overflow": two & 1, "sr_seq_nbr": two >> 1 & 1, "daily": two >> 2 & 1}
    record |= {"weekly": two >> 3 & 1, "self_read_demand_reset": two >> 4 & 3}
    sizes = ["self_reads", "summations", "demands", "coin", "occur", "tiers", "present_demands", "present_values"]
    return record | {f"nbr_{name}": count for name, count in zip(sizes, counts, strict=True)}


def st22(octets: bytes, general: General, actual: Record) -> Record:
    cursor, demands, coin = Cursor(octets, general), actual["nbr_demands"], actual["nbr_coin"]
    record: Record = {"summation_select": cursor.many(1, actual["nbr_summations"])}
    record["demand_select"] = cursor.many(1, demands)
    maxima = cursor.bits((demands + 7) // 8)
    record["maximum"] = [int(k in maxima) for k in range(demands)]
    record["coincident_select"] = cursor.many(1, coin)
    record["coin_demand_assoc"] = cursor.many(1, coin)
    cursor.end()
    return record


def _data_block(cursor: Cursor, actual: Record) -> Record:
    block: Record = {"summations": [cursor.ni(1) for _ in range(actual["nbr_summations"])], "demands": []}
    for _ in range(actual["nbr_demands"]):
        demand: Record = {"times": [cursor.stime() for _ in range(actual["nbr_occur"] * actual["date_time"])]}
        demand["cum"] = cursor.ni(1) if actual["cum"] else None
        demand["cont_cum"] = cursor.ni(1) if actual["cont_cum"] else None
        demand["values"] = [cursor.ni(2) for _ in range(actual["nbr_occur"])]
        block["demands"].append(demand)
    block["coincidents"] = [[cursor.ni(2) for _ in range(actual["nbr_occur"])] for _ in range(actual["nbr_coin"])]
    return block


def _registers(cursor: Cursor, actual: Record) -> Record:
    record: Record = {"resets": cursor.unsigned(1) if actual["demand_reset_ctr"] else None}
    record["total"] = _data_block(cursor, actual)
    record["tiers"] = [_data_block(cursor, actual) for _ in range(actual["nbr_tiers"])]
    return record


def _with_information(cursor: Cursor, actual: Record) -> Record:
    record: Record = {"end": cursor.stime() if actual["date_time"] else None}
    record["season"] = cursor.unsigned(1) if actual["season_info"] else None
    return record | _registers(cursor, actual)


def st23(octets: bytes, general: General, actual: Record) -> Record:
    cursor = Cursor(octets, general)
    record = _registers(cursor, actual)
    cursor.end()
    return record


def st24(octets: bytes, general: General, actual: Record) -> Record:
    """ST24 and ST25."""
    cursor = Cursor(octets, general)
    record = _with_information(cursor, actual)
    cursor.end()
    return record


def st26(octets: bytes, general: General, actual: Record) -> Record:
    cursor = Cursor(octets, general)
    record: Record = {"flags": cursor.unsigned(1), "valid": cursor.unsigned(1), "last": cursor.unsigned(1)}
    record |= {"last_seq": cursor.unsigned(2), "unread": cursor.unsigned(1), "entries": []}
    for _ in range(actual["nbr_self_reads"]):
        seq = cursor.unsigned(2) if actual["sr_seq_nbr"] else None
        record["entries"].append({"seq": seq} | _with_information(cursor, actual))
    cursor.end()
    return record


def st27(octets: bytes, general: General, actual: Record) -> Record:
    cursor = Cursor(octets, general)
    record = {"demand": cursor.many(1, actual["nbr_present_demands"])}
    record["value"] = cursor.many(1, actual["nbr_present_values"])
    cursor.end()
    return record


def st28(octets: bytes, general: General, actual: Record) -> Record:
    cursor, record = Cursor(octets, general), Record(demands=[])
    for _ in range(actual["nbr_present_demands"]):
        remaining = cursor.time() if actual["time_remaining"] else None
        record["demands"].append({"remaining": remaining, "value": cursor.ni(2)})
    record["values"] = [cursor.ni(1) for _ in range(actual["nbr_present_values"])]
    cursor.end()
    return record
