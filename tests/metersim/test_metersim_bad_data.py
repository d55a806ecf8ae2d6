"""Tables that lie: what is asked for is spoilt, nothing else, and a scenario without it is refused."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime

import pytest
from msgspec import structs

from drivers.errors import UsageError
from metersim.meter import Meter, load_scenario, parse_faults
from metersim.meter.application import Application
from metersim.meter.bad_data import BadData
from metersim.meter.model import microseconds
from metersim.meter.tables.image import Image

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
BCD, BINARY, EPOCH = "big-endian-float-bcd", "residential-tou", "descending-fifo-2008"


def shown(scenario: str, *faults: str) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """All tables as they are, and as a client is shown them."""
    chosen = structs.replace(load_scenario(scenario), installed=date(2026, 9, 1))
    meter = Meter(chosen, 1, microseconds(NOW))
    image = Image(meter)
    application = Application(meter, image, parse_faults(faults), lambda: meter.start_us, lambda: 0.0)
    right = {number: image.octets(number, meter.start_us) or b"" for number in image.tables - {7, 8}}
    return right, {number: application._spoiler.spoil(number, octets) for number, octets in right.items()}


def changed(right: dict[int, bytes], told: dict[int, bytes]) -> dict[int, dict[int, int]]:
    """Table → offset → octet that is another one now."""
    differing = {
        number: {at: new for at, (old, new) in enumerate(zip(right[number], told[number], strict=True)) if old != new}
        for number in right
    }
    return {number: octets for number, octets in differing.items() if octets}


def test_without_faults_nothing_is_spoilt() -> None:
    assert parse_faults([]).bad_data == BadData()
    right, told = shown(BINARY)
    assert right == told


def test_a_table_of_no_octets() -> None:
    right, told = shown(BINARY, "zero_length=ST12", "zero-length=ST76")
    assert (told[12], told[76]) == (b"", b"")
    assert {number: octets for number, octets in told.items() if number not in (12, 76)} == {
        number: octets for number, octets in right.items() if number not in (12, 76)
    }


@pytest.mark.parametrize(("table", "flags"), [(11, 1), (21, 2), (61, 7), (71, 1)])
def test_dimensions_of_255(table: int, flags: int) -> None:
    right, told = shown(BINARY, f"dims_255=ST{table}")
    assert told[table] == right[table][:flags] + b"\xff" * (len(right[table]) - flags)
    assert set(changed(right, told)) == {table}


def test_floats_that_are_no_numbers() -> None:
    right, told = shown(BCD, "nan_float")
    assert math.isnan(struct.unpack(">d", told[23][1:9])[0])
    assert told[23][9:] == right[23][9:]
    assert struct.unpack(">d", shown(BCD, "nan_float=inf")[1][23][1:9]) == (math.inf,)
    right, told = shown(BCD, "nan_float=constants")
    assert math.isnan(struct.unpack(">d", told[15][:8])[0])
    assert set(changed(right, told)) == {15}


def test_digits_that_are_none() -> None:
    right, told = shown(BCD, "bcd_hex")
    assert set(changed(right, told)) == {23}
    assert changed(right, told)[23] == {40: 0x3A}  # after counter, 2 totals, 2 times, cumulative demand
    assert told[5] == right[5]
    assert shown(BCD, "bcd_hex=id")[1][5][-1] == 0x3A
    clock = shown(BCD, "bcd_hex=time")[1]
    assert clock[52][4] == clock[55][4] == 0x3A


@pytest.mark.parametrize("scenario", [BINARY, BCD])
def test_the_31st_of_february(scenario: str) -> None:
    day = b"\x02\x31" if scenario == BCD else b"\x02\x1f"
    right, told = shown(scenario, "feb_31=clock")
    assert told[52][1:3] == told[55][1:3] == day
    assert set(changed(right, told)) == {52, 55}
    right, told = shown(scenario, "feb_31=event")
    assert set(changed(right, told)) == {76}
    right, told = shown(scenario, "feb_31")
    order = "big" if scenario == BCD else "little"
    newest = int.from_bytes(right[63][3:5], order)  # type: ignore[arg-type]
    size = len(right[64]) // int.from_bytes(right[61][7:9], order)  # type: ignore[arg-type]
    assert told[64][newest * size + 1 : newest * size + 3] == day
    assert set(changed(right, told)) == {64}


@pytest.mark.parametrize(
    ("scenario", "clock_1970", "clock_2099"),
    [
        (BINARY, bytes([70, 1, 1, 0, 7, 12]), bytes([99, 12, 31, 23, 59, 12])),
        (BCD, bytes.fromhex("700101000712"), bytes.fromhex("991231235912")),
        (EPOCH, bytes([0, 0, 0, 7, 12]), (68_374_079).to_bytes(4, "big") + b"\x0c"),  # minutes since 1970, seconds
    ],
)
def test_clocks_of_another_age(scenario: str, clock_1970: bytes, clock_2099: bytes) -> None:
    for year, octets in ((1970, clock_1970), (2099, clock_2099)):
        right, told = shown(scenario, f"clock_{year}")
        assert told[52][: len(octets)] == octets
        assert told[52][len(octets) :] == right[52][len(octets) :]
        assert set(changed(right, told)) == {52, 55}


def test_blocks_out_of_order() -> None:
    right, told = shown(BINARY, "intervals_shuffled")
    size = len(right[64]) // 20
    blocks = [told[64][at : at + size] for at in range(0, len(told[64]), size)]
    assert sorted(blocks) == sorted(right[64][at : at + size] for at in range(0, len(right[64]), size))
    assert told[64] != right[64]
    assert told == shown(BINARY, "intervals_shuffled")[1]


def test_any_octets_anywhere() -> None:
    right, told = shown(BINARY, "patch=ST52:1:02", "patch=ST23:0:ABCDEF", "patch=ST01:31:0102")
    assert told[52] == right[52][:1] + b"\x02" + right[52][2:]
    assert told[23][:4] == b"\xab\xcd\xef" + right[23][3:4]
    assert told[1] == right[1][:31] + b"\x01"  # a table keeps its length


@pytest.mark.parametrize(
    ("scenario", "fault", "message"),
    [
        (BINARY, "nan_float", "ST23 is to be spoilt, and there is nothing of the kind in it"),
        (BINARY, "bcd_hex", "ST23"),
        (BINARY, "bcd_hex=id", "ST05"),
        (EPOCH, "feb_31=clock", "ST52"),
        ("minimal", "feb_31", "ST64 is to be spoilt, and this meter has none"),
        ("minimal", "clock_1970", "ST52"),
        ("minimal", "zero_length=ST64", "ST64"),
        (BINARY, "dims_255=ST05", "ST05"),
    ],
)
def test_what_cannot_be_spoilt_is_refused(scenario: str, fault: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shown(scenario, fault)


@pytest.mark.parametrize(
    "text",
    [
        "nan_float=minus",
        "patch=ST52:1",
        "patch=ST52:1:0",
        "patch=ST52:-1:00",
        "dims_255=ST9999",
        "one_bad_table=ST23:00",
        "one_bad_table=ST23:1FF",
        "burst=0.1:0",
        "burst=2",
        "lying_size=ST23:x",
        "7e1=7",
        "zero_length",
    ],
)
def test_wrong_values_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=text.partition("=")[0]):
        parse_faults([text])


def test_dashes_are_as_good_as_underscores() -> None:
    assert parse_faults(["clock-1970", "Small-Packets=128"]) == parse_faults(["clock_1970", "small_packets=128"])
