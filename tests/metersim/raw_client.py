"""A C12.18 client written by hand from the standard's facts, sharing no code with the product: bytes out, bytes in."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE_S = 20.0
ACK, NAK = 0x06, 0x15
PASSWORD = "00000000"  # noqa: S105 - the first of every scenario that does not say another
IDENTIFY = bytes.fromhex("20")
NEGOTIATE_1024 = bytes.fromhex("61 0400 80 06")
LOGON = bytes.fromhex("50 0002 52454144455220202020")
LOGOFF, TERMINATE = b"\x52", b"\x21"
OK, ERR, SNS, ISC, ONP, IAR, BSY, DNR, RNO, ISSS = (bytes([code]) for code in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10))


def crc(octets: bytes) -> bytes:
    """CRC-16/X-25, low byte first."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return (value ^ 0xFFFF).to_bytes(2, "little")


def packet(data: bytes, ctrl: int = 0, seq: int = 0, identity: int = 0) -> bytes:
    body = bytes([0xEE, identity, ctrl, seq]) + len(data).to_bytes(2, "big") + data
    return body + crc(body)


def negotiate(packet_size: int, packets: int, *baud_codes: int) -> bytes:
    return bytes([0x60 + len(baud_codes)]) + packet_size.to_bytes(2, "big") + bytes([packets, *baud_codes])


def security(password: str) -> bytes:
    return b"\x51" + password.encode().ljust(20, b"\0")


def full_read(table: int) -> bytes:
    return b"\x30" + table.to_bytes(2, "big")


def offset_read(table: int, offset: int, count: int) -> bytes:
    return b"\x3f" + table.to_bytes(2, "big") + offset.to_bytes(3, "big") + count.to_bytes(2, "big")


def index_read(table: int, indices: tuple[int, ...], elements: int) -> bytes:
    path = b"".join(index.to_bytes(2, "big") for index in indices)
    return bytes([0x30 + len(indices)]) + table.to_bytes(2, "big") + path + elements.to_bytes(2, "big")


def offset_write(table: int, offset: int, data: bytes) -> bytes:
    head = b"\x4f" + table.to_bytes(2, "big") + offset.to_bytes(3, "big")
    return head + len(data).to_bytes(2, "big") + data + bytes([-sum(data) & 0xFF])


def full_write(table: int, data: bytes) -> bytes:
    return b"\x40" + table.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data + bytes([-sum(data) & 0xFF])


def table_data(answer: bytes) -> bytes:
    """Check code, count and checksum; return the data."""
    assert answer[0] == 0, answer.hex(" ")
    count = int.from_bytes(answer[1:3], "big")
    assert len(answer) == count + 4
    assert sum(answer[3:]) % 256 == 0
    return answer[3:-1]


class RawClient:
    """One connection; `toggle` flips with each packet sent."""

    def __init__(self, reader: asyncio.StreamReader, write: int | asyncio.StreamWriter, *, echo: bool = False) -> None:
        self.reader = reader
        self._write = write
        self.echo = echo
        self.toggle = 0
        self.toggles_seen: list[int] = []
        self.largest = 0  # octets of the largest packet received

    async def send(self, octets: bytes) -> None:
        if isinstance(self._write, int):
            os.write(self._write, octets)
        else:
            self._write.write(octets)
            await self._write.drain()
        if self.echo:
            assert await self.take(len(octets)) == octets

    async def take(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(count)

    async def raw(self, octets: bytes, count: int) -> bytes:
        """Send these very octets, return so many."""
        await self.send(octets)
        return await self.take(count)

    async def receive(self) -> tuple[bytes, int, int]:
        """One packet, checked and acknowledged: data, CTRL, SEQ."""
        head = await self.take(6)
        assert head[0] == 0xEE, head.hex(" ")
        rest = await self.take(int.from_bytes(head[4:], "big") + 2)
        assert crc(head + rest[:-2]) == rest[-2:]
        await self.send(bytes([ACK]))
        self.toggles_seen.append(head[2] >> 5 & 1)
        self.largest = max(self.largest, len(head) + len(rest))
        return rest[:-2], head[2], head[3]

    async def request(self, data: bytes) -> bytes:
        """One request in one packet; the whole answer."""
        await self.send(packet(data, self.toggle << 5))
        self.toggle ^= 1
        assert (await self.take(1))[0] == ACK
        return await self.answer()

    async def request_in_pieces(self, data: bytes, size: int) -> bytes:
        """One request in packets of `size` octets of data, each acknowledged; the whole answer."""
        if len(data) <= size:
            return await self.request(data)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        for number, piece in enumerate(pieces[:-1]):
            ctrl = 0x80 | 0x40 * (number == 0) | self.toggle << 5
            assert await self.raw(packet(piece, ctrl, len(pieces) - 1 - number), 1) == bytes([ACK])
            self.toggle ^= 1
        await self.send(packet(pieces[-1], 0x80 | self.toggle << 5))
        self.toggle ^= 1
        assert (await self.take(1))[0] == ACK
        return await self.answer()

    async def answer(self) -> bytes:
        """All packets of the answer to a request that is acknowledged."""
        answer, _, seq = await self.receive()
        while seq:
            more, _, following = await self.receive()
            assert following == seq - 1
            answer, seq = answer + more, following
        return answer

    async def log_on(self, password: str | None = PASSWORD, *, negotiate: bool = True) -> None:
        assert (await self.request(IDENTIFY))[0] == 0
        if negotiate:
            assert (await self.request(NEGOTIATE_1024))[0] == 0
        assert await self.request(LOGON) == OK
        if password is not None:
            assert await self.request(security(password)) == OK

    async def read(self, table: int) -> bytes:
        return table_data(await self.request(full_read(table)))


@asynccontextmanager
async def connected(address: str, *, echo: bool = False, baud: int = termios.B9600) -> AsyncIterator[RawClient]:
    """A client on this pty or `tcp://` address."""
    if address.startswith("tcp://"):
        host, port = address.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield RawClient(reader, writer, echo=echo)
        finally:
            writer.transport.abort()
        return
    loop = asyncio.get_running_loop()
    terminal = os.open(address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(terminal)
    set_speed(terminal, baud)
    reader = asyncio.StreamReader()

    def readable() -> None:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            chunk = b""
        if chunk:
            reader.feed_data(chunk)
        else:
            reader.feed_eof()
            loop.remove_reader(terminal)

    loop.add_reader(terminal, readable)
    try:
        yield RawClient(reader, terminal, echo=echo)
    finally:
        loop.remove_reader(terminal)
        os.close(terminal)


def set_speed(terminal: int, baud: int) -> None:
    settings = termios.tcgetattr(terminal)
    settings[4] = settings[5] = baud
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
