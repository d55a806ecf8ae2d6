"""IEC 61968-9: valid by the schema, exact, and each number typed as public head-ends type it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from agent.cim import NAMESPACE, SCHEMA_FILE, block_type, register_type, rendered
from agent.reading import MeterPart, Reading, SitePart
from tests.agent.reading_kit import block, reading, register

SCHEMA = xmlschema.XMLSchema(str(SCHEMA_FILE))
N = f"{{{NAMESPACE}}}"


def valid(said: Reading) -> ElementTree.Element:
    """Return the document's one MeterReading, valid by the schema."""
    xml = rendered(said).xml
    SCHEMA.validate(xml.decode())
    return next(iter(ElementTree.fromstring(xml)))  # noqa: S314 - our own document


def test_intervals_are_stamped_by_their_end_and_say_what_is_odd_about_them() -> None:
    odd = block(status=((), ("power_outage", "partial"), (), ()))
    blocks = valid(reading(interval_blocks=(odd,))).find(f"{N}IntervalBlocks")
    assert blocks is not None
    found = [
        (
            one.findtext(f"{N}timeStamp"),
            one.findtext(f"{N}value"),
            [q.get("ref") for q in one.iter(f"{N}ReadingQualityType")],
        )
        for one in blocks.iter(f"{N}IntervalReadings")
    ]
    assert found == [
        ("2026-11-21T08:15:00Z", "1.25", []),
        ("2026-11-21T08:30:00Z", "1.31", ["1.2.32", "1.4.2"]),
        ("2026-11-21T08:45:00Z", None, ["1.5.259"]),
        ("2026-11-21T09:00:00Z", "0.98", []),
    ]


def test_the_meter_and_its_place_are_named() -> None:
    meter = MeterPart(meter_id="10012345", serial_number="S-1")
    site = SitePart(service_delivery_point_id="1-0-12345-9")
    said = valid(reading(registers=(register(),), meter=meter, site=site))
    names = {one.findtext(f"{N}NameType/{N}name"): one.findtext(f"{N}name") for one in said.iter(f"{N}Names")}
    assert names == {"MeterID": "10012345", "SerialNumber": "S-1", "ServiceDeliveryPointID": "1-0-12345-9"}


def test_a_peak_is_stamped_by_when_it_occurred() -> None:
    peak = register(kind="demand", unit="kW", occurred_at="2026-11-03T17:30:00Z", period="previous_reset")
    (found,) = valid(reading(registers=(peak,))).iter(f"{N}Readings")
    assert found.findtext(f"{N}timeStamp") == "2026-11-03T17:30:00Z"
    assert found.findtext(f"{N}reason") == "billing"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        ({"direction": "received"}, "0.0.0.1.19.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        ({"direction": "received", "unit": "Wh", "tier": 2}, "0.0.0.9.19.1.12.0.0.0.0.2.0.0.0.0.72.0"),
        ({"unit": "kvarh"}, "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.73.0"),
        ({"unit": "W", "kind": "demand"}, "8.8.0.6.1.1.8.0.0.0.0.0.0.0.0.0.38.0"),
        ({"unit": "W", "kind": "demand", "extreme": "minimum"}, "8.9.0.6.1.1.8.0.0.0.0.0.0.0.0.0.38.0"),
        ({"unit": "kW", "kind": "cumulative_demand"}, "0.0.0.3.1.1.8.0.0.0.0.0.0.0.0.3.38.0"),
        ({"unit": "V", "kind": "instantaneous", "phase": "A"}, "0.0.0.12.0.1.54.0.0.0.0.0.0.0.128.0.29.0"),
    ],
)
def test_the_reading_types_of_registers(changes: dict[str, Any], code: str) -> None:
    """The first three are those that a public head-end has for the A3."""
    assert register_type(register(**changes)) == code


def test_the_reading_types_of_intervals() -> None:
    assert block_type(block()) == "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0"
    assert block_type(block(interval_s=3600, unit="varh")) == "0.0.7.4.1.1.12.0.0.0.0.0.0.0.0.0.73.0"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"interval_blocks": (block(interval_s=77),)}, "intervals of 77 s"),
        ({"interval_blocks": (block(unit="kQh"),)}, "the unit kQh"),
        ({"registers": (register(kind="coincident", unit="kW"),)}, "coincident kW"),
        ({"registers": (register(phase="X"),)}, "phase X"),
        ({"registers": (register(period="self_read"),)}, "not known"),
        ({"registers": (register(value=None),)}, "no value"),
    ],
)
def test_what_has_no_type_is_left_out_and_named(changes: dict[str, Any], why: str) -> None:
    said = reading(**changes)
    valid(said)
    (left,) = rendered(said).left_out
    assert why in left


hostile = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=6))


@example("\ufffe\x0b", "\uffff", [None])
@given(hostile, hostile, st.lists(numbers, min_size=1, max_size=20))
def test_valid_and_exact_whatever_the_names(meter: str, place: str, values: list[Decimal | None]) -> None:
    texts = tuple(None if value is None else f"{value:f}" for value in values)
    status: tuple[tuple[str, ...], ...] = ((),) * len(values)
    one = block(values=texts, pulses=(1,) * len(values), status=status)
    place = place or "-"
    said = valid(
        reading(interval_blocks=(one,), meter=MeterPart(meter_id=meter), site=SitePart(service_delivery_point_id=place))
    )
    found = [item.findtext(f"{N}value") for item in said.iter(f"{N}IntervalReadings")]
    assert [None if text is None else Decimal(text) for text in found] == values
    if re.fullmatch(r"[ -~]+", meter):
        assert said.findtext(f"{N}Meter/{N}Names/{N}name") == meter
