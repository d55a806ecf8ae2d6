"""The meter's side of a session (C12.18 §9, §11; C12.21): Base, ID and Session over the same link as the client's.

Strict, so that clients are tested: a service that the state does not allow is answered ISSS, a wrong length or checksum
ERR, an unknown service SNS. No input or output and no clock: feed it, tick it, send what it gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from drivers.psem.assembly import Message
from drivers.psem.bauds import BAUD_OF_CODE, CODE_OF_BAUD, EXTERNAL
from drivers.psem.codes import ResponseCode
from drivers.psem.link import Link
from drivers.psem.link_events import Acknowledged, Failed, LinkEvent, LinkStatistics, TrafficTimeout
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.packet import DEFAULT_SIZE, LARGEST_SIZE, NAK, OVERHEAD
from drivers.psem.replies import (
    MOST_TABLE_DATA,
    IdentifyReply,
    NegotiateReply,
    TimingReply,
    encode_authentication,
    encode_table_data,
)
from drivers.psem.services import (
    Authenticate,
    BadRequest,
    DefaultRead,
    Disconnect,
    FullRead,
    FullWrite,
    Identify,
    IndexRead,
    IndexWrite,
    Logoff,
    Logon,
    Negotiate,
    OffsetRead,
    OffsetWrite,
    Request,
    Security,
    Terminate,
    TimingSetup,
    Wait,
    decode_request,
)
from drivers.psem.states import State
from drivers.secret import Secret


class MeterHandler(Protocol):
    """What a meter holds and decides. Any call may answer a code instead: BSY, DNR, ISC …"""

    def identify(self) -> IdentifyReply | ResponseCode:
        """Say who answers."""
        ...

    def logon(self, user_id: int, user: bytes) -> ResponseCode:
        """Accept or refuse a user; `user` has 10 octets as sent."""
        ...

    def security(self, password: Secret) -> ResponseCode:
        """Judge a password of 20 octets as sent, padding included; OK raises the access level."""
        ...

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        """Return `count` octets from `offset`, or the whole table if both are None; fewer at the end of the table."""
        ...

    def read_index(self, table: int, indices: tuple[int, ...], count: int) -> bytes | ResponseCode:
        """Return `count` elements from the one that the path names."""
        ...

    def read_default(self) -> bytes | ResponseCode:
        """Return the default set of tables."""
        ...

    def write_table(self, table: int, offset: int | None, data: bytes) -> ResponseCode:
        """Store `data` at `offset`, or as the whole table if that is None."""
        ...

    def write_index(self, table: int, indices: tuple[int, ...], data: bytes) -> ResponseCode:
        """Store `data` as the element that the path names."""
        ...

    def logged_off(self) -> None:
        """Take back the access level: the client logged off, or the session ended."""
        ...


class Authenticator(Protocol):
    """What a meter that knows keys decides (C12.21 §3); the ticket is in what its `identify` answers."""

    def authenticate(self, body: Secret) -> bytes | ResponseCode:
        """Judge key id and cipher against the last ticket; return key id and proof, and raise the access level."""
        ...


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """What this meter can do, and how it says no."""

    packet_size: int = 1024  # largest whole packet, 64–8192
    packets: int = 255
    bauds: tuple[int, ...] = (9600,)  # that it can be negotiated to
    refused: frozenset[int] = field(default_factory=frozenset)  # request codes answered SNS; 60H stands for 60H–6BH
    too_long: ResponseCode = ResponseCode.ONP  # to a read that the packets negotiated cannot carry
    identify_again: bool = True  # Identify in the ID state; otherwise ISSS
    early_security: bool = False  # Security in the ID state too, for the session that follows; otherwise ISSS
    c1221: bool = False  # knows Authenticate, Timing setup and Disconnect; otherwise SNS
    longest: TimingReply = field(default_factory=lambda: TimingReply(255, 10, 30, 10))  # agreed to in Timing setup
    counts_tries: bool = False  # where Timing setup names retries it means tries, and 0 makes no sense to it


_TABLES: Final = (DefaultRead, FullRead, IndexRead, OffsetRead, FullWrite, IndexWrite, OffsetWrite)
ALLOWED: Final[dict[State, frozenset[type[Request]]]] = {
    State.BASE: frozenset({Identify}),
    State.ID: frozenset({Identify, Negotiate, TimingSetup, Wait, Logon, Terminate, Disconnect}),
    State.SESSION: frozenset({*_TABLES, Security, Authenticate, Wait, Logoff, Terminate, Disconnect}),
}


@dataclass(frozen=True, slots=True)
class Served:
    """A request was answered: `request` is None if it could not be read; `octets` is the length of the answer."""

    request: Request | None
    code: ResponseCode
    octets: int


@dataclass(frozen=True, slots=True)
class SpeedChanged:
    """From now on the line runs at `baud`."""

    baud: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; the state is Base. `hang_up`: the client asked for it (C12.21)."""

    reason: str
    hang_up: bool = False


