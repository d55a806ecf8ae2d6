"""The tables: sizes by the standard's formulas, and octets at places worked out by hand."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from drivers.c1219 import codec
from drivers.c1219.context import Context
from metersim.meter import Meter, load_scenario, scenario_names, truth_of
from metersim.meter.model import microseconds
from metersim.meter.tables.image import Image
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
NI_WIDTH = (8, 4, 12, 6, 4, 6, 4, 3, 4, 5, 6, 8, 8, 21)
STIME, LTIME = (0, 5, 5, 4, 4), (0, 6, 6, 5, 4)


def imaged(name: str, now: datetime = NOW) -> tuple[Meter, dict[int, bytes]]:
    meter = Meter(young(name, now), 1, microseconds(now))
    image = Image(meter)
    return meter, {number: image.octets(number, meter.start_us) or b"" for number in image.tables}


@pytest.mark.parametrize("name", scenario_names())
def test_sizes_follow_from_the_limiting_tables(name: str) -> None:
    """All by the formulas of the standard, worked out here from raw octets."""
    _, tables = imaged(name)
    st00 = tables[0]
    tm_format, ni1, ni2 = st00[1] & 7, NI_WIDTH[st00[2] & 15], NI_WIDTH[st00[2] >> 4]
    bcd = bool(st00[1] & 0x20)
    assert len(st00) == 19 + 2 * st00[13] + 2 * st00[14] + st00[15] + st00[16]
    assert len(tables[1]) == (24 if bcd else 32)
    assert len(tables[3]) == 4 + st00[17]
    assert len(tables[5]) == (10 if bcd else 20)
    st11 = tables[11]
    assert len(tables[12]) == 4 * st11[1]
    assert len(tables[13]) == 2 * st11[2]
    assert len(tables[14]) == st11[3] * st11[4]
    assert len(tables[15]) == st11[5] * (2 * ni1 + (1 + 2 * ni1) * (st11[0] >> 5 & 1))
    assert len(tables[16]) == st11[7]
    st21 = tables[21]
    season, times, counter, cum, cont, remaining = (st21[0] >> bit & 1 for bit in (0, 1, 2, 4, 5, 6))
    summations, demands, coincidents, occurrences, tiers = st21[3:8]
    assert len(tables[22]) == summations + demands + (demands + 7) // 8 + 2 * coincidents
    record = times * occurrences * STIME[tm_format] + (cum + cont) * ni1 + occurrences * ni2
    block = summations * ni1 + demands * record + coincidents * occurrences * ni2
    data = counter + (1 + tiers) * block
    info = times * STIME[tm_format] + season
    assert len(tables[23]) == data
    for number in (24, 25):
        assert len(tables.get(number, bytes(info + data))) == info + data
    if 26 in tables:
        assert len(tables[26]) == 6 + st21[2] * ((st21[1] >> 1 & 1) * 2 + info + data)
    if 28 in tables:
        time = (0, 3, 3, 4, 4)[tm_format]
        assert len(tables[28]) == st21[8] * (remaining * time + ni2) + st21[9] * ni1
    if 52 in tables:
        assert len(tables[52]) == LTIME[tm_format] + 1
        assert len(tables[55]) == LTIME[tm_format] + 3


@pytest.mark.parametrize("name", [name for name in scenario_names() if load_scenario(name).profile])
def test_profile_sizes_follow_from_st61_and_st62(name: str) -> None:
    _, tables = imaged(name)
    st00, st61, st62 = tables[0], tables[61], tables[62]
    order = "big" if st00[0] & 1 else "little"
    tm_format, widths = st00[1] & 7, {64: NI_WIDTH[st00[2] & 15], 128: NI_WIDTH[st00[2] >> 4]}
    widths |= {1: 1, 2: 2, 4: 4, 8: 1, 16: 2, 32: 4}
    flags = int.from_bytes(st61[4:6], order)  # type: ignore[arg-type]
    read, pulse, extended, simple, closure = (flags >> bit & 1 for bit in (4, 5, 10, 11, 12))
    total, at61, at62 = 0, 7, 0
    sets = [number for number in (1, 2, 3, 4) if 63 + number in tables]
    assert len(st61) == 7 + 6 * len(sets)
    assert len(tables[63]) == 13 * len(sets)
    for number in sets:
        blocks, ints = (int.from_bytes(st61[at : at + 2], order) for at in (at61, at61 + 2))  # type: ignore[arg-type]
        n = st61[at61 + 4]
        scaled = flags >> 5 + number & 1
        width = widths[st62[at62 + 3 * n]]
        size = STIME[tm_format] + n * (read * widths[64] + pulse * 4) + closure * 2 * n
        size += simple * ((ints + 7) // 8) + ints * (extended * (n // 2 + 1) + n * width)
        assert len(tables[63 + number]) == blocks * size
        total += blocks * size
        at61 += 6
        at62 += 3 * n + 1 + 4 * n * scaled
    assert at62 == len(st62)
    assert int.from_bytes(st61[:4], order) == total  # type: ignore[arg-type]


@pytest.mark.parametrize("name", scenario_names())
def test_every_table_has_the_size_that_a_reader_expects(name: str) -> None:
    _, tables = imaged(name)
    context = Context()
    for number in sorted(tables.keys() - {7, 8}):
        decoded = codec.decode(number, tables[number], context)
        assert decoded.remarks == ()
        context = context.with_table(decoded)
        assert codec.size(number, context) == len(tables[number])


def test_octets_of_the_residential_meter_by_hand() -> None:
    meter, tables = imaged("residential-tou")
    assert tables[1][:4] == b"SIM "
    assert tables[5] == b"87654321".ljust(20)
    # ST52 shows local standard time, 15:07:33 − 5 h + 1.4 s: Saturday, no DST now, zone and DST applied
    assert tables[52] == bytes([26, 11, 21, 10, 7, 34, 0x66])
    # ST23: reset counter, then the total energy delivered as INT48, least significant octet first
    energy = next(r for r in truth_of(meter, meter.start_us).registers if r.source == "energy delivered")
    assert tables[23][0] == 2  # on 1 October and 1 November
    assert tables[23][1:7] == int(energy.raw).to_bytes(6, "little")
    assert tables[53] == bytes([2, 0, 0, 60]) + (-300).to_bytes(2, "little", signed=True)


def test_octets_of_the_big_endian_meter_by_hand() -> None:
    meter, tables = imaged("big-endian-float-bcd")
    assert tables[5] == bytes.fromhex("0000" + "0000004711008150")
    assert tables[52] == bytes.fromhex("26 11 21 08 07 45") + bytes([0x26])  # BCD, −7 h, +12 s, zone applied
    truth = truth_of(meter, meter.start_us)
    energy, reactive = (r for r in truth.registers if r.table == "ST23" and r.kind == "cumulative" and r.tier == 0)
    (raw,) = struct.unpack(">d", tables[23][1:9])
    assert f"{raw}" == f"{energy.raw}"
    (raw,) = struct.unpack(">d", tables[23][9:17])
    assert (raw * 0.5 + 2) * 40 * 60 == float(reactive.value)  # MULTIPLIER, OFFSET, CT, VT of ST15
    demand = next(r for r in truth.registers if r.table == "ST23" and r.kind == "demand" and r.tier == 0)
    at = 17 + 2 * 5 + 8
    assert tables[23][at : at + 6] == bytes.fromhex(f"{int(demand.raw):012d}")


def test_newest_block_of_the_long_profile_by_hand() -> None:
    meter, tables = imaged("profile-35d")
    block = truth_of(meter, meter.start_us).blocks[-2]
    st63 = tables[63]
    newest, valid = int.from_bytes(st63[3:5], "little"), int.from_bytes(st63[11:13], "little")
    assert st63[0] == 0x24  # circular, collecting
    assert valid == len(block.ends) == 40  # 05:00 UTC (standard midnight) to 15:00
    octets = tables[64][newest * 413 : (newest + 1) * 413]
    assert octets[:5] == bytes([26, 11, 21, 15, 0])
    assert octets[5:11] == int(block.stop_register or 0).to_bytes(6, "little")
    assert octets[17:29] == ((1 << 40) - 1).to_bytes(12, "little")
    assert [int.from_bytes(octets[29 + 4 * k : 31 + 4 * k], "little") for k in range(40)] == list(block.counts)
    assert not any(octets[29 + 160 :])


def test_a_meter_without_a_clock_has_no_tables_of_time() -> None:
    _, tables = imaged("minimal")
    assert not tables.keys() & set(range(50, 80))
    assert len(tables[23]) == 4
