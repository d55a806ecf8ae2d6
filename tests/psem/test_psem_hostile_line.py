"""Who talks without listening does not hold a visit up for ever, nor fills the memory."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Callable

import pytest

from drivers.errors import MrspError
from drivers.psem import PsemClient, PsemOptions
from drivers.psem.packet import Packet
from tests.psem.babbler import ACK, Babbler, Talk, for_ever, packets
from tests.psem.lines import PASSWORD, clock, run
from tests.soak.virtual_loop import rest

DATA = b"x" * 56
NOISE = random.Random(6).randbytes(4096)  # noqa: S311 - repeatable
TALKS: dict[str, Callable[[], Talk]] = {
    "a message that never ends": lambda: packets(lambda n: Packet(DATA, seq=5, multi=True, first=n == 0)),
    "messages that only begin": lambda: packets(lambda _n: Packet(DATA, seq=5, multi=True, first=True)),
    "a message that begins again": lambda: packets(lambda n: Packet(DATA, seq=255 - n % 255, multi=True, first=n == 0)),
    "single packets that say more follow": lambda: packets(lambda _n: Packet(DATA, seq=5)),
    "leftovers": lambda: packets(lambda _n: Packet(b"\0")),
    "the same packet": lambda: for_ever(Packet(DATA, seq=5, multi=True, first=True).to_bytes(), 0.05),
    "packets without a pause": lambda: packets(lambda _n: Packet(b"\0\0\1\0\0"), gap_s=0.0),
    "packets of a terminal": lambda: packets(lambda _n: Packet(b"\x1b[2J" * 14)),
    "busy": lambda: for_ever(ACK + Packet(b"\6").to_bytes(), 1.0, ACK + Packet(b"\6", toggle=True).to_bytes(), 1.0),
    "acknowledgements": lambda: for_ever(ACK * 64),
    "refusals of the packet": lambda: for_ever(b"\x15", 0.3),
    "start bytes": lambda: for_ever(b"\xee" * 64),
    "zeros": lambda: for_ever(bytes(64)),
    "noise": lambda: for_ever(*(NOISE[at : at + 64] for at in range(0, len(NOISE), 64))),
    "damaged packets": lambda: for_ever(Packet(DATA).to_bytes()[:-1] + b"x", 0.05),
    "a packet octet by octet": lambda: for_ever(b"\xee\0\0\0\0\x38", *(b"x", 0.4) * 50),
}


@pytest.mark.parametrize("name", TALKS)
def test_a_babbler_costs_minutes_at_most(name: str) -> None:
    async def main() -> Babbler:
        line = Babbler(TALKS[name]())
        began = clock()
        with pytest.raises(MrspError) as caught:
            async with PsemClient(line, PsemOptions(), clock=clock).session(PASSWORD) as client:
                await client.read_table(1)
        assert str(caught.value).isprintable()
        assert clock() - began < 600
        return line

    tracemalloc.start()
    try:
        line = run(main())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert line.longest < 64_000
    assert line.written < 50_000
    assert peak < 2_000_000


def test_a_visit_to_a_babbler_can_be_cancelled() -> None:
    async def main() -> float:
        line = Babbler(TALKS["messages that only begin"]())
        client = PsemClient(line, PsemOptions(), clock=clock)

        async def visit() -> None:
            async with client.session() as session:
                await session.read_table(1)

        task = asyncio.create_task(visit())
        await rest(20)
        task.cancel()
        began = clock()
        with pytest.raises(asyncio.CancelledError):
            await task
        return clock() - began

    assert run(main()) < 20
