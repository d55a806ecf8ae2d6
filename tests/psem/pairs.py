"""Two links and the line between them, without any event loop: a heap of arrivals and the links' own deadlines."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from drivers.psem.assembly import Discarded, Message
from drivers.psem.link import Link
from drivers.psem.link_events import Failed, LinkEvent
from drivers.psem.options import PsemOptions

Channel = Callable[[bytes], list[tuple[float, bytes]]]  # what becomes of a chunk: pieces and their extra delays


def clean(chunk: bytes) -> list[tuple[float, bytes]]:
    return [(0.0, chunk)]


@dataclass
class Side:
    link: Link
    channel: Channel  # of what this side sends
    events: list[LinkEvent] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    last_arrival: float = 0.0


class Pair:
    """A client's link and a meter's; the meter answers `answer(request)` to each whole message."""

    def __init__(
        self,
        answer: Callable[[bytes], bytes],
        *,
        options: PsemOptions | None = None,
        there: Channel = clean,
        back: Channel = clean,
        size: int = 64,
        packets: int = 255,
        baud: int = 9600,
    ) -> None:
        self.now = 100.0
        self.answer = answer
        options = options or PsemOptions()
        self.client = Side(Link(options, self.now, baud=baud), there)
        self.meter = Side(Link(options, self.now, baud=baud), back)
        self.character_s = 10 / baud
        for side in (self.client, self.meter):
            side.link.configure(packet_size=size, packets=packets)
        self.requests: list[bytes] = []
        self._arrivals: list[tuple[float, int, Side, bytes]] = []
        self._number = 0

    def ask(self, request: bytes) -> Message | Discarded | Failed:
        """Send a request; return how it ended for the client, its last ACK sent."""
        self.client.link.send_message(request, self.now, wants_reply=True)
        self.client.events.clear()
        going = True
        while True:
            ends = [event for event in self.client.events if isinstance(event, Message | Discarded | Failed)]
            if ends and not self.client.link.has_output:
                return ends[0]
            assert going, "nothing will ever happen again"
            going = self.step()

    def settle(self, seconds: float = 30.0) -> None:
        """Let everything on the way arrive unheard by the client, as after `Discarded`."""
        self.client.link.abandon()
        end = self.now + seconds
        while (at := self._next_time(deaf=True)) is not None and at <= end:
            self.step(deaf=True)
        self.now = end

    def step(self, *, deaf: bool = False) -> bool:
        """Send what is to be sent, then go to the next instant at which something happens."""
        for side, other in ((self.client, self.meter), (self.meter, self.client)):
            if deaf and side is self.client:
                continue
            while output := side.link.take_output(self.now):
                side.sent.append(output)
                self._carry(side, other, output)
        at = self._next_time(deaf=deaf)
        if at is None:
            return False
        self.now = max(self.now, at)
        if self._arrivals and self._arrivals[0][0] <= self.now:
            _, _, side, piece = heapq.heappop(self._arrivals)
            if deaf and side is self.client:
                side.link.drop_input(len(piece), self.now)
            else:
                self._note(side, side.link.feed(piece, self.now))
            return True
        for side in (self.client, self.meter):
            deadline = side.link.deadline()
            if deadline is not None and deadline <= self.now and not (deaf and side is self.client):
                self._note(side, side.link.tick(self.now))
        return True

    def _next_time(self, *, deaf: bool = False) -> float | None:
        sides = (self.meter,) if deaf else (self.client, self.meter)
        deadlines: Iterable[float | None] = (side.link.deadline() for side in sides)
        times = [time for time in deadlines if time is not None] + [entry[0] for entry in self._arrivals[:1]]
        return min(times, default=None)

    def _carry(self, side: Side, other: Side, output: bytes) -> None:
        for delay, piece in side.channel(output):
            side.last_arrival = max(side.last_arrival, self.now + len(output) * self.character_s + delay)
            self._number += 1
            if piece:
                heapq.heappush(self._arrivals, (side.last_arrival, self._number, other, piece))

    def _note(self, side: Side, events: list[LinkEvent]) -> None:
        side.events += events
        if side is self.meter:
            for event in events:
                if isinstance(event, Message):
                    self.requests.append(event.data)
                    side.link.send_message(self.answer(event.data), self.now, wants_reply=False)
