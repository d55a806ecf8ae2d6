"""The telephone network: who is called rings, is engaged, or is not there; two modems that agree hear each other.

Everything that may differ from call to call is drawn from a seed, the numbers and a count of calls, so that a run can
be repeated whatever else goes on at the same time. Time is the event loop's, also a virtual one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from metersim.modem.faults import CallFaults, Fate
from metersim.modem.results import Carrier
from metersim.modem.trunk import Carriage, Trunk

_REMEMBERED: Final = 10_000  # calls


@dataclass(frozen=True, slots=True)
class Speeds:
    """What one side's modem can do, in bits per second."""

    most: int
    least: int = 0
    corrects: bool = False


class Subscriber(Protocol):
    """Who has a line: one of the agent's modems, or the modem of a meter."""

    number: str

    @property
    def engaged(self) -> bool:
        """Whether the line is in use."""
        ...

    def speeds(self) -> Speeds:
        """What its modem can do now."""
        ...

    def ring(self) -> None:
        """The bell rings once."""
        ...

    def ringback(self) -> None:
        """Whom it called is being rung."""
        ...

    def picked_up(self) -> None:
        """Whom it called, or somebody in its place, has picked up."""
        ...

    def busy(self) -> None:
        """Whom it called is engaged."""
        ...

    def carrier(self, carrier: Carrier) -> None:
        """The modems agree; octets flow."""
        ...

    def hear(self, octets: bytes) -> None:
        """Octets from the other side."""
        ...

    def carrier_lost(self) -> None:
        """The other side is gone, or the line was cut."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """How calls go. Seconds; pairs are the bounds of what is drawn for each call."""

    faults: CallFaults = field(default_factory=CallFaults)
    seed: int = 1
    ring_s: float = 6.0  # from ring to ring; North America
    setup_s: tuple[float, float] = (0.5, 2.0)  # from the last digit to the first ring, or to the busy tone
    handshake_s: tuple[float, float] = (2.0, 5.0)
    negotiation_s: float = 3.0  # that error correction costs in the handshake where only one side knows it
    latency_s: tuple[float, float] = (0.05, 0.15)  # one way
    bursts_s: tuple[float, float] = (0.0, 0.0)  # before each burst of octets, whatever the modems agree on
    corrected_bursts_s: tuple[float, float] = (0.1, 0.5)  # the same where they correct errors
    slice_s: float = 0.1  # octets of so much line time are handed over at once
    most_rings: int = 20  # then a caller without a time-out of its own gives up


@dataclass(slots=True)
class Call:
    """One call, from the last digit until somebody hangs up."""

    caller: Subscriber
    number: str
    fate: Fate
    random: Random
    began: float
    callee: Subscriber | None = None
    rings: int = 0
    answered: bool = False
    up: bool = False
    ended: bool = False
    end: str = ""
    seconds: float = 0.0
    octets: int = 0
    trunks: dict[int, Trunk] = field(default_factory=dict)  # by the id of who sends
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    cut_after: int | None = None  # octets, both ways


class Exchange:
    """All lines and all calls. To be made in a running event loop."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or Network()
        self.calls: deque[Call] = deque(maxlen=_REMEMBERED)  # as they began
        self.ends: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._subscribers: dict[str, Subscriber] = {}
        self._counts: Counter[str] = Counter()
        self._active: dict[int, Call] = {}  # by the id of each side that holds the line

    def connect(self, subscriber: Subscriber) -> None:
        """Give a subscriber its number, which must be free."""
        if self._subscribers.setdefault(subscriber.number, subscriber) is not subscriber:
            raise ValueError(f"the number {subscriber.number} is taken")

    def call_of(self, subscriber: Subscriber) -> Call | None:
        """Return the call that a subscriber is in, as caller or having answered."""
        return self._active.get(id(subscriber))

    def dial(self, caller: Subscriber, number: str) -> Call:
        """Set a call up; what becomes of it is told to `caller`."""
        self._counts[number] += 1
        random = Random(f"{self.network.seed}/{number}/{self._counts[number]}")
        call = Call(caller, number, self.network.faults.fate(random), random, self._loop.time())
        call.callee = callee = self._subscribers.get(number)
        engaged = callee is not None and (callee.engaged or self._is_rung(callee))
        self.calls.append(call)
        self._active[id(caller)] = call
        self._later(call, random.uniform(*self.network.setup_s), lambda: self._reached(call, engaged=engaged))
        return call

    def answer(self, subscriber: Subscriber) -> None:
        """A subscriber takes its line: whoever is ringing it is through."""
        call = next((one for one in self._active.values() if one.callee is subscriber and not one.answered), None)
        if call is None or not call.rings:
            return
        call.answered = True
        call.caller.picked_up()
        self._active[id(subscriber)] = call
        self._shake_hands(call)

    def release(self, subscriber: Subscriber, why: str = "hung up") -> None:
        """A subscriber hangs up; the other side loses the carrier."""
        call = self._active.get(id(subscriber))
        if call is not None:
            self._finish(call, f"{'caller' if call.caller is subscriber else 'callee'} {why}", by=subscriber)

    def cut(self, call: Call, why: str = "cut") -> None:
        """The line itself fails: both sides lose the carrier."""
        self._finish(call, why, by=None)

    def send(self, subscriber: Subscriber, octets: bytes) -> None:
        """Carry octets to the other side; without a call they go nowhere."""
        call = self._active.get(id(subscriber))
        if call is not None and call.up:
            call.trunks[id(subscriber)].send(octets)

    def _is_rung(self, callee: Subscriber) -> bool:
        return any(call.callee is callee and not call.ended for call in self._active.values())

    def _later(self, call: Call, seconds: float, then: Callable[[], None]) -> None:
        call.timers.append(self._loop.call_later(seconds, lambda: None if call.ended else then()))

    def _reached(self, call: Call, *, engaged: bool) -> None:
        """The digits have arrived where the number is."""
        if engaged or call.fate == "busy":
            call.caller.busy()
        elif call.callee is not None:
            self._ring(call)

    def _ring(self, call: Call) -> None:
        call.rings += 1
        call.caller.ringback()
        if call.fate == "no_carrier" and call.rings > 1:
            call.caller.picked_up()  # a person, who says hello
            return
        if call.callee is not None and call.fate == "connected":
            call.callee.ring()
        if not call.answered and call.rings < self.network.most_rings:
            self._later(call, self.network.ring_s, lambda: None if call.answered else self._ring(call))

    def _shake_hands(self, call: Call) -> None:
        callee = call.callee
        assert callee is not None  # noqa: S101 - it has answered
        one, other = call.caller.speeds(), callee.speeds()
        rate = min(one.most, other.most)
        if rate < max(one.least, other.least):
            return  # tones that the other does not understand, until somebody gives up
        seconds = call.random.uniform(*self.network.handshake_s)
        if one.corrects != other.corrects:
            seconds += self.network.negotiation_s
        carrier = Carrier(rate, corrected=one.corrects and other.corrects)
        self._later(call, seconds, lambda: self._up(call, carrier))

    def _up(self, call: Call, carrier: Carrier) -> None:
        network, callee = self.network, call.callee
        assert callee is not None  # noqa: S101 - it has answered
        carriage = Carriage(
            rate=carrier.rate,
            latency_s=call.random.uniform(*network.latency_s),
            slice_s=network.slice_s,
            bursts_s=network.corrected_bursts_s if carrier.corrected else network.bursts_s,
            noise=network.faults.noise,
            corrected=carrier.corrected,
        )
        call.cut_after = network.faults.dropped_after(call.random)
        call.up = True
        for sender, hearer in ((call.caller, callee), (callee, call.caller)):
            trunk = Trunk(carriage, Random(call.random.random()), self._hearing(call, hearer))
            call.trunks[id(sender)] = trunk
        call.caller.carrier(carrier)
        callee.carrier(carrier)

    def _hearing(self, call: Call, hearer: Subscriber) -> Callable[[bytes], None]:
        def hear(octets: bytes) -> None:
            call.octets += len(octets)
            if call.cut_after is not None and call.octets >= call.cut_after:
                self.cut(call, "dropped")
            else:
                hearer.hear(octets)

        return hear

    def _finish(self, call: Call, why: str, by: Subscriber | None) -> None:
        if call.ended:
            return
        call.ended, call.end, call.seconds = True, why, self._loop.time() - call.began
        self.ends[f"{call.fate}: {why}" if call.up else f"{call.fate}: not up, {why}"] += 1
        for timer in call.timers:
            timer.cancel()
        call.timers.clear()
        for trunk in call.trunks.values():
            trunk.cut()
        for side in (call.caller, call.callee):
            if side is not None and self._active.get(id(side)) is call:
                del self._active[id(side)]
                if side is not by and (call.up or side is call.callee):
                    side.carrier_lost()
