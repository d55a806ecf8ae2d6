"""A client and a meter on one simulated line in virtual time: no test waits, and every run is the same."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from drivers.errors import LineLost
from drivers.psem.authentication import Challenge
from drivers.psem.client import PsemClient
from drivers.psem.codes import ResponseCode
from drivers.psem.meter import Authenticator, MeterEvent, MeterLimits, MeterSession, Served, SpeedChanged
from drivers.psem.options import PsemOptions
from drivers.psem.replies import Authentication, IdentifyReply
from drivers.psem.services import Authenticate, Identify, Request
from drivers.psem.states import State
from drivers.psem.wiring import Wiring
from drivers.secret import Secret
from tests.soak.virtual_loop import rest

_T = TypeVar("_T")
PASSWORD = Secret(b"PASSWORD01")
LONG = bytes(n * 7 % 251 for n in range(5000))
LEFT = ["Logoff", "Terminate"]  # the last requests of a session that ends well


class _Instantly(selectors.DefaultSelector):
    """Waits for nothing: moves the loop's clock instead."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only where somebody waits."""

    def __init__(self) -> None:
        self.virtual = _Instantly()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run in virtual time: a sleep takes no time at all and puts what happens into an exact order."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def clock() -> float:
    return asyncio.get_running_loop().time()


Damage = Callable[[bytes], bytes]


def untouched(chunk: bytes) -> bytes:
    return chunk


def flipping(rate: float, seed: int) -> Damage:
    """One random octet instead of the true one, at this rate."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return lambda chunk: bytes(o if chance.random() >= rate else o ^ chance.randrange(1, 256) for o in chunk)


def losing(rate: float, seed: int) -> Damage:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return lambda chunk: bytes(o for o in chunk if chance.random() >= rate)


def doubling(rate: float, seed: int) -> Damage:
    """The whole chunk twice."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return lambda chunk: chunk * 2 if chance.random() < rate else chunk


@dataclass
class Direction:
    """One way of the line: how octets are paced, delayed and damaged."""

    damage: Damage = untouched
    bytewise: bool = False
    late: Callable[[], float] = lambda: 0.0
    busy_until: float = 0.0
    octets: int = 0
    pieces: deque[tuple[bytes, int]] = field(default_factory=deque)  # on the way, with their speed
    last_arrival: float = 0.0

    def carry(self, chunk: bytes, now: float, baud: int) -> list[float]:
        """Take a chunk on the line; return when each of its pieces arrives, always in order."""
        start = max(now, self.busy_until)
        character = 10 / baud if baud else 0.0
        self.octets += len(chunk)
        self.busy_until = start + len(chunk) * character
        chunk = self.damage(chunk)
        delay = self.late()
        pieces = [chunk[n : n + 1] for n in range(len(chunk))] if self.bytewise else [chunk] if chunk else []
        arrivals = []
        for number, piece in enumerate(pieces):
            due = start + (number + 1) * character if self.bytewise else self.busy_until
            self.last_arrival = max(self.last_arrival, due + delay)
            arrivals.append(self.last_arrival)
            self.pieces.append((piece, baud))
        return arrivals


