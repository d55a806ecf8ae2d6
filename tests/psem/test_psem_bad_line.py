"""Client and meter over lines that are slow, cut up, echoing, lossy and noisy: the exact table, or an error."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.errors import MrspError
from drivers.psem import PsemClient, PsemOptions, SessionStatistics, State
from drivers.psem.meter import MeterLimits
from drivers.psem.services import OffsetRead
from tests.psem.lines import PASSWORD, Damage, Direction, Line, Tables, clock, doubling, flipping, losing, run

PROFILE = random.Random(64).randbytes(14_868)  # noqa: S311 - 35 days of two channels
OPTIONS = PsemOptions(user="READER", user_id=2)


@dataclass
class Visit:
    data: bytes
    seconds: float
    wire_seconds: float
    statistics: SessionStatistics
    line: Line


def read_profile(there: Direction, back: Direction, *, size: int | None = len(PROFILE), baud: int = 9600) -> Visit:
    async def main() -> Visit:
        line = Line(Tables({64: PROFILE}, password=b"PASSWORD01"), there=there, back=back, baud=baud)
        client = PsemClient(line, OPTIONS, clock=clock)
        async with client.session(PASSWORD) as session:
            began, before = clock(), back.octets
            data = await session.read_table(64, size=size)
            seconds = clock() - began
            wire_seconds = (back.octets - before) * 10 / baud if baud else 0.0
        return Visit(data, seconds, wire_seconds, client.statistics, line)

    return run(main())


def test_a_full_read_costs_little_more_than_its_octets_on_the_wire() -> None:
    visit = read_profile(Direction(), Direction())
    assert visit.data == PROFILE
    assert visit.seconds <= 1.01 * visit.wire_seconds
    assert visit.seconds <= 1.02 * len(PROFILE) * 10 / 9600
    assert visit.line.collisions == 0


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("delay", [0.0, 0.016, 0.4, 1.2])
@pytest.mark.parametrize("baud", [9600, 0])
def test_late_and_cut_up_lines(bytewise: bool, delay: float, baud: int) -> None:
    chance = random.Random(3)  # noqa: S311 - repeatable
    late = [Direction(bytewise=bytewise, late=lambda: chance.random() * delay) for _ in range(2)]
    visit = read_profile(*late, baud=baud)
    assert visit.data == PROFILE
    if delay < 1:  # otherwise an ACK can come later than the response time-out
        assert visit.statistics.recoveries == visit.statistics.retries == visit.statistics.naks == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "rate"),
    [(flipping, 0.0003), (flipping, 0.001), (flipping, 0.003), (losing, 0.001), (losing, 0.003), (doubling, 0.3)],
)
def test_a_profile_is_read_whole_over_a_bad_line(kind: Callable[[float, int], Damage], rate: float, seed: int) -> None:
    visit = read_profile(Direction(kind(rate, seed)), Direction(kind(rate, seed + 100)))
    assert visit.data == PROFILE
    assert visit.line.meter.state is State.BASE or visit.line.meter.deadline() is not None
    assert visit.line.collisions == 0
    if rate == 0.003:
        assert visit.statistics.packet_size <= 128
        assert visit.statistics.recoveries > 0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", [flipping, losing])
def test_a_hopeless_line_ends_in_an_error_or_the_exact_octets(kind: Callable[[float, int], Damage], seed: int) -> None:
    with contextlib.suppress(MrspError):
        assert read_profile(Direction(kind(0.02, seed)), Direction(kind(0.02, seed + 100))).data == PROFILE


def test_a_broken_line_is_resumed_at_the_octet_reached() -> None:
    async def main() -> Line:
        line = Line(Tables({64: PROFILE}), limits=MeterLimits(packet_size=256, packets=8))
        client = PsemClient(line, OPTIONS, clock=clock)
        async with client.session() as session:
            line.loop.call_later(6.0, setattr, line, "mute", True)
            line.loop.call_later(20.0, setattr, line, "mute", False)
            assert await session.read_offset(64, 0, len(PROFILE)) == PROFILE
            assert session.statistics.recoveries == 1
        return line

    reads = [request for request, _ in run(main()).served() if isinstance(request, OffsetRead)]
    repeated = [sooner for sooner, later in itertools.pairwise(reads) if later.offset == sooner.offset]
    assert [read.offset for read in reads] == sorted(read.offset for read in reads)
    assert len(repeated) == 1
    assert repeated[0].offset > 0


@pytest.mark.parametrize("toggles", [True, False])
def test_a_line_that_echoes_what_is_sent(toggles: bool) -> None:
    """Without an echo canceller in the transport: the link itself knows its own packets."""

    async def main() -> bytes:
        line = Line(Tables({64: PROFILE[:3000]}))
        write = line.write

        async def echoing(chunk: bytes, *, secret: bool = False) -> None:
            line.say(chunk, after=len(chunk) * 10 / 9600)
            await write(chunk, secret=secret)

        line.write = echoing  # type: ignore[method-assign]
        async with PsemClient(line, PsemOptions(toggles=toggles), clock=clock).session() as client:
            return await client.read_table(64)

    assert run(main()) == PROFILE[:3000]
