"""Meters written octet by octet from the layout of the standard, expected values worked out by hand.

Nothing here goes through our encoder, so a mistake that encoder and decoder share cannot hide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from drivers.c1219 import Context, decode
from drivers.c1219.clock import clock_of
from drivers.c1219.identity import identity_of
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.registers import registers_of
from drivers.c1219.times import MeterTimes
from drivers.data import Register, Source

#: Most significant octet first, BCD numbers and times and ids, three channels, descending blocks and intervals.
BIG_ENDIAN_BCD = {
    0: """03 39 66  48 41 4E 44  02 00 10 10 01 00  09 00 00 00 00 00
          23 98 E1 02 00 00 30 E0 01  00 00 00 00 00 00 00 00 00""",
    1: "48 41 4E 44  4D 45 54 45 52 31 20 20  01 02 03 04  00 00 00 00 98 76 54 32",
    5: "00 00 00 00 00 01 23 45 67 89",
    11: "00 03 00 00 00 02 02 04",
    12: """00 02 50 00
           00 02 54 00
           00 00 D0 01""",  # kWh Q1+Q4, kW block demand Q1+Q4, kvarh Q1+Q2: for sources 0, 1 and 3
    15: """00 00 00 40  00 00 00 00
           00 00 00 02  00 00 00 05""",  # × 40 for source 0, × 2 + 5 for source 3
    16: "29 01 00 29",
    21: "16 00 00 02 01 00 01 01 00 00",
    22: "00 03  01  01",
    23: """05
           00 01 23 45  00 00 06 78   26 07 04 15 30  00 00 09 99  00 00 00 42
           00 01 00 00  FF FF FF FF   00 00 00 00 00  00 00 01 00  00 00 00 00""",
    52: "26 07 10 12 00 00  6D",  # Friday, DST now, zone and DST applied
    53: "02 00 00  3C  FE D4",  # 02:00, 60 minutes, −300 minutes
    61: "00 00 00 00  04 50  02   00 03  00 02  03  1E",
    62: "01 00 00  00 03 FF  00 FF FF   02   00 01 00 01 00 00   00 0A 00 00 00 01",
    63: "15  00 03  00 02  00 00 00 64  00 00  00 01",
    64: """26 07 10 11 00   00 01 20 05 00 00 00 00 00 00 00 00
              10 00  00 65 00 0B 00 02    10 50  00 66 00 0C 00 03
           26 07 10 10 00   00 01 20 00 00 00 00 00 00 00 00 00
              10 00  00 64 00 0A 00 01    32 14  00 32 FF FF 00 00
           26 07 10 11 30   00 01 20 07 00 00 00 00 00 00 00 00
              10 00  00 67 00 0D 00 04    FF FF  FF FF FF FF FF FF""",
}

#: Least significant octet first, INT24 items, seconds since 1970, circular with wrap, CLOSURE field, simple status.
CIRCULAR_CLOSURE = {
    0: """02 1C 78  48 41 4E 44  02 00 10 10 01 00  09 00 00 00 00 00
          01 18 01 00 00 00 00 E0 01  00 00 00 00 00 00 00 00 00""",
    11: "00 01 00 00 00 00 02 01",
    12: "00 45 02 00",  # Wh of one interval, Q1+Q4
    16: "01",
    61: "5C 00 00 00  20 18  80   04 00  04 00  01  0F",
    62: "00 00 FF  80",
    63: "04  04 00  01 00  2A 00 00 00  00 00  02 00",
    64: """A8 EE 1C 6A  19 04 00 00  40 00  0B  0A 00 00 0B 00 00 0C 00 00 0D 00 00
           B0 F5 1C 6A  2D 04 00 00  20 00  01  14 00 00 FF FF 7F 63 00 00 63 00 00
           90 D9 1C 6A  E8 03 00 00  40 00  0F  01 00 00 02 00 00 03 00 00 04 00 00
           98 E0 1C 6A  EB 03 00 00  25 00  03  05 00 00 FE FF FF 63 00 00 63 00 00""",
}


def read(tables: dict[int, str]) -> tuple[Context, MeterTimes]:
    """Decode all tables in order."""
    context = Context()
    for number, octets in tables.items():
        context = context.with_table(decode(number, bytes.fromhex(octets), context))
        assert context.decoded(number).remarks == ()
    return context, MeterTimes.of(context)


def at(text: str) -> datetime:
    """Return an instant of July or June 2026."""
    return datetime.fromisoformat(f"2026-{text}:00").replace(tzinfo=UTC)


def test_big_endian_bcd_identity_and_clock() -> None:
    context, times = read(BIG_ENDIAN_BCD)
    identity = identity_of(context)
    assert (identity.meter_id, identity.serial_number) == ("123456789", "98765432")
    assert (identity.manufacturer, identity.model) == ("HAND", "METER1")
    assert (identity.hardware_version, identity.firmware_version, identity.device_class) == ("1.2", "3.4", "HAND")
    clock = clock_of(context, times)
    assert clock is not None
    assert clock.utc == at("07-10T16:00")


def test_big_endian_bcd_registers() -> None:
    context, times = read(BIG_ENDIAN_BCD)
    registers, problems = registers_of(context, times)

    def shown(register: Register) -> tuple[object, ...]:
        return register.kind, register.tier, register.unit, register.direction, register.raw, register.value

    assert [shown(register) for register in registers] == [
        ("cumulative", 0, "kWh", "delivered", "12345", Decimal(493800)),
        ("cumulative", 0, "kvarh", "delivered", "678", Decimal(1361)),
        ("cumulative_demand", 0, "kW", "delivered", "999", Decimal(999)),
        ("demand", 0, "kW", "delivered", "42", Decimal(42)),
        ("cumulative", 1, "kWh", "delivered", "10000", Decimal(400000)),
        ("cumulative_demand", 1, "kW", "delivered", "100", Decimal(100)),
        ("demand", 1, "kW", "delivered", "0", Decimal(0)),
    ]
    assert [register.multiplier for register in registers[:4]] == [40, 2, 1, 1]
    assert [register.offset for register in registers[:4]] == [None, 5, None, None]
    assert registers[3].occurred_at == at("07-04T19:30")
    assert registers[6].occurred_at is None
    assert registers[0].source == Source("ST23", 1, 4, bytes.fromhex("00012345"))
    assert registers[3].source == Source("ST23", 18, 4, bytes.fromhex("00000042"))
    assert registers[4].source == Source("ST23", 22, 4, bytes.fromhex("00010000"))
    (problem,) = problems
    assert problem.what == "ST23 data.tiers[0].summations[1]"
    assert problem.lost


def test_big_endian_bcd_profile() -> None:
    context, times = read(BIG_ENDIAN_BCD)
    assert elements(context, 1) == (1, 0, 2)
    blocks, problems = interval_blocks(context, times, 1, context.decoded(64).octets, now=at("07-10T16:00"))
    energy, reactive = ([block for block in blocks if block.channel == channel] for channel in (1, 2))
    assert len(blocks) == 6
    assert [block.counts for block in energy] == [(50, 100), (102, 101), (103,)]
    assert [block.values for block in energy] == [(20000, 40000), (40800, 40400), (41200,)]
    assert [block.first_interval_end for block in energy] == [at("07-10T13:30"), at("07-10T14:30"), at("07-10T15:30")]
    assert [block.status for block in energy] == [
        (("daylight_saving", "power_outage", "partial"), ("daylight_saving",)),
        (("daylight_saving",), ("daylight_saving",)),
        (("daylight_saving",),),
    ]
    assert [block.start_register for block in energy] == [None, 480000, 480200]
    assert [block.stop_register for block in energy] == [480000, 480200, 480280]
    assert [block.sequence for block in energy] == [98, 99, 100]
    assert {(block.unit, block.direction, block.multiplier, block.offset) for block in energy} == {
        ("kWh", "delivered", Decimal(400), None)
    }
    assert [block.counts for block in reactive] == [(65535, 10), (12, 11), (13,)]
    assert [block.values for block in reactive] == [(131075, 25), (29, 27), (31,)]
    assert [block.status[0][1:] for block in reactive] == [("power_outage", "overflow"), ("test_mode",), ()]
    assert {(block.unit, block.multiplier, block.offset, block.stop_register) for block in reactive} == {
        ("kvarh", Decimal(2), Decimal(5), None)
    }
    assert [block.source for block in reactive] == [
        Source("ST64", 33, 33),
        Source("ST64", 0, 33),
        Source("ST64", 66, 33),
    ]
    assert [problem.what for problem in problems] == ["profile channel 3"]


def test_circular_closure_profile() -> None:
    context, times = read(CIRCULAR_CLOSURE)
    assert elements(context, 1) == (2, 3, 0, 1)
    blocks, problems = interval_blocks(context, times, 1, context.decoded(64).octets, now=at("06-01T03:01"))
    assert problems == []
    assert [block.first_interval_end for block in blocks] == [
        at("06-01T00:15"),
        at("06-01T01:15"),
        at("06-01T01:45"),
        at("06-01T02:45"),
    ]
    assert [block.counts for block in blocks] == [(1, 2, 3, 4), (5, -2), (10, 11, None, 13), (20, None)]
    assert [block.values for block in blocks] == [(1, 2, 3, 4), (5, -2), (10, 11, None, 13), (20, None)]
    assert [block.status for block in blocks] == [
        ((),) * 4,
        ((), ()),
        ((), (), ("missing",), ()),
        ((), ("overflow",)),
    ]
    assert [block.start_register for block in blocks] == [None, 1000, 1003, 1049]
    assert [block.stop_register for block in blocks] == [1000, 1003, 1049, 1069]
    assert {(block.unit, block.interval_s, block.maximum_count) for block in blocks} == {("Wh", 900, 8388607)}


def test_single_blocks_read_by_offset_give_the_same_as_the_whole_table() -> None:
    for tables, size in ((BIG_ENDIAN_BCD, 33), (CIRCULAR_CLOSURE, 23)):
        context, times = read(tables)
        whole = context.decoded(64).octets
        pieces = {element: whole[element * size : (element + 1) * size] for element in elements(context, 1)}
        assert interval_blocks(context, times, 1, pieces) == interval_blocks(context, times, 1, whole)
        newest = elements(context, 1)[-1]
        alone, _problems = interval_blocks(context, times, 1, {newest: pieces[newest]})
        assert alone[0].counts == interval_blocks(context, times, 1, whole)[0][-len(alone)].counts