@dataclass
class Tables:
    """A meter's memory, and the answers it was told to give first: `says[service code]` in order."""

    tables: dict[int, bytes] = field(default_factory=dict)
    password: bytes | None = None
    reply: IdentifyReply = field(default_factory=lambda: IdentifyReply(0, 1, 0))
    says: dict[int, list[ResponseCode]] = field(default_factory=dict)
    passwords: list[bytes] = field(default_factory=list)
    written: list[tuple[int, int | None, bytes]] = field(default_factory=list)
    users: list[tuple[int, bytes]] = field(default_factory=list)
    largest: int = 1 << 20  # octets of one partial read that it serves
    offsets: bool = True
    cleared: bool = False
    logoffs: int = 0
    reader: Callable[[int, int, int], bytes | ResponseCode] | None = None  # answers reads by offset instead
    keys: dict[int, bytes] = field(default_factory=dict)  # of Authenticate, by key id
    gives_ticket: bool = True
    impostor: bool = False  # lets any key in, and knows none
    bodies: list[bytes] = field(default_factory=list)  # of Authenticate
    identified: int = 0

    def _first(self, code: int) -> ResponseCode | None:
        waiting = self.says.get(code)
        return waiting.pop(0) if waiting else None

    def identify(self) -> IdentifyReply | ResponseCode:
        self.identified += 1
        told = self._first(0x20)
        if told is not None or not self.keys:
            return told or self.reply
        return replace(self.reply, features=(Authentication(1, 0, self.ticket if self.gives_ticket else b""),))

    @property
    def ticket(self) -> bytes:
        """Of the last Identify: no two are alike."""
        return (0x3B1F0A7C55D2E490 ^ self.identified - 1).to_bytes(8, "big")

    def authenticate(self, body: Secret) -> bytes | ResponseCode:
        self.bodies.append(body.reveal())
        told = self._first(0x53)
        if told is not None:
            return told
        challenge = Challenge(self.ticket, body.reveal()[0], Secret(self.keys.get(body.reveal()[0], bytes(8))))
        if self.impostor:
            self.cleared = True
            return body.reveal()[:1] + bytes(8)
        if challenge.request() != Authenticate(body):
            return ResponseCode.ERR
        self.cleared = True
        return challenge.answer()[1:]

    def logon(self, user_id: int, user: bytes) -> ResponseCode:
        self.users.append((user_id, user))
        return self._first(0x50) or ResponseCode.OK

    def security(self, password: Secret) -> ResponseCode:
        self.passwords.append(password.reveal())
        told = self._first(0x51)
        if told is not None:
            return told
        self.cleared = self.password is None or password.reveal() == self.password.ljust(20, b"\0")
        return ResponseCode.OK if self.cleared else ResponseCode.ERR

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        told = self._first(0x30 if offset is None else 0x3F)
        if told is not None:
            return told
        if self.reader and offset is not None and count is not None:
            return self.reader(table, offset, count)
        data = self.tables.get(table)
        if self.password is not None and not self.cleared:
            answer: bytes | ResponseCode = ResponseCode.ISC
        elif data is None:
            answer = ResponseCode.IAR
        elif offset is None or count is None:
            answer = data
        elif not self.offsets:
            answer = ResponseCode.SNS
        elif offset + count > len(data) or count > self.largest:
            answer = ResponseCode.IAR
        else:
            answer = data[offset : offset + count]
        return answer

    def read_index(self, table: int, indices: tuple[int, ...], count: int) -> bytes | ResponseCode:
        return bytes((table & 0xFF, *indices, count))

    def read_default(self) -> bytes | ResponseCode:
        return b"default"

    def write_table(self, table: int, offset: int | None, data: bytes) -> ResponseCode:
        told = self._first(0x40 if offset is None else 0x4F)
        if told is None:
            self.written.append((table, offset, data))
        return told or ResponseCode.OK

    def write_index(self, table: int, indices: tuple[int, ...], data: bytes) -> ResponseCode:
        self.written.append((table, indices[0], data))
        return ResponseCode.OK

    def logged_off(self) -> None:
        self.logoffs += 1
        self.cleared = False


