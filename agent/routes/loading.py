"""Read a route, and find everything that is wrong with it before anybody sets out.

A file is refused as a whole for its first mistake, which is named with line and column or field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.checks import rule_set_names
from agent.errors import UsageError
from agent.order import Order, Text
from agent.routes.codes import CodeSet, load_codes
from agent.routes.csv_text import parse_csv
from agent.routes.json_text import line_of, parse_json
from agent.routes.order import MOST_ORDERS, UNSAID_URL, RouteFile, RouteOrder
from agent.routes.safe_text import wrong_in

MOST_OCTETS = 8 * 1024 * 1024
LONGEST_REASON = 300  # a message of msgspec may repeat what it found

FileKind = Literal["json", "csv"]
Keys = Sequence[str | int]

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_IN_LINES = {"access", "notes"}  # texts that may have line ends
_SAYS = {
    "route_id": "letters, digits, and . _ : - after the first; at most 64",
    "codes": "the name of a set of codes, such as mrsp-field",
    "hazards": "the key of a code, such as dog",
    "quantity": "a unit such as kWh or kW",
    "multiplier": 'a factor above 0, as text, such as "40"',
}


class _OrderText(Order, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An order as a route writes it: the line may be left out."""

    url: Text = ""


class _StopText(RouteOrder, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stop as a route writes it."""

    order: _OrderText = _OrderText()

    def __post_init__(self) -> None:
        """Nothing yet: the whole is judged when the line is known."""


class _FileText(RouteFile, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A route as it is written."""

    orders: Annotated[tuple[_StopText, ...], msgspec.Meta(min_length=1)]  # made `RouteOrder`s below


@dataclass(frozen=True, slots=True)
class Known:
    """What a route may name: code sets and rule sets of these directories beside those that ship."""

    code_directories: Sequence[Path] = ()
    rule_set_directories: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A route that can be walked, with the codes that it is walked with."""

    route: RouteFile
    codes: CodeSet


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as a tree of plain values, and where each of them is written."""

    tree: object
    place: Callable[[Keys], str]


def parse_route(content: bytes, kind: FileKind, *, name: str = "route", known: Known | None = None) -> Loaded:
    """Return the route in a file's octets. Raises `UsageError` naming where the first mistake is; `name`: the file."""
    if len(content) > MOST_OCTETS:
        raise UsageError(f"{name} is larger than {MOST_OCTETS:,} octets", advice="divide it into several routes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 text", advice="save it as UTF-8") from error
    source = _of_csv(text, name) if kind == "csv" else _of_json(text, name)
    for keys, found in _texts(source.tree, ()):
        if wrong := wrong_in(found, lines=bool(keys) and keys[-1] in _IN_LINES):
            raise UsageError(f"{source.place(keys)}: {wrong}", advice="correct it where the file is made")
    route = _converted(source)
    return Loaded(route, _agreed(route, source, known or Known()))


def _of_json(text: str, name: str) -> _Source:
    tree = parse_json(text, name)
    if not isinstance(tree, dict):
        raise UsageError(f"{name}: an object expected", advice='{"schema": "mrsp.route/1", "route_id": …}')

    def place(keys: Keys) -> str:
        where = f"{name}, line {line_of(text, keys)}"
        return f"{where}, `{_dotted(keys)}`" if keys else where

    return _Source(tree, place)


def _of_csv(text: str, name: str) -> _Source:
    table = parse_csv(text, name)
    return _Source(table.tree, table.place)


def _texts(tree: object, keys: tuple[str | int, ...]) -> Iterator[tuple[Keys, str]]:
    """Yield every text of a tree with its path; keys are texts too."""
    if isinstance(tree, str):
        yield keys, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield keys, key
            yield from _texts(value, (*keys, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _texts(value, (*keys, number))


def _converted(source: _Source) -> RouteFile:
    assert isinstance(source.tree, dict)  # noqa: S101 - both kinds of file make one
    orders = source.tree.get("orders")
    if isinstance(orders, list) and len(orders) > MOST_ORDERS:
        raise UsageError(f"{source.place(('orders',))}: {len(orders):,} stops; a route has at most {MOST_ORDERS:,}")
    try:
        written = msgspec.convert(source.tree, _FileText)
    except msgspec.ValidationError as error:
        raise _mistake(error, source) from error
    stops: list[RouteOrder] = []
    for number, stop in enumerate(written.orders):
        try:
            stops.append(_plain(stop))
        except ValueError as error:
            raise UsageError(f"{source.place(('orders', number))}: {error!s:.{LONGEST_REASON}}") from error
    head = {field: getattr(written, field) for field in RouteFile.__struct_fields__ if field != "orders"}
    return RouteFile(orders=tuple(stops), **head)


def _plain(stop: _StopText) -> RouteOrder:
    given = {field: getattr(stop.order, field) for field in Order.__struct_fields__}
    order = Order(**{**given, "url": stop.order.url or UNSAID_URL[stop.method]})
    rest = {field: getattr(stop, field) for field in RouteOrder.__struct_fields__ if field != "order"}
    return RouteOrder(order=order, **rest)


def _mistake(error: msgspec.ValidationError, source: _Source) -> UsageError:
    """Return msgspec's finding with its place in the file, and what is allowed there."""
    message = str(error)
    found = _AT.search(message)
    reason = message[: found.start()] if found else message
    keys: list[str | int] = [name or int(index) for name, index in _STEP.findall(found["path"])] if found else []
    if field := re.search(r"unknown field `([^`]+)`", reason):
        keys.append(field[1])
        reason = "unknown key"
    elif field := re.search(r"missing required field `([^`]+)`", reason):
        reason = f"`{field[1]}` is missing"
    elif "RFC3339 encoded datetime" in reason:
        reason = "it is no time with its zone, such as 2026-03-01T08:00:00Z"
    elif "matching regex" in reason:
        reason = f"it is not {_SAYS[next(key for key in reversed(keys) if isinstance(key, str))]}"
    return UsageError(f"{source.place(keys)}: {reason:.{LONGEST_REASON}}")


def _agreed(route: RouteFile, source: _Source, known: Known) -> CodeSet:
    """Return the codes of a route, if it agrees with itself and names nothing that there is not."""
    try:
        codes = load_codes(route.codes, known.code_directories)
    except UsageError as error:
        raise UsageError(f"{source.place(('codes',))}: {error.message}", advice=error.advice) from error
    hazards = {key for key, _ in codes.of_kind("hazard")}
    rule_sets = set(rule_set_names(known.rule_set_directories))
    orders: dict[str, int] = {}
    meters: dict[str, int] = {}
    for number, stop in enumerate(route.orders):
        for key in stop.hazards:
            if key not in hazards:
                here = source.place(("orders", number, "hazards"))
                raise UsageError(
                    f"{here}: {key} is no hazard of {codes.name}", advice="one of " + ", ".join(sorted(hazards))
                )
        if stop.order.rule_set not in rule_sets:
            here = source.place(("orders", number, "order", "rule_set"))
            raise UsageError(
                f"{here}: there is no rule set {stop.order.rule_set}", advice="known: " + ", ".join(sorted(rule_sets))
            )
        for column, seen in (("order_id", orders), ("expected_meter_id", meters)):
            given = getattr(stop.order, column)
            if given is not None and (earlier := seen.setdefault(given, number)) != number:
                here, there = (source.place(("orders", one, "order", column)) for one in (number, earlier))
                raise UsageError(f"{here}: {given} is there already, at {there}")
    return codes


def _dotted(keys: Keys) -> str:
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return path.removeprefix(".")
