"""The PSEM client: read and write the tables of one meter over a transport (C12.18 §9)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Final, Self

from drivers.errors import MeterRefused, UsageError
from drivers.memory import LineMemory
from drivers.psem.codes import ResponseCode
from drivers.psem.link_events import Manner
from drivers.psem.options import PsemOptions
from drivers.psem.reading import Reader
from drivers.psem.replies import C12_21, MOST_TABLE_DATA, IdentifyReply, NegotiateReply
from drivers.psem.services import (
    DefaultRead,
    FullWrite,
    IndexRead,
    IndexWrite,
    OffsetWrite,
    Wait,
)
from drivers.psem.session import Session
from drivers.psem.spans import OnBytes, Span
from drivers.psem.states import State
from drivers.psem.wiring import Wiring
from drivers.secret import Secret
from drivers.transport.base import Transport

_THINKING_S: Final = 60  # the meaning of a long profile takes a small box some seconds


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """How the line did, up to now; size, packets and speed are those agreed on last."""

    bytes_sent: int
    bytes_received: int
    retries: int
    naks: int
    bad_packets: int
    duplicates: int
    noise: int
    recoveries: int
    packet_size: int
    packets: int
    baud: int


class PsemClient:
    """A client for one meter. Not for concurrent use.

    Usual form: `async with PsemClient(transport, options).session(password) as client: await client.read_table(1)`.
    Leaving the block logs off and ends the session, whatever happened in it, also on cancellation. The single services
    are there too; then use the client itself as the context manager, which leaves the meter in the same way.
    Every method raises `TransportError`, `ProtocolError` or `MeterRefused` of `drivers.errors`.
    """

    def __init__(
        self,
        transport: Transport,
        options: PsemOptions | None = None,
        *,
        remembered: LineMemory | None = None,
        fastest_baud: int = 0,
        wiring: Wiring | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`remembered`: what worked last time, to begin with; `fastest_baud`: what the probe is known to carry.

        `wiring`: what kind of line it is, and who else is on it; None: a probe of its own, or a network.
        """
        self._session = Session(
            transport,
            options or PsemOptions(),
            clock,
            remembered=remembered or LineMemory(),
            fastest_baud=fastest_baud,
            wiring=wiring,
        )
        self._reader = Reader(self._session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.leave()

    @asynccontextmanager
    async def session(self, password: Secret | None = None) -> AsyncIterator[Self]:
        """Identify, agree on timers and packets, log on, show or prove the password; log off and leave at the end."""
        async with self:
            await self._session.open(password)
            yield self

    @property
    def identity(self) -> IdentifyReply | None:
        """What the meter answered to Identify."""
        return self._session.identity

    @property
    def wiring(self) -> Wiring:
        """What kind of line it is, and who else is on it."""
        return self._session.wiring

    @property
    def state(self) -> State:
        """Where the session stands, as far as we know."""
        return self._session.state

    @property
    def statistics(self) -> SessionStatistics:
        """A snapshot of the counters."""
        counted, terms = self._session.exchange.link.statistics, self._session.terms
        return SessionStatistics(
            bytes_sent=counted.bytes_sent,
            bytes_received=counted.bytes_received,
            retries=counted.retries,
            naks=counted.naks_sent + counted.naks_received,
            bad_packets=counted.bad_packets,
            duplicates=counted.duplicates,
            noise=counted.noise,
            recoveries=self._session.recoveries,
            packet_size=terms.packet_size,
            packets=terms.packets,
            baud=terms.baud,
        )

    def line_memory(self) -> LineMemory:
        """What to begin with next time: the packets asked for and the speed reached at the end, if it ended well."""
        session = self._session
        slowest_s = session.exchange.link.experience.patience.slowest_s
        return LineMemory(
            packet_size=session.offer.size,
            packets=session.terms.packets,
            baud=session.terms.baud,
            slowest_answer_s=Decimal(f"{slowest_s:.3f}") if slowest_s else None,
            negotiates=session.negotiates,
        )

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about this line and this meter, in words; empty if all is as it should be."""
        return self._session.remarks()

    # -- the session, step by step

    async def identify(self) -> IdentifyReply:
        """Begin a session. `MeterSilent` carries advice about probe and line."""
        return await self._session.identify()

    async def negotiate(self) -> NegotiateReply | None:
        """Agree on packets and speed as the options say; None if the meter keeps the defaults."""
        return await self._session.negotiate()

    async def logon(self, password: Secret | None = None) -> None:
        """Log on as the options say, then show `password`, once."""
        await self._session.logon(password)

    async def logoff(self) -> None:
        """Give up the access rights; negotiated values stay."""
        await self._session.logoff()

    async def terminate(self) -> None:
        """End the session, best effort; speed and packet size go back to their defaults."""
        await self._session.terminate()

    async def wait(self, seconds: int) -> bool:
        """Ask the meter to keep the session for 1–255 seconds of silence, once; False if it does not know Wait."""
        if self._session.can_wait:
            try:
                await self._session.persist(partial(self._session.call, Wait(seconds)))
            except MeterRefused as refused:
                if refused.code != ResponseCode.SNS:
                    raise
                self._session.can_wait = False
        return self._session.can_wait

    async def hold(self) -> None:
        """Ask a C12.21 meter at the end of a call or a network to keep the session while the caller thinks.

        On other lines the session is opened again, should that take too long. Never raises for a refusal.
        """
        identity = self.identity
        if self._session.far and identity is not None and identity.standard == C12_21:
            with suppress(MeterRefused):
                await self.wait(_THINKING_S)

    async def pause(self, seconds: float) -> None:
        """Let time pass and keep the session alive."""
        await self._session.pause(seconds)

    # -- tables

    async def read_table(self, table: int, *, size: int | None = None, on_bytes: OnBytes | None = None) -> bytes:
        """Read a whole table. With `size`, its computed length, one that is too large is read in pieces.

        Without it, a meter that wants larger packets is asked to negotiate again, once.
        """
        return await self._reader.table(table, size, on_bytes)

    async def read_offset(  # noqa: PLR0913 - each is a different fact about the read
        self,
        table: int,
        offset: int,
        count: int,
        *,
        granule: int = 1,
        max_read: int = MOST_TABLE_DATA,
        or_whole: bool = True,
        on_bytes: OnBytes | None = None,
    ) -> bytes:
        """Read exactly `count` octets from `offset`, in as many pieces as it takes; never past them.

        Pieces are whole multiples of `granule` (a block, a record) where that fits, and at most `max_read` octets.
        After a broken line the read goes on at the octet reached. A meter without reads by offset is read whole and
        cut, or refuses, without `or_whole`. Raises `DataError` if the table ends before, or the meter sends more than
        it was asked for.
        """
        span = Span(table, offset, count, granule=granule, limit=max_read, or_whole=or_whole, on_bytes=on_bytes)
        return await self._reader.span(span)

    @property
    def reads_by_offset(self) -> bool:
        """Whether the meter serves reads by offset; True until it has shown that it does not."""
        return self._reader.by_offset

    async def read_index(self, table: int, indices: Sequence[int], count: int) -> bytes:
        """Read `count` elements from the one that the path of 1 to 9 `indices` names."""
        return await self._reader.once(IndexRead(table, tuple(indices), count))

    async def read_default_set(self) -> bytes:
        """Read the meter's default set of tables."""
        return await self._reader.once(DefaultRead())

    async def write_table(self, table: int, data: bytes, *, response_s: float | None = None) -> None:
        """Write a whole table. `response_s`: how long this meter may take over it, if more than the options say.

        A write is never repeated by itself unless the meter refused it: when its answer is lost, `LineTooBad` or
        `MeterSilent` says so, and whether the meter took it is not known.
        """
        await self._write(FullWrite(table, data), response_s)

    async def write_offset(self, table: int, offset: int, data: bytes, *, response_s: float | None = None) -> None:
        """Write `data` from octet `offset`; see `write_table`."""
        await self._write(OffsetWrite(table, offset, data), response_s)

    async def write_index(
        self, table: int, indices: Sequence[int], data: bytes, *, response_s: float | None = None
    ) -> None:
        """Write the element that the path of 1 to 9 `indices` names; see `write_table`."""
        await self._write(IndexWrite(table, tuple(indices), data), response_s)

    async def write_now(self, table: int, data: bytes, *, response_s: float | None = None) -> None:
        """Write a whole table once, now or not at all: octets that mean something only at this very moment.

        Nothing is sent again, not even a packet that the line damaged; a meter that is busy, or has lost the session,
        raises `MeterRefused`. See `write_table` for the rest.
        """
        request = FullWrite(table, data)
        self._must_fit(request)
        await self._session.submit_now(request, self._manner(response_s, retries=0))

    async def _write(self, request: FullWrite | OffsetWrite | IndexWrite, response_s: float | None) -> None:
        self._must_fit(request)
        # A meter whose toggle bit means nothing would take a packet that is sent again for a second write.
        retries = None if self._session.options.toggles else 0
        await self._session.submit(request, self._manner(response_s, retries=retries))

    def _manner(self, response_s: float | None, *, retries: int | None) -> Manner:
        """Never less patience than this line and this meter have been found to need."""
        usual_s = self._session.exchange.link.experience.patience.response_s
        return Manner(response_s=None if response_s is None else max(response_s, usual_s), retries=retries)

    def _must_fit(self, request: FullWrite | OffsetWrite | IndexWrite) -> None:
        if len(request.encode()) > self._session.exchange.link.most_octets:
            msg = f"{request.what}: {len(request.data)} octets do not fit the packets negotiated"
            raise UsageError(msg, advice="write it in pieces by offset")
