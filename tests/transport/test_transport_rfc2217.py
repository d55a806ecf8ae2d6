"""Serial servers that can be set over the network: the codec, strict and sloppy servers, and the real ser2net."""

from __future__ import annotations

import asyncio
import termios
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LineLost, TransportError
from drivers.transport import open_transport
from drivers.transport.com_port import ComPort
from drivers.transport.telnet import (
    DO,
    DONT,
    IAC,
    MAX_SUBNEGOTIATION,
    SB,
    SE,
    WILL,
    WONT,
    Negotiation,
    Subnegotiation,
    TelnetDecoder,
    escape,
    negotiation,
    subnegotiation,
)
from tests.transport.lines import PtyPeer, read_octets, tcp_server
from tests.transport.real_ser2net import opened_when_free, real_ser2net, ser2net
from tests.transport.serial_server import COM_PORT, Manners, serial_server

ALL_OCTETS = bytes(range(256))
UNPOWERED = {"echo": "off", "dtr": "leave", "rts": "leave"}  # nothing to wait for


# -- telnet

pieces = st.one_of(
    st.binary(max_size=20),
    st.builds(Negotiation, st.sampled_from([WILL, WONT, DO, DONT]), st.integers(0, 255)),
    st.builds(Subnegotiation, st.integers(0, 254), st.binary(max_size=20)),
)


@given(st.lists(pieces, max_size=12), st.lists(st.integers(0, 500), max_size=10))
def test_data_and_commands_come_out_as_they_were_sent_however_cut(
    sent: list[bytes | Negotiation | Subnegotiation], places: list[int]
) -> None:
    stream = b""
    for one in sent:
        if isinstance(one, bytes):
            stream += escape(one)
        elif isinstance(one, Negotiation):
            stream += negotiation(one.verb, one.option)
        else:
            stream += subnegotiation(one.option, one.payload)
    decoder = TelnetDecoder()
    ends = sorted({min(place, len(stream)) for place in places} | {0, len(stream)})
    data, commands = b"", []
    for a, b in pairwise(ends):
        more, told = decoder.feed(stream[a:b])
        data += more
        commands += told
    assert data == b"".join(one for one in sent if isinstance(one, bytes))
    assert commands == [one for one in sent if not isinstance(one, bytes)]


@given(st.binary(max_size=300))
def test_any_octets_are_taken(stream: bytes) -> None:
    port = ComPort()
    port.start()
    assert len(port.feed(stream)) <= len(stream)
    port.output.clear()
    port.feed(stream)
    port.output.clear()
    port.feed(stream)
    assert not any(verb in port.output for verb in (WILL, DO))  # nothing is agreed to twice


def test_commands_without_an_option_and_broken_ones_are_dropped() -> None:
    decoder = TelnetDecoder()
    assert decoder.feed(bytes((IAC, 241)) + b"a" + bytes((IAC, 249)) + b"b") == (b"ab", [])
    broken = bytes((IAC, SB, COM_PORT, 1, 2, IAC, WILL, 3)) + b"data"
    assert decoder.feed(broken) == (b"data", [Negotiation(WILL, 3)])
    assert decoder.feed(bytes((IAC, SB, IAC, SE)) + b"x") == (b"x", [])


def test_a_subnegotiation_without_end_takes_no_memory() -> None:
    decoder = TelnetDecoder()
    decoder.feed(bytes((IAC, SB, COM_PORT)))
    for _ in range(100):
        assert decoder.feed(bytes(1000)) == (b"", [])
    (told,) = decoder.feed(bytes((IAC, SE)))[1]
    assert isinstance(told, Subnegotiation)
    assert len(told.payload) < MAX_SUBNEGOTIATION


def test_two_who_answer_each_other_come_to_an_end() -> None:
    ours, theirs = ComPort(), ComPort()
    ours.start()
    theirs.start()
    for _ in range(10):
        to_them, ours.output = bytes(ours.output), bytearray()
        theirs.feed(to_them)
        to_us, theirs.output = bytes(theirs.output), bytearray()
        ours.feed(to_us)
    assert not ours.output
    assert not theirs.output
    assert ours.agreed


def test_options_that_we_do_not_have_are_declined_and_taken_back_ones_acknowledged() -> None:
    port = ComPort()
    port.start()
    port.output.clear()
    port.feed(negotiation(DO, 24) + negotiation(WILL, 1) + negotiation(DO, 0))
    assert bytes(port.output) == negotiation(WONT, 24) + negotiation(DONT, 1)
    port.output.clear()
    port.feed(negotiation(DONT, COM_PORT) + negotiation(WONT, 0) + negotiation(WONT, 77))
    assert bytes(port.output) == negotiation(WONT, COM_PORT) + negotiation(DONT, 0)
    assert port.agreed is False


# -- servers


