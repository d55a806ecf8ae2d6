"""The reading document says what the contract says, to the letter."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.document import Visit, build_reading, encode, uuid7
from agent.order import Order, Site
from agent.reading import CheckResult, ClockPart
from agent.utc_text import utc_text
from drivers.data import Event, Identity, IntervalBlock, MeterData, MeterStatus, Problem, Register, Source
from drivers.decimal_text import plain

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
REGISTER = Register(
    quantity="kWh",
    direction="delivered",
    kind="cumulative",
    tier=0,
    raw="12345",
    value=Decimal(493800),
    multiplier=Decimal(40),
    unit="kWh",
    source=Source("ST23", 1, 6, bytes.fromhex("393000000000")),
)
BLOCK = IntervalBlock(
    channel=1,
    quantity="kWh",
    direction="delivered",
    unit="kWh",
    interval_s=900,
    first_interval_end=START,
    counts=(12, 13, None),
    multiplier=Decimal("0.25"),
    values=(Decimal(3), Decimal("3.25"), None),
    status=((), ("power_outage", "partial"), ("missing",)),
    start_register=Decimal("12000.50"),
)
CHECK = CheckResult(
    check="meter_clock", outcome="pass", rule_set="ubp-2000", clause="A4 1.3.2", measured="-1.3", limit="180", unit="s"
)


def document(order: Order, data: MeterData) -> dict[str, Any]:
    visit = Visit(agent_id="gw-1", started_at=START, finished_at=START + timedelta(seconds=42))
    reading = build_reading(order, data, visit, ClockPart(agent_source="none", corrected=False), (CHECK,))
    tree: dict[str, Any] = json.loads(encode(reading))
    return tree


def test_a_full_document_has_every_part_of_the_contract() -> None:
    data = MeterData(
        identity=Identity(meter_id="100", manufacturer="ACME", serial_number="7"),
        profile="generic-c1219",
        registers=(REGISTER,),
        blocks=(BLOCK,),
        events=(Event(at=START, code=1, name="primary_power_down", argument="0a"),),
        status=MeterStatus(mode=("metering",), flags=("low_battery",)),
    )
    order = Order(url="/dev/x", order_id="W1", expected_meter_id="100", dials=7, site=Site(account_id="A9"))
    tree = document(order, data)
    assert tree["schema"] == "mrsp.reading/1"
    assert tree["meter"] == {
        "meter_id": "100",
        "expected_meter_id": "100",
        "manufacturer": "ACME",
        "serial_number": "7",
        "profile": "generic-c1219",
    }
    assert tree["site"] == {"account_id": "A9"}
    register = tree["registers"][0]
    assert register["raw"] == "0012345"
    assert (register["value"], register["multiplier"], register["dials"], register["decimals"]) == (
        "493800",
        "40",
        7,
        0,
    )
    assert register["provenance"] == {"table": "ST23", "offset": 1, "length": 6, "octets": "393000000000"}
    block = tree["interval_blocks"][0]
    assert block["pulses"] == [12, 13, None]
    assert block["values"] == ["3", "3.25", None]
    assert block["status"] == [[], ["power_outage", "partial"], ["missing"]]
    assert block["first_interval_end"] == "2026-03-01T12:00:00Z"
    assert block["start_register"] == "12000.5"
    assert tree["events"] == [{"code": 1, "name": "primary_power_down", "at": "2026-03-01T12:00:00Z", "argument": "0a"}]
    assert tree["meter_status"] == {"mode": ["metering"], "flags": ["low_battery"]}
    assert tree["checks"][0]["measured"] == "-1.3"
    assert tree["quality"] == "raw"


def test_what_is_unknown_is_left_out_and_never_null() -> None:
    data = MeterData(identity=Identity(meter_id=""), profile="", problems=(Problem("ST64", "cut short"),))
    tree = document(Order(url="/dev/x"), data)
    assert tree["meter"] == {}
    assert "site" not in tree
    assert "order_id" not in tree
    assert tree["registers"] == tree["interval_blocks"] == tree["events"] == []
    assert tree["problems"] == [{"what": "ST64", "reason": "cut short", "lost": True}]


def test_a_register_without_a_value_keeps_its_raw_text() -> None:
    broken = Register("kWh", "total", "cumulative", 0, "NaN", None, Decimal(1), "kWh")
    register = document(Order(url="x"), MeterData(identity=Identity("1"), profile="p", registers=(broken,)))[
        "registers"
    ][0]
    assert register["raw"] == "NaN"
    assert "value" not in register


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC), "2026-01-02T03:04:05.120000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-8))), "2026-01-02T11:04:05Z"),
    ],
)
def test_times_are_utc_with_z(at: datetime, text: str) -> None:
    assert utc_text(at) == text


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_reading_ids_are_version_7_and_sort_by_time(at: datetime) -> None:
    first, later = uuid7(at), uuid7(at + timedelta(milliseconds=2))
    assert first.version == 7
    assert first.variant == "specified in RFC 4122"
    assert first.int < later.int


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_plain_decimals_are_exact_and_have_no_exponent(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text == "0" or not text.startswith("-0") or "." in text
