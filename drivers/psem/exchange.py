"""One request and its answer at a time: the link layer driven over a transport. Waits only where the line makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from drivers.errors import LineTooBad, MeterSilent
from drivers.memory import LineMemory
from drivers.psem.assembly import Discarded, Message, Part
from drivers.psem.codes import ResponseCode
from drivers.psem.diagnosis import Diagnosis, diagnose
from drivers.psem.link import Link
from drivers.psem.link_events import PLAIN, Failed, LinkEvent, Manner
from drivers.psem.options import PsemOptions
from drivers.psem.packet import ACK, Packet
from drivers.psem.services import Identify
from drivers.psem.wiring import LineKind, Wiring
from drivers.transport.base import Transport
from drivers.transport.echo_report import echo_of
from drivers.transport.replay import AnswerMasked

_QUIET_S = 1.5  # a line is waited for to fall silent before a request is repeated
_MOST_LEFTOVERS = 4
_TABLE_ANSWER: Final = 5  # octets of an answer with table data: OK, count, at least one octet, checksum
_MOST_HEARD = 1024  # octets that are kept for a diagnosis

_SESSION_LOST = bytes((ResponseCode.ISSS,))  # a meter that lost its session also starts its toggle anew


_TOGGLE_ADVICE: Final = (
    "packets arrive whole, but their toggle bit does not change: a family that does so needs a profile with "
    "`toggles = false` in [psem]"
)


class Exchange:
    """The client's end of the line. Not for concurrent use; safe to cancel, after which `settle` comes first."""

    def __init__(
        self,
        transport: Transport,
        options: PsemOptions,
        clock: Callable[[], float],
        remembered: LineMemory | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        wiring = wiring or Wiring(LineKind.of_speed(transport.baud))
        self.transport = transport
        self.clock = clock
        self.link = Link(
            options,
            clock(),
            baud=transport.baud,
            remembered=remembered,
            kind=wiring.kind,
            hears=frozenset((options.identity,)) if wiring.addressed else None,
        )
        self._options = options
        self.answered_at = clock()  # when the last request had come to its end
        self._before: tuple[bytes, bytes] | None = None  # the last request, and its answer
        self._heard = bytearray()  # while listening
        self._listening = False
        self._hidden: bytes | None = None  # what the answer must be, should a recording mask it

    async def request(
        self,
        message: bytes,
        what: str,
        *,
        manner: Manner = PLAIN,
        repeats: int = 0,
        is_answer: Callable[[bytes], bool] = bool,
        on_part: Callable[[int], None] | None = None,
    ) -> bytes:
        """Send `message`, return the answer to it, acknowledged.

        `repeats`: how often the whole request may be sent anew when its answer came incomplete. An answer that
        `is_answer` denies is a leftover of a former session and skipped. `on_part` is told the octets so far of a long
        answer. Raises `MeterSilent` if nothing at all came back, `LineTooBad` if what came was of no use.
        """
        reason = ""
        for left in range(repeats, -1, -1):
            now = self.clock()
            self.link.statistics.foreign = None
            self._hidden = manner.hidden_answer and manner.hidden_answer.reveal()
            self.link.drop_input(self.transport.discard_input(), now)
            self.link.send_message(message, now, wants_reply=True, manner=manner)
            end = await self._answer(is_answer, on_part)
            self.answered_at = self.clock()
            match end:
                case Message(data) if left and self._may_be_repeated(message, data):
                    reason = "it may be the answer before, repeated"
                    await self.settle()
                case Message(data):
                    self._listening = False
                    self._before = message, data
                    return data
                case Failed(heard):
                    raise self._failure(what, heard=heard)
                case Discarded(_, suspect) if suspect == _SESSION_LOST:
                    return suspect
                case Discarded(reason):
                    await self.settle()
        msg = f"{what}: the answer came incomplete: {reason}"
        raise LineTooBad(msg, advice="if only this meter does it, set toggles = false in its profile")

    def _may_be_repeated(self, message: bytes, answer: bytes) -> bool:
        """Whether this is the answer to another request, octet for octet, of a meter whose toggle bit says nothing.

        A meter that got our ACK late sends its answer again, into the wait for the next one. Two tables may be alike,
        too: then the question costs a second. Answers without table data are all alike.
        """
        if self.link.experience.toggles.matter or self._before is None or len(answer) < _TABLE_ANSWER:
            return False
        asked, answered = self._before
        return answered == answer and asked != message

    def listen(self) -> None:
        """Keep what comes in from now on, up to a limit, for a diagnosis."""
        self._heard.clear()
        self._listening = True

    def diagnosis(self) -> Diagnosis:
        """Say what is wrong with a line on which Identify was not answered, from what was heard since `listen`."""
        self._listening = False
        request = Packet(Identify().encode(), identity=self._options.identity).to_bytes()
        return diagnose(bytes(self._heard), request, baud=self.transport.baud, echo=echo_of(self.transport))

    async def settle(self) -> None:
        """Give up what is under way and wait until the line is silent, 1.5 s and one packet at most."""
        self.link.abandon()
        baud = self.link.baud
        end = self.clock() + _QUIET_S + (10 * self.link.max_data / baud if baud else 0.0)
        while (left := end - self.clock()) > 0:
            chunk = await self._input(min(left, self._options.timing.inter_character_s))
            if chunk is None:
                break
            self._keep(chunk)
            self.link.drop_input(len(chunk), self.clock())
        self.link.drop_input(0, self.clock())

    async def set_baud(self, baud: int) -> None:
        """Change the speed of the line; the meter gets the turn-around time to do the same."""
        if baud == self.link.baud:
            return
        await self.transport.set_baud(baud)
        self.link.baud = baud
        self.link.hold(self.clock())

    async def _answer(
        self, is_answer: Callable[[bytes], bool], on_part: Callable[[int], None] | None
    ) -> Message | Discarded | Failed:
        for _ in range(_MOST_LEFTOVERS):
            end = await self._run(on_part)
            if not isinstance(end, Message) or is_answer(end.data):
                return end
            self.link.keep_waiting(self.clock())
        return Discarded("only leftovers of a former session came")

    async def _run(self, on_part: Callable[[int], None] | None) -> Message | Discarded | Failed:
        """Work until the message under way has come to an end and everything is sent, its last ACK too."""
        end: Message | Discarded | Failed | None = None
        while True:
            while output := self._output():
                octets, secret = output
                await self.transport.write(octets, secret=secret)
            if end is not None and not self.link.has_output:
                return end
            for event in await self._next_events():
                if end is None and isinstance(event, Message | Discarded | Failed):
                    end = event
                elif isinstance(event, Part) and on_part:
                    on_part(event.octets)

    def _output(self) -> tuple[bytes, bool] | None:
        secret = self.link.output_is_secret
        octets = self.link.take_output(self.clock())
        return (octets, secret) if octets else None

    async def _next_events(self) -> list[LinkEvent]:
        """Wait for input or the next deadline. Input that is there already wins over a deadline that has passed."""
        deadline = self.link.deadline()
        try:
            chunk = await self._input(None if deadline is None else max(0.0, deadline - self.clock()))
        except AnswerMasked as masked:
            chunk = self._unmasked(masked.octets)
            if not chunk:
                raise
        if chunk is None:
            return self.link.tick(self.clock())
        self._keep(chunk)
        return self.link.feed(chunk, self.clock())

    async def _input(self, within_s: float | None) -> bytes | None:
        """Return what comes in, or None once the time is over."""
        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                return await self.transport.read()
        except TimeoutError:
            if not limit.expired():  # of the line
                raise
            return None

    def _unmasked(self, octets: int) -> bytes:
        """Return so many octets that a recording hides: the ACK, the answer, or both; empty if it is something else."""
        if self._hidden is None:
            return b""
        answer = self.link.as_received(self._hidden)
        if octets == len(ACK):
            return ACK
        return answer if octets in {len(answer), len(answer) - len(ACK)} else b""

    def _keep(self, chunk: bytes) -> None:
        if self._listening and len(self._heard) < _MOST_HEARD:
            self._heard += chunk[: _MOST_HEARD - len(self._heard)]

    def _failure(self, what: str, *, heard: bool) -> LineTooBad | MeterSilent:
        name = self.transport.name
        other = self.link.statistics.foreign
        if heard and other is not None:
            msg = f"{what}: on {name} meter {other} answers, and meter {self._options.identity} does not"
            return LineTooBad(msg, advice="see which identity octet the meter has: `?identity=` in its address")
        if heard:
            msg = f"{what}: octets come in on {name}, but no usable answer"
            statistics = self.link.statistics
            if statistics.unchanged_toggles > statistics.bad_packets:
                return LineTooBad(msg, advice=_TOGGLE_ADVICE)
            return LineTooBad(msg, advice="clean and seat the probe, shield it from light, or use a lower speed")
        return MeterSilent(f"{what}: no answer on {name}", advice="see that the probe still sits on the meter")
