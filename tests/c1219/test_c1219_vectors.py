"""The two reference meters, table by table, against independently computed values."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.c1219 import Context, ProfileData, block_size, decode, decode_record, encode, encode_record, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219.procedures import SetDateTime, UpdateLastRead
from drivers.c1219.scaling import entry_index, scale_of
from drivers.c1219.units import POWERS
from drivers.errors import DataError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)
TABLES = VECTORS["tables"]
METERS = ["meter_A", "meter_B"]


def context_of(meter: str) -> Context:
    """Decode every table of a reference meter, in the order of the file."""
    context = Context()
    for name, octets in TABLES[meter]["hex"].items():
        context = context.with_table(decode(int(name[2:]), bytes.fromhex(octets), context))
    return context


@pytest.fixture(scope="module", params=METERS)
def meter(request: pytest.FixtureRequest) -> tuple[Context, dict[str, Any]]:
    return context_of(request.param), TABLES[request.param]["expected"]


@pytest.mark.parametrize("name", METERS)
def test_every_table_encodes_to_its_own_octets_and_has_its_own_size(name: str) -> None:
    context = context_of(name)
    for number, decoded in context.tables.items():
        assert encode(decoded.table, context) == decoded.octets, decoded.name
        assert size(number, context) == len(decoded.octets), decoded.name
        assert decoded.remarks == ()


def test_st00(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    wanted = dict(expected["ST00"])
    st00 = context.st00
    assert st00.data_access_method == wanted.pop("data_access")
    assert st00.device_class.hex().upper() == wanted.pop("device_class")
    for name, value in wanted.items():
        found = getattr(st00, name)
        assert (sorted(found) if isinstance(found, frozenset) else found) == value, name


def test_st01(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    wanted, st01 = expected["ST01"], context.need(d0.ManufacturerIdentification)
    assert (st01.manufacturer, st01.ed_model) == (wanted["manufacturer"], wanted["model"])
    assert f"{st01.hw_version_number}.{st01.hw_revision_number}" == wanted["hw"]
    assert f"{st01.fw_version_number}.{st01.fw_revision_number}" == wanted["fw"]
    assert st01.mfg_serial_number == wanted.get("serial", wanted.get("serial_bcd"))


def test_st03() -> None:
    st03 = context_of("meter_A").need(d0.ModeStatus)
    flags = {name for name in d0.ModeStatus.__dataclass_fields__ if getattr(st03, name) is True}
    assert flags == {"metering", "low_battery", "power_failure"}
    assert st03.ed_mfg_status == {2}


def test_st11_st12_st13() -> None:
    context, expected = context_of("meter_A"), TABLES["meter_A"]["expected"]
    for name, value in expected["ST11"].items():
        assert getattr(context.st11, "conversion_alg" if name == "bit7" else name) == value
    for entry, wanted in zip(context.need(d1.UnitsOfMeasure).entries, expected["ST12"], strict=True):
        assert [entry.id_code, entry.time_base, entry.multiplier] == [
            wanted["id_code"],
            wanted["time_base"],
            wanted["multiplier_code"],
        ]
        assert POWERS[entry.multiplier] == wanted["multiplier_pow10"]
        assert [n for n in (1, 2, 3, 4) if getattr(entry, f"q{n}")] == wanted["q"]
        assert [entry.net_flow, entry.segmentation, entry.harmonic, entry.nfs] == [
            wanted["net_flow"],
            wanted["segmentation"],
            wanted["harmonic"],
            wanted["nfs"],
        ]
    assert [entry.minutes for entry in context.need(d1.DemandControl).intervals] == expected["ST13"]["interval_min"]


def test_st15_st16() -> None:
    context, expected = context_of("meter_A"), TABLES["meter_A"]["expected"]
    constants = context.need(d1.Constants)
    for entry, wanted in zip(constants.entries, expected["ST15"], strict=True):
        assert entry.set1 is not None
        assert entry.set2 is None
        assert [entry.multiplier, entry.offset, entry.set1.set_applied, entry.set1.ratio_f1, entry.set1.ratio_p1] == [
            wanted["multiplier"],
            wanted["offset"],
            wanted["set1_applied"],
            wanted["ratio_f1_ct"],
            wanted["ratio_p1_vt"],
        ]
    uoms = {str(s): entry_index(context, s, "uom_entry", 4) for s in range(5)}
    assert {s: index for s, index in uoms.items() if index is not None} == expected["ST16"]["source_to_uom"]
    found = {str(s): entry_index(context, s, "constants", 3) for s in range(5)}
    assert {s: index for s, index in found.items() if index is not None} == expected["ST16"]["source_to_constants"]


def test_st21_st22(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    names = {
        "season_info": "season_info_field",
        "date_time": "date_time_field",
        "sr_inhibit_overflow": "self_read_inhibit_overflow",
        "sr_seq_nbr": "self_read_seq_nbr",
        "daily_sr": "daily_self_read",
        "weekly_sr": "weekly_self_read",
        "nbr_coin": "nbr_coin_values",
    }
    for name, value in expected["ST21"].items():
        assert getattr(context.st21, names.get(name, name)) == value, name
    st22, wanted = context.need(d2.DataSelection), expected["ST22"]
    for name in ("summation_select", "demand_select", "coincident_select", "coin_demand_assoc"):
        assert list(getattr(st22, name)) == wanted[name]
    assert ["max" if i in st22.min_or_max_flags else "min" for i in range(len(st22.demand_select))] == wanted[
        "min_or_max"
    ]


def block_as_expected(block: d2.DataBlock) -> dict[str, Any]:
    """Return a data block in the shape of the vectors."""
    demands = []
    for demand in block.demands:
        shown: dict[str, Any] = {"event_time": [t and t.isoformat() for t in demand.event_time or ()]}
        if demand.cum_demand is not None:
            shown["cum"] = demand.cum_demand
        if demand.cont_cum_demand is not None:
            shown["cont_cum"] = demand.cont_cum_demand
        demands.append(shown | {"demand": list(demand.demand)})
    return {
        "summations": list(block.summations),
        "demands": demands,
        "coincidents": [list(coincident.values) for coincident in block.coincidents],
    }


def data_as_expected(data: d2.RegisterData) -> dict[str, Any]:
    """Return register data in the shape of the vectors."""
    shown: dict[str, Any] = {"total": block_as_expected(data.total)}
    if data.nbr_demand_resets is not None:
        shown["nbr_demand_resets"] = data.nbr_demand_resets
    return shown | {"tiers": [block_as_expected(tier) for tier in data.tiers]}


def test_st23(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    assert data_as_expected(context.need(d2.CurrentRegisters).data) == expected["ST23"]


def test_st25_st26() -> None:
    context, expected = context_of("meter_B"), TABLES["meter_B"]["expected"]
    st25 = context.need(d2.PreviousReset)
    assert st25.info.end_date_time == datetime.fromisoformat(expected["ST25"]["end_date_time"])
    assert st25.info.season == expected["ST25"]["season"]
    assert data_as_expected(st25.data) == expected["ST25"]["data"]
    st26, wanted = context.need(d2.SelfReads), expected["ST26"]
    assert (st26.list_type, st26.order, st26.overflow) == (1, 0, False)
    assert [st26.nbr_valid_entries, st26.last_entry_element, st26.last_entry_seq_nbr, st26.nbr_unread_entries] == [
        wanted["nbr_valid"],
        wanted["last_entry_element"],
        wanted["last_entry_seq_nbr"],
        wanted["nbr_unread"],
    ]
    for entry, one in zip(st26.entries, wanted["entries"], strict=True):
        assert entry.sequence == one["seq"]
        assert entry.info.end_date_time == datetime.fromisoformat(one["end_date_time"])
        assert entry.info.season == one["season"]
        assert data_as_expected(entry.data) == one["data"]


def test_st27_st28() -> None:
    context = context_of("meter_A")
    st27, st28 = context.need(d2.PresentSelection), context.need(d2.PresentRegisters)
    assert (st27.present_demand_select, st27.present_value_select) == ((1,), (4, 0))
    assert st28.present_demands[0].time_remaining == timedelta(minutes=7, seconds=30)
    assert st28.present_demands[0].demand_value == Decimal("3.25")
    assert st28.present_values == (Decimal("120.5"), Decimal("10234.5"))


def test_st52_st55() -> None:
    context = context_of("meter_A")
    for clock in (context.need(d5.Clock), context.need(d5.ClockState)):
        assert clock.clock_calendar == datetime.fromisoformat("2024-03-10T14:45:30")
        assert (clock.day_of_week, clock.dst_flag, clock.gmt_flag) == (0, True, False)
        assert (clock.tm_zn_applied, clock.dst_applied) == (False, True)
    state = context.need(d5.ClockState)
    assert (state.curr_tier, state.tier_drive, state.special_schd_active, state.season) == (1, 0, 15, 2)


def test_st61(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    for name, value in expected["ST61"].items():
        if name == "sets":
            for key, limits in value.items():
                for field, number in limits.items():
                    real = "max_int_time" if field == "int_time" else field
                    assert context.st61.of_set(int(key), real) == number
            assert [str(n) for n in (1, 2, 3, 4) if context.st61.sets[n - 1]] == list(value)
        elif name == "lp_fmats":
            assert context.st61.lp_fmats == int(value, 16)
        elif name != "lp_flags_raw":
            names = {f"set{n}_inhibit_ovf": f"lp_set{n}_inhibit_ovf" for n in (1, 2, 3, 4)} | {"bit12": "bit_12"}
            assert getattr(context.st61, names.get(name, name)) == value, name


def test_st62_st63(meter: tuple[Context, dict[str, Any]]) -> None:
    context, expected = meter
    for key, wanted in expected["ST62"].items():
        control = context.st62.sets[int(key) - 1]
        assert control is not None
        assert [c.end_rdg_flag for c in control.channels] == [c["end_rdg_flag"] for c in wanted["channels"]]
        assert [c.lp_source_select for c in control.channels] == [c["lp_source"] for c in wanted["channels"]]
        assert [c.end_blk_rdg_source_select for c in control.channels] == [
            c["end_rdg_source"] for c in wanted["channels"]
        ]
        assert control.int_fmt_cde == wanted["int_fmt_cde"]
        assert list(control.scalars or ()) == wanted.get("scalars", [])
        assert list(control.divisors or ()) == wanted.get("divisors", [])
    for key, wanted in expected["ST63"].items():
        status = context.st63.sets[int(key) - 1]
        assert status is not None
        names = {"inhibit": "block_inhibit_overflow", "active": "active_mode"}
        for name, value in wanted.items():
            if name != "flags":
                assert getattr(status, names.get(name, name)) == value, name


@pytest.mark.parametrize(("name", "table"), [("meter_A", 64), ("meter_B", 64), ("meter_B", 66)])
def test_profile_data(name: str, table: int) -> None:
    context, expected = context_of(name), TABLES[name]["expected"]
    assert block_size(context, table - 63) == expected[f"ST{table}_block_size"]
    data = context.decoded(table).table
    assert isinstance(data, ProfileData)
    for block, wanted in zip(data.blocks, expected[f"ST{table}"], strict=True):
        assert block.end_time == datetime.fromisoformat(wanted["blk_end_time"])
        ends = wanted["end_readings"]
        assert list(block.end_reads or ()) == [end["read"] for end in ends if "read" in end]
        assert list(block.end_pulses or ()) == [end["pulse"] for end in ends if "pulse" in end]
        if "simple_valid" in wanted:
            assert list(block.simple or ()) == wanted["simple_valid"]
        for slot, interval in enumerate(wanted["intervals"]):
            assert [column[slot] for column in block.counts] == interval["data"]
            if "common" in interval:
                assert block.common is not None
                assert block.nibbles is not None
                assert block.common[slot] == interval["common"]
                assert [column[slot] for column in block.nibbles] == interval["ch_status"]


def test_st71_st76() -> None:
    context, expected = context_of("meter_B"), TABLES["meter_B"]["expected"]
    names = {f"{name}_flag": name for name in ("event_number", "hist_date_time", "hist_seq_nbr")}
    for name, value in expected["ST71"].items():
        assert getattr(context.st71, names.get(name, name)) == value, name
    log, wanted = context.need(d7.EventLog), expected["ST76"]
    for name in ("nbr_valid_entries", "last_entry_element", "last_entry_seq_nbr", "nbr_unread_entries"):
        assert getattr(log, name) == wanted[name]
    for entry, one in zip(log.entries, wanted["entries"], strict=True):
        assert entry.time == datetime.fromisoformat(one["event_time"])
        assert (entry.event_number, entry.sequence, entry.user_id) == (
            one["event_number"],
            one["event_seq_nbr"],
            one["user_id"],
        )
        assert (entry.code, entry.manufacturer) == (one["event_code"], one["mfg"])
        assert entry.argument.hex().upper() == one["argument"]


def test_worked_conversions() -> None:
    context = context_of("meter_A")
    assert scale_of(context, 0).value(Decimal("10234.5")) == Decimal("10234.5")
    assert scale_of(context, 0).measure.unit == "kWh"
    reactive = scale_of(context, 3)
    assert reactive.value(Decimal("512.25")) == 619500
    assert (reactive.measure.unit, reactive.multiplier, reactive.offset) == ("kvarh", Decimal(1200), Decimal(4800))


def test_source_index_walk() -> None:
    vector = VECTORS["source_index_walk"]
    context = Context().with_tables(d1.Sources(sources=tuple(source_flags(int(octet, 16)) for octet in vector["ST16"])))
    for flag, key, entries in (("uom_entry", "uom_index", 3), ("constants", "constants_index", 3)):
        found = {str(s): entry_index(context, s, flag, entries) for s in range(4)}
        assert {s: index for s, index in found.items() if index is not None} == vector[key]


def source_flags(octet: int) -> d1.SourceFlags:
    """Return one octet of ST16."""
    names = ("uom_entry", "demand_ctrl", "data_ctrl", "constants", "pulse_engr", "constant_to_be_applied")
    return d1.SourceFlags(**{name: bool(octet >> bit & 1) for bit, name in enumerate(names)})


def test_st64_cut_in_a_block_is_decoded_up_to_the_last_whole_one() -> None:
    context = context_of("meter_A")
    octets = context.decoded(64).octets[: TABLES["negative"][0]["hex_len"]]
    decoded = decode(64, octets, context)
    assert isinstance(decoded.table, ProfileData)
    assert len(decoded.table.blocks) == 2
    assert decoded.remarks == ("137 octets came, 138 expected: 2 whole blocks are decoded",)


def test_st00_without_its_fixed_part_is_refused() -> None:
    with pytest.raises(DataError, match=r"ST00 has 18 octets, at least 19"):
        decode(0, bytes.fromhex(TABLES["negative"][1]["hex"]), Context())


def test_st00_with_cut_maps_takes_what_is_missing_as_absent() -> None:
    decoded = decode(0, bytes.fromhex(TABLES["negative"][2]["hex"]), Context())
    st00 = Context().with_table(decoded).st00
    whole = context_of("meter_A").st00
    assert st00.std_tbls_used == whole.std_tbls_used
    assert st00.std_proc_used == whole.std_proc_used
    assert st00.mfg_proc_used == frozenset()
    assert st00.std_tbls_write == frozenset()
    assert len(decoded.remarks) == 1


@pytest.mark.parametrize("vector", VECTORS["procedures"], ids=lambda v: v["name"][:4])
def test_procedures(vector: dict[str, Any]) -> None:
    context = context_of("meter_B" if "meter B" in vector["name"] else "meter_A")
    wanted = vector["decoded"]
    number = 7 if "st07" in vector else 8
    octets = bytes.fromhex(vector["st07" if number == 7 else "st08"])
    decoded = decode(number, octets, context)
    table = decoded.table
    assert isinstance(table, d0.ProcedureInitiate | d0.ProcedureResponse)
    assert (table.procedure, table.sequence) == (wanted["proc"], wanted["seq"])
    assert table.manufacturer == wanted.get("mfg", False)
    assert table.selector == wanted.get("selector", 0)
    assert encode(table, context) == octets
    if isinstance(table, d0.ProcedureResponse):
        assert table.result == wanted["result"]


def test_limits_are_those_of_the_actual_tables() -> None:
    context = context_of("meter_A").with_tables(
        d1.SourcesDimensions(nbr_sources=20, nbr_uom_entries=20),
        d2.RegistersDimensions(nbr_summations=9, nbr_tiers=7),
        d6.ProfileDimensions(sets=(d6.ProfileSet(nbr_blks=9, nbr_blk_ints=9, nbr_chns=9, max_int_time=9),) * 4),
    )
    for number in (12, 23, 64):
        assert size(number, context) == len(context.decoded(number).octets)


def test_parameters_of_setting_the_clock() -> None:
    context, vector = context_of("meter_A"), VECTORS["procedures"][0]
    octets = bytes.fromhex(vector["st07"])[3:]
    wanted = SetDateTime(
        clock=datetime.fromisoformat(vector["decoded"]["clock"]), day_of_week=0, dst_flag=True, dst_applied=True
    )
    assert decode_record(SetDateTime, octets, context) == wanted
    assert encode_record(wanted, context) == octets


def test_parameters_of_updating_a_list() -> None:
    context, vector = context_of("meter_A"), VECTORS["procedures"][2]
    octets = bytes.fromhex(vector["st07"])[3:]
    wanted = UpdateLastRead(list_number=vector["decoded"]["list"], entries_read=vector["decoded"]["entries"])
    assert decode_record(UpdateLastRead, octets, context) == wanted
    assert encode_record(wanted, context) == octets
    with pytest.raises(DataError, match="UpdateLastRead has 2 octets, not 3"):
        decode_record(UpdateLastRead, octets[:2], context)
