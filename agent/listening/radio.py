"""The ear for ERT radio meters: a live rtl_433, I/Q samples that it decodes, or lines that it printed earlier."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from agent.clock.boot import read_boot_stamp
from agent.clock.instant import Clock
from agent.listening.reception import Confirmed, Reception, Refused
from drivers.data import MeterData
from drivers.errors import UsageError
from drivers.ert.lines import Lines
from drivers.ert.message import WIDTH, ErtMessage, Kind
from drivers.ert.meter_data import Billing, meter_data
from drivers.ert.parse import LONGEST_LINE, Unusable, parse_line, position_ns
from drivers.ert.receiver import Rtl433, Take
from drivers.transport.recording_file import Octets, is_header, parse_sessions

KINDS: tuple[Kind, ...] = ("scm", "scmplus", "idm", "netidm")
MOST_QUEUED = 100_000  # lines; as many are heard in minutes, while a line is taken in microseconds
_CHUNK = 1 << 16


def kinds_of(messages: Iterable[str]) -> tuple[Kind, ...]:
    """Return which decoders a plan needs; all but that of net meters for an empty one.

    IDM and NetIDM are the same on the air: both decoders fire on either.
    """
    return tuple(kind for kind in KINDS if kind in set(messages)) or KINDS[:3]


@dataclass(frozen=True, slots=True)
class LiveReceiver:
    """Samples from the air."""

    receiver: Rtl433

    @property
    def name(self) -> str:
        return f"rtl_433 -d {self.receiver.tuning.device}"

    async def lines(self, take: Take) -> None:
        await self.receiver.receive(take)


@dataclass(frozen=True, slots=True)
class Samples:
    """I/Q samples of a file (`-`: standard input), decoded as fast as they come."""

    receiver: Rtl433
    path: Path

    @property
    def name(self) -> str:
        return f"rtl_433 -r {self.path}"

    async def lines(self, take: Take) -> None:
        if str(self.path) == "-":
            await self.receiver.decode(sys.stdin.fileno(), take)
            return
        descriptor = _opened(self.path)
        try:
            await self.receiver.decode(descriptor, take)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Printed:
    """Lines that rtl_433 printed earlier: as they are, or in a recording of ours."""

    path: Path

    @property
    def name(self) -> str:
        return f"lines of {self.path}"

    async def lines(self, take: Take) -> None:
        descriptor = _opened(self.path)
        with os.fdopen(descriptor, "rb") as file:
            beginning = file.read(64)
            file.seek(0)
            if is_header(beginning):
                for octets in _recorded(file.read(), str(self.path)):
                    take(octets)
                return
            lines = Lines(LONGEST_LINE)
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                for line in lines.feed(chunk):
                    take(line)
            for line in lines.end():
                take(line)


Source = LiveReceiver | Samples | Printed


class RadioEar:
    """An `Ear` of ERT meters. `told`: is given every line of the receiver, as it comes, for who records them."""

    def __init__(self, source: Source, clock: Clock, *, told: Callable[[bytes], None] | None = None) -> None:
        self.name = source.name
        self._source = source
        self._clock = clock
        self._told = told
        self._is_live = isinstance(source, LiveReceiver)

    async def receptions(self) -> AsyncGenerator[Reception | Refused, None]:
        """Yield what is heard, as `Ear` says."""
        queue: asyncio.Queue[Reception | Refused | None] = asyncio.Queue()
        missed = 0

        def take(line: bytes | None) -> None:
            nonlocal missed
            if queue.qsize() < MOST_QUEUED:
                queue.put_nowait(self._taken(line))
            else:
                missed += 1

        listening = asyncio.create_task(_then(self._source.lines(take), lambda: queue.put_nowait(None)))
        try:
            while (heard := await queue.get()) is not None:
                yield heard
                while missed:
                    missed -= 1
                    yield Refused("too many at once")
            await listening
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await listening

    def data(self, confirmed: Confirmed) -> MeterData:
        """Return what the messages say, as `Ear` says. Pure."""
        planned = confirmed.planned
        heard = [(cast(ErtMessage, one.content), confirmed.utc_of(one)) for one in confirmed.receptions]
        billing = Billing(planned.multiplier, planned.unit, planned.commodity, planned.unit_given)
        return meter_data(heard, billing, confirmed.memory)

    def _taken(self, line: bytes | None) -> Reception | Refused:
        if line is None:
            return Refused("line too long")
        if self._told is not None:
            self._told(line)
        message = parse_line(line)
        if isinstance(message, Unusable):
            return Refused(message.reason, line[:LONGEST_LINE])
        at = read_boot_stamp(self._clock)
        moment = None if self._is_live else position_ns(message.time)
        return Reception(
            message=message.kind,
            meter_id=str(message.meter_id),
            count=Decimal(message.count),
            at=at,
            moment_ns=at.boottime_ns if moment is None else moment,
            line=line,
            wrap=Decimal(1 << WIDTH[message.kind]),
            rssi_db=message.signal.rssi_db,
            snr_db=message.signal.snr_db,
            content=message,
        )


async def _then(work: Coroutine[Any, Any, None], after: Callable[[], None]) -> None:
    try:
        await work
    finally:
        after()


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _recorded(content: bytes, name: str) -> Iterator[bytes | None]:
    lines = Lines(LONGEST_LINE)
    for session in parse_sessions(content, name):
        for record in session.records:
            if isinstance(record, Octets) and record.direction == "<" and record.octets is not None:
                yield from lines.feed(record.octets)
        yield from lines.end()
