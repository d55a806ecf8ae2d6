"""A meter that holds any octets at all, read by the whole driver in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any
from unittest.mock import patch

from drivers.base import Task
from drivers.c1219 import Context, Quirks, decode, encode
from drivers.data import MeterData, Problem
from drivers.errors import DataError
from drivers.psem import PsemClient, ResponseCode
from drivers.psem import driver as driver_module
from drivers.psem.driver import PsemDriver
from drivers.psem.meter import MeterLimits
from metersim.meter import Meter, load_scenario
from metersim.meter.model import microseconds
from metersim.meter.tables.image import Image
from tests.psem.lines import Line, Tables, clock, run

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
LIMITS = MeterLimits(packet_size=8192, packets=255)
LONGEST_H = 2.0  # what no meter may hold a visit up


@cache
def honest(scenario: str) -> Mapping[int, bytes]:
    """Return the tables of a simulated meter that says what it should."""
    meter = Meter(load_scenario(scenario), 1, microseconds(NOW))
    image = Image(meter)
    return {number: image.octets(number, meter.start_us) or b"" for number in image.tables}


@dataclass
class HostileTables(Tables):
    """A meter's memory of which some tables answer in ways of their own: `manners` by table.

    `padded`: as many octets as it is asked for, whatever its size; `long`: one octet more than asked for; `empty`;
    `crumbs`: one octet at a time; `short`: what there is, where more is asked for.
    """

    manners: dict[int, str] = field(default_factory=dict)
    octets: int = 0  # served by such tables
    reads: int = 0

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        manner = self.manners.get(table)
        if manner is None:
            return super().read_table(table, offset, count)
        whole, start = self.tables.get(table, b""), offset or 0
        asked = 65_535 if count is None else count
        answers = {
            "padded": whole[start : start + asked].ljust(asked, b"\1"),
            "long": bytes(min(asked + 1, 65_535)),
            "empty": b"",
            "crumbs": whole[start:].ljust(asked, b"\1")[:1],
            "short": whole[start : start + asked],
        }
        self.octets += len(answers[manner])
        self.reads += 1
        return answers[manner]


@dataclass
class Visited:
    """One visit: what came home, and how long it took on the line."""

    data: MeterData
    line: Line
    seconds: float

    def said(self, what: str = "") -> str:
        """Return what is said of a table, one line a problem."""
        return "\n".join(f"{one.what}: {one.reason}" for one in self.data.problems if one.what.startswith(what))

    def lost(self) -> list[Problem]:
        """Return what was asked for and is not in the data."""
        return [one for one in self.data.problems if one.lost]


def visit(tables: Tables | Mapping[int, bytes], *, since: datetime | None = None, hours: float = LONGEST_H) -> Visited:
    """Read the meter as `mrsp read` does, from opening the line to closing it; with `since` only what is new.

    Raises the driver's own errors, and `TimeoutError` for a visit of more than `hours` on the line.
    """
    handler = tables if isinstance(tables, Tables) else Tables(dict(tables))

    async def main() -> Visited:
        line = Line(handler, limits=LIMITS)

        async def opened(_url: str, _options: object) -> Line:
            return line

        began = clock()
        with (
            patch.object(driver_module, "open_transport", opened),
            patch.object(driver_module, "PsemClient", partial(PsemClient, clock=clock)),
        ):
            task = Task(url="serial:///dev/hostile", since=since, monotonic_ns=lambda: int(clock() * 1e9))
            async with asyncio.timeout(hours * 3600):
                data = await PsemDriver().read(task)
        assert line.closed
        return Visited(data, line, clock() - began)

    return run(main())


@cache
def honest_visit(scenario: str, since: datetime | None = None) -> Visited:
    """Return the visit to a meter that says what it should."""
    return visit(honest(scenario), since=since)


def context_of(tables: Mapping[int, bytes], numbers: Iterable[int] | None = None) -> Context:
    """Decode what can be decoded, those tables first that decide the layout of others."""
    context = Context(Quirks())
    order = [0, 11, 21, 51, 61, 62, 63, 71]
    for number in [*order, *(number for number in sorted(tables) if number not in order)]:
        if number in tables and (numbers is None or number in numbers) and tables[number]:
            try:
                context = context.with_table(decode(number, tables[number], context))
            except DataError:
                continue
    return context


def changed(scenario: str, number: int, **fields: Any) -> dict[int, bytes]:
    """Return an honest meter's tables with some fields of one of them changed, nothing else adapted to it."""
    tables = dict(honest(scenario))
    context = context_of(tables)
    table: Any = context.decoded(number).table
    tables[number] = encode(replace(table, **fields), context)
    return tables


def patched(scenario: str, *patches: tuple[int, int, bytes]) -> dict[int, bytes]:
    """Return an honest meter's tables with (table, offset, octets) put in."""
    tables = dict(honest(scenario))
    for number, offset, octets in patches:
        table = bytearray(tables[number])
        table[offset : offset + len(octets)] = octets
        tables[number] = bytes(table)
    return tables


#: Table → what of the data its octets may change. `*`: everything.
REACHES: dict[int, set[str]] = {
    0: {"*"},
    1: {"identity"},
    2: {"identity"},
    3: {"status"},
    5: {"identity"},
    6: {"identity"},
    **{number: {"registers", "blocks", "constants"} for number in (11, 12, 15, 16)},
    **{number: {"registers", "has_tiers"} for number in (21, 22)},
    27: {"ST28"},
    **{number: {f"ST{number}"} for number in (23, 24, 25, 26, 28)},
    **{number: {"registers", "blocks", "events", "clock", "times"} for number in (51, 52, 53, 54, 55)},
    **{number: {"blocks"} for number in (61, 62, 63, 64, 65, 66, 67)},
    **{number: {"events"} for number in (71, 74, 76)},
}


def parts(data: MeterData) -> dict[str, Any]:
    """Return the data by part, as `REACHES` names them; what every visit has anew is left out."""
    found: dict[str, Any] = {
        "identity": data.identity,
        "blocks": data.blocks,
        "events": data.events,
        "status": data.status,
        "clock": data.clock and data.clock.meter_time,
        "has_tiers": data.has_tiers,
        "constants": data.constants,
    }
    for number in (23, 24, 25, 26, 28):
        name = f"ST{number}"
        found[name] = [one for one in data.registers if one.source is not None and one.source.table == name]
    return found


def assert_others_came_home(visited: Visited, scenario: str, *tables: int, since: datetime | None = None) -> None:
    """Assert that what the tables cannot reach is exactly what an honest meter's reading has."""
    reached = set().union(*(REACHES.get(number, set()) for number in tables))
    if "*" in reached:
        return
    wanted, found = parts(honest_visit(scenario, since).data), parts(visited.data)
    for part, value in wanted.items():
        if part not in reached and not (part.startswith("ST") and "registers" in reached):
            assert found[part] == value, part