class Line:
    """A `Transport` with a meter at its far end. Must be made inside a running `VirtualLoop`."""

    def __init__(
        self,
        handler: Tables,
        *,
        options: PsemOptions | None = None,
        limits: MeterLimits | None = None,
        baud: int = 9600,
        there: Direction | None = None,
        back: Direction | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.meter = MeterSession(
            handler,
            self.loop.time(),
            options=options,
            limits=limits or MeterLimits(c1221=_speaks_c1221(handler)),
            baud=baud,
            authenticator=_authenticator(handler),
        )
        self.there = there or Direction()
        self.back = back or Direction()
        self.baud = baud
        self.name = "line"
        self.happened: list[tuple[float, MeterEvent]] = []
        self.sent: list[bytes] = []
        self.secrets: list[bytes] = []
        self.mute = False  # the meter hears and says nothing
        self.deaf = False  # the meter hears nothing; what others say still arrives
        self.lost = False
        self.collisions = 0
        self.bauds: list[int] = []
        self.closed = False
        self._inbox = bytearray()
        self._arrived = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # the transport

    async def read(self) -> bytes:
        while not self._inbox:
            if self.lost:
                msg = "gone"
                raise LineLost(msg)
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self._inbox)
        self._inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        if self.lost:
            msg = "gone"
            raise LineLost(msg)
        self.sent.append(chunk)
        if secret:
            self.secrets.append(chunk)
        now = self.loop.time()
        self.collisions += now < self.back.busy_until - 1e-9
        for at in self.there.carry(chunk, now, self.baud):
            self.loop.call_at(at, self._to_meter)

    async def delivered(self) -> None:
        """Return when everything that was sent has reached the meter: often the last ACK."""
        await rest(max(0.0, self.there.last_arrival - self.loop.time()))

    def discard_input(self) -> int:
        count = len(self._inbox)
        self._inbox.clear()
        return count

    async def set_baud(self, baud: int) -> None:
        self.baud = baud
        self.bauds.append(baud)

    async def close(self) -> None:
        self.closed = True

    # the meter

    def served(self) -> list[tuple[Request | None, ResponseCode]]:
        return [(event.request, event.code) for _, event in self.happened if isinstance(event, Served)]

    def requests(self) -> list[str]:
        """What the meter was asked, by class name, without the keep-alives' details."""
        return [type(request).__name__ for request, _ in self.served()]

    def identified_at(self) -> list[float]:
        return [at for at, event in self.happened if isinstance(event, Served) and isinstance(event.request, Identify)]

    def pull_the_plug(self) -> None:
        self.lost = True
        self._arrived.set()

    def say(self, chunk: bytes, after: float = 0.0) -> None:
        """Put octets on the line that no meter sent."""
        self.loop.call_later(after, self._to_client, chunk, self.baud)

    def _to_meter(self) -> None:
        piece, baud = self.there.pieces.popleft()
        if self.mute or self.deaf:
            return
        if baud != self.meter.baud:
            piece = bytes(octet ^ 0x5A for octet in piece)
        self._note(self.meter.feed(piece, self.loop.time()))

    def _note(self, events: list[MeterEvent]) -> None:
        self.happened += [(self.loop.time(), event) for event in events]
        assert all(event.baud == self.meter.baud for event in events if isinstance(event, SpeedChanged))
        self._service()

    def _service(self) -> None:
        now = self.loop.time()
        while output := self.meter.take_output(now):
            self.collisions += now < self.there.busy_until - 1e-9
            for at in self.back.carry(output, now, self.meter.baud):
                self.loop.call_at(at, self._from_meter)
        if self._timer:
            self._timer.cancel()
        deadline = self.meter.deadline()
        self._timer = None if deadline is None else self.loop.call_at(max(deadline, now), self._on_timer)

    def _on_timer(self) -> None:
        self._note(self.meter.tick(self.loop.time()))

    def _from_meter(self) -> None:
        self._to_client(*self.back.pieces.popleft())

    def _to_client(self, piece: bytes, baud: int) -> None:
        if self.mute:
            return
        if baud != self.baud:
            piece = bytes(octet ^ 0x5A for octet in piece)
        self._inbox += piece
        self._arrived.set()


def _speaks_c1221(handler: object) -> bool:
    return isinstance(handler, Tables) and handler.reply.standard == 2


def _authenticator(handler: object) -> Authenticator | None:
    return handler if isinstance(handler, Tables) and handler.keys else None


def visit(
    story: Callable[[PsemClient, Line], Awaitable[None]],
    handler: Tables | None = None,
    *,
    options: PsemOptions | None = None,
    limits: MeterLimits | None = None,
    password: Secret | None = None,
    baud: int = 9600,
    wiring: Wiring | None = None,
) -> Line:
    """A whole session with `story` inside; returns the line, to see what happened on it."""

    async def main() -> Line:
        line = Line(handler or Tables({1: b"first", 64: LONG}), options=options, limits=limits, baud=baud)
        client = PsemClient(line, options, wiring=wiring, clock=clock)
        try:
            async with client.session(password) as session:
                assert session is client
                await story(client, line)
        finally:
            await line.delivered()
            assert client.state is State.BASE
            assert line.collisions == 0
        assert line.meter.state is State.BASE
        return line

    return run(main())


async def nothing(client: PsemClient, line: Line) -> None:
    """A session in which nothing is asked."""
