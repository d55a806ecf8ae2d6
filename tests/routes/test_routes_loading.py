"""Routes as JSON: what they say, and what is wrong with them, by line and field."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.routes.csv_text import COLUMNS
from agent.routes.json_text import line_of
from agent.routes.loading import parse_route
from agent.routes.order import AskedRegister, RouteFile
from tests.routes.routes_kit import octets, route, stop

MANUAL = (Path(__file__).parents[2] / "docs/routes.md").read_text("utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)


def of(tree: object) -> RouteFile:
    return parse_route(octets(tree), "json").route


def test_the_manuals_routes_are_taken() -> None:
    found = parse_route(examples("json")[0].encode(), "json").route
    assert (found.route_id, found.day, len(found.orders)) == ("R-17-2026-03-02", date(2026, 3, 2), 2)
    assert found.deadline_at() == datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    probe, visual = found.orders
    assert (probe.order.url, visual.order.url) == ("probe:", "visual://")
    assert probe.place.position is not None
    assert probe.place.position.latitude == Decimal("37.774900")
    assert [one.name for one in visual.asked] == ["kWh delivered", "kW delivered"]
    table = parse_route(examples("csv")[0].encode(), "csv").route
    assert table.orders[1].order.history is not None
    assert table.orders[1].order.history.registers == visual.order.history.registers  # type: ignore[union-attr]
    assert [(one.quantity, one.dials, one.decimals) for one in table.orders[1].shown] == [
        ("kWh", 5, None),
        ("kW", None, 2),
    ]
    assert table.orders[0].hazards == ("vicious_dog", "stairs")


def test_the_manual_names_every_column() -> None:
    numbered = {column for column in COLUMNS if column[-1] in "2345678"}
    missing = [column for column in COLUMNS if column not in numbered and f"`{column}`" not in MANUAL]
    assert missing == []


def test_registers_that_are_not_named_are_that_of_the_record() -> None:
    found = of(route(1)).orders[0]
    assert found.asked == (AskedRegister(quantity="kWh", dials=5),)
    typed = found.asked[0].as_shown("01234", ("01235",))
    assert (typed.shown, typed.again, typed.dials) == ("01234", ("01235",), 5)


def mistaken(change: dict[str, Any] | None = None, **order: Any) -> dict[str, Any]:
    """Return a route whose second stop is wrong."""
    return route(0, orders=[stop(1), stop(2, **{"order": order, **(change or {})})])


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (route(1, day="2026-02-30"), r"line 5, `day`: .*date"),
        (route(1, day="1969-12-31"), "`day`: 1969-12-31 is no day of a route"),
        (route(1, route_id="R 1"), r"line 3, `route_id`: it is not letters, digits"),
        (route(1, schema="mrsp.route/2"), r"`schema`: "),
        (route(1, color="red"), r"`color`: unknown key"),
        (route(1, zone="America/Nowhere"), "`zone`: 'America/Nowhere' is no time zone"),
        (route(1, zone="../../etc/passwd"), "`zone`: .* is no time zone"),
        (route(1, zone="America"), "`zone`: 'America' is no time zone"),
        (route(0), "`orders`: .*length >= 1"),
        ({"schema": "mrsp.route/1"}, "`route_id` is missing"),
        (mistaken(dials="5"), r"line \d+, `orders\[1\].order.dials`: Expected `int"),
        (mistaken(expected_meter_id=""), r"`orders\[1\].order.expected_meter_id`: .*length >= 1"),
        (mistaken(expected_meter_id="10010001"), r"10010001 is there already, at route, line 15, `orders\[0\]"),
        (mistaken(order_id="WO-1"), r"order_id`: WO-1 is there already"),
        (
            mistaken({"hazards": ["dog"]}),
            r"`orders\[1\].hazards`: dog is no hazard of mrsp-field \(one of .*vicious_dog",
        ),
        (mistaken({"hazards": ["stairs", "stairs"]}), "`hazards`: one is there twice"),
        (mistaken({"method": "by guess"}), "Invalid enum value 'by guess'"),
        (mistaken(site={"zone": "Nowhere"}), "`zone`: 'Nowhere' is no time zone"),
        (mistaken(last_read_at="0001-01-01T00:00:00+14:00"), "a time is not in the years 1970 to 2199"),
        (mistaken(rule_set="none"), "there is no rule set none"),
        (mistaken(clock_check=False), "`clock_check`: a route cannot"),
        (mistaken({"method": "visual"}, set_clock=True), "`set_clock` goes with"),
        (mistaken({"order": {"password_file": "/etc/shadow"}}), "`password_file` is no name"),
        (mistaken({"order": {"password_file": "../x"}}), "`password_file` is no name"),
        (mistaken({"shown": [{}, {"dials": 5}]}), "`shown`: kWh delivered is there twice"),
        (mistaken({"shown": [{"multiplier": "0"}]}), r"shown\[0\].multiplier`: it is not a factor above 0"),
        (mistaken({"place": {"position": {"latitude": "91", "longitude": "0"}}}), "`latitude` must be a number"),
        (mistaken({"place": {"position": {"latitude": "NaN", "longitude": "0"}}}), "`latitude` must be a number"),
        (mistaken({"place": {"address": "x" * 201}}), "place.address`: .*length <= 200"),
        (route(0, orders=[{"order": {"order_id": "1"}}]), "nobody finds this meter"),
        (
            mistaken(history={"registers": [{"quantity": "kWh", "value": "-1", "at": "2026-01-01T00:00:00Z"}]}),
            "negative",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_field(tree: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        of(tree)


@pytest.mark.parametrize(
    "url",
    ["/dev/ttyUSB0", "serial:///dev/ttyUSB0?baud=9600", "tcp://10.0.0.1:2000", "rfc2217://[fd00::1]:2000",
     "modbus:///dev/ttyUSB1?unit=3", "modbus+tcp://gateway:502?unit=1"],
)  # fmt: skip
def test_a_line_at_hand_may_be_named(url: str) -> None:
    assert of(mistaken(url=url)).orders[1].order.url == url


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ("replay:///var/lib/mrsp/recordings/x.rec", "probe"),
        ("visual:///etc/passwd.json", "visual"),
        ("visual:///etc/passwd.json", "probe"),
        ("/etc/shadow", "probe"),
        ("/dev/../etc/shadow", "probe"),
        ("/dev/x#/../../etc/shadow", "probe"),
        ("serial:///etc/shadow", "probe"),
        ("serial:///dev/%2e%2e/etc/shadow", "probe"),
        ("modbus:///etc/shadow?unit=1", "probe"),
        ("modbus+tls://host:802?ca=/etc/shadow", "probe"),
        ("wctp+http://169.254.169.254/latest?recipient=1", "probe"),
        ("modem:///dev/ttyS0?dial=5550100", "probe"),
        ("tcp://host", "probe"),
        ("tcp://user:secret@host:1", "probe"),
        ("nothing", "probe"),
        ("tcp://[::1", "probe"),
        ("tcp://host:1", "radio"),
        ("probe:", "visual"),
    ],
)
def test_no_other_line_and_no_file_of_this_box(url: str, method: str) -> None:
    with pytest.raises(UsageError, match="`url`") as caught:
        of(mistaken({"method": method}, url=url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b"[]", "an object expected"),
        (b'{"schema": "mrsp.route/1",\n "day": }', r"line 2, column 9: not JSON"),
        (octets(route(1))[:-40], "not JSON"),
        (b'{"day": "2026-03-02", "day": "2026-03-03"}', "the key 'day' is there twice"),
        (b'{"orders": [{"order": {"dials": 5, "dials": 6}}]}', "the key 'dials' is there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 1e99999999}', "route, line 1, `a`: unknown key"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no number of at most 64"),
        (b'{"a": 0.' + b"9" * 5000 + b"}", "is no number of at most 64"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": [' + b"[]," * 1_000_001 + b"0]}", "more than 1,000,000 values"),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', "larger than 8,388,608 octets"),
        (b'{"name": "Stra\xdfe"}', "line 1: not UTF-8 text"),
        (b"\xff\xfe{\0}\0", "line 1: not UTF-8"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_route(content, "json")
    assert len(str(caught.value)) < 500


def test_too_many_stops_are_counted_not_built() -> None:
    with pytest.raises(UsageError, match="5,001 stops; a route has at most 5,000"):
        of(route(0, orders=[{}] * 5_001))


HOSTILE = {
    "bidi": "12 \u202eteertS lliM",
    "isolate": "12 \u2066Mill",
    "control": "12 Mill\x1b[2J",
    "nul": "12\0",
    "line end": "12 Mill\nStreet",
    "separator": "12\u2028Mill",
    "invisible": "100\u200b10001",
    "mark inside": "12\ufeffMill",
    "soft hyphen": "12 Mi\xadll",
    "tag": "12\U000e0041",
    "half": "12\ud800",
    "blanks": " 12 Mill",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_texts_that_steer_or_hide_are_refused(text: str) -> None:
    for change in ({"place": {"address": text}}, {"order": {"expected_meter_id": text}}, {"notes": text + "\r"}):
        tree = route(0, orders=[stop(1, **change)])
        with pytest.raises(UsageError, match=r"line \d+, `orders\[0\].*(U\+[0-9A-F]{4}|blanks|short)") as caught:
            parse_route(json.dumps(tree, indent=1).encode(), "json")
        assert str(caught.value).isprintable()


def test_names_of_all_scripts_pass() -> None:
    names = ("Müllerstraße 12", "می\u200cخواهم ۱۲", "東京都 1-2", "Ñandú 4º", "O'Brien & Sons <b>", "no\u00a0break")
    found = of(route(0, orders=[stop(k, place={"address": name}) for k, name in enumerate(names)]))
    assert tuple(one.place.address for one in found.orders) == names


def test_remarks_may_have_lines() -> None:
    found = of(mistaken({"access": "key at no. 14\nring twice", "notes": "a\n\nb"}))
    assert found.orders[1].access == "key at no. 14\nring twice"


def test_a_byte_order_mark_and_windows_line_ends_are_nothing() -> None:
    content = b"\xef\xbb\xbf" + octets(route(2)).replace(b"\n", b"\r\n")
    assert parse_route(content, "json").route == of(route(2))


keys = st.text('ab"\\{}[],: \n\u20ac', max_size=4)
trees = st.recursive(
    st.one_of(st.integers(0, 9), keys, st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.data(), trees, st.sampled_from([None, 1]))
def test_the_line_of_any_place_is_found(data: st.DataObject, tree: Any, indent: int | None) -> None:
    path: list[str | int] = []
    whole: Any = [tree]
    node: Any = whole
    key: Any = 0
    while True:
        path.append(key)
        if not isinstance(node[key], (dict, list)) or not node[key] or not data.draw(st.booleans()):
            break
        node = node[key]
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
    node[key] = 424242
    text = json.dumps(whole, indent=indent)
    assert "424242" in text.split("\n")[line_of(text, path) - 1]
    assert line_of(text, [*path, "nowhere"]) == line_of(text, path)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**70), 10**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31", "tcp://[::1", "\ud800", "NaN"]
    ),
    st.just([]),
    st.just({}),
    st.just([{"order": {}}]),
)


@settings(max_examples=70)
@given(st.data(), values)
def test_anything_anywhere_is_taken_or_refused(data: st.DataObject, value: object) -> None:
    tree: Any = json.loads(examples("json")[0])
    node, key = tree, data.draw(st.sampled_from(list(tree)))
    while isinstance(node[key], (dict, list)) and node[key] and data.draw(st.integers(0, 9)):
        node = node[key]
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
    node[key] = value
    said = ""
    try:
        parse_route(json.dumps(tree).encode(), "json")
    except UsageError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 600


@settings(max_examples=60)
@given(st.integers(0, 3000), st.binary(max_size=4), st.integers(0, 4))
def test_any_octets_are_taken_or_refused(at: int, put: bytes, cut: int) -> None:
    content = examples("json")[0].encode()
    said = ""
    try:
        parse_route(content[:at] + put + content[at + cut :], "json")
    except UsageError as error:
        said = str(error)
    assert said.isprintable()
