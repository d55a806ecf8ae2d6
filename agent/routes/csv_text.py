"""A route as CSV: one line a stop, the columns of docs/routes.md. What is said of the route stands on the first."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent.errors import UsageError
from agent.routes.json_text import parse_json
from agent.routes.order import MOST_ORDERS, SCHEMA

MOST_REGISTERS = 8  # of one stop; in JSON there may be more
_ADVICE = "the columns are described in docs/routes.md"

_ROUTE = {
    "route_id": "route_id",
    "route_name": "name",
    "day": "day",
    "zone": "zone",
    "deadline": "deadline",
    "codes": "codes",
}
_TEXT: dict[str, tuple[str, ...]] = {
    "order_id": ("order", "order_id"),
    "url": ("order", "url"),
    "purpose": ("order", "purpose"),
    "requested_at": ("order", "requested_at"),
    "meter_id": ("order", "expected_meter_id"),
    "nameplate_id": ("order", "nameplate_id"),
    "profile": ("order", "profile"),
    "last_read_at": ("order", "last_read_at"),
    "user": ("order", "user"),
    "password_file": ("order", "password_file"),
    "rule_set": ("order", "rule_set"),
    "service_delivery_point_id": ("order", "site", "service_delivery_point_id"),
    "account_id": ("order", "site", "account_id"),
    "customer_name": ("order", "site", "customer_name"),
    "customer_id": ("order", "site", "customer_id"),
    "energy_supplier_id": ("order", "site", "energy_supplier_id"),
    "first_cycle_until": ("order", "site", "first_cycle_until"),
    "meter_zone": ("order", "site", "zone"),
    "method": ("method",),
    "address": ("place", "address"),
    "hint": ("place", "hint"),
    "latitude": ("place", "position", "latitude"),
    "longitude": ("place", "position", "longitude"),
    "access": ("access",),
    "notes": ("notes",),
}
_NUMBER: dict[str, tuple[str, ...]] = {
    "dials": ("order", "dials"),
    "decimals": ("order", "decimals"),
    "user_id": ("order", "user_id"),
}
_YES_NO: dict[str, tuple[str, ...]] = {
    "registers_only": ("order", "registers_only"),
    "whole_profile": ("order", "whole_profile"),
    "set_clock": ("order", "set_clock"),
    "cumulative_without_clock": ("order", "cumulative_without_clock"),
}
_REGISTER_TEXT = ("quantity", "direction", "kind", "period", "multiplier")
_REGISTER_NUMBER = ("tier", "dials", "decimals")
_LAST = "last_reading"  # of a register: becomes a part of the history
_MANY: dict[str, tuple[str, ...]] = {"hazards": ("hazards",), "history": ("order", "history")}
_IDENTIFICATIONS = {column for column in _TEXT if column.endswith("_id")}
_MANGLED = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+?[0-9]+")  # a long number, after a spreadsheet opened the file
_PATHS = _TEXT | _NUMBER | _YES_NO | _MANY
_REGISTER = {
    f"{field}_{number}": (number, field)
    for number in range(1, MOST_REGISTERS + 1)
    for field in (*_REGISTER_TEXT, *_REGISTER_NUMBER, _LAST)
}
COLUMNS = (*_ROUTE, *_PATHS, *_REGISTER)
_REQUIRED = ("route_id", "route_name", "day", "zone")

Path = tuple[str | int, ...]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """The file as the tree that the same route is in JSON, and where each part of it is written."""

    tree: dict[str, object]
    name: str
    rows: Sequence[tuple[int, Row]]  # the line of each stop, and its cells

    def place(self, keys: Sequence[str | int]) -> str:
        """Return the line, and the column if there is one, of what stands at a path of the tree."""
        if len(keys) < 2 or not isinstance(keys[1], int):
            column = next((column for column, key in _ROUTE.items() if (key,) == tuple(keys[:1])), None)
            return f"{self.name}, column {column}" if column else self.name
        line, row = self.rows[keys[1]]
        wanted = tuple(keys[2:])
        columns = [column for path, column, _ in _cells(row) if path == wanted] or [
            column for path, column, _ in _cells(row) if path == wanted[: len(path)]
        ]
        return f"{self.name}, line {line}" + (f", column {columns[0]}" if columns else "")


def parse_csv(text: str, name: str) -> Table:
    """Return a CSV file as the tree of the same route in JSON. Raises `UsageError` naming line and column."""
    head: dict[str, str] = {}
    rows: list[tuple[int, Row]] = []
    stops: list[object] = []
    for line, row in _rows(text, name):
        place = f"{name}, line {line}"
        if len(rows) >= MOST_ORDERS:
            raise UsageError(f"{place}: a route has at most {MOST_ORDERS:,} stops")
        for column in _ROUTE.keys() & row.keys():
            if (head.setdefault(column, row[column]) if not rows else head.get(column)) != row[column]:
                raise UsageError(
                    f"{place}, column {column}: {row[column]!r:.60} is not what the first line says",
                    advice="one file, one route; leave it empty below the first line",
                )
        rows.append((line, row))
        stops.append(_stop(row, place))
    tree: dict[str, object] = {"schema": SCHEMA, **{_ROUTE[column]: cell for column, cell in head.items()}}
    return Table({**tree, "orders": stops}, name, rows)


def _rows(text: str, name: str) -> Iterator[tuple[int, Row]]:
    """Yield the line on which each row begins, and its cells that are not empty, without blanks around them."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UsageError(f"{name}, line {line}: not CSV: {error}") from error
        if cells is None:
            break
        if not any(cell.strip() for cell in cells) and (header is None or len(cells) in {0, 1, len(header)}):
            continue
        if header is None:
            header = _header([cell.strip(" \t") for cell in cells], f"{name}, line {line}")
            continue
        if len(cells) != len(header):
            raise UsageError(
                f"{name}, line {line}: {len(cells)} cells under a header of {len(header)}",
                advice="is the file whole? a cell with a comma in it stands in quotation marks",
            )
        yield line, {column: shown for column, cell in zip(header, cells, strict=True) if (shown := _trimmed(cell))}
    if header is None:
        raise UsageError(f"{name} is empty", advice=f"its first line names the columns; {_ADVICE}")


