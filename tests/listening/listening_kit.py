"""An ear that hears what a test says, in virtual time, on a box whose clock is proven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path

from agent.clock.boot import read_boot_stamp
from agent.clock.keeper import ProofKeeper
from agent.clock.proof import ClockProof
from agent.clock.settings import ClockSettings
from agent.listening.delivery import Deliverer, Terms
from agent.listening.hearing import Hearing, Last
from agent.listening.pace import Pace
from agent.listening.plan import Message, PlannedMeter, ReadPlan
from agent.listening.radio import Printed, RadioEar
from agent.listening.reception import Confirmed, Reception, Refused
from agent.meter_record import MeterRecords
from agent.recordings import Recordings
from agent.visit import Box
from drivers.data import MeterData
from drivers.ert.message import WIDTH, ErtMessage
from drivers.ert.parse import parse_line
from tests.clock.clock_kit import VirtualClock, proved

NS = 1_000_000_000
ID = "54585868"
SERVICE = Decimal(96)


class Proven(ProofKeeper):
    """Says at once what a true source proves."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(ClockSettings(), clock)
        self._virtual = clock

    async def prove(self, *, floor: datetime | None = None, zone: tzinfo | None = None) -> ClockProof:
        assert (floor, zone) == (None, None)
        return proved(self._virtual)


def planned(**changed: object) -> PlannedMeter:
    fields: dict[str, object] = {"meter_id": ID, "message": "scm", **changed}
    return PlannedMeter(**fields)  # type: ignore[arg-type]


def reception(
    count: int, seconds: float, *, meter_id: str = ID, message: Message = "scm", snr: str | None = None
) -> Reception:
    """A reception that only has to be compared."""
    clock = VirtualClock()
    clock.advance(seconds)
    return Reception(
        message=message,
        meter_id=meter_id,
        count=Decimal(count),
        at=read_boot_stamp(clock),
        moment_ns=clock.boottime_ns(),
        line=b"",
        wrap=Decimal(1 << WIDTH[message]) if message != "pager" else None,
        snr_db=None if snr is None else Decimal(snr),
    )


def hearing(meter: PlannedMeter | None = None, last: Last | None = None) -> Hearing:
    meter = meter or planned()
    return Hearing(meter, Pace.of(meter, SERVICE), last)


class ToldEar:
    """An `Ear` that is told what it hears: lines of rtl_433, or what is to be raised."""

    def __init__(self, clock: VirtualClock) -> None:
        self.name = "told"
        self.clock = clock
        self.closed = False
        self._queue: asyncio.Queue[Reception | Refused | Exception | None] = asyncio.Queue()
        self._real = RadioEar(Printed(Path("/dev/null")), clock)

    def tell(self, *lines: bytes, after_s: float = 30.0) -> None:
        """Hear lines, each so long after the one before."""
        for line in lines:
            self.clock.advance(after_s)
            self._queue.put_nowait(self.heard(line))

    def heard(self, line: bytes) -> Reception:
        message = parse_line(line)
        assert isinstance(message, ErtMessage), message
        return Reception(
            message=message.kind,
            meter_id=str(message.meter_id),
            count=Decimal(message.count),
            at=read_boot_stamp(self.clock),
            moment_ns=self.clock.boottime_ns(),
            line=line,
            wrap=Decimal(1 << WIDTH[message.kind]),
            rssi_db=message.signal.rssi_db,
            snr_db=message.signal.snr_db,
            content=message,
        )

    def refuse(self, reason: str) -> None:
        self._queue.put_nowait(Refused(reason))

    def fail(self, error: Exception) -> None:
        self._queue.put_nowait(error)

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def receptions(self) -> AsyncGenerator[Reception | Refused, None]:
        try:
            while (heard := await self._queue.get()) is not None:
                if isinstance(heard, Exception):
                    raise heard
                yield heard
        finally:
            self.closed = True

    def data(self, confirmed: Confirmed) -> MeterData:
        return self._real.data(confirmed)


def box(clock: VirtualClock, directory: Path | None = None) -> Box:
    """An agent's box; with a directory it remembers and records."""
    return Box(
        agent_id="gw-1",
        clock=clock,
        keeper=Proven(clock),
        records=None if directory is None else MeterRecords(directory / "meters"),
        recordings=None if directory is None else recordings(directory),
    )


def recordings(directory: Path) -> Recordings:
    return Recordings(directory / "recordings", keep=timedelta(days=1), budget_octets=1 << 24)


def deliverer(ear: ToldEar, where: Box | None = None, **terms: object) -> Deliverer:
    return Deliverer(ear, where or box(ear.clock), Terms(**terms))  # type: ignore[arg-type]


def plan(*meters: PlannedMeter) -> ReadPlan:
    return ReadPlan(meters)


def counts(receptions: Sequence[Reception]) -> list[int]:
    return [int(one.count) for one in receptions]
