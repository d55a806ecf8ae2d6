"""What every transport promises (drivers/transport/base.py), tried on each of them."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from drivers.errors import LineLost
from tests.transport.lines import HANG_UP, KINDS, Kind, Step, line, read_octets

every_kind = pytest.mark.parametrize("kind", KINDS)
ALL_OCTETS = bytes(range(256))


@every_kind
async def test_carries_every_octet_both_ways(kind: Kind, tmp_path: Path) -> None:
    """XON, XOFF, CR, NUL, 7FH and FFH are data on this line."""
    script: list[Step] = [(">", ALL_OCTETS), ("<", ALL_OCTETS[::-1]), (">", b"\x06"), ("<", b"\x15")]
    async with line(kind, tmp_path, script) as transport:
        await transport.write(ALL_OCTETS)
        assert await read_octets(transport, 256) == ALL_OCTETS[::-1]
        await transport.write(b"\x06", secret=True)
        assert await transport.read() == b"\x15"


@every_kind
async def test_carries_the_largest_packets(kind: Kind, tmp_path: Path) -> None:
    rng = random.Random(1)  # noqa: S311 - any octets will do
    sent, answer = rng.randbytes(8192), b"\x06" + rng.randbytes(100_000)
    async with line(kind, tmp_path, [(">", sent), ("<", answer)]) as transport:
        await transport.write(sent)
        assert await read_octets(transport, len(answer)) == answer


@every_kind
async def test_a_cancelled_read_loses_no_octet(kind: Kind, tmp_path: Path) -> None:
    async with line(kind, tmp_path, [(">", b"go"), ("<", b"\x06answer")]) as transport:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await transport.read()
        reading = asyncio.create_task(transport.read())
        await asyncio.sleep(0)
        reading.cancel()
        await transport.write(b"go")
        assert await read_octets(transport, 7) == b"\x06answer"
        with pytest.raises(asyncio.CancelledError):
            await reading


@every_kind
async def test_discarding_drops_what_came_before_and_nothing_after(kind: Kind, tmp_path: Path) -> None:
    script: list[Step] = [(">", b"go"), ("<", b"\x06stale octets"), (">", b"again"), ("<", b"\x06fresh")]
    async with line(kind, tmp_path, script) as transport:
        assert transport.discard_input() == 0
        await transport.write(b"go")
        dropped = 0
        while dropped < 13 + 2 * (kind == "echo"):  # the echo of "go" as well
            await asyncio.sleep(0)
            dropped += transport.discard_input()
        await transport.write(b"again")
        assert await read_octets(transport, 6) == b"\x06fresh"


@every_kind
async def test_a_peer_that_goes_away_is_a_lost_line(kind: Kind, tmp_path: Path) -> None:
    script: list[Step] = [(">", b"go"), ("<", b"\x06last words"), (">", b"bye"), HANG_UP]
    async with line(kind, tmp_path, script) as transport:
        await transport.write(b"go")
        assert await read_octets(transport, 11) == b"\x06last words"
        await transport.write(b"bye")
        for _ in range(2):
            with pytest.raises(LineLost):
                await transport.read()
            with pytest.raises(LineLost):
                await transport.write(b"hello?")
        assert transport.discard_input() == 0


@every_kind
async def test_a_waiting_read_is_told_when_the_peer_goes_away(kind: Kind, tmp_path: Path) -> None:
    async with line(kind, tmp_path, [(">", b"bye"), HANG_UP]) as transport:
        reading = asyncio.create_task(transport.read())
        await asyncio.sleep(0)
        await transport.write(b"bye")
        with pytest.raises(LineLost):
            await reading


@every_kind
async def test_closing_ends_reading_and_writing_and_can_be_repeated(kind: Kind, tmp_path: Path) -> None:
    async with line(kind, tmp_path, []) as transport:
        reading = asyncio.create_task(transport.read())
        await asyncio.sleep(0)
        await transport.close()
        with pytest.raises(LineLost):
            await reading
        with pytest.raises(LineLost):
            await transport.read()
        with pytest.raises(LineLost):
            await transport.write(b"x")
        assert transport.discard_input() == 0
        await transport.close()


@every_kind
async def test_its_name_and_speed_do_for_messages(kind: Kind, tmp_path: Path) -> None:
    async with line(kind, tmp_path, []) as transport:
        assert transport.name.startswith(("/dev/", "tcp://127.0.0.1:", "rfc2217://127.0.0.1:", "replay:///"))
        assert transport.baud == {"tcp": 0, "echo-auto": 0, "modem": 2400}.get(kind, 9600)
        await transport.set_baud(transport.baud or 9600)


@pytest.mark.parametrize("kind", ["pty", "echo", "recording", "tcp", "echo-auto", "rfc2217", "modem"])
async def test_the_speed_changes_only_after_the_output_is_out(kind: Kind, tmp_path: Path) -> None:
    script: list[Step] = [(">", b"at the old speed"), (">", b"at the new one"), ("<", b"\x06")]
    async with line(kind, tmp_path, script) as transport:
        await transport.write(b"at the old speed")
        await transport.set_baud(57600)
        assert transport.baud in (57600, 0, 2400)
        await transport.write(b"at the new one")
        assert await transport.read() == b"\x06"
