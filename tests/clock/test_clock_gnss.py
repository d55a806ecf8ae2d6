"""Asking a gpsd over TCP: one that says what we let it say, and how it can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from agent.clock import ClockSettings, NoTime, SystemClock, TimeSample, prove, read_instant
from agent.clock.gnss import ask
from agent.clock.gpsd import WATCH
from agent.clock.plausible import EPOCH
from agent.clock.settings import Server
from metersim.ntp import Behaviour, NtpServer

CLOCK = SystemClock()
Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def gpsd(converse: Conversation) -> AsyncIterator[Server]:
    """Serve each client that one conversation, and close."""
    ended: list[asyncio.Task[None]] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.append(task)
        try:
            await converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield Server(host, port)
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*ended)


def fixes(count: int, *, pulse: bool = False) -> bytes:
    """So many fixes of different moments, the last of them now; each with its pulse."""
    now_us = CLOCK.realtime_ns() // 1_000
    lines = []
    for n in range(count):
        at = EPOCH + timedelta(microseconds=now_us - (count - 1 - n) * 100_000)
        if pulse:
            edge = int(at.timestamp())
            told = {"class": "PPS", "device": "/dev/pps0", "real_sec": edge, "real_nsec": 0}
            lines.append(told | {"clock_sec": edge, "clock_nsec": 0, "precision": -20})
        tpv = {"class": "TPV", "device": "/dev/pps0", "mode": 3, "leapseconds": 18}
        lines.append(tpv | {"time": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"})
    return b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)


async def reading_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the client is gone."""
    while await reader.read(100):
        pass


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"class":"VERSION","release":"3.22","proto_major":3,"proto_minor":14}\r\n')
    assert await reader.readline() == WATCH
    for octet in fixes(3):  # a line may come in pieces
        writer.write(bytes([octet]))
        await writer.drain()
    await reading_all(reader, writer)


async def test_a_receiver_with_a_fix() -> None:
    async with gpsd(good) as server:
        heard = await ask(server, CLOCK, 30)
    assert isinstance(heard, TimeSample), heard
    assert heard.name == f"gpsd {server}"
    assert heard.low_s <= 0 <= heard.high_s, "it told our own time"


async def test_pulses_count_on_this_box() -> None:
    async def pulsing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(fixes(3, pulse=True))
        await reading_all(reader, writer)

    async with gpsd(pulsing) as server:
        heard = await ask(server, CLOCK, 30)
    assert isinstance(heard, TimeSample)
    assert "pulse" in heard.detail
    assert "no pulse" not in heard.detail
    assert heard.offset_s == 0
    assert heard.uncertainty_s < 1


async def test_it_proves_the_clock() -> None:
    async with gpsd(good) as server:
        proof = await prove(ClockSettings.asking(gpsd=str(server)), CLOCK)
    assert (proof.synchronized, proof.source, proof.reference) == (True, "gnss", "GNSS")
    assert proof.permits("interval", read_instant(CLOCK)).allowed
    assert "Only one source" in proof.reasons[0]


async def test_it_contradicts_a_lying_server() -> None:
    liar = NtpServer(Behaviour(offset_s=90))
    host, port = await liar.start()
    async with gpsd(good) as server:
        proof = await prove(ClockSettings.asking([f"{host}:{port}"], str(server)), CLOCK)
    liar.close()
    assert not proof.synchronized
    assert "The two sources contradict" in proof.reasons[0]


async def test_dies_midway() -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(fixes(2))
        await writer.drain()
        await reader.readline()
        writer.close()
        await writer.wait_closed()

    async with gpsd(dying) as server:
        heard = await ask(server, CLOCK, 30)
    assert heard == NoTime(
        "gnss", f"gpsd {server}", "it ended the connection; /dev/pps0 gave 2 of 3 fixes, then no other"
    )


async def test_resets_the_connection() -> None:
    async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.transport.abort()

    async with gpsd(resetting) as server:
        heard = await ask(server, CLOCK, 30)
    assert isinstance(heard, NoTime)
    assert "it reports nothing" in heard.reason


async def test_says_nothing() -> None:
    async with gpsd(reading_all) as server:
        heard = await ask(server, CLOCK, 0.05)
    assert isinstance(heard, NoTime)
    assert heard.reason == "it reports nothing (within 0.05 s)"
    assert heard.cause == "useless"


async def test_without_a_fix_it_waits_for_one() -> None:
    async def searching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"class":"TPV","device":"/dev/pps0","mode":1}\r\n')
        await reading_all(reader, writer)

    async with gpsd(searching) as server:
        heard = await ask(server, CLOCK, 0.2)
    assert isinstance(heard, NoTime)
    assert "has no fix" in heard.reason
    assert heard.cause == "waiting"


async def test_a_line_without_an_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with gpsd(endless) as server:
        heard = await ask(server, CLOCK, 30)
    assert isinstance(heard, NoTime)
    assert "the connection failed" in heard.reason


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (Server("127.0.0.1", 1), "cannot be reached: Connection refused"),
        (Server("gpsd.invalid", 2947), "cannot be reached"),
        (Server("a" * 70, 2947), "cannot be reached"),
    ],
)
async def test_cannot_be_reached(server: Server, words: str) -> None:
    heard = await ask(server, CLOCK, 30)
    assert isinstance(heard, NoTime)
    assert words in heard.reason
    assert heard.cause == "down"
