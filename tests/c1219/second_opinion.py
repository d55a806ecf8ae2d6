"""Our tables and the second reader's in one form, so that they can be compared."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

from drivers.c1219 import Block, Context, encode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219.number import Number
from tests.c1219 import independent, independent_profile
from tests.c1219.independent import General, Record

COMPARED = (0, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28, 52, 53, 61, 62, 63, 71, 74, 76)
LIMITS = {1: 11, 2: 21, 6: 61, 7: 71}


class Same:
    """Brings our values into the second reader's form, for one meter."""

    def __init__(self, general: General) -> None:
        self.general = general

    def ni(self, which: int, value: Number | None) -> Fraction | None:
        """Return a number exactly; of a float, the one that the IEEE type holds."""
        form = self.general.ni1 if which == 1 else self.general.ni2
        if value is None or form > 1:
            return None if value is None else Fraction(value)
        code = "d" if form == 0 else "f"
        (held,) = struct.unpack(code, struct.pack(code, float(value)))
        return Fraction(held)

    def block(self, block: d2.DataBlock) -> Record:
        demands = [
            {
                "times": list(demand.event_time or ()),
                "cum": self.ni(1, demand.cum_demand),
                "cont_cum": self.ni(1, demand.cont_cum_demand),
                "values": [self.ni(2, value) for value in demand.demand],
            }
            for demand in block.demands
        ]
        coincidents = [[self.ni(2, value) for value in one.values] for one in block.coincidents]
        summations = [self.ni(1, value) for value in block.summations]
        return {"summations": summations, "demands": demands, "coincidents": coincidents}

    def registers(self, data: d2.RegisterData) -> Record:
        return {
            "resets": data.nbr_demand_resets,
            "total": self.block(data.total),
            "tiers": [self.block(tier) for tier in data.tiers],
        }

    def ended(self, info: d2.RegisterInformation, data: d2.RegisterData) -> Record:
        return {"end": info.end_date_time, "season": info.season} | self.registers(data)


def seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def as_st00(table: d0.GeneralConfiguration) -> Record:
    names = {"data_access": "data_access_method"}
    record: Record = {"device_class": table.device_class.hex().upper()}
    for name in ("data_order", "char_format", "model_select", "tm_format", "data_access", "id_form", "int_format"):
        record[name] = getattr(table, names.get(name, name))
    for name in (
        "ni_format1", "ni_format2", "nameplate_type", "default_set_used", "max_proc_parm_length", "max_resp_data_len",
        "std_version_no", "std_revision_no", "dim_std_tbls_used", "dim_mfg_tbls_used", "dim_std_proc_used",
        "dim_mfg_proc_used", "dim_mfg_status_used", "nbr_pending",
    ):  # fmt: skip
        record[name] = getattr(table, name)
    for name in ("std_tbls_used", "mfg_tbls_used", "std_proc_used", "mfg_proc_used", "std_tbls_write"):
        record[name] = sorted(getattr(table, name))
    return record | {"mfg_tbls_write": sorted(table.mfg_tbls_write)}


def as_st11(table: d1.SourcesLimits) -> Record:
    names = {"set1": "set1_present", "set2": "set2_present", "bit7": "conversion_alg"}
    wanted = ["pf_exclude", "reset_exclude", "block_demand", "sliding_demand", "thermal_demand", "set1", "set2", "bit7"]
    wanted += ["nbr_uom_entries", "nbr_demand_ctrl_entries", "data_ctrl_length", "nbr_data_ctrl_entries"]
    wanted += ["nbr_constants_entries", "constants_selector", "nbr_sources"]
    return {name: getattr(table, names.get(name, name)) for name in wanted}


def as_st12(table: d1.UnitsOfMeasure) -> list[Record]:
    names = ["id_code", "time_base", "multiplier", "nfs", "net_flow", "segmentation", "harmonic", "id_resource"]
    return [
        {name: getattr(entry, name) for name in names}
        | {"quadrants": [q for q in (1, 2, 3, 4) if getattr(entry, f"q{q}")]}
        for entry in table.entries
    ]


def as_st13(table: d1.DemandControl) -> Record:
    names = ["reset_exclusion", "p_fail_recogntn_tm", "p_fail_exclusion", "cold_load_pickup"]
    record: Record = {name: value for name in names if (value := getattr(table, name)) is not None}
    return record | {"minutes": [entry.minutes for entry in table.intervals]}


def as_st15(same: Same, table: d1.Constants) -> list[Record]:
    return [
        {
            "multiplier": same.ni(1, entry.multiplier),
            "offset": same.ni(1, entry.offset),
            "sets": [
                {"applied": one.set_applied, "ct": same.ni(1, one.ratio_f1), "vt": same.ni(1, one.ratio_p1)}
                for one in (entry.set1, entry.set2)
                if one is not None
            ],
        }
        for entry in table.entries
    ]