MeterEvent = Served | SpeedChanged | Ended


class MeterSession:
    """One meter on one line. Every `now` is in seconds of the caller's monotonic clock.

    Call `feed` when octets came in and `tick` when `deadline()` has passed; after either send what `take_output` gives.
    A `SpeedChanged` takes effect when what was sent before has left. `baud` is the speed in Base, 0 for a line without.
    """

    def __init__(  # noqa: PLR0913 - each is a different fact about the meter
        self,
        handler: MeterHandler,
        now: float,
        *,
        options: PsemOptions | None = None,
        limits: MeterLimits | None = None,
        baud: int = 9600,
        authenticator: Authenticator | None = None,
        hears: frozenset[int] | None = None,
    ) -> None:
        """`authenticator`: None answers SNS to Authenticate. `hears`: identity octets that it answers to; None: all.

        With them it shares the line, and does not ask in Base for what came damaged: it may be another meter's.
        """
        self.limits = limits or MeterLimits()
        self.state = State.BASE
        self._handler = handler
        self._options = options or PsemOptions()
        self._base_baud = baud
        self._authenticator = authenticator
        self._shares = hears is not None
        self._link = Link(self._options, now, baud=baud, hears=hears)
        self._closing: Ended | None = None  # once the present answer is acknowledged
        self._next_baud: int | None = None  # likewise
        self._next_timing: Timing | None = None  # likewise
        self._fresh = False  # likewise: take the same request once more as a new one

    @property
    def baud(self) -> int:
        """The speed that the line must have now."""
        return self._link.baud

    @property
    def statistics(self) -> LinkStatistics:
        """The link's counters."""
        return self._link.statistics

    def feed(self, chunk: bytes, now: float) -> list[MeterEvent]:
        """Take octets that came in."""
        return self._handle(self._link.feed(chunk, now), now)

    def tick(self, now: float) -> list[MeterEvent]:
        """Let timers expire that are due."""
        return self._handle(self._link.tick(now), now)

    def deadline(self) -> float | None:
        """When to call `tick` and `take_output` at the latest."""
        return self._link.deadline()

    def take_output(self, now: float) -> bytes:
        """Return what is to be sent now."""
        output = self._link.take_output(now)
        return b"" if output == NAK and self._shares and self.state is State.BASE else output

    def power_fail(self, reason: str = "power failed") -> list[MeterEvent]:
        """End the session at once, without a word to the client."""
        return self._end(Ended(reason))

    def _handle(self, happened: list[LinkEvent], now: float) -> list[MeterEvent]:
        events: list[MeterEvent] = []
        for event in happened:
            match event:
                case Message(data, packets):
                    events += self._answer(data, packets, now)
                case Acknowledged():
                    events += self._on_acknowledged()
                case Failed():
                    events += self._end(self._closing or Ended("the client does not acknowledge"))
                case TrafficTimeout():
                    events += self._end(self._closing or Ended("channel traffic time-out"))
                case _:  # parts and broken requests: the client waits in vain and repeats
                    pass
        return events

    def _answer(self, data: bytes, packets: int, now: float) -> list[MeterEvent]:
        self._closing = self._next_baud = self._next_timing = None
        too_many_packets = packets > self._link.packets
        request: Request | None = None
        answer: bytes | ResponseCode = ResponseCode.ERR
        if not too_many_packets:
            try:
                request = self._read(data)
            except BadRequest as error:
                answer = error.code
            else:
                answer = self._serve(request, now)
        code = answer if isinstance(answer, ResponseCode) else ResponseCode.OK
        message = bytes((code,)) if isinstance(answer, ResponseCode) else bytes((ResponseCode.OK,)) + answer
        if len(message) > self._link.most_octets:
            code = self.limits.too_long
            message = bytes((code,))
        self._link.send_message(message, now, wants_reply=False)
        # A client that starts afresh repeats its first octets, toggle included: no duplicate once our answer is in.
        self._fresh = isinstance(request, Identify) or self.state is State.BASE
        if isinstance(request, Negotiate) and isinstance(answer, bytes):
            self._adopt(NegotiateReply.decode(answer))
        return [Served(request, code, len(message))]

    def _read(self, data: bytes) -> Request:
        """Decode, and refuse what this meter or this state does not serve. Raises `BadRequest`."""
        code = data[0]
        if (0x60 if 0x60 <= code <= 0x6B else code) in self.limits.refused:
            msg = f"service {code:02X}H is switched off"
            raise BadRequest(msg, ResponseCode.SNS)
        request = decode_request(data)
        if isinstance(request, Authenticate | TimingSetup | Disconnect) and not self._knows(request):
            msg = f"{request.what} belongs to C12.21"
            raise BadRequest(msg, ResponseCode.SNS)
        if not self._allows(request):
            msg = f"{request.what} in state {self.state.value}"
            raise BadRequest(msg, ResponseCode.ISSS)
        return request

    def _knows(self, request: Authenticate | TimingSetup | Disconnect) -> bool:
        """Whether this meter has a service of C12.21 at all."""
        return self.limits.c1221 and (self._authenticator is not None or not isinstance(request, Authenticate))

    def _allows(self, request: Request) -> bool:
        """Whether the present state serves `request`: by the standard, and by the habits of this meter."""
        if self.state is State.ID and isinstance(request, Identify):
            return self.limits.identify_again
        if self.state is State.ID and isinstance(request, Security):
            return self.limits.early_security
        return type(request) in ALLOWED[self.state]

    def _serve(self, request: Request, now: float) -> bytes | ResponseCode:
        answer: bytes | ResponseCode = ResponseCode.OK
        match request:
            case Identify():
                answer = self._identify(now)
            case Negotiate() | TimingSetup():
                answer = self._negotiate(request) if isinstance(request, Negotiate) else self._set_timing(request)
            case Logon(user_id, user):
                answer = self._handler.logon(user_id, user)
                if answer is ResponseCode.OK:
                    self.state = State.SESSION
            case Security() | Authenticate():
                answer = self._judge(request)
            case Wait(0):  # §9.6: 1–255; the session would end before the answer is out
                answer = ResponseCode.ERR
            case Wait(seconds):
                self._link.watch_traffic(now, seconds)
            case Logoff():
                self.state = State.ID
                self._handler.logged_off()
            case Terminate() | Disconnect():
                self._closing = Ended(request.what, hang_up=isinstance(request, Disconnect))
            case _:
                answer = self._tables(request)
        return answer

    def _judge(self, request: Security | Authenticate) -> bytes | ResponseCode:
        if isinstance(request, Security):
            return self._handler.security(request.password)
        judged = self._authenticator.authenticate(request.body) if self._authenticator else ResponseCode.SNS
        return judged if isinstance(judged, ResponseCode) else encode_authentication(judged)

    def _tables(self, request: Request) -> bytes | ResponseCode:
        handler = self._handler
        answer: bytes | ResponseCode
        match request:
            case FullRead(table):
                answer = handler.read_table(table, None, None)
            case OffsetRead(table, offset, count):
                answer = handler.read_table(table, offset, count)
            case IndexRead(table, indices, count):
                answer = handler.read_index(table, indices, count)
            case DefaultRead():
                answer = handler.read_default()
            case FullWrite(table, data):
                answer = handler.write_table(table, None, data)
            case OffsetWrite(table, offset, data):
                answer = handler.write_table(table, offset, data)
            case IndexWrite(table, indices, data):
                answer = handler.write_index(table, indices, data)
            case _:
                answer = ResponseCode.SNS
        if isinstance(answer, ResponseCode):
            return answer
        return encode_table_data(answer) if len(answer) <= MOST_TABLE_DATA else self.limits.too_long

    def _identify(self, now: float) -> bytes | ResponseCode:
        reply = self._handler.identify()
        if isinstance(reply, ResponseCode):
            return reply
        self.state = State.ID
        self._link.configure(packet_size=DEFAULT_SIZE, packets=1)
        self._link.watch_traffic(now)
        return reply.encode()

    def _negotiate(self, request: Negotiate) -> bytes | ResponseCode:
        overhead = OVERHEAD if self._options.size_excludes_overhead else 0
        if request.packet_size < DEFAULT_SIZE - overhead or request.packets < 1:
            return ResponseCode.ERR  # §9.1: Negotiate knows no IAR
        size = min(request.packet_size, self.limits.packet_size - overhead, LARGEST_SIZE - overhead)
        baud = self._link.baud
        for code in request.baud_codes if baud else ():
            if BAUD_OF_CODE.get(code) in self.limits.bauds:
                baud = BAUD_OF_CODE[code]
                break
        if baud != self._link.baud:
            self._next_baud = baud
        return NegotiateReply(
            size, min(request.packets, self.limits.packets), CODE_OF_BAUD.get(baud, EXTERNAL)
        ).encode()

    def _set_timing(self, request: TimingSetup) -> bytes | ResponseCode:
        if not (request.traffic and request.inter_character and request.response):
            return ResponseCode.ERR
        most, usual = self.limits.longest, self._options.timing.retries
        retries = min(request.retries, most.retries)
        if self.limits.counts_tries and not retries:
            retries = max(2, usual + 1)
        reply = TimingReply(
            min(request.traffic, most.traffic),
            min(request.inter_character, most.inter_character),
            min(request.response, most.response),
            retries,
        )
        self._next_timing = replace(
            self._options.timing,
            channel_traffic_s=reply.traffic,
            inter_character_s=reply.inter_character,
            response_s=reply.response,
            retries=retries - 1 if self.limits.counts_tries else retries,
        )
        return reply.encode()

    def _adopt(self, reply: NegotiateReply) -> None:
        """Use the new packets at once: a client whose ACK is lost sends its next request in them."""
        self._link.configure(
            packet_size=reply.packet_size,
            packets=reply.packets,
            size_excludes_overhead=self._options.size_excludes_overhead,
        )

    def _on_acknowledged(self) -> list[MeterEvent]:
        """Do what had to wait until the client has our answer."""
        if self._closing:
            return self._end(self._closing)
        if self._fresh:
            self._link.forget_peer()
        if self._next_timing is not None:
            self._link.use_timing(self._next_timing)
        baud, self._next_baud, self._next_timing = self._next_baud, None, None
        return [] if baud is None else self._change_speed(baud)

    def _change_speed(self, baud: int) -> list[MeterEvent]:
        self._link.baud = baud
        return [SpeedChanged(baud)]

    def _end(self, ended: Ended) -> list[MeterEvent]:
        self._closing = self._next_baud = self._next_timing = None
        events: list[MeterEvent] = []
        if self.state is not State.BASE:
            self._handler.logged_off()
            events.append(ended)
        self.state = State.BASE
        self._link.new_session()
        self._link.use_timing(self._options.timing)
        self._link.ignore_traffic()
        if self._link.baud != self._base_baud:
            events += self._change_speed(self._base_baud)
        return events
