"""Every table of the standard that a reader meets: named, declared once, decoded and encoded by that declaration."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import Block, Context, ProfileData, decode, encode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade3 as d3
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219 import decade9 as d9
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.readable import rows_of
from drivers.c1219.tables import TABLES
from drivers.errors import DataError
from tests.c1219.drawer import LIMITS, Drawer, draw_context

TITLES = """
0 GEN_CONFIG_TBL 1 GENERAL_MFG_ID_TBL 2 DEVICE_NAMEPLATE_TBL 3 ED_MODE_STATUS_TBL 4 PENDING_STATUS_TBL
5 DEVICE_IDENT_TBL 6 UTIL_INFO_TBL 7 PROC_INITIATE_TBL 8 PROC_RESPONSE_TBL
10 DIM_SOURCES_LIM_TBL 11 ACT_SOURCES_LIM_TBL 12 UOM_ENTRY_TBL 13 DEMAND_CONTROL_TBL 14 DATA_CONTROL_TBL
15 CONSTANTS_TBL 16 SOURCES_TBL 17 TRANSFORMER_LOSS_COMPENSATION_TBL
20 DIM_REGS_TBL 21 ACT_REGS_TBL 22 DATA_SELECTION_TBL 23 CURRENT_REG_DATA_TBL 24 PREVIOUS_SEASON_DATA_TBL
25 PREVIOUS_DEMAND_RESET_DATA_TBL 26 SELF_READ_DATA_TBL 27 PRESENT_REGISTER_SELECT_TBL 28 PRESENT_REGISTER_DATA_TBL
30 DIM_DISP_TBL 31 ACT_DISP_TBL 32 DISP_SOURCE_TBL 33 PRI_DISP_LIST_TBL 34 SEC_DISP_LIST_TBL
40 DIM_SECURITY_LIMITING_TBL 41 ACT_SECURITY_LIMITING_TBL
50 DIM_TIME_TOU_TBL 51 ACT_TIME_TOU_TBL 52 CLOCK_TBL 53 TIME_OFFSET_TBL 54 CALENDAR_TBL 55 CLOCK_STATE_TBL
56 TIME_REMAIN_TBL 57 PRECISION_CLOCK_STATE_TBL
60 DIM_LP_TBL 61 ACT_LP_TBL 62 LP_CTRL_TBL 63 LP_STATUS_TBL
70 DIM_LOG_TBL 71 ACT_LOG_TBL 72 EVENTS_ID_TBL 73 HISTORY_LOG_CTRL_TBL 74 HISTORY_LOG_DATA_TBL
75 EVENT_LOG_CTRL_TBL 76 EVENT_LOG_DATA_TBL 77 EVENT_LOG_SIGNATURES_TBL 78 END_DEVICE_PROGRAM_STATE_TBL
79 EVENT_COUNTERS_TBL
80 DIM_UDT_FUNC_LIM_TBL 81 ACT_UDT_FUNC_LIM_TBL 82 UDT_LIST_TBL 83 UDT_SEL_TBL 84 UDT_0_TBL 85 UDT_1_TBL
86 UDT_2_TBL 87 UDT_3_TBL 88 UDT_4_TBL 89 UDT_5_TBL
90 DIM_TELEPHONE_TBL 91 ACT_TELEPHONE_TBL 92 GLOBAL_PARAMETERS_TBL 93 ORIGINATE_PARAMETERS_TBL
94 ORIGINATE_SCHEDULE_TBL 95 ANSWER_PARAMETERS_TBL 96 CALL_PURPOSE_TBL 97 CALL_STATUS_TBL 98 ORIGINATE_STATUS_TBL
"""
_WORDS = TITLES.split()
WANTED = dict(zip(map(int, _WORDS[::2]), _WORDS[1::2], strict=True))
#: Tables that only the meter's maker, or nobody in the open, can read.
OPAQUE = {17, *range(77, 90), 96, 98}
#: More of the map of ST00 than ends at ST63, so that ST64–ST67 are in use.
USED = frozenset(range(99))


def general(**said: object) -> Context:
    """Return a context with ST00 alone."""
    return Context().with_table(d0.GeneralConfiguration(dim_std_tbls_used=13, std_tbls_used=USED, **said))  # type: ignore[arg-type]


def test_the_list_of_tables_is_complete_and_each_has_its_name() -> None:
    assert {number: TABLES[number].title for number in TABLES} == WANTED
    assert len(TABLES) == len(WANTED)
    assert {number for number in TABLES if issubclass(TABLES[number], OpaqueTable)} == OPAQUE


@pytest.mark.parametrize("number", [9, 18, 19, 29, 35, 42, 43, 44, 45, 58, 64, 68, 99, 120, 2048, -1])
def test_what_has_no_declaration_is_not_in_the_list(number: int) -> None:
    assert number not in TABLES
    with pytest.raises(KeyError):
        TABLES[number]


@pytest.mark.parametrize("number", sorted(WANTED), ids=lambda number: f"ST{number:02}")
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_octets_that_an_encoder_wrote_come_back_octet_by_octet(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    table = context.decoded(number).table if number in LIMITS else Drawer(chance, context).table(TABLES[number])
    octets = encode(table, context)
    decoded = decode(number, octets, context)
    assert decoded.table == table
    assert encode(decoded.table, context) == octets
    usual = size(number, context)
    if usual is not None and not TABLES[number].layout.choices():
        assert usual == len(octets)


@pytest.mark.parametrize("number", [64, 65, 66, 67])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_profile_tables_go_through_the_same_doors(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    channels, slots, count = chance.randint(1, 4), chance.randint(1, 9), chance.randint(1, 3)
    one = d6.ProfileSet(nbr_blks=count, nbr_blk_ints=slots, nbr_chns=channels, max_int_time=15)
    flags = {name: chance.random() < 0.5 for name in ("blk_end_read", "blk_end_pulse")}
    status = {name: chance.random() < 0.5 for name in ("extended_int_status", "simple_int_status")}
    control = d6.ProfileSetControl(channels=(d6.ProfileChannel(lp_source_select=0),) * channels, int_fmt_cde=2)
    context = general(tm_format=chance.choice((1, 2, 4)), data_order=chance.randint(0, 1)).with_tables(
        d6.ProfileLimits(sets=(one,) * 4, **flags, **status), d6.ProfileControl(sets=(control,) * 4)
    )
    blocks = tuple(
        Block(
            end_time=datetime(2026, 3, 1) + timedelta(hours=chance.randrange(5000)),  # noqa: DTZ001 - a meter's wall time
            counts=tuple(tuple(chance.randrange(65536) for _ in range(slots)) for _ in range(channels)),
            end_reads=tuple(chance.randrange(-(2**31), 2**31) for _ in range(channels))
            if flags["blk_end_read"]
            else None,
            end_pulses=tuple(chance.randrange(2**32) for _ in range(channels)) if flags["blk_end_pulse"] else None,
            simple=tuple(chance.random() < 0.5 for _ in range(slots)) if status["simple_int_status"] else None,
            common=bytes(chance.choices(range(16), k=slots)) if status["extended_int_status"] else None,
            nibbles=tuple(bytes(chance.choices(range(16), k=slots)) for _ in range(channels))
            if status["extended_int_status"]
            else None,
        )
        for _ in range(count)
    )
    table = ProfileData(data_set=number - 63, blocks=blocks)
    octets = encode(table, context)
    assert size(number, context) == len(octets)
    decoded = decode(number, octets, context)
    assert decoded.table == table
    assert encode(decoded.table, context) == octets


@pytest.mark.parametrize("number", sorted({*WANTED, 64, 65, 66, 67} - {0}), ids=lambda number: f"ST{number:02}")
def test_no_octets_at_all_are_a_named_error_or_an_empty_table(number: int) -> None:
    context = _ones()
    if number in OPAQUE | {95}:
        assert decode(number, b"", context).table == TABLES[number]()
        return
    with pytest.raises(DataError, match=rf"^ST{number:02} has 0 octets") as caught:
        decode(number, b"", context)
    assert caught.value.advice


def _ones() -> Context:
    """Return a context in which every list of every table has one element."""
    one = d6.ProfileSet(nbr_blks=1, nbr_blk_ints=1, nbr_chns=1, max_int_time=15)
    control = d6.ProfileSetControl(channels=(d6.ProfileChannel(lp_source_select=0),), int_fmt_cde=2)
    return general(nbr_pending=1).with_tables(
        d1.SourcesLimits(
            nbr_uom_entries=1,
            nbr_demand_ctrl_entries=1,
            data_ctrl_length=1,
            nbr_data_ctrl_entries=1,
            nbr_constants_entries=1,
            nbr_sources=1,
        ),
        d2.RegistersLimits(
            nbr_summations=1, nbr_self_reads=1, nbr_demands=1, nbr_present_demands=1, nbr_present_values=1
        ),
        d3.DisplayLimits(
            nbr_disp_sources=1,
            width_disp_sources=2,
            nbr_pri_disp_lists=1,
            nbr_pri_disp_list_items=1,
            nbr_sec_disp_lists=1,
        ),
        d5.TimeLimits(nbr_seasons=1),
        d6.ProfileLimits(sets=(one,) * 4),
        d6.ProfileControl(sets=(control,) * 4),
        d7.LogLimits(nbr_std_events=1, nbr_history_entries=1, nbr_event_entries=1),
        d9.TelephoneLimits(nbr_originate_numbers=1, phone_number_length=8),
    )


@pytest.mark.parametrize("number", sorted({*WANTED, 64, 65, 66, 67} - OPAQUE - {0, 7, 8, 92, 93, 94, 95}))
@pytest.mark.parametrize("change", [-1, 1])
def test_a_size_that_lies_by_one_octet_is_refused_by_name(number: int, change: int) -> None:
    context = _ones()
    usual = size(number, context)
    assert usual is not None
    if number == 57 and change == -1:
        usual -= 1  # without the octet of the fraction: the next variant
    if number in {52, 55, 71, 70, 76} and change == 1:
        usual += {52: 1, 55: 1, 70: 3, 71: 3, 76: 1}[number]
    if number == 53 and change == 1:
        usual += 5
    with pytest.raises(DataError, match=rf"^ST{number:02} has {usual + change} octets where"):
        decode(number, bytes(usual + change), context)


# ---- single tables, octet by octet


PENDING_MAPS = b"\x10\0" + bytes(11) + b"\x02"  # ST04 can be pending; MT1 can


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize(("tm_format", "width"), [(2, 5), (4, 5), (4, 4)])
def test_st04_in_every_size_that_meters_send(tm_format: int, width: int, *, maps: bool) -> None:
    context = general(tm_format=tm_format, nbr_pending=2, dim_mfg_tbls_used=1)
    time = bytes.fromhex("1A060C0C00") if tm_format == 2 else (1_781_265_600).to_bytes(4, "little")
    entry = b"\x30" + bytes(range(1, 1 + width)) + b"\x04\x10"
    octets = PENDING_MAPS * maps + time + b"\x01" + entry + bytes(len(entry))
    decoded = decode(4, octets, context)
    table = decoded.table
    assert isinstance(table, d0.PendingStatus)
    assert encode(table, context) == octets
    assert table.last_activation_date_time == datetime(2026, 6, 12, 12)  # noqa: DTZ001 - a meter's wall time
    assert table.nbr_pending_activation == 1
    first = table.entries[0]
    assert (first.event_code, first.self_read, first.demand_reset) == (0, True, True)
    assert first.storage + (first.spare or b"") == bytes(range(1, 1 + width))
    assert (first.table, first.manufacturer, first.pending) == (4, False, True)  # ST04 itself: shown, not followed
    assert (table.maps is not None) == maps
    if table.maps is not None:
        assert table.maps.standard_pending == {4}
        assert table.maps.manufact_pending == {1}


@pytest.mark.parametrize(
    ("octets", "fraction"),
    [("1A060C0C1E0F 55 6D0020", 0x55), ("1A060C0C1E0F 6D0020", None)],
    ids=["with a fraction", "without"],
)
def test_st57_with_and_without_the_fraction_of_the_second(octets: str, fraction: int | None) -> None:
    context = general(std_version_no=2)
    table = decode(57, bytes.fromhex(octets), context).table
    assert isinstance(table, d5.PrecisionClock)
    assert table.clock_calendar == datetime(2026, 6, 12, 12, 30, 15)  # noqa: DTZ001 - a meter's wall time
    assert table.fraction == fraction
    assert (table.day_of_week, table.dst_flag, table.tm_zn_applied, table.dst_applied) == (5, True, True, True)
    assert table.season == 2
    assert encode(table, context) == bytes.fromhex(octets)


def test_st41_says_how_many_secrets_there_are_and_none_of_them() -> None:
    table = decode(41, bytes.fromhex("02 14 01 08 0300"), general()).table
    assert encode(table, general()) == bytes.fromhex("02 14 01 08 0300")
    assert [getattr(table, name) for name in ("nbr_passwords", "password_len", "nbr_keys", "key_len")] == [2, 20, 1, 8]


def test_the_display_lists_of_st33() -> None:
    context = general().with_table(decode(31, bytes.fromhex("07 0300 02 0200 01 0000 00"), general()))
    table = decode(33, bytes.fromhex("53 12 02  0100 0200"), context).table
    assert isinstance(table, d3.PrimaryDisplayLists)
    assert table.lists == (d3.DisplayList(on_time=3, off_time=5, hold_time=2, default_list=1, nbr_list_items=2),)
    assert table.sources == (1, 2)
    assert decode(32, bytes(6), context).octets == bytes(6)


def test_the_telephone_tables_as_far_as_they_are_known() -> None:
    limits = bytes.fromhex("81 10 00 00 01 02 04") + bytes(7)
    context = general().with_table(decode(91, limits, general()))
    numbers = decode(93, (2400).to_bytes(4, "little") + b"\x05" + b"9" + b"5550" + b"1   ", context).table
    assert isinstance(numbers, d9.OriginateParameters)
    assert (numbers.bit_rate, numbers.dial_delay, numbers.prefix) == (2400, 5, "9")
    assert numbers.phone_numbers == ("5550", "1")
    extended = decode(97, bytes(6), context).table
    assert isinstance(extended, d9.CallStatus)
    assert (extended.call_status, extended.extended) == (None, bytes(6))
    plain = general().with_table(decode(91, b"\x01" + limits[1:], general()))
    with pytest.raises(DataError, match="ST97 has 3 octets"):
        decode(97, bytes(3), plain)
    states = decode(97, b"\x07\x05", plain).table
    assert isinstance(states, d9.CallStatus)
    assert states.call_status == (7, 5)


@pytest.mark.parametrize(
    ("tm_format", "octets", "remark"),
    [
        (2, "1A021F0C0000 00", "clock_calendar is no time: 26-02-31 12:00:00"),
        (1, "26020A0C0000 00", "BCD octet 0A"),
        (1, "26023F120000 00", "BCD octet 3F"),
    ],
)
def test_an_impossible_date_is_no_time_and_a_remark(tm_format: int, octets: str, remark: str) -> None:
    decoded = decode(52, bytes.fromhex(octets), general(tm_format=tm_format))
    assert isinstance(decoded.table, d5.Clock)
    assert decoded.table.clock_calendar is None
    assert remark in decoded.remarks[0]


def test_a_list_of_items_without_octets_costs_nothing_for_each() -> None:
    context = general().with_table(decode(31, bytes.fromhex("00 FFFF 00 0000 00 0000 00"), general()))
    decoded = decode(32, b"", context)
    assert len(decoded.table.display_sources) == 65_535  # type: ignore[attr-defined]
    assert len(decoded.spans) == 1
    assert encode(decoded.table, context) == b""
    assert [row.text for row in rows_of(decoded, context)] == ["65535 × (empty)"]


@pytest.mark.parametrize("number", sorted(WANTED))
def test_dimensions_of_255_everywhere_are_compared_before_they_are_believed(number: int) -> None:
    context = Context().with_table(
        decode(
            0, bytes.fromhex("020A88") + b"ACME" + bytes([2, 0, 255, 255, 2, 0] + [255] * 6) + bytes(1530), Context()
        )
    )
    for limit in (11, 21, 31, 51, 71, 91):
        length = size(limit, context)
        assert length is not None
        context = context.with_table(decode(limit, b"\xff" * length, context))
    if number in OPAQUE or number in context or number in {0, 7, 8, 92, 93, 94, 95, 97}:
        return
    context = context.with_table(decode(61, b"\xff" * 31, context))
    with pytest.raises(DataError, match=rf"ST{number:02} "):
        decode(number, b"\xff" * 3, context)
