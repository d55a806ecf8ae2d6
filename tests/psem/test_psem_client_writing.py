"""The client writes tables: once, unless the meter refused."""

from __future__ import annotations

import pytest

from drivers.errors import LineTooBad, MeterRefused, MeterSilent, UsageError
from drivers.psem import PsemClient, ResponseCode
from drivers.psem.meter import MeterLimits
from tests.psem.lines import LONG, Line, Tables, clock, losing, run, untouched, visit

BSY, ERR = (ResponseCode[name] for name in ("BSY", "ERR"))


def test_writes() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.write_table(7, b"\x09\0\x5a\1")
        await client.write_offset(13, 5, b"abc")
        await client.write_index(13, [2], b"d")

    handler = Tables(says={0x40: [BSY]})
    visit(story, handler)
    assert handler.written == [(7, None, b"\x09\0\x5a\1"), (13, 5, b"abc"), (13, 2, b"d")]


def test_a_long_write_goes_out_in_several_packets() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.write_table(2098, LONG[:900])

    handler = Tables()
    visit(story, handler, limits=MeterLimits(packet_size=64))
    assert handler.written == [(2098, None, LONG[:900])]


def test_a_write_that_does_not_fit() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(UsageError, match="do not fit"):
            await client.write_table(7, bytes(500))

    assert len(visit(story, limits=MeterLimits(packet_size=64, packets=4)).requests()) == 5


def test_a_write_refused_for_a_lost_session_is_done_again() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        await client.write_table(7, b"x")

    handler = Tables()
    visit(story, handler)
    assert handler.written == [(7, None, b"x")]


def test_a_write_without_an_answer_is_not_repeated() -> None:
    handler = Tables()

    async def main() -> None:
        line = Line(handler)
        async with PsemClient(line, clock=clock).session() as client:
            line.back.damage = losing(1.0, 0)
            with pytest.raises(MeterSilent):
                await client.write_table(7, b"x")
            line.back.damage = untouched

    run(main())
    assert handler.written == [(7, None, b"x")]


def test_the_late_answer_to_a_write_is_not_taken_for_the_next_one() -> None:
    handler = Tables()

    async def main() -> Line:
        line = Line(handler)
        async with PsemClient(line, clock=clock).session() as client:
            line.back.late = lambda: 9.0
            with pytest.raises((MeterSilent, LineTooBad)):
                await client.write_table(7, b"first")
            line.back.late = lambda: 0.0
            handler.says[0x40] = [ERR]
            with pytest.raises(MeterRefused):
                await client.write_table(7, b"second")
        return line

    assert run(main()).requests().count("Logon") == 2
    assert handler.written == [(7, None, b"first")]


def test_a_slow_write_gets_the_time_it_needs() -> None:
    async def main() -> list[float]:
        line = Line(Tables())
        async with PsemClient(line, clock=clock).session() as client:
            line.mute = True
            began = clock()
            with pytest.raises(MeterSilent):
                await client.write_table(7, b"x", response_s=10.0)
            line.mute = False
            return [began, clock()]

    began, ended = run(main())
    assert 40 < ended - began < 41
