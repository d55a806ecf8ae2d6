"""The meters of the soak: what they hold, and what a reader must find. Made once in each process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random

import msgspec

from drivers.psem.codes import ResponseCode
from metersim.meter import Meter
from metersim.meter.model import microseconds
from metersim.meter.scenario import Scenario
from metersim.meter.tables.image import Image
from tests.psem.lines import Tables
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
PASSWORD = b"PASSWORD01"
_BLOCKS = 3  # of each profile set: a soak needs many sessions, not long ones
_ENTRIES = 6
SCENARIOS = (
    "minimal",
    "closure-1997",
    "residential-tou",
    "big-endian-float-bcd",
    "descending-fifo-2008",
    "commercial-4ch",
)


@dataclass
class Memory(Tables):
    """A meter's tables; not `strict`: a read past the end of a table brings what there is."""

    strict: bool = True

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        if offset is not None and count is not None and not self.strict:
            data = self.tables.get(table, b"")
            if offset < len(data):
                count = min(count, len(data) - offset)
        return super().read_table(table, offset, count)


@cache
def simulated(scenario: str) -> Mapping[int, bytes]:
    """Return the tables of a simulated meter with a short profile, at a standstill."""
    meter = Meter(_short(young(scenario, NOW)), 1, microseconds(NOW))
    image = Image(meter)
    return {number: image.octets(number, meter.start_us) or b"" for number in image.tables}


def _short(scenario: Scenario) -> Scenario:
    changes: dict[str, object] = {}
    if scenario.profile is not None:
        sets = [
            msgspec.structs.replace(one, blocks=min(one.blocks, _BLOCKS), recording_days=None)
            for one in scenario.profile.sets
        ]
        changes["profile"] = msgspec.structs.replace(scenario.profile, sets=sets)
    if scenario.log is not None:
        log = scenario.log
        changes["log"] = msgspec.structs.replace(
            log, entries=min(log.entries, _ENTRIES), history_entries=min(log.history_entries, _ENTRIES)
        )
    return msgspec.structs.replace(scenario, **changes)


def random_tables(random: Random) -> dict[int, bytes]:
    """Return tables of any content: noise, text, ramps, and runs of one octet."""
    numbers = random.sample(range(1, 120), random.randrange(2, 8))
    return {number: _content(random, _size(random)) for number in numbers}


def _size(random: Random) -> int:
    return random.choice(
        (1, 8, 52, 53, random.randrange(1, 60), random.randrange(60, 500), random.randrange(500, 2500))
    )


def _content(random: Random, size: int) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return random.randbytes(size)
    if kind == 1:
        return bytes(n & 0xFF for n in range(size))
    if kind == 2:
        return b"".join(n.to_bytes(4, "little") for n in range(size // 4 + 1))[:size]
    return random.choice((b"\x00", b"\xee", b"\x06", b"\xff")) * size
