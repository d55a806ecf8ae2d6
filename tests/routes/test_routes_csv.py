"""Routes as CSV: the same as in JSON, and what spreadsheets do to a file."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.routes.csv_text import MOST_REGISTERS
from agent.routes.loading import parse_route
from agent.routes.order import RouteFile
from tests.routes.routes_kit import octets, route, stop

READ_AT = "2026-02-01T08:00:00Z"
HEAD = {"route_id": "R-1", "route_name": "Mill Street", "day": "2026-03-02", "zone": "America/Los_Angeles"}


def written(*rows: dict[str, str], head: dict[str, str] | None = None, end: str = "\n") -> bytes:
    """Return a table of these stops."""
    out = io.StringIO(newline="")
    whole = [(head or HEAD) | rows[0], *rows[1:]] if rows else [head or HEAD]
    columns = list(dict.fromkeys(column for row in whole for column in row))
    writer = csv.DictWriter(out, columns, restval="", lineterminator=end)
    writer.writeheader()
    writer.writerows(whole)
    return out.getvalue().encode()


def of(*rows: dict[str, str]) -> RouteFile:
    return parse_route(written(*rows), "csv").route


def test_every_column_says_what_the_field_of_json_says() -> None:
    row = {
        "order_id": "WO-1", "url": "tcp://10.0.0.1:2000", "purpose": "final", "requested_at": "2026-03-01T08:00:00Z",
        "meter_id": "10010001", "nameplate_id": "N1", "profile": "acme", "dials": "5", "decimals": "2",
        "last_read_at": "2026-02-01T08:00:00Z", "registers_only": "yes", "whole_profile": "no", "set_clock": "YES",
        "cumulative_without_clock": "no", "user_id": "7", "user": "reader", "password_file": "credential:m1",
        "rule_set": "cpuc-d97-12-048", "service_delivery_point_id": "S", "account_id": "A", "customer_name": "C",
        "customer_id": "CI", "energy_supplier_id": "E", "first_cycle_until": "2026-04-01", "meter_zone": "UTC",
        "method": "probe", "address": "1 Mill Street", "hint": "left", "latitude": "37.774900", "longitude": "-122.4",
        "access": "key\r\nring", "hazards": "vicious_dog  stairs", "notes": "n",
        "quantity_1": "kWh", "direction_1": "net", "kind_1": "cumulative", "tier_1": "1", "period_1": "present",
        "multiplier_1": "40", "dials_1": "6", "decimals_1": "1", "last_reading_1": "-12.50",
        "quantity_3": "kW", "last_reading_2": "7",
    }  # fmt: skip
    order = {
        "order_id": "WO-1", "url": "tcp://10.0.0.1:2000", "purpose": "final", "requested_at": "2026-03-01T08:00:00Z",
        "expected_meter_id": "10010001", "nameplate_id": "N1", "profile": "acme", "dials": 5, "decimals": 2,
        "last_read_at": "2026-02-01T08:00:00Z", "registers_only": True, "set_clock": True,
        "user_id": 7, "user": "reader", "password_file": "credential:m1", "rule_set": "cpuc-d97-12-048",
        "site": {
            "service_delivery_point_id": "S", "account_id": "A", "customer_name": "C", "customer_id": "CI",
            "energy_supplier_id": "E", "first_cycle_until": "2026-04-01", "zone": "UTC",
        },
        "history": {
            "registers": [
                {"quantity": "kWh", "direction": "net", "tier": 1, "value": "-12.50", "at": "2026-02-01T08:00:00Z"},
                {"quantity": "kWh", "value": "7", "at": "2026-02-01T08:00:00Z"},
            ]
        },
    }  # fmt: skip
    shown = [
        {"quantity": "kWh", "direction": "net", "kind": "cumulative", "tier": 1, "multiplier": "40", "dials": 6,
         "decimals": 1},
        {"quantity": "kW"},
    ]  # fmt: skip
    place = {"address": "1 Mill Street", "hint": "left", "position": {"latitude": "37.774900", "longitude": "-122.4"}}
    tree = {
        "order": order, "method": "probe", "place": place, "access": "key\nring", "hazards": ["vicious_dog", "stairs"],
        "notes": "n", "shown": shown,
    }  # fmt: skip
    same = parse_route(octets(route(0, deadline="17:00", codes="mrsp-field", orders=[tree])), "json").route
    head = HEAD | {"deadline": "17:00", "codes": "mrsp-field"}
    found = parse_route(written(row, head=head), "csv").route
    assert found == same
    assert found.orders[0].order.history is not None
    assert found.orders[0].order.history.registers[0].value == Decimal("-12.50")


def test_a_history_of_any_kind_is_a_cell_of_json() -> None:
    text = '{"periods": [{"start": "2026-01-01T08:00:00Z", "end": "2026-02-01T08:00:00Z", "usage": 412.5}]}'
    found = of({"meter_id": "1", "history": text}).orders[0].order.history
    assert found is not None
    assert found.periods[0].usage == Decimal("412.5")
    with pytest.raises(UsageError, match=r"line 2, column history.*usage"):
        of({"meter_id": "1", "history": text.replace("412.5", "-1")})
    with pytest.raises(UsageError, match=r"route, line 2, column history, line 1, column 1: not JSON"):
        of({"meter_id": "1", "history": "nothing"})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_marks_line_ends_blanks_and_empty_lines_are_nothing(end: str, mark: bytes) -> None:
    rows = ({"meter_id": " 1 ", "address": 'a, "b"'}, {"meter_id": "2\t"})
    content = mark + written(*rows, end=end) + end.encode() + b" ,,,,, " + end.encode()
    found = parse_route(content, "csv").route
    assert [one.order.expected_meter_id for one in found.orders] == ["1", "2"]
    assert found.orders[0].place.address == 'a, "b"'


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"meter_id": "1.23457E+11"}], "line 2, column meter_id: '1.23457E.11' is what a spreadsheet makes"),
        ([{"order_id": "1E5", "meter_id": "1"}], "column order_id: .* spreadsheet"),
        ([{"meter_id": "1"}, {"meter_id": "1"}], "line 3, column meter_id: 1 is there already, at route, line 2"),
        ([{"meter_id": "1", "dials": "five"}], "line 2, column dials: 'five' is no whole number"),
        ([{"meter_id": "1", "dials": "٥"}], "column dials: '٥' is no whole number"),
        ([{"meter_id": "1", "dials": "19"}], "line 2, column dials: .*<= 18"),
        ([{"meter_id": "1", "tier_2": "-1"}], "column tier_2: '-1' is no whole number"),
        ([{"meter_id": "1", "dials_1": "99"}], "line 2, column dials_1: "),
        ([{"meter_id": "1", "latitude": "37,77", "longitude": "1"}], "column latitude: .*decimal"),
        ([{"meter_id": "1", "latitude": "37.77"}], "line 2.*`longitude` is missing"),
        ([{"meter_id": "1", "registers_only": "1"}], "column registers_only: '1' is neither yes nor no"),
        ([{"meter_id": "1", "hazards": "stairs;dog"}], "line 2, column hazards: it is not the key of a code"),
        ([{"meter_id": "1", "hazards": "dog"}], "line 2, column hazards: dog is no hazard"),
        ([{"meter_id": "1", "rule_set": "x"}], "line 2, column rule_set: there is no rule set x"),
        ([{"meter_id": "1", "last_reading_1": "5"}], "column last_read_at: is missing; last_reading_1"),
        ([{"meter_id": "1", "last_reading_1": "5", "history": "{}"}], "column last_reading_1: `history` says"),
        ([{"meter_id": "1", "last_reading_1": "5,0", "last_read_at": READ_AT}], "column last_reading_1: "),
        ([{"meter_id": "1", "last_read_at": "2026-02-01 08:00"}], "line 2, column last_read_at: it is no time with"),
        ([{"meter_id": "1", "address": "a\u202eb"}], r"line 2, column address: character 2 is U\+202E"),
        ([{"meter_id": "1", "address": "x" * 200_000}], "line 2: not CSV: field larger than field limit"),
        ([{"meter_id": "1"}, {"meter_id": "2", "day": "2026-03-03"}], "line 3, column day: .* is not what the first"),
        ([{"meter_id": "1"}, {"meter_id": "2", "deadline": "17:00"}], "line 3, column deadline: .* first line"),
        ([{"account_id": "A"}], "line 2: nobody finds this meter"),
        ([{"meter_id": "1", "notes": "two\nlines"}, {"meter_id": "2", "dials": "x"}], "line 4, column dials"),
        ([{"meter_id": "1", "color": "red"}], "line 1: 'color' is no column"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_and_column(rows: list[dict[str, str]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        of(*rows)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "route is empty"),
        (b"\n\n", "route is empty"),
        (b"route_id;day;zone\nR;1;2\n", "cells are separated by commas"),
        (b"route_id,day,zone\n", "the column route_name is missing"),
        (b"route_id,route_id,route_name,day,zone\n", "route_id is there twice"),
        (written(), "nobody finds this meter"),
        (written({"meter_id": "1"}, {"meter_id": "2"})[:-3], r"line 3: \d cells under a header of 5"),
        (written({"meter_id": "1"}) + b",,,,2,\n", "line 3: 6 cells under a header of 5"),
        (written({"meter_id": "1"}) + b',,,,"2\n', "line 3: not CSV: unexpected end of data"),
        (written({"meter_id": "1"}) + b',,,,"2"x\n', "line 3: not CSV"),
        (written({"meter_id": "1", "address": "Stra\u00dfe"}).decode().encode("latin-1"), "line 2: not UTF-8 text"),
        (written({"meter_id": "1"}).decode().encode("utf-16"), "not UTF-8"),
        (written({"meter_id": "1\0"}), r"line 2, column meter_id: character 2 is U\+0000"),
        (written({"meter_id": "1", "notes": "x" * 9_000_000}), "larger than 8,388,608"),
        (written(*({"meter_id": str(k)} for k in range(5_001))), "line 5002: a route has at most 5,000 stops"),
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_table_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_route(content, "csv")
    assert len(str(caught.value)) < 500


cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@settings(max_examples=20)
@given(st.lists(st.tuples(cells, cells, st.integers(1, 18)), min_size=1, max_size=4, unique_by=lambda one: one[0]))
def test_a_table_means_what_the_same_json_means(stops: list[tuple[str, str, int]]) -> None:
    rows = [
        {"order_id": f"W{k}", "meter_id": f"m{m}", "address": a, "dials": str(d)} for k, (m, a, d) in enumerate(stops)
    ]
    orders = [
        stop(k, order={"order_id": f"W{k}", "expected_meter_id": f"m{m}", "dials": d}, place={"address": a})
        for k, (m, a, d) in enumerate(stops)
    ]
    tree = route(0, orders=orders)
    del tree["deadline"]
    assert of(*rows) == parse_route(octets(tree), "json").route


@settings(max_examples=60)
@given(st.text(st.sampled_from('",\n\r\0 ab=1é'), max_size=60))
def test_any_table_is_taken_or_refused(text: str) -> None:
    content = written({"meter_id": "1"}) + text.encode()
    said, stops = "", 1
    try:
        stops = len(parse_route(content, "csv").route.orders)
    except UsageError as error:
        said = str(error)
    assert said.isprintable()
    assert 1 <= stops <= 61


def test_as_many_registers_as_there_are_columns_for() -> None:
    row = {f"tier_{k}": str(k) for k in range(1, MOST_REGISTERS + 1)}
    assert [one.tier for one in of({"meter_id": "1"} | row).orders[0].shown] == list(range(1, 9))
