"""The read plan is read strictly and exactly; what is wrong is named with line and column."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.listening.plan import PlannedMeter, load_plan, parse_plan

HEADER = "meter_id,message,commodity,multiplier,unit,dials,last_reading,service_delivery_point_id\n"


def one(text: str) -> PlannedMeter:
    (meter,) = parse_plan(text.encode(), "plan").meters
    return meter


def test_all_columns() -> None:
    meter = one(HEADER + "54585868,scm,electric,0.1,kWh,6,56240.5,SDP-1\n")
    assert meter == PlannedMeter(
        meter_id="54585868",
        message="scm",
        commodity="electric",
        multiplier=Decimal("0.1"),
        unit="kWh",
        dials=6,
        last_reading=Decimal("56240.5"),
        service_delivery_point_id="SDP-1",
    )


def test_two_columns_are_enough() -> None:
    meter = one("message,meter_id\r\nSCM, 007 \r\n\r\n")
    assert (meter.meter_id, meter.message, meter.key) == ("007", "scm", ("scm", "7"))
    assert (meter.multiplier, meter.unit, meter.unit_given) == (Decimal(1), "kWh", False)


def test_json_is_the_same_with_exact_numbers() -> None:
    entry = '{"meter_id": 54585868, "message": "idm", "multiplier": 0.1, "last_read_at": "2026-03-01T00:00:00Z", '
    meter = one("[" + entry + '"last_reading": 1e3, "dials": 6, "commodity": null}]')
    assert (meter.multiplier, meter.last_reading, meter.dials) == (Decimal("0.1"), Decimal(1000), 6)
    assert meter.last_read_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_plan(b'{"meters": []}', "plan").meters == ()


@pytest.mark.parametrize(
    ("row", "where", "why"),
    [
        ("x,scm,,,,,,", "line 2, column meter_id", "no radio identification"),
        ("0,scm,,,,,,", "line 2, column meter_id", "no radio identification"),
        ("4294967296,scmplus,,,,,,", "line 2, column meter_id", "no radio identification"),
        (",scm,,,,,,", "line 2, column meter_id", "is missing"),
        ("1,,,,,,,", "line 2, column message", "is missing"),
        ("1,r900,,,,,,", "line 2, column message", "none of scm, scmplus, idm, netidm, pager"),
        ("1,scm,steam,,,,,", "line 2, column commodity", "none of electric, gas, water"),
        ("1,scm,,0,,,,", "line 2, column multiplier", "above 0"),
        ("1,scm,,1,5,,,", "line 2", ""),
        ("1,scm,,ten,,,,", "line 2, column multiplier", "no number"),
        ("1,scm,,NaN,,,,", "line 2, column multiplier", "finite"),
        ("1,scm,,1e40,,,,", "line 2, column multiplier", "finite"),
        ("1,scm,,,,0,,", "line 2, column dials", "digits from 1 to 18"),
        ("1,scm,,,,19,,", "line 2, column dials", "digits from 1 to 18"),
        ("1,scm,,,,5.0,,", "line 2, column dials", "digits from 1 to 18"),
        ("1,scm,,,,,-1,", "line 2, column last_reading", "negative"),
        ("1,scm,,,,,,,more", "line 2", "9 cells under a header of 8"),
        ('1,scm,,,,,,"a\x07b"', "line 2, column service_delivery_point_id", "no printable text"),
        ('1,scm,"x', "line 2", "unexpected end of data"),
        ("1,scm,,,,,,\n01,scm,,,,,,", "line 3, column meter_id", "planned already, at plan, line 2"),
        ("1,idm,,,,,,\n1,netidm,,,,,,", "line 3, column meter_id", "planned already"),
    ],
)
def test_mistakes_are_named(row: str, where: str, why: str) -> None:
    if not why:
        assert one(HEADER + row).unit == "5"  # any word is a unit
        return
    with pytest.raises(UsageError) as raised:
        parse_plan((HEADER + row + "\n").encode(), "plan")
    assert where in str(raised.value)
    assert why in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"meter_id\n1\n", "no column message"),
        (b"meter_id,message,multipler\n", "'multipler' is no column"),
        (b"meter_id,message,message\n", "there twice"),
        (b"meter_id,message\n\xff,scm\n", "line 2: not UTF-8"),
        (b"[1]", "entry 1: an object expected"),
        (b"{}", "a list of objects expected"),
        (b'[{"meter_id": "1", "message": "scm", "dials": [6]}]', "entry 1, column dials"),
        (b'[{"meter_id": 1,\n "message": }]', "line 2, column 13: not JSON"),
        (b'[{"meter_id": 1, "message": "scm", "multiplier": NaN}]', "NaN is no number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'[{"meter_id": 1, "message": "scm", "last_read_at": "2026-03-01T00:00:00", "last_reading": 1}]', "its zone"),
        (b'[{"meter_id": 1, "message": "scm", "last_read_at": "2026-03-01T00:00:00Z"}]', "without last_reading"),
    ],
)
def test_files_that_are_no_plan(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match="plan") as raised:
        parse_plan(content, "plan")
    assert why in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_plan(tmp_path / "none.csv")


def test_the_same_meter_may_send_two_kinds_of_messages() -> None:
    plan = parse_plan(b"meter_id,message\n1,scm\n1,idm\n", "plan")
    assert plan.messages == {"scm", "idm"}


@given(st.binary(max_size=200))
def test_any_file_is_a_plan_or_a_clear_mistake(content: bytes) -> None:
    with suppress(UsageError):
        assert all(meter.meter_id for meter in parse_plan(content, "plan").meters)
