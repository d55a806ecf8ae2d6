"""A strict SNPP terminal (RFC 1861, levels 1 to 3) for one-way wake-up pages and two-way messages, and its troubles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from metersim.pager.meters import PagerMeter

Trouble = Literal["", "421", "mute", "half-line", "long-line", "no-level-3", "hang-at-send", "drop-at-send", "reject"]
LONG = 1_048_576


@dataclass(slots=True)
class _Entry:
    """What a client has said towards its next message."""

    pagers: list[str] = field(default_factory=list)
    text: str = ""
    two_way: bool = False


class SnppTerminal:
    """Takes pages for meters. `heard` is told of each: the meter may call in."""

    def __init__(
        self,
        meters: Mapping[str, PagerMeter],
        now: Callable[[], datetime],
        *,
        trouble: Trouble = "",
        login: tuple[str, str] | None = None,
    ) -> None:
        self.sent: list[tuple[str, str]] = []  # PIN and text
        self.heard: Callable[[PagerMeter], None] = lambda _meter: None
        self.closing = asyncio.Event()
        self._meters = meters
        self._now = now
        self._trouble = trouble
        self._login = login
        self._replies: dict[tuple[str, str], str | None] = {}

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it quits or goes."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeDecodeError):
                if await self._greet(writer):
                    await self._commands(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _greet(self, writer: asyncio.StreamWriter) -> bool:
        match self._trouble:
            case "mute":
                await self.closing.wait()
                return False
            case "421" | "half-line" | "long-line":
                greetings = {"421": b"421 Too busy\r\n", "half-line": b"220 SN", "long-line": b"2" * LONG}
                writer.write(greetings[self._trouble])
                await writer.drain()
                return False
            case _:
                writer.write(b"220 SNPP Gateway Ready\r\n")
                return True

    async def _commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        entry, admitted = _Entry(), self._login is None
        while True:
            line = (await reader.readuntil(b"\r\n")).decode("ascii")[:-2]
            verb, _, rest = line.partition(" ")
            verb = verb[:4].upper()
            if verb == "QUIT":
                writer.write(b"221 OK, Goodbye\r\n")
                await writer.drain()
                return
            if verb == "SEND" and self._trouble in ("hang-at-send", "drop-at-send"):
                self._send(entry)
                if self._trouble == "hang-at-send":
                    await self.closing.wait()
                return
            if verb == "LOGI":
                admitted = self._login is None or tuple(rest.split(" ", 1)) == self._login
                answer = "250 Login Accepted" if admitted else "550 Error, Invalid Login"
            elif verb == "RESE":
                entry, answer = _Entry(), "250 RESET OK"
            elif not admitted:
                answer = "550 Error, Log In First"
            elif verb == "DATA":
                writer.write(b"354 Begin Input; End with <CRLF>'.'<CRLF>\r\n")
                body = (await reader.readuntil(b"\r\n.\r\n")).decode("ascii")[:-5]
                entry.text, answer = body.replace("\r\n", "\n"), "250 Message OK"
            else:
                answer = self._answer(verb, rest, entry)
                if verb == "SEND" and answer[0] in "29":
                    entry = _Entry()
            writer.write(f"{answer}\r\n".encode("ascii"))
            await writer.drain()

    def _answer(self, verb: str, rest: str, entry: _Entry) -> str:
        match verb:
            case "PAGE":
                return self._pager(rest, entry)
            case "MESS":
                return _message(rest, entry)
            case "LEVE" | "2WAY" if self._trouble != "no-level-3":
                return _level(verb, entry)
            case "SEND":
                return self._send(entry)
            case "MSTA":
                return self._status(rest)
            case _:
                return "500 Command Not Implemented, Try Again"

    def _pager(self, rest: str, entry: _Entry) -> str:
        if self._trouble == "reject" or rest not in self._meters:
            return "550 Error, Invalid Pager ID"
        entry.pagers.append(rest)
        return "250 Pager ID Accepted"

    def _send(self, entry: _Entry) -> str:
        if not entry.pagers or not entry.text:
            return "503 Error, Pager ID or Message Incomplete"
        reply: str | None = None
        for pin in entry.pagers:
            meter = self._meters[pin]
            self.sent.append((pin, entry.text))
            reply = meter.hear(entry.text, self._now())
            self.heard(meter)
        if not entry.two_way:
            return "250 Message Sent Successfully"
        tag = (str(len(self.sent)), "1234")
        self._replies[tag] = reply
        return f"960 {tag[0]} {tag[1]} OK, Message QUEUED for Delivery"

    def _status(self, rest: str) -> str:
        words = tuple(rest.split())
        if len(words) != 2 or words not in self._replies:
            return "550 Error, Unknown Message Tag"
        reply, at = self._replies[words], f"{self._now():%y%m%d%H%M%S}+0"
        return f"861 1 {at} Delivered, Awaiting Reply" if reply is None else f"889 1 {at} {reply}"


def _message(rest: str, entry: _Entry) -> str:
    if entry.text:
        return "503 Error, Message Already Entered"
    entry.text = rest
    return "250 Message OK" if rest else "550 Error, Blank Message"


def _level(verb: str, entry: _Entry) -> str:
    if verb == "2WAY" and (entry.pagers or entry.text):
        return "503 Error, Transaction Already Underway"
    entry.two_way = entry.two_way or verb == "2WAY"
    return "250 OK"


@asynccontextmanager
async def serving_snpp(terminal: SnppTerminal, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve until the block ends; give the address. Raises `OSError` for a port that is taken."""
    talking: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(terminal.converse(reader, writer))
        talking.add(task)
        task.add_done_callback(talking.discard)

    server = await asyncio.start_server(connected, host, port, limit=65_536)
    try:
        yield f"snpp://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        terminal.closing.set()
        server.close()
        await server.wait_closed()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
