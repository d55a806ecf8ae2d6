"""CMEP: the fact sheet's lines to the letter, exact numbers both ways, and no value out of a bad line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cmep import CmepError, Dialect, IntervalRecord, Rendered, TouRecord, parsed, rendered
from agent.reading import MeterPart, Reading, SitePart
from tests.agent.reading_kit import block, reading, register

MADE = datetime(2026, 11, 21, 15, 7, 31, tzinfo=UTC)
EXAMPLE = (
    "MEPMD01,19970819,MRSP-DEMO,ACCT004417,MDSP-DEMO,SA98765432,202611211507,E1A044321789,OK,E,KWH,1,00000015,4,"
    "202611210815,R,1.25,,R,1.31,,N,,,R,0.98,\r\n"
)
DIALECT = Dialect(sender_id="MRSP-DEMO", receiver_id="MDSP-DEMO", crc_field="empty")


def lines(said: Reading, dialect: Dialect = DIALECT) -> Rendered:
    return rendered(said, dialect, made_at=MADE)


def test_the_sheets_example() -> None:
    """Four quarters of an hour, the third not collected."""
    found = lines(reading(interval_blocks=(block(),)))
    assert found.text == EXAMPLE
    assert not found.left_out


def test_the_sheets_example_is_read() -> None:
    (record,) = parsed(EXAMPLE.encode(), DIALECT)
    assert isinstance(record, IntervalRecord)
    assert [point.at.isoformat()[11:16] for point in record.points] == ["08:15", "08:30", "08:45", "09:00"]
    assert [point.value for point in record.points] == [Decimal("1.25"), Decimal("1.31"), None, Decimal("0.98")]
    assert (record.head.meter_id, record.head.units) == ("E1A044321789", "KWH")
    assert record.constant == 1


def test_a_day_of_quarters_takes_two_records_of_48() -> None:
    values = tuple(str(k) for k in range(96))
    found = lines(reading(interval_blocks=(block(values=values, pulses=tuple(range(96)), status=((),) * 96),)))
    first, second = parsed(found.text.encode(), DIALECT)
    assert isinstance(first, IntervalRecord)
    assert isinstance(second, IntervalRecord)
    assert [len(first.points), len(second.points)] == [48, 48]
    assert second.points[0].at - first.points[-1].at == timedelta(minutes=15)
    assert [point.value for point in (*first.points, *second.points)] == list(range(96))


def test_a_dial_reading_keeps_the_dials_and_says_the_constant() -> None:
    (line,) = lines(reading(registers=(register(),)), Dialect()).lines
    assert line.endswith("E1A044321789,OK,E,KWHREG,40,,1,202611211506,R,12345\r\n")
    assert line.startswith("MEPMD01,19970819,gw-0001,")


def test_watt_hours_become_kilowatt_hours_exactly() -> None:
    odd = register(unit="Wh", quantity="Wh", raw="50900534", multiplier="1", value="50900534", direction="received")
    (record,) = parsed(lines(reading(registers=(odd,))).text.encode(), DIALECT)
    assert isinstance(record, IntervalRecord)
    assert record.head.units == "GKWHREG"
    assert record.constant * (record.points[0].value or 0) == Decimal("50900.534")


def test_an_offset_is_in_the_value_since_no_constant_can_say_it() -> None:
    (record,) = parsed(lines(reading(registers=(register(offset="7", value="493807"),))).text.encode(), DIALECT)
    assert isinstance(record, IntervalRecord)
    assert record.constant == 1
    assert record.points[0].value == 493807


def test_rates_go_by_the_labels_that_are_agreed() -> None:
    registers = (
        register(),
        register(tier=1, raw="1", value="40"),
        register(tier=2, raw="2", value="80"),
        register(kind="demand", unit="W", quantity="W", multiplier="1", raw="6588", value="6588"),
    )
    dialect = Dialect(tou_labels={"1": "ON-PEAK"})
    found = lines(reading(registers=registers), dialect)
    _dial, energy, demand = parsed(found.text.encode(), dialect)
    assert isinstance(energy, TouRecord)
    assert isinstance(demand, TouRecord)
    assert [one.label for one in energy.values] == ["ON-PEAK"]
    assert energy.values[0].value == 40
    assert (demand.head.units, demand.values[0].label, demand.values[0].value) == ("KW", "TOTAL", Decimal("6.588"))
    assert found.left_out == ("registers[2]: no label is agreed for rate B (`tou_labels`)",)


def test_each_self_read_has_a_record_of_its_own() -> None:
    ends = ("2026-11-19T06:00:00Z", "2026-11-20T06:00:00Z")
    peaks = tuple(
        register(kind="demand", unit="kW", period="self_read", self_read=k, period_end=end)
        for k, end in enumerate(ends)
    )
    records = parsed(lines(reading(registers=peaks)).text.encode(), DIALECT)
    assert [record.end for record in records if isinstance(record, TouRecord)] == [
        datetime(2026, 11, 19, 6, tzinfo=UTC),
        datetime(2026, 11, 20, 6, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"interval_blocks": (block(direction="net"),)}, "delivered or received only"),
        ({"interval_blocks": (block(unit="A"),)}, "no unit for A"),
        ({"interval_blocks": (block(first_interval_end="2026-11-21T08:15:30Z"),)}, "CMEP has no seconds"),
        ({"interval_blocks": (block(interval_s=90),)}, "counts minutes"),
        ({"interval_blocks": (block(values=("12345678901234.567",) * 4),)}, "longer than 16"),
        ({"interval_blocks": (block(),), "meter": MeterPart(meter_id="1234567890123")}, "longer than the 12"),
        ({"interval_blocks": (block(),), "meter": MeterPart()}, "no identification"),
        ({"interval_blocks": (block(),), "meter": MeterPart(meter_id="ZÄHLER")}, "ASCII"),
        ({"registers": (register(period="previous_reset"),)}, "not known"),
        ({"registers": (register(phase="A"),)}, "no phase A"),
        ({"registers": (register(kind="demand", unit="kW", extreme="minimum"),)}, "no minimum"),
        ({"registers": (register(kind="instantaneous", unit="V"),)}, "no instantaneous register"),
    ],
)
def test_what_cmep_cannot_say_is_left_out_and_named(said: dict[str, Any], why: str) -> None:
    found = lines(reading(**said))
    assert not found.lines
    assert len(found.left_out) == 1
    assert why in found.left_out[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (EXAMPLE.replace("MEPMD01", "MEPXX01"), "field 1 (record type)"),
        (EXAMPLE.replace("202611210815", "202611210860"), "field 15 (date/time)"),
        (EXAMPLE.replace("202611210815", ""), "nothing to count on from"),
        (EXAMPLE.replace(",4,", ",5,"), "it stops before its last triple"),
        (EXAMPLE.replace(",4,", ",3,"), "more than its count says"),
        (EXAMPLE.replace(",4,", ",49,"), "no number from 1 to 48"),
        (EXAMPLE.replace(",1.31,", ",1.3.1,"), "field 20 (value)"),
        (EXAMPLE.replace(",1.31,", ",,"), "its quality is not N"),
        (EXAMPLE.replace(",R,1.31", ",X,1.31"), "field 19 (quality)"),
        (EXAMPLE.replace("E1A", '"E1A'), "not closed"),
        (EXAMPLE.replace("E1A", "É"), "is not ASCII"),
        (EXAMPLE.replace("00000015", "01000000"), "months are of no fixed length"),
        (EXAMPLE[:-30] + "\r\n", "it stops before"),
        ("MEPMD01," + "x" * 3000, "characters"),
    ],
)
def test_a_bad_line_is_refused_by_line_and_field(line: str, why: str) -> None:
    with pytest.raises(CmepError) as caught:
        parsed(f"{EXAMPLE}{line}".encode(), DIALECT)
    assert caught.value.message.startswith("line 2")
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("text", "value"), [("HFF", 255), ("1.5E3", 1500), ("1.5D-1", Decimal("0.15")), ("-.5", Decimal("-0.5")), ("7.", 7)]
)
def test_numbers_in_all_their_forms(text: str, value: Decimal) -> None:
    (record,) = parsed(EXAMPLE.replace("1.31", text).encode(), DIALECT)
    assert isinstance(record, IntervalRecord)
    assert record.points[1].value == value


def test_a_feed_of_another_maker_is_read() -> None:
    """LF only, no last field, a mask of bits behind the flag, an empty meter id, stamps off the grid."""
    line = (
        "MEPMD01,20080501,S,,R,1004,202611211507,,OK,E,KWH,1.0,00000100,2,202611210002,R0,1.0,202611210102,R512,2.0\n"
    )
    (record,) = parsed(line.encode(), Dialect())
    assert isinstance(record, IntervalRecord)
    assert [point.quality for point in record.points] == ["R0", "R512"]


def test_quoted_fields_hold_commas() -> None:
    (line,) = lines(reading(interval_blocks=(block(),), site=SitePart(account_id="A, B"))).lines
    assert ',"A, B",' in line
    (record,) = parsed(line.encode(), DIALECT)
    assert record.head.receiver_customer_id == "A, B"


def test_a_partners_local_time() -> None:
    dialect = msgspec.structs.replace(DIALECT, zone="America/Los_Angeles", stamps="all")
    (line,) = lines(reading(interval_blocks=(block(),)), dialect).lines
    assert ",202611210015,R,1.25,202611210030," in line
    (record,) = parsed(line.encode(), dialect)
    assert isinstance(record, IntervalRecord)
    assert record.points[0].at == datetime(2026, 11, 21, 8, 15, tzinfo=UTC)
    with pytest.raises(CmepError, match="does not exist"):
        parsed(line.replace("202611210015", "202603080230").encode(), dialect)


def test_a_crc_is_written_and_verified_where_it_is_agreed() -> None:
    dialect = msgspec.structs.replace(DIALECT, crc_field="crc16")
    (line,) = lines(reading(interval_blocks=(block(),)), dialect).lines
    assert parsed(line.encode(), dialect)
    with pytest.raises(CmepError, match="CRC"):
        parsed(line.replace("1.25", "1.26").encode(), dialect)
    assert parsed(line.replace("1.25", "1.26").encode(), DIALECT)  # of a polynomial that nobody agreed on


values = st.one_of(st.none(), st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False))


@given(
    st.lists(values, min_size=1, max_size=120),
    st.sampled_from(["delivered", "received"]),
    st.sampled_from(["kWh", "Wh", "kvarh", "VAh"]),
    st.sampled_from(["none", "empty", "crc16"]),
    st.sampled_from(["first", "all"]),
    st.integers(1, 48),
)
def test_every_value_survives(
    numbers: list[Decimal | None], direction: str, unit: str, crc: Any, stamps: Any, most: int
) -> None:
    dialect = Dialect(crc_field=crc, stamps=stamps, most_triples=most)
    texts = tuple(None if one is None else f"{one:f}" for one in numbers)
    one = block(values=texts, pulses=(0,) * len(texts), unit=unit, direction=direction)
    found = lines(reading(interval_blocks=(one,)), dialect)
    if found.left_out:
        assert "longer than 16" in found.left_out[0]
        return
    points = [p for r in parsed(found.text.encode(), dialect) if isinstance(r, IntervalRecord) for p in r.points]
    scale = Decimal(1) if unit.startswith("k") else Decimal("0.001")
    assert [point.value for point in points] == [None if one is None else one * scale for one in numbers]
    assert [point.quality for point in points] == ["N" if one is None else "R" for one in numbers]
    start = datetime(2026, 11, 21, 8, 15, tzinfo=UTC)
    assert [point.at for point in points] == [start + k * timedelta(minutes=15) for k in range(len(numbers))]


@given(st.binary(max_size=300) | st.text(alphabet='MEPD012,"HRN.- \r\n', max_size=200).map(str.encode))
def test_noise_is_an_error_or_a_record(content: bytes) -> None:
    try:
        records = parsed(content, DIALECT)
    except CmepError:
        return
    assert len(records) <= content.count(b"MEPMD0")


@given(st.data())
def test_one_damaged_letter_never_shifts_the_times(data: st.DataObject) -> None:
    """A line with one letter changed is refused, or has as many intervals on the same grid."""
    place = data.draw(st.integers(0, len(EXAMPLE) - 3))
    letter = data.draw(st.sampled_from("0123456789,RN."))
    changed = EXAMPLE[:place] + letter + EXAMPLE[place + 1 :]
    try:
        (record,) = parsed(changed.encode(), DIALECT)
    except CmepError:
        return
    assert isinstance(record, IntervalRecord)
    assert len(record.points) == 4
