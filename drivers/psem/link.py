"""The link layer of C12.18 (§5, §6, §8) without a line and without a clock; the same class serves client and meter.

Octets and the present second go in, events, octets and the next deadline come out. The rules:

- Stop and wait: each packet is acknowledged before the next one goes out; no ACK in time, or a NAK: the same again.
- Where a packet arrives instead of the ACK, the ACK was lost: an answer counts as one. A duplicate (same toggle, same
  CRC) is acknowledged again and not delivered; what we sent ourselves is an echo and ignored.
- Damage is answered by a NAK, but only when the line has fallen silent: the end of a damaged packet is not known,
  and on a half-duplex line nobody hears a NAK that is sent while the packet is still coming in.
- Nothing is sent until the peer has been silent for the turn-around time, nor while a packet is coming in.
- A client waits as long as its `experience` says, and tells it what became of each packet.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from drivers.errors import LocalProtocolError
from drivers.memory import LineMemory
from drivers.psem.assembly import Assembler, Discarded, Message
from drivers.psem.experience import Experience
from drivers.psem.link_events import PLAIN, Acknowledged, Failed, LinkEvent, LinkStatistics, Manner, TrafficTimeout
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.packet import (
    ACK,
    DEFAULT_SIZE,
    LARGEST_SIZE,
    NAK,
    OVERHEAD,
    Bad,
    Control,
    Framer,
    Noise,
    Packet,
    Received,
    split_message,
)
from drivers.psem.phase import Phase
from drivers.psem.wiring import LineKind

_TURNAROUND_CHARACTERS: Final = 2
_PEER_FIRST: Final = 1.25  # when both sides wait for each other, the peer's equal timer shall expire first
_MOST_DUPLICATES: Final = 8  # without anything new in between
_BLOCKED: Final = 4  # response time-outs until a line that never falls silent is given up


class Link:
    """One side of a point-to-point PSEM line. Every `now` is in seconds of the caller's monotonic clock.

    Call `feed` when octets came in, `tick` when `deadline()` has passed, and after either (and after
    `send_message`) `take_output` until it is empty or asks to wait: `deadline()` covers that too.
    """

    def __init__(
        self,
        options: PsemOptions,
        now: float,
        *,
        baud: int = 9600,
        remembered: LineMemory | None = None,
        kind: LineKind | None = None,
        hears: frozenset[int] | None = None,
    ) -> None:
        """`hears`: identity octets of packets that are for us; None: all, on a line without anybody else."""
        self.statistics = LinkStatistics()
        self._options = options
        self._timing = options.timing
        self._hears = hears
        self.experience = Experience(options, kind or LineKind.of_speed(baud), baud=baud, remembered=remembered)
        self._toggles = self.experience.toggles
        self._framer = Framer()
        self._assembler = Assembler()
        self._phase = Phase.IDLE
        self._outgoing: deque[Packet] = deque()
        self._raw = b""  # the packet in flight
        self._in_flight = False  # it was sent at least once
        self._wants_reply = False
        self._secret = False
        self._response_s = self._timing.response_s
        self._retries = self._timing.retries
        self._control = b""  # ACK or NAK to be sent
        self._nak_due = False
        self._tries = 0
        self._duplicates = 0
        self._heard = False
        self._toggle = False  # of the next new packet
        self._seen: tuple[bool, bytes] | None = None  # toggle and CRC of the packet accepted last
        self._toggle_known = True
        self._received_at = now - 1.0
        self._sent_until = now
        self._gap_at: float | None = None
        self._wait_at: float | None = None
        self._traffic_at: float | None = None
        self.max_data = DEFAULT_SIZE - OVERHEAD  # octets of DATA in one packet, both ways
        self.packets = 1  # packets in one message that we send
        self.baud = baud  # 0: the line has no speed of its own

    # -- what the session decides

    def configure(self, *, packet_size: int, packets: int, size_excludes_overhead: bool = False) -> None:
        """Set what was negotiated: octets of a whole packet (its overhead included, unless excluded) and packets."""
        size = packet_size + OVERHEAD if size_excludes_overhead else packet_size
        if not OVERHEAD < size <= LARGEST_SIZE + OVERHEAD or packets < 1:
            msg = f"{packets} packets of {packet_size} octets"
            raise LocalProtocolError(msg)
        self.max_data = self._framer.max_data = min(size, LARGEST_SIZE) - OVERHEAD
        self.packets = packets

    def use_timing(self, timing: Timing) -> None:
        """Go by these timers and retries from the next message on."""
        self._timing = timing
        self.experience.pauses.standard_s = timing.inter_character_s

    @property
    def most_octets(self) -> int:
        """Octets of the longest message that fits what was negotiated."""
        return self.max_data * self.packets

    def new_session(self) -> None:
        """Forget toggles, messages and what was negotiated; an acknowledgement that is due is still sent."""
        self.abandon()
        self._toggle = False
        self._toggles.new_session()
        self.forget_peer()
        self.configure(packet_size=DEFAULT_SIZE, packets=1)

    def forget_peer(self) -> None:
        """Take the next packet as new, whatever its toggle and CRC."""
        self._seen = None
        self._toggle_known = True

    def watch_traffic(self, now: float, seconds: float | None = None) -> None:
        """Start the channel traffic timer, or stretch it once to `seconds`."""
        self._traffic_at = now + (self._timing.channel_traffic_s if seconds is None else seconds)

    def ignore_traffic(self) -> None:
        """Stop the channel traffic timer."""
        self._traffic_at = None

    def hold(self, now: float) -> None:
        """Count the line as active until now: the next packet waits for the turn-around time."""
        self._received_at = max(self._received_at, now)

    # -- messages

    def send_message(self, data: bytes, now: float, *, wants_reply: bool, manner: Manner = PLAIN) -> None:
        """Begin a message; whatever was under way is given up. `wants_reply`: an answer is waited for (the client).

        Raises `LocalProtocolError` if the message does not fit the packets negotiated.
        """
        packets = split_message(data, self.max_data, toggle=self._toggle, identity=self._options.identity)
        if len(packets) > self.packets:
            msg = f"a message of {len(data)} octets; {self.most_octets} fit the packets negotiated"
            raise LocalProtocolError(msg)
        self.abandon()
        self._outgoing.extend(packets)
        self._wants_reply = wants_reply
        self._secret = manner.secret
        usual_s = self.experience.patience.response_s if wants_reply else self._timing.response_s
        self._response_s = usual_s if manner.response_s is None else manner.response_s
        self._retries = self._timing.retries if manner.retries is None else manner.retries
        self._heard = False
        self._queue_next(now)

    def as_received(self, message: bytes) -> bytes:
        """Return `message` as the peer would send it now, in one packet: in place of octets that were kept secret."""
        toggle = not (self._seen and self._seen[0])
        return ACK + Packet(message, toggle=toggle, identity=self._options.identity).to_bytes()

    def keep_waiting(self, now: float) -> None:
        """Wait for another answer to the message sent last: the one delivered was a leftover."""
        self._phase = Phase.REPLY
        self._wait_at = now + self._response_s

    def abandon(self) -> None:
        """Give up the message under way, and the answer to it."""
        self._phase = Phase.IDLE
        self._outgoing.clear()
        self._raw = b""
        self._in_flight = False
        self._assembler.reset()
        self._nak_due = False
        self._wait_at = None
        self._tries = 0
        self.experience.idle()

    @property
    def idle(self) -> bool:
        """Our own message, if any, is done with."""
        return self._phase is Phase.IDLE

    def drop_input(self, octets: int, now: float) -> None:
        """Forget an unfinished packet, after `octets` that came in until now were thrown away unseen."""
        self._framer.reset()
        self._gap_at = None
        self._nak_due = False
        if octets:
            self.statistics.bytes_received += octets
            self.statistics.noise += octets
            self.hold(now)

    # -- the line

    def feed(self, chunk: bytes, now: float) -> list[LinkEvent]:
        """Take octets that came in."""
        events: list[LinkEvent] = []
        self._hear(len(chunk), now)
        for item in self._framer.feed(chunk):
            match item:
                case Received(packet, raw):
                    self._on_packet(packet, raw, now, events)
                case Control.ACK:
                    self._on_ack(now, events)
                case Control.NAK:
                    self._on_nak(now, events)
                case Bad():
                    self._damaged()
                    self._nak_due = True
                    if self._wait_at is not None:
                        self._wait_at = max(self._wait_at, now + self._response_s)
                case Noise(count):
                    self.statistics.noise += count
                    self._toggles.line_is_bad()
        if self._framer.partial:
            self._gap_at = now + self._gap_s
        elif self._framer.unsettled:
            self._gap_at = now + self.experience.pauses.settle_s(self._timing.settle_s, self._character_s)
        else:
            self._gap_at = None
        return events

    def deadline(self) -> float | None:
        """When `tick` or `take_output` must be called at the latest, if nothing comes in; None = no need."""
        receiving = self._framer.partial
        times = (
            self._clear_at if self.has_output and not receiving else None,
            self._gap_at,
            None if receiving else self._wait_at,
            None if receiving else self._traffic_at,
        )
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> list[LinkEvent]:
        """Let timers expire that are due."""
        events: list[LinkEvent] = []
        if self._gap_at is not None and now >= self._gap_at:
            self._gap_at = None
            bad = self._framer.quiet()
            if bad:
                self._damaged()
            if bad or self._nak_due:
                self._nak_due = False
                self._send_nak(events)
        if self._framer.partial:
            return events
        if self._wait_at is not None and now >= self._wait_at:
            self._wait_at = None
            self._on_wait_over(now, events)
        if self._traffic_at is not None and now >= self._traffic_at:
            self._traffic_at = None
            events.append(TrafficTimeout())
        return events

    @property
    def has_output(self) -> bool:
        """Something is to be sent, now or when the turn-around time is over."""
        return bool(self._control) or self._phase is Phase.QUEUED

    @property
    def output_is_secret(self) -> bool:
        """The next `take_output` carries octets that must not be recorded."""
        return self._secret and self._phase is Phase.QUEUED

    def take_output(self, now: float) -> bytes:
        """Return what is to be sent now; empty while there is nothing, or the line must stay silent."""
        if not self.has_output or now < self._clear_at or self._framer.partial:
            return b""
        output, self._control = self._control, b""
        if self._phase is Phase.QUEUED:
            output += self._raw
            if not self._in_flight:
                self._in_flight = True
                self._toggle = not self._toggle
            self._phase = Phase.ACK
            patience = self._response_s
        else:
            patience = self._response_s * _PEER_FIRST
        self.statistics.bytes_sent += len(output)
        self._sent_until = max(now, self._sent_until) + len(output) * self._character_s
        if self._phase is not Phase.IDLE:
            self._wait_at = self._sent_until + patience
            self.experience.asked(self._sent_until)
        if self._traffic_at is not None:
            self._traffic_at = max(self._traffic_at, self._sent_until + self._timing.channel_traffic_s)
        return output

    # -- inside

    @property
    def _character_s(self) -> float:
        return 10 / self.baud if self.baud else 0.0

    @property
    def _gap_s(self) -> float:
        """Silence after which a packet is cut short; sooner than the standard says only once, and for the client."""
        first = self._wants_reply and not self._tries
        return self.experience.pauses.gap_s if first else self._timing.inter_character_s

    @property
    def _clear_at(self) -> float:
        return self._received_at + max(self._timing.turnaround_s, _TURNAROUND_CHARACTERS * self._character_s)

    def _hear(self, octets: int, now: float) -> None:
        if self._framer.partial:
            self.experience.pauses.inside(now - self._received_at)
        self._received_at = now
        self._heard = self._heard or octets > 0
        self.statistics.bytes_received += octets
        self.experience.heard(octets, now)

    def _queue_next(self, now: float) -> None:
        self._raw = self._outgoing[0].to_bytes()
        self._in_flight = False
        self._tries = self._duplicates = 0
        self._queue(now)

    def _queue(self, now: float) -> None:
        self._phase = Phase.QUEUED
        self._wait_at = now + _BLOCKED * self._response_s

    def _on_packet(self, packet: Packet, raw: bytes, now: float, events: list[LinkEvent]) -> None:
        if not self._is_for_us(packet, raw):
            return
        self.statistics.packets_received += 1
        self.experience.arrived(len(raw), len(self._raw))
        self.experience.pauses.whole(len(raw))
        if self._traffic_at is not None:
            self._traffic_at = now + self._timing.channel_traffic_s
        self._control = ACK
        self._nak_due = False
        if self._phase is not Phase.QUEUED:
            self._wait_at = None
        mark = (packet.toggle, raw[-2:])
        answers = self._is_answer(packet)
        unchanged = answers and self._seen is not None and self._seen[0] == packet.toggle
        if answers and (self._phase is Phase.REPLY or not unchanged):
            self._toggles.answer(unchanged=unchanged, repeated=mark == self._seen)
        if mark == self._seen and self._is_duplicate(packet):
            self._on_duplicate(events)
            return
        suspect = unchanged and self._toggles.matter and self._toggle_known
        self.statistics.unchanged_toggles += suspect
        self._seen, self._toggle_known = mark, not suspect
        if not self._expect(events):
            return
        self._tries = self._duplicates = 0
        outcome = (
            self._assembler.spoil(packet, "the toggle bit did not change: a packet was lost")
            if suspect
            else self._assembler.accept(packet, fresh_allowed=self._phase is Phase.IDLE)
        )
        if isinstance(outcome, Discarded):
            self._discard(outcome.reason, events, suspect=packet.data if suspect and not packet.multi else b"")
            return
        if isinstance(outcome, Message):
            self.abandon()
        if outcome is not None:
            events.append(outcome)

    def _is_for_us(self, packet: Packet, raw: bytes) -> bool:
        if raw == self._raw and not self._assembler.collecting:
            # An answer never begins with a request code: this is our own packet, whatever ACK was heard before it.
            self.statistics.echoes += 1
            return False
        ours = self._hears is None or packet.identity in self._hears
        if not ours:
            self.statistics.foreign = packet.identity
        return ours

    def _is_duplicate(self, packet: Packet) -> bool:
        """Judge a packet with the toggle and CRC of the last one. Without toggles only its place can tell."""
        return self._toggles.matter or self._in_flight or self._assembler.repeats(packet)

    def _is_answer(self, packet: Packet) -> bool:
        """Whether an answer begins here. With the toggle of the packet before, one in between was lost."""
        return (
            self._wants_reply
            and self._phase is not Phase.IDLE
            and (packet.first or not packet.multi)
            and not self._assembler.collecting
            and not self._assembler.spoilt
        )

    def _damaged(self) -> None:
        self.statistics.bad_packets += 1
        self.experience.damaged()

    def _on_duplicate(self, events: list[LinkEvent]) -> None:
        self.statistics.duplicates += 1
        self._toggles.line_is_bad()
        self._duplicates += 1
        if self._duplicates > _MOST_DUPLICATES and self._phase is not Phase.IDLE:
            self._fail(events)

    def _expect(self, events: list[LinkEvent]) -> bool:
        """Make a new packet fit what our own message is doing; False if it is only to be acknowledged."""
        if self._phase in {Phase.IDLE, Phase.REPLY}:
            return True
        if not self._wants_reply:  # the meter: a new request ends our answer
            delivered = self._in_flight and len(self._outgoing) == 1
            self.abandon()
            if delivered:
                events.append(Acknowledged())
            return True
        if not self._in_flight:  # it came before our request went out: a leftover
            return False
        if len(self._outgoing) > 1:
            self._discard("an answer came before the request was complete", events)
            return False
        self._reply()
        return True

    def _reply(self) -> None:
        self._phase = Phase.REPLY
        self._in_flight = False
        self._wait_at = None

    def _on_ack(self, now: float, events: list[LinkEvent]) -> None:
        if self._traffic_at is not None:
            self._traffic_at = max(self._traffic_at, now + self._timing.channel_traffic_s)
        if self._phase is not Phase.ACK:
            return
        self.experience.arrived(len(self._raw), len(self._raw))
        if len(self._outgoing) > 1:
            self._outgoing.popleft()
            self._queue_next(now)
        elif self._wants_reply:
            self._reply()
            self._wait_at = now + self._response_s
            self.experience.asked(now)
        else:
            self.abandon()
            events.append(Acknowledged())

    def _on_nak(self, now: float, events: list[LinkEvent]) -> None:
        self.statistics.naks_received += 1
        no_answer_yet = self._phase is Phase.REPLY and not self._assembler.collecting and not self._assembler.spoilt
        if self._phase is Phase.ACK or no_answer_yet:
            self._send_again(now, events)

    def _on_wait_over(self, now: float, events: list[LinkEvent]) -> None:
        if self._phase is Phase.QUEUED:
            self._fail(events)
        elif self._phase is Phase.REPLY and self._assembler.spoilt:
            self._discard(self._assembler.spoilt, events)
        elif self._phase is Phase.REPLY and self._assembler.collecting:
            self._send_nak(events)
        elif self._phase is not Phase.IDLE:
            self._send_again(now, events)

    def _send_again(self, now: float, events: list[LinkEvent]) -> None:
        self._tries += 1
        if self._tries > self._retries or not self._outgoing:
            self._fail(events)
            return
        self.statistics.retries += 1
        self.experience.asked_again()
        self._in_flight = True
        self._queue(now)

    def _send_nak(self, events: list[LinkEvent]) -> None:
        """Ask for a damaged packet again. In the middle of our own message each NAK is one of its retries."""
        if self._phase is Phase.QUEUED:
            return
        if self._phase is not Phase.IDLE:
            self._tries += 1
            if self._tries > self._retries:
                self._fail(events)
                return
            self._wait_at = None
        self.statistics.naks_sent += 1
        self._control = NAK

    def _discard(self, reason: str, events: list[LinkEvent], *, suspect: bytes = b"") -> None:
        self.abandon()
        self._toggle_known = False  # packets were lost, and who knows how many
        events.append(Discarded(reason, suspect))

    def _fail(self, events: list[LinkEvent]) -> None:
        self.experience.failed(len(self._raw), heard=self._heard)
        self.abandon()
        events.append(Failed(heard=self._heard))
