"""One conversation with an SNPP terminal: log in, page, ask what became of it. Whatever it says, bounded and in time.

There is no way to send a page twice safely: once SEND is out, only an answer tells whether it went. See `Sent.state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from drivers.errors import LineLost, MeterProtocolError, MeterRefused, MeterSilent, TransportError
from drivers.pager.snpp import (
    BEGIN_INPUT,
    GONE,
    GREETING,
    HELP_LINE,
    LONGEST_LINE,
    MOST_HELP_LINES,
    NOT_IMPLEMENTED,
    SnppReply,
    Tag,
    TagStatus,
    command,
    data_lines,
    parse_reply,
    parse_status,
    parse_tag,
)
from drivers.secret import Secret

REPLY_S = 30.0
CONNECT_S = 10.0
BYE_S = 2.0
TECHNICAL_FAILURE = 554


class PageRefused(MeterRefused):
    """The terminal understood and said no; nothing was sent. `code` is its reply."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a page. `unknown`: the line broke after SEND; it may have gone out, and is not to be repeated."""

    state: Literal["sent", "queued", "unknown"]
    detail: str
    tag: Tag | None = None  # two-way only


class SnppClient:
    """An open conversation; made by `open_snpp`."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reply_s: float
    ) -> None:
        self.name = name
        self._reader = reader
        self._writer = writer
        self._reply_s = reply_s

    async def log_in(self, user: str, password: Secret | None = None) -> None:
        """Name ourselves. A terminal that knows no logins is taken as it is. Raises `PageRefused`."""
        words = (user,) if password is None else (user, password.reveal().decode("latin-1"))
        reply = await self._ask(command("LOGI", *words))
        if not reply.ok and reply.code != NOT_IMPLEMENTED:
            raise PageRefused(f"{self.name} does not let us in: {reply}", code=reply.code, advice="check the login")

    async def page(self, pager: str, text: str, *, two_way: bool = False) -> Sent:
        """Send one page; a terminal that does not know two-way messages is given a one-way one.

        Raises `PageRefused` if the terminal says no, `TransportError` or `MeterProtocolError` if it breaks off before
        the page can have been sent.
        """
        await self._ask(command("RESE"))
        if two_way:
            await self._begin_two_way()
        await self._need(command("PAGE", pager), f"pager {pager}")
        await self._message(text)
        try:
            reply = await self._ask(command("SEND"))
        except (TransportError, MeterProtocolError) as error:
            return Sent("unknown", error.message)
        if reply.code // 100 in (5, 7):
            raise _refusal(f"{self.name} did not send the page", reply)
        if not reply.ok:
            return Sent("unknown", str(reply))
        tag = parse_tag(reply)
        return Sent("queued" if reply.code // 100 == 9 else "sent", str(reply), tag)

    async def status(self, tag: Tag) -> TagStatus:
        """Ask what became of a two-way message. Raises `PageRefused` where the terminal cannot tell."""
        reply = await self._ask(command("MSTA", tag.tag, tag.pass_code))
        if reply.code // 100 == 5:
            raise PageRefused(f"{self.name} does not tell the status of a message: {reply}", code=reply.code)
        return parse_status(reply)

    async def help(self) -> tuple[str, ...]:
        """Return what the terminal says of itself, line by line."""
        lines: list[str] = []
        reply = await self._ask(command("HELP"))
        while reply.code == HELP_LINE:
            lines.append(reply.text)
            if len(lines) > MOST_HELP_LINES:
                raise MeterProtocolError(f"{self.name} does not stop giving help")
            reply = await self._reply()
        return tuple(lines)

    async def greeting(self) -> None:
        """Wait to be greeted. Raises `TransportError` where the terminal has no time for us now."""
        reply = await self._reply()
        if reply.code != GREETING:
            raise TransportError(f"{self.name} has no time for us: {reply}", advice="it may be busy; try again later")

    async def bye(self) -> None:
        """Part politely; whatever happens then is of no interest."""
        with suppress(TransportError, MeterProtocolError, TimeoutError):
            async with asyncio.timeout(min(BYE_S, self._reply_s)):
                await self._ask(command("QUIT"))

    async def _begin_two_way(self) -> None:
        """Ask for a two-way message; without, it becomes a one-way one."""
        await self._ask(command("LEVE", "3"))
        await self._ask(command("2WAY"))

    async def _message(self, text: str) -> None:
        if "\n" not in text:
            await self._need(command("MESS", text=text), "the message")
            return
        reply = await self._ask(command("DATA"))
        if reply.code != BEGIN_INPUT:
            raise _refusal(f"{self.name} takes no message of several lines", reply)
        await self._need(data_lines(text), "the message")

    async def _need(self, octets: bytes, what: str) -> None:
        reply = await self._ask(octets)
        if not reply.ok:
            raise _refusal(f"{self.name} refuses {what}", reply)

    async def _ask(self, octets: bytes) -> SnppReply:
        try:
            self._writer.write(octets)
            async with asyncio.timeout(self._reply_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise MeterSilent(f"{self.name} takes nothing any more") from error
        except OSError as error:
            raise LineLost(f"{self.name} broke off: {error.strerror or error}") from error
        return await self._reply()

    async def _reply(self) -> SnppReply:
        """Return the next reply. Raises `LineLost` where the terminal goes (421 at any time, or just so)."""
        try:
            async with asyncio.timeout(self._reply_s):
                line = await self._reader.readuntil(b"\n")
        except TimeoutError as error:
            raise MeterSilent(f"{self.name} does not answer within {self._reply_s:g} s") from error
        except asyncio.IncompleteReadError as error:
            raise LineLost(f"{self.name} broke off") from error
        except asyncio.LimitOverrunError as error:
            raise MeterProtocolError(f"{self.name} sends lines of more than {LONGEST_LINE} octets") from error
        except OSError as error:
            raise LineLost(f"{self.name} broke off: {error.strerror or error}") from error
        reply = parse_reply(line)
        if reply.code == GONE:
            raise LineLost(f"{self.name} hangs up: {reply}")
        return reply


def _refusal(what: str, reply: SnppReply) -> PageRefused | TransportError:
    """Return the error for a no: for good, but for a technical failure, which may pass."""
    if reply.code == TECHNICAL_FAILURE:
        return TransportError(f"{what}: {reply}", advice="try again later")
    return PageRefused(f"{what}: {reply}", code=reply.code)


@asynccontextmanager
async def open_snpp(host: str, port: int, *, reply_s: float = REPLY_S) -> AsyncIterator[SnppClient]:
    """Connect to a terminal and be greeted; part at the end. Raises `TransportError`, `MeterProtocolError`."""
    name = f"snpp://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        async with asyncio.timeout(min(CONNECT_S, reply_s)):
            reader, writer = await asyncio.open_connection(host, port, limit=LONGEST_LINE)
    except TimeoutError as error:
        raise MeterSilent(f"no connection to {name}") from error
    except (OSError, UnicodeError) as error:
        raise TransportError(f"no connection to {name}: {getattr(error, 'strerror', None) or error}") from error
    client = SnppClient(name, reader, writer, reply_s=reply_s)
    try:
        await client.greeting()
        yield client
        await client.bye()
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()
