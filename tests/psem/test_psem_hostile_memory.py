"""What a declared size costs before its octets are there, and when they come: twice their number at most.

Measured with everything that belongs to the reader; the meter's own memory is made before.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from drivers.errors import DataError
from drivers.psem import PsemClient, PsemOptions
from drivers.psem.meter import MeterLimits
from tests.fuzz.hostile_meter import HostileTables
from tests.psem.lines import Line, clock, run

SIZE = 4_000_000
CONSTANT = 2_000_000  # packets under way, one answer of 65,535 octets, and the line between them
LIMITS = MeterLimits(packet_size=8192, packets=255)


def peak(handler: HostileTables, story: Callable[[PsemClient], Awaitable[None]]) -> int:
    """Return the most memory that a session takes."""

    async def main() -> int:
        line = Line(handler, limits=LIMITS, baud=0)
        client = PsemClient(line, PsemOptions(packet_size=8192), clock=clock)
        async with client.session() as session:
            tracemalloc.start()
            try:
                await story(session)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    return run(main())


def test_a_long_span_takes_twice_its_octets_at_most() -> None:
    async def story(client: PsemClient) -> None:
        assert len(await client.read_offset(64, 0, SIZE)) == SIZE

    assert peak(HostileTables({64: bytes(SIZE)}), story) < 2.2 * SIZE + CONSTANT


@pytest.mark.parametrize("manner", ["short", "long", "empty", "crumbs"])
def test_a_declared_size_costs_nothing_until_its_octets_come(manner: str) -> None:
    handler = HostileTables({64: bytes(1000)}, manners={64: manner})

    async def story(client: PsemClient) -> None:
        with pytest.raises(DataError):
            await client.read_offset(64, 0, (1 << 24) - 1)
        with pytest.raises(DataError):
            await client.read_table(64, size=(1 << 24) - 1)

    assert peak(handler, story) < CONSTANT
    assert handler.reads < 200


def test_what_no_read_can_reach_is_not_asked_for() -> None:
    handler = HostileTables({64: bytes(1000)}, manners={64: "padded"})

    async def story(client: PsemClient) -> None:
        for offset, count in ((0, 1 << 40), (1 << 24, 1), ((1 << 24) - 1, 2)):
            with pytest.raises(DataError, match="reads by offset reach"):
                await client.read_offset(64, offset, count)

    assert peak(handler, story) < CONSTANT
    assert handler.reads == 0