async def test_the_port_is_set_and_powered_and_powered_down() -> None:
    async with serial_server() as server:
        transport = await open_transport(f"{server.url}?baud=1200", {"echo": "off", "dtr": "on", "rts": "off"})
        peer = await server.peer()
        assert transport.name == server.url
        assert transport.baud == 1200
        assert peer.settings == {
            1: [(1200).to_bytes(4, "big")],
            2: [b"\x08"],
            3: [b"\x01"],
            4: [b"\x01"],
            5: [b"\x01", b"\x08", b"\x0c"],
            12: [b"\x03"],
        }
        await transport.write(ALL_OCTETS)
        assert await peer.receive(256) == ALL_OCTETS
        await peer.send(ALL_OCTETS * 3)
        assert await read_octets(transport, 768) == ALL_OCTETS * 3
        await transport.close()
        await peer.ended()
        assert peer.settings[5][-1] == b"\x09"
        with pytest.raises(LineLost, match="is closed"):
            await transport.read()


@pytest.mark.parametrize(
    "manners",
    [
        Manners(),
        Manners(unanswered=(5, 12)),  # as some do whose port has no such lines
        Manners(chatty=True, greeting=b"Welcome!\r\n"),
    ],
    ids=["strict", "sloppy", "chatty"],
)
async def test_speed_changes_travel_and_octets_of_before_do_not(manners: Manners) -> None:
    async with serial_server(manners) as server:
        transport = await open_transport(server.url, UNPOWERED)
        peer = await server.peer()
        await transport.write(b"at the old speed")
        await peer.send(b"stale")
        await transport.set_baud(57600)
        assert transport.baud == 57600
        await transport.set_baud(57600)
        await transport.write(b"\xff\xff new")
        assert await peer.receive(22) == b"at the old speed\xff\xff new"
        assert peer.bauds_at == [(0, 9600), (16, 57600)]
        await peer.send(b"\xff\xf0")
        assert await read_octets(transport, 2) == b"\xff\xf0"
        await transport.close()


async def test_a_server_that_stops_us_is_obeyed() -> None:
    async with serial_server() as server:
        transport = await open_transport(server.url, UNPOWERED)
        peer = await server.peer()
        peer.suspend(on=True)
        await peer.send(b"x")
        assert await transport.read() == b"x"
        writing = asyncio.create_task(transport.write(b"later"))
        await asyncio.sleep(0)
        assert not writing.done()
        peer.suspend(on=False)
        await writing
        assert await peer.receive(5) == b"later"
        await transport.close()


async def test_discarding_keeps_what_the_server_says_among_the_octets() -> None:
    async with serial_server() as server:
        transport = await open_transport(server.url, UNPOWERED)
        peer = await server.peer()
        peer.writer.write(b"stale" + subnegotiation(COM_PORT, b"\x6c") + b"\xff\xff")
        await peer.writer.drain()
        dropped = 0
        while dropped < 6:
            await asyncio.sleep(0)
            dropped += transport.discard_input()
        assert transport._stream.port.suspended  # type: ignore[attr-defined]
        await transport.close()


@pytest.mark.parametrize(
    ("manners", "told"),
    [
        (Manners(com_port=False), "cannot set its port"),
        (Manners(silent=True), "does not speak telnet within 200 ms.*tcp://"),
        (Manners(unanswered=(2,)), "does not say whether it set 8 data bits"),
        (Manners(baud=300), "cannot set 9600 baud"),
    ],
)
async def test_a_server_that_does_not_do_says_so(manners: Manners, told: str) -> None:
    async with serial_server(manners) as server:
        with pytest.raises(TransportError, match=told):
            await open_transport(f"{server.url}?connect_ms=200", UNPOWERED)


async def test_a_server_that_refuses_or_hangs_up() -> None:
    async with tcp_server() as server:
        opening = asyncio.create_task(open_transport(server.url.replace("tcp", "rfc2217"), UNPOWERED))
        await (await server.peer()).hang_up()
        with pytest.raises(LineLost, match=r"closed the connection|broke"):
            await opening
    with pytest.raises(TransportError, match="refuses the connection"):
        await open_transport(server.url.replace("tcp", "rfc2217"), UNPOWERED)


async def test_cancelling_the_opening_leaves_nothing_behind() -> None:
    async with serial_server(Manners(silent=True)) as server:
        opening = asyncio.create_task(open_transport(server.url, UNPOWERED))
        peer = await server.peer()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await peer.ended()


# -- the real one


@pytest.mark.skipif(ser2net() is None, reason="Debian's ser2net is not installed (scripts/test installs it)")
async def test_the_real_ser2net(tmp_path: Path) -> None:
    peer = PtyPeer()
    async with real_ser2net(peer.path, tmp_path) as url:
        transport = await opened_when_free(url, UNPOWERED)
        await transport.write(ALL_OCTETS)
        assert await peer.receive(256) == ALL_OCTETS
        await peer.send(ALL_OCTETS[::-1] * 8)
        assert await read_octets(transport, 2048) == ALL_OCTETS[::-1] * 8
        for baud, constant in ((19200, termios.B19200), (300, termios.B300), (9600, termios.B9600)):
            await transport.set_baud(baud)
            assert termios.tcgetattr(peer._slave)[5] == constant
            await transport.write(b"\xff\x00\xff")
            assert await peer.receive(3) == b"\xff\x00\xff"
        assert termios.tcgetattr(peer._slave)[2] & (termios.CSIZE | termios.PARENB | termios.CSTOPB) == termios.CS8
        await transport.close()
    await peer.hang_up()