def _trimmed(cell: str) -> str:
    return cell.replace("\r\n", "\n").strip(" \t\n")


def _header(header: list[str], place: str) -> list[str]:
    for column in header:
        if column not in COLUMNS:
            advice = "cells are separated by commas" if len(header) == 1 and {*";\t"} & {*column} else _ADVICE
            raise UsageError(f"{place}: {column!r:.60} is no column of a route", advice=advice)
        if header.count(column) > 1:
            raise UsageError(f"{place}: the column {column} is there twice")
    for column in _REQUIRED:
        if column not in header:
            raise UsageError(f"{place}: the column {column} is missing", advice=_ADVICE)
    return header


def _stop(row: Row, place: str) -> object:
    """Return the tree of one stop."""
    if last := [column for column, (_, field) in _REGISTER.items() if field == _LAST and column in row]:
        if "history" in row:
            raise UsageError(f"{place}, column {last[0]}: `history` says what the registers showed; one of the two")
        if "last_read_at" not in row:
            raise UsageError(f"{place}, column last_read_at: is missing; {last[0]} is of some time")
    tree: dict[str, Any] = {}
    for path, column, cell in _cells(row):
        here = f"{place}, column {column}"
        value: object = cell
        if column in _IDENTIFICATIONS and _MANGLED.fullmatch(cell):
            raise UsageError(
                f"{here}: {cell!r} is what a spreadsheet makes of a long number",
                advice="export the column anew, as text",
            )
        if column in _NUMBER or _REGISTER.get(column, (0, ""))[1] in _REGISTER_NUMBER:
            value = _number(cell, here)
        elif column in _YES_NO:
            value = _yes_no(cell, here)
        elif column == "hazards":
            value = cell.split()
        elif column == "history":
            value = parse_json(cell, here)
        _put(tree, path, value)
    return tree


def _cells(row: Row) -> Iterator[tuple[Path, str, str]]:
    """Yield (path in the tree, column, cell) of one row; a cell that says two things comes twice."""
    for column, path in _PATHS.items():
        if column in row:
            yield path, column, row[column]
    asked = past = 0
    for number in sorted({number for column, (number, _) in _REGISTER.items() if column in row}):
        fields = [field for field in (*_REGISTER_TEXT, *_REGISTER_NUMBER) if f"{field}_{number}" in row]
        for field in fields:
            yield ("shown", asked, field), f"{field}_{number}", row[f"{field}_{number}"]
        asked += bool(fields)
        if (column := f"{_LAST}_{number}") in row:
            here: Path = ("order", "history", "registers", past)
            yield (*here, "value"), column, row[column]
            yield (*here, "quantity"), column, row.get(f"quantity_{number}", "kWh")
            for key, other in (
                ("direction", f"direction_{number}"),
                ("tier", f"tier_{number}"),
                ("at", "last_read_at"),
            ):
                if other in row:
                    yield (*here, key), other, row[other]
            past += 1


def _put(tree: dict[str, Any], path: Path, value: object) -> None:
    node: Any = tree
    for key, following in pairwise(path):
        fresh: object = [] if isinstance(following, int) else {}
        if isinstance(key, int):
            if key == len(node):
                node.append(fresh)
            node = node[key]
        else:
            node = node.setdefault(key, fresh)
    node[path[-1]] = value


def _number(cell: str, here: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
        raise UsageError(f"{here}: {cell!r:.60} is no whole number")
    return int(cell)


def _yes_no(cell: str, here: str) -> bool:
    if cell.lower() not in {"yes", "no"}:
        raise UsageError(f"{here}: {cell!r:.60} is neither yes nor no")
    return cell.lower() == "yes"
