"""Asking NTP servers ourselves: a few exchanges with each, the one with the shortest round trip counts."""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass
from decimal import Decimal

from agent.clock.instant import Counters, read_instant
from agent.clock.ntp_packet import Measurement, NotOurs, Unusable, judge, measure, question
from agent.clock.samples import NoTime, Outcome, TimeSample
from agent.clock.settings import Server

MAX_WAITING = 32  # datagrams kept while we judge one; a flood is dropped
MAX_ADDRESSES = 3  # of one name
SILENCES = 2  # after this many unanswered questions we go by what we have
CONTRADICTION_S = Decimal("0.01")  # beyond what an honest server's own answers can contradict each other by


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask: seconds for one answer, how many answers, seconds between them."""

    timeout_s: float = 1.5
    samples: int = 4
    spacing_s: float = 0.0


class _Socket(asyncio.DatagramProtocol):
    """Datagrams of one connected socket, stamped on arrival. Connected: the kernel drops what comes from elsewhere."""

    def __init__(self, clock: Counters) -> None:
        self._clock = clock
        self.arrivals: asyncio.Queue[tuple[bytes, int] | Exception] = asyncio.Queue(MAX_WAITING)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002
        self._put((data, self._clock.boottime_ns()))

    def error_received(self, exc: Exception) -> None:
        self._put(exc)

    def _put(self, arrival: tuple[bytes, int] | Exception) -> None:
        if not self.arrivals.full():
            self.arrivals.put_nowait(arrival)


async def ask(server: Server, clock: Counters, asking: Asking | None = None) -> Outcome:
    """Ask one server; never raises for what a server or network does, and ends in a bounded time."""
    asking = asking or Asking()
    name = str(server)
    try:
        async with asyncio.timeout(asking.timeout_s * 2):
            found = await asyncio.get_running_loop().getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return NoTime("ntp", name, "its name was not resolved in time")
    except (OSError, UnicodeError) as error:
        return NoTime("ntp", name, f"its name cannot be resolved: {_words(error)}")
    outcome: Outcome = NoTime("ntp", name, "it has no address")
    for _, _, _, _, address in found[:MAX_ADDRESSES]:
        outcome = await _ask_address(name, _numeric(address), clock, asking)
        if isinstance(outcome, TimeSample):
            break
    return outcome


def _numeric(address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> tuple[str, int]:
    """Host and port to connect to; the scope of a link-local IPv6 address belongs to the host."""
    scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
    return f"{address[0]!s}{scope}", int(address[1])


async def _ask_address(name: str, address: tuple[str, int], clock: Counters, asking: Asking) -> Outcome:
    loop = asyncio.get_running_loop()
    try:
        transport, wire = await loop.create_datagram_endpoint(lambda: _Socket(clock), remote_addr=address)
    except OSError as error:
        return NoTime("ntp", name, _words(error))
    try:
        return await _Conversation(name, transport, wire, clock).hold(asking)
    finally:
        transport.close()


class _Conversation:
    """The exchanges with one address."""

    def __init__(self, name: str, transport: asyncio.DatagramTransport, wire: _Socket, clock: Counters) -> None:
        self._name = name
        self._transport = transport
        self._wire = wire
        self._clock = clock
        self._good: list[Measurement] = []
        self._strangers = 0  # datagrams not taken for answers
        self._strange = ""  # why the last of them was not
        self._ending = ""  # why we stopped before all answers were in

    async def hold(self, asking: Asking) -> Outcome:
        """Ask up to the number of samples; stop when the server says no, is gone, or stays silent."""
        silent = 0
        for turn in range(asking.samples):
            if turn and asking.spacing_s:
                await asyncio.sleep(asking.spacing_s)
            try:
                async with asyncio.timeout(asking.timeout_s):
                    found = await self._exchange()
            except TimeoutError:
                silent += 1
                if silent == SILENCES:
                    break
                continue
            except OSError as error:
                self._ending = _words(error)
                break
            if isinstance(found, Unusable):
                self._ending = found.reason
                break
            self._good.append(found)
        return self._conclude(asking)

    async def _exchange(self) -> Measurement | Unusable:
        nonce = secrets.randbits(64)
        asked = read_instant(self._clock)
        self._transport.sendto(question(nonce))
        while True:
            arrival = await self._wire.arrivals.get()
            if isinstance(arrival, Exception):
                raise arrival
            octets, answered_ns = arrival
            verdict = judge(octets, nonce)
            if isinstance(verdict, NotOurs):
                self._strangers += 1
                self._strange = verdict.reason
            elif isinstance(verdict, Unusable):
                return verdict
            else:
                return measure(verdict, asked, answered_ns)

    def _conclude(self, asking: Asking) -> Outcome:
        if not self._good:
            return NoTime("ntp", self._name, self._ending or self._silence())
        lowest = min(m.offset_s + m.uncertainty_s for m in self._good)
        highest = max(m.offset_s - m.uncertainty_s for m in self._good)
        if highest - lowest > CONTRADICTION_S:
            return NoTime("ntp", self._name, "its answers contradict each other")
        best = min(self._good, key=lambda m: m.delay_s)
        reply = best.reply
        detail = (
            f"stratum {reply.stratum}, {len(self._good)} of {asking.samples} answers, round trip {best.delay_s:.6f} s"
        )
        if reply.smeared:
            detail += ", smears a leap second"
        if self._ending:
            detail += f", then: {self._ending}"
        return TimeSample(
            offset_s=best.offset_s,
            uncertainty_s=best.uncertainty_s,
            source="ntp",
            name=self._name,
            reference=reply.reference,
            at_boottime_ns=best.at_boottime_ns,
            peer=str(Server(*self._transport.get_extra_info("peername")[:2])),
            detail=detail,
            leap=reply.leap,
            stratum=reply.stratum,
            smeared=reply.smeared,
        )

    def _silence(self) -> str:
        if not self._strangers:
            return "no answer"
        return f"no valid answer; {self._strangers} datagrams were not taken for one: {self._strange}"


def _words(error: Exception) -> str:
    """What the system says, without the number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
