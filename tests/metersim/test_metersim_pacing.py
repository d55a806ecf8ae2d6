"""The pace of the line in virtual time: to the microsecond what octets need, and the meter's pause before it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from metersim.meter import RunningMeter
from metersim.meter.serving import Serving, serve_meter
from metersim.precise_loop import precise_loop
from tests.metersim.raw_client import IDENTIFY, LOGON, negotiate, packet
from tests.recordings.virtual import CablePort, loop_time, opener, run
from tests.soak.virtual_loop import rest
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
IDENTIFIED = b"\x06" + packet(bytes.fromhex("00 00 01 00 00"))
PAUSE_S = 0.002  # turnaround_ms of the scenario, or two characters if that is longer
ACK = b"\x06"


def paced(story: Callable[[CablePort, RunningMeter], Awaitable[None]], scenario: str = "closure-1997") -> None:
    """Run a story with a paced meter on a cable."""

    async def main() -> None:
        ports: list[CablePort] = []
        serving = Serving(young(scenario, NOW), NOW, baud_pace=True, rate=0)
        async with serve_meter(serving, opener(ports)) as meter:
            await story(ports[0], meter)

    run(main())


async def said(port: CablePort, octets: bytes) -> float:
    """Wait until the meter has said exactly this; return the seconds that it took."""
    began = loop_time()
    while len(port.inbox) < len(octets):
        port.arrived.clear()
        await port.arrived.wait()
    assert bytes(port.inbox) == octets
    port.inbox.clear()
    return loop_time() - began


def wire_s(octets: int, baud: int = 9600) -> float:
    return octets * 10 / baud


def pause_s(baud: int = 9600) -> float:
    return max(PAUSE_S, wire_s(2, baud))


def test_an_exchange_takes_the_time_of_its_octets_and_one_pause() -> None:
    async def story(port: CablePort, meter: RunningMeter) -> None:
        for number in range(3):  # nothing adds up
            port.received(packet(IDENTIFY))
            took = await said(port, ACK + packet(IDENTIFIED[7:-2], 0x20 * (number % 2)))
            assert took == pytest.approx(wire_s(9) + pause_s() + wire_s(14), abs=1e-6)
            port.received(ACK)
            await rest(wire_s(1) + pause_s())
        assert meter.line.bytes_received == 3 * 10
        assert meter.line.bytes_sent == 3 * 14

    paced(story)


def test_a_request_that_comes_while_the_line_is_busy_waits_its_turn() -> None:
    async def story(port: CablePort, _meter: RunningMeter) -> None:
        port.received(packet(IDENTIFY)[:4])
        port.received(packet(IDENTIFY)[4:])
        assert await said(port, IDENTIFIED) == pytest.approx(wire_s(9) + pause_s() + wire_s(14), abs=1e-6)

    paced(story)


def test_after_the_acknowledgement_both_are_faster() -> None:
    async def story(port: CablePort, _meter: RunningMeter) -> None:
        port.received(packet(IDENTIFY))
        await said(port, IDENTIFIED)
        port.received(ACK)
        await rest(wire_s(1))
        port.received(packet(negotiate(128, 8, 0x0A), 0x20))
        await said(port, ACK + packet(bytes.fromhex("00 0080 08 0A"), 0x20))
        port.received(ACK)
        await rest(wire_s(1))
        port.baud = 57600
        port.received(packet(LOGON))
        expected = wire_s(21, 57600) + pause_s(57600) + wire_s(10, 57600)
        assert await said(port, ACK + packet(b"\0")) == pytest.approx(expected, abs=1e-6)

    paced(story)


def test_octets_arrive_as_they_are_sent_not_all_at_the_end() -> None:
    async def story(port: CablePort, _meter: RunningMeter) -> None:
        port.received(packet(IDENTIFY))
        arrivals: list[tuple[float, int]] = []
        began = loop_time()
        while sum(octets for _, octets in arrivals) < len(IDENTIFIED):
            port.arrived.clear()
            await port.arrived.wait()
            arrivals.append((loop_time() - began, len(port.inbox)))
            port.inbox.clear()
        through = 0
        for at, octets in arrivals:
            through += octets
            assert at == pytest.approx(wire_s(9) + pause_s() + wire_s(through), abs=1e-6)

    paced(story)


def test_a_precise_loop_is_an_event_loop_like_any_other() -> None:
    async def main() -> list[str]:
        order: list[str] = []
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        loop.call_later(0.002, over.set)
        loop.call_later(0.0005, order.append, "soon")
        order.append(await asyncio.to_thread(lambda: "thread"))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        order.append((await reader.read(5)).decode())
        writer.close()
        await writer.wait_closed()
        await over.wait()
        return [*order, "later"]

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        server = runner.run(asyncio.start_server(greet, "127.0.0.1", 0))
        order = runner.run(main())
        server.close()
        runner.run(server.wait_closed())
    assert set(order[:-1]) == {"soon", "thread", "hello"}