def as_st16(table: d1.Sources) -> list[int]:
    names = ("uom_entry", "demand_ctrl", "data_ctrl", "constants", "pulse_engr", "constant_to_be_applied")
    return [sum(getattr(one, name) << bit for bit, name in enumerate(names)) for one in table.sources]


def as_st21(table: d2.RegistersLimits) -> Record:
    names = {
        "season_info": "season_info_field", "date_time": "date_time_field", "cum": "cum_demand",
        "cont_cum": "cont_cum_demand", "sr_inhibit_overflow": "self_read_inhibit_overflow",
        "sr_seq_nbr": "self_read_seq_nbr", "daily": "daily_self_read", "weekly": "weekly_self_read",
        "nbr_coin": "nbr_coin_values",
    }  # fmt: skip
    wanted = [*names, "demand_reset_ctr", "demand_reset_lock", "time_remaining", "self_read_demand_reset"]
    wanted += ["nbr_self_reads", "nbr_summations", "nbr_demands", "nbr_occur", "nbr_tiers", "nbr_present_demands"]
    return {name: getattr(table, names.get(name, name)) for name in [*wanted, "nbr_present_values"]}


def as_st22(table: d2.DataSelection) -> Record:
    return {
        "summation_select": list(table.summation_select),
        "demand_select": list(table.demand_select),
        "maximum": [int(k in table.min_or_max_flags) for k in range(len(table.demand_select))],
        "coincident_select": list(table.coincident_select),
        "coin_demand_assoc": list(table.coin_demand_assoc),
    }


def as_st26(same: Same, table: d2.SelfReads) -> Record:
    return {
        "flags": table.order | table.overflow << 1 | table.list_type << 2 | table.inhibit_overflow << 3,
        "valid": table.nbr_valid_entries,
        "last": table.last_entry_element,
        "last_seq": table.last_entry_seq_nbr,
        "unread": table.nbr_unread_entries,
        "entries": [{"seq": one.sequence} | same.ended(one.info, one.data) for one in table.entries],
    }


def as_st28(same: Same, table: d2.PresentRegisters) -> Record:
    demands = [
        {"remaining": seconds(one.time_remaining), "value": same.ni(2, one.demand_value)}
        for one in table.present_demands
    ]
    return {"demands": demands, "values": [same.ni(1, value) for value in table.present_values]}


def as_st52(table: d5.Clock) -> Record:
    flags = table.dst_flag << 3 | table.gmt_flag << 4 | table.tm_zn_applied << 5 | table.dst_applied << 6
    return {"clock": table.clock_calendar, "qualifier": table.day_of_week | flags | table.dst_supported << 7}


def as_st53(table: d5.TimeOffset) -> Record:
    at = seconds(table.dst_time_eff)
    return {"dst_time_eff": at, "dst_time_amt": table.dst_time_amt, "offset": table.time_zone_offset}


def as_st61(table: d6.ProfileLimits) -> Record:
    flags = [f"lp_set{n}_inhibit_ovf" for n in (1, 2, 3, 4)] + ["blk_end_read", "blk_end_pulse"]
    flags += [f"scalar_divisor_set{n}" for n in (1, 2, 3, 4)] + ["extended_int_status", "simple_int_status", "bit_12"]
    word = sum(getattr(table, name) << bit for bit, name in enumerate(flags)) | table.fill << 13
    sets = {
        n: {"blocks": one.nbr_blks, "ints": one.nbr_blk_ints, "channels": one.nbr_chns, "minutes": one.max_int_time}
        for n, one in enumerate(table.sets)
        if one is not None
    }
    return {"memory": table.lp_memory_len, "flags": word, "formats": table.lp_fmats, "sets": sets}


def as_st62(table: d6.ProfileControl) -> dict[int, Record]:
    sets: dict[int, Record] = {}
    for n, one in enumerate(table.sets):
        if one is not None:
            channels = [(c.end_rdg_flag, c.lp_source_select, c.end_blk_rdg_source_select) for c in one.channels]
            ones = (1,) * len(channels)
            scalars, divisors = list(one.scalars or ones), list(one.divisors or ones)
            sets[n] = {"channels": channels, "format": one.int_fmt_cde, "scalars": scalars, "divisors": divisors}
    return sets


def as_st63(table: d6.ProfileStatus) -> dict[int, Record]:
    names = ["block_order", "overflow", "list_type", "block_inhibit_overflow", "interval_order", "active_mode"]
    return {
        n: {
            "flags": sum(getattr(one, name) << bit for bit, name in enumerate([*names, "test_mode"])),
            "valid": one.nbr_valid_blocks,
            "last": one.last_block_element,
            "last_seq": one.last_block_seq_nbr,
            "unread": one.nbr_unread_blocks,
            "valid_ints": one.nbr_valid_int,
        }
        for n, one in enumerate(table.sets)
        if one is not None
    }


