"""A Hayes modem as strict as a bad one, in whatever time it is given; it knows whether its line is off hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from drivers.errors import LineLost
from drivers.transport.hayes import Desk, Dialogue, Script, Send
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.pins import Carrier

T = TypeVar("T")
Due = tuple[float, Callable[[], None]]


@dataclass
class FakeModem:
    """Times in seconds. What a call comes to is `result` after `dial_s`; "" is no result at all."""

    result: str = "CONNECT 2400"
    before: tuple[str, ...] = ()  # lines before the result
    after: tuple[str, ...] = ()  # lines right after CONNECT
    dial_s: float = 5.0
    answer_s: float = 0.03  # to a command
    echo: bool = False
    numeric: bool = False
    refuses: tuple[str, ...] = ()
    deaf: bool = False  # answers nothing
    quiet: bool = False  # Q1: obeys, and says nothing
    no_escape: bool = False
    no_dtr: bool = False  # not wired, or &D0
    wired: bool = False  # DCD and DTR reach the computer
    guard_s: float = 1.0
    off_hook: bool = False
    online: bool = False
    commands: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)  # what the far end got
    got: bytearray = field(default_factory=bytearray)  # everything that the computer sent

    def __post_init__(self) -> None:
        self.now = 0.0
        self.carrier = Carrier.DOWN if self.wired else Carrier.UNKNOWN
        self._due: list[Due] = []
        self._out = bytearray()
        self._line = ""
        self.heard = asyncio.Event()  # set whenever something came in
        self._dialling = False
        self._last = -100.0
        self._pluses = 0

    # The computer's side.

    def receive(self, octets: bytes) -> None:
        self.got += octets
        for octet in octets:
            self._octet(chr(octet & 0x7F), octet)
            self._last = self.now
        self.heard.set()

    def set_dtr(self, on: bool) -> None:
        if not on and self.wired and not self.no_dtr:
            self._drop("NO CARRIER" if self.online else "OK")

    def take(self) -> bytes:
        taken = bytes(self._out)
        self._out.clear()
        return taken

    @property
    def due(self) -> float | None:
        return min((when for when, _ in self._due), default=None)

    def pass_time(self, now: float) -> None:
        while (due := self.due) is not None and due <= now:
            self._due.sort(key=lambda one: one[0])
            when, act = self._due.pop(0)
            self.now = max(self.now, when)
            act()
        self.now = max(self.now, now)

    # The line's side.

    def at(self, when: float, act: Callable[[], None]) -> None:
        self._due.append((when, act))

    def ring(self, *lines: str) -> None:
        for line in ("RING", *lines):
            self.say(line)

    def lose_carrier(self) -> None:
        self._drop("NO CARRIER")

    def far_end_says(self, octets: bytes) -> None:
        assert self.online
        self._out += octets

    def say(self, text: str) -> None:
        codes = {"OK": "0", "RING": "2", "NO CARRIER": "3", "ERROR": "4", "BUSY": "7", "CONNECT 2400": "10"}
        self._out += f"{codes[text]}\r".encode() if self.numeric else f"\r\n{text}\r\n".encode()

    def _octet(self, sign: str, octet: int) -> None:
        if self.online:
            self._in_data(octet)
        elif self._dialling:
            self._due.clear()
            self._dialling = self.off_hook = False
            self.say("NO CARRIER")
        elif sign == "\r":
            line, self._line = self._line, ""
            if self.echo:
                self._out += line.encode() + b"\r"
            self._command(line.strip().upper())
        elif sign != "\n":
            self._line += sign

    def _in_data(self, octet: int) -> None:
        quiet = self.now - self._last >= self.guard_s
        if octet == 0x2B and not self.no_escape and (quiet or self._pluses):
            self._pluses += 1
            if self._pluses == 3:
                self._due.append((self.now + self.guard_s, self._escape))
            return
        self.data += b"+" * self._pluses
        self._pluses = 0
        self.data.append(octet)

    def _escape(self) -> None:
        if self._pluses == 3 and self.now - self._last >= self.guard_s - 1e-9:
            self._pluses, self.online = 0, False
            self.say("OK")

    def _command(self, line: str) -> None:
        if not line.startswith("AT") or self.deaf:
            return
        self.commands.append(line)
        self.quiet = self.quiet and "Q0" not in line
        if self.quiet:
            return
        if line.startswith("ATD") or line == "ATA":
            self.off_hook = self._dialling = True
            for text in self.before:
                self.at(self.now + self.dial_s / 2, partial(self.say, text))
            if self.result:
                self._due.append((self.now + self.dial_s, self._come_to_result))
        elif any(refused in line for refused in self.refuses):
            self._due.append((self.now + self.answer_s, lambda: self.say("ERROR")))
        else:
            if line.startswith("ATH"):
                self.off_hook = False
            self._due.append((self.now + self.answer_s, lambda: self.say("OK")))

    def _come_to_result(self) -> None:
        self._dialling = False
        self.off_hook = self.online = self.result.startswith("CONNECT")
        self.say(self.result)
        if self.online:
            self.carrier = Carrier.UP if self.wired else Carrier.UNKNOWN
            for text in self.after:
                self.say(text)

    def _drop(self, text: str) -> None:
        self._due.clear()
        self.off_hook = self.online = self._dialling = False
        self.carrier = Carrier.DOWN if self.wired else Carrier.UNKNOWN
        self.say(text)


def play(
    script: Callable[[Desk], Script[T]],
    modem: FakeModem,
    settings: ModemSettings | None = None,
    *,
    cut: Callable[[bytes], list[bytes]] = lambda octets: [octets],
    limit_s: float = 10_000.0,
) -> tuple[T, Desk]:
    """Play `script` against `modem` in virtual time; `cut` says in which pieces its octets arrive."""
    desk = Desk(settings or ModemSettings(), modem.now, modem.carrier)
    dialogue = Dialogue(script, desk)
    until = modem.now + limit_s
    for now in steps(dialogue, modem, cut):
        assert now < until, "the script does not end"
    return dialogue.result(), desk


def steps(
    dialogue: Dialogue[T], modem: FakeModem, cut: Callable[[bytes], list[bytes]] = lambda octets: [octets]
) -> Generator[float, None, None]:
    """Let script and modem go on from event to event; yields the time of each."""
    while True:
        actions, dialogue.actions = dialogue.actions, []
        for action in actions:
            if isinstance(action, Send):
                modem.receive(action.octets)
            else:
                modem.set_dtr(action.on)
        for piece in cut(modem.take()):
            if piece:
                dialogue.feed(piece, modem.now, modem.carrier)
        if dialogue.actions:
            continue
        if dialogue.finished:
            return
        due = modem.due
        modem.pass_time(min(dialogue.deadline, due if due is not None else dialogue.deadline))
        for piece in cut(modem.take()):
            if piece:
                dialogue.feed(piece, modem.now, modem.carrier)
        dialogue.tick(modem.now, modem.carrier)
        yield modem.now


class ModemPort:
    """A `Transport` with pins, in memory, to a fake modem in the time of the loop."""

    def __init__(self, modem: FakeModem, *, name: str = "/dev/ttyS9", baud: int = 9600) -> None:
        self.modem = modem
        self.name = name
        self.baud = baud
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        modem.pass_time(self._loop.time())

    async def read(self) -> bytes:
        while not self._input:
            self._check()
            self._waiter = self._loop.create_future()
            await self._waiter
        taken = bytes(self._input)
        self._input.clear()
        return taken

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - a transport is given it
        self._check()
        self.pump()
        self.modem.receive(chunk)
        self.pump()

    def discard_input(self) -> int:
        dropped = len(self._input)
        self._input.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        self.baud = baud

    async def set_dtr(self, on: bool) -> None:
        self._check()
        self.pump()
        self.modem.set_dtr(on)
        self.pump()

    async def carrier(self) -> Carrier:
        self.pump()
        return self.modem.carrier

    async def close(self) -> None:
        if not self.closed:
            self.modem.set_dtr(False)
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def pump(self) -> None:
        """Let the modem's time pass, and take what it says."""
        self.modem.pass_time(self._loop.time())
        self._input += self.modem.take()
        if self._input:
            self._wake()
        if self._timer is not None:
            self._timer.cancel()
        due = self.modem.due
        self._timer = None if due is None or self.closed else self._loop.call_at(due, self.pump)

    def _check(self) -> None:
        if self.closed:
            raise LineLost(f"{self.name} is closed")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