def as_st71(table: d7.LogLimits) -> Record:
    names = ["event_number", "hist_date_time", "hist_seq_nbr", "hist_inhibit_ovf", "event_inhibit_ovf"]
    record: Record = {"flags": sum(getattr(table, name) << bit for bit, name in enumerate(names))}
    record |= {"std": table.nbr_std_events, "mfg": table.nbr_mfg_events, "hist_data": table.hist_data_length}
    record |= {"event_data": table.event_data_length, "histories": table.nbr_history_entries}
    return record | {"events": table.nbr_event_entries}


def as_log(table: d7.HistoryLog | d7.EventLog) -> Record:
    return {
        "flags": table.order | table.overflow << 1 | table.list_type << 2 | table.inhibit_overflow << 3,
        "valid": table.nbr_valid_entries,
        "last": table.last_entry_element,
        "last_seq": table.last_entry_seq_nbr,
        "unread": table.nbr_unread_entries,
        "entries": [
            {
                "time": one.time,
                "number": one.event_number,
                "seq": one.sequence,
                "user": one.user_id,
                "code": one.code,
                "mfg": one.manufacturer,
                "argument": one.argument,
            }
            for one in table.entries
        ],
    }


def ours(number: int, table: Any, same: Same) -> Any:
    """Return a table of ours in the second reader's form."""
    forms: dict[int, Callable[[], Any]] = {
        0: lambda: as_st00(table),
        11: lambda: as_st11(table),
        12: lambda: as_st12(table),
        13: lambda: as_st13(table),
        14: lambda: list(table.source_ids),
        15: lambda: as_st15(same, table),
        16: lambda: as_st16(table),
        21: lambda: as_st21(table),
        22: lambda: as_st22(table),
        23: lambda: same.registers(table.data),
        24: lambda: same.ended(table.info, table.data),
        25: lambda: same.ended(table.info, table.data),
        26: lambda: as_st26(same, table),
        27: lambda: {"demand": list(table.present_demand_select), "value": list(table.present_value_select)},
        28: lambda: as_st28(same, table),
        52: lambda: as_st52(table),
        53: lambda: as_st53(table),
        61: lambda: as_st61(table),
        62: lambda: as_st62(table),
        63: lambda: as_st63(table),
        71: lambda: as_st71(table),
        74: lambda: as_log(table),
        76: lambda: as_log(table),
    }
    return forms[number]()


def theirs(number: int, octets: bytes, general: General, limits: dict[int, Any]) -> Any:
    """Return what the second reader makes of the octets."""
    if number == 0:
        return independent.st00(octets)[0]
    if number in (74, 76):
        return independent_profile.log(octets, general, limits[71], history=number == 74)
    module: Any = independent if number < 50 else independent_profile
    read = getattr(module, f"st{24 if number == 25 else number}")
    actual = LIMITS.get(number // 10)
    return read(octets, general) if number in (52, 53, 63, actual) else read(octets, general, limits[actual or 0])


def mask(number: int, found: Any) -> Any:
    """Leave out bits without a meaning, which our tables do not keep."""
    if number == 16:
        return [flags & 0x3F for flags in found]
    if number == 71:
        return found | {"flags": found["flags"] & 0x1F}
    if number in (26, 74, 76):
        return found | {"flags": found["flags"] & 0x0F}
    if number == 63:
        return {n: one | {"flags": one["flags"] & 0x7F} for n, one in found.items()}
    if number == 62:
        return {n: one | {"channels": [(c[0] & 1, *c[1:]) for c in one["channels"]]} for n, one in found.items()}
    return found


def second_limits(context: Context) -> tuple[General, dict[int, Any]]:
    """Read the tables that decide the layout of others by the second reader, as far as they are in the context."""
    general = independent.st00(encode(context.st00, context))[1]
    known = [n for n in LIMITS.values() if n in context]
    return general, {n: theirs(n, encode(context.decoded(n).table, context), general, {}) for n in known}


def as_blocks(blocks: tuple[Block, ...], same: Same, code: int) -> list[Record]:
    which = {64: 1, 128: 2}.get(code)

    def item(value: Number | None) -> Fraction | None:
        return same.ni(which, value) if which else Fraction(value or 0)

    def block(one: Block) -> Record:
        channels, ints = len(one.counts), len(one.counts[0]) if one.counts else 0
        reads = [same.ni(1, value) for value in one.end_reads] if one.end_reads is not None else [None] * channels
        pulses = one.end_pulses if one.end_pulses is not None else [None] * channels
        return {
            "end": one.end_time,
            "readings": list(zip(reads, pulses, strict=True)),
            "closure": [tuple(closure) for closure in one.closures or ()],
            "valid": [int(bit) for bit in one.simple] if one.simple is not None else [1] * ints,
            "intervals": [
                {
                    "common": one.common[slot] if one.common is not None else 0,
                    "status": [n[slot] for n in one.nibbles] if one.nibbles is not None else [0] * channels,
                    "items": [item(column[slot]) for column in one.counts],
                }
                for slot in range(ints)
            ],
        }

    return [block(one) for one in blocks]
