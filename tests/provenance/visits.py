"""Recorded visits to simulated meters in virtual time: the real driver, no process, no socket, no waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

from agent.document import Visit, build_reading
from agent.order import Order
from agent.reading import ClockPart, Reading
from agent.recordings import digest
from agent.rederive import Evidence, Rederived, rederive, verified
from agent.utc_text import utc_text
from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import LineLost
from drivers.profiles import load_profiles
from drivers.psem import PsemClient
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from metersim.meter.faults import parse_faults
from metersim.meter.scenario import Scenario
from metersim.meter.serving import Serving, serve_meter
from tests.psem.lines import clock, run
from tests.young_meters import young

START = datetime(2026, 11, 3, 17, 20, tzinfo=UTC)
PASSWORDS = {"commercial-4ch": b"READ-ONLY"}
SERIAL = "serial:///dev/simulated"


class Wire:
    """Both ends of a line in memory: the simulated meter's port, and the driver's transport."""

    address = "memory"
    name = "memory"

    def __init__(self, to_meter: Callable[[bytes], None], baud: int) -> None:
        self.baud = baud
        self._to_meter = to_meter
        self._inbox = bytearray()
        self._arrived = asyncio.Event()
        self._gone = False

    def client_baud(self) -> int | None:
        return self.baud or None

    async def send(self, chunk: bytes) -> None:
        self._inbox += chunk
        self._arrived.set()

    def discard(self) -> None:
        self._inbox.clear()

    def hang_up(self) -> None:
        self._gone = True
        self._arrived.set()

    async def read(self) -> bytes:
        while not self._inbox:
            if self._gone:
                raise LineLost("the simulated line is gone")
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self._inbox)
        self._inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - part of `Transport`
        if self._gone:
            raise LineLost("the simulated line is gone")
        self._to_meter(chunk)

    def discard_input(self) -> int:
        count = len(self._inbox)
        self._inbox.clear()
        return count

    async def set_baud(self, baud: int) -> None:
        self.baud = baud if self.baud else 0

    async def close(self) -> None:
        self._gone = False


@dataclass(frozen=True)
class Visited:
    """A visit: what the driver returned, the document, and the recording."""

    data: MeterData
    reading: Reading
    recording: Path

    def rederived(self, reading: Reading | None = None, **how: str) -> Rederived:
        """Derive the document again, or a changed one."""
        document = reading or self.reading
        evidence = verified(self.recording.read_bytes(), document, "recording")
        return rederive(document, evidence, load_profiles(()), **how)

    def without_document(self) -> Rederived:
        return rederive(None, Evidence(self.recording.read_bytes(), "recording"), load_profiles(()))


def visited(
    scenario: Scenario | str,
    recording: Path,
    *,
    faults: Sequence[str] = (),
    seed: int = 1,
    now: datetime = START,
    url: str = SERIAL,
    order: Order | None = None,
    zone: str | None = None,
    password: bytes | None = None,
    rate: int = 1,
    **task: object,
) -> Visited:
    """Visit a simulated meter and record it, as `mrsp read --record` does."""
    chosen = young(scenario, START) if isinstance(scenario, str) else scenario
    usual = PASSWORDS.get(scenario if isinstance(scenario, str) else "", b"00000000")
    secret = Secret(usual if password is None else password)
    serving = Serving(chosen, now, seed=seed, faults=parse_faults(faults), rate=rate)

    async def story() -> MeterData:
        wires: list[Wire] = []

        async def port(to_meter: Callable[[bytes], None]) -> Wire:
            wires.append(Wire(to_meter, 0 if url.startswith("tcp") else 9600))
            return wires[0]

        async def opened(_address: object) -> Wire:
            return wires[0]

        async with serve_meter(serving, port):
            ticks = partial(_nanoseconds, clock)
            site = ZoneInfo(zone) if zone else None
            wanted = Task(
                url,
                password=secret,
                record=recording,
                monotonic_ns=ticks,
                site_zone=site,
                **task,  # type: ignore[arg-type]
            )
            with (
                patch("drivers.transport.opening.open_tcp", opened),
                patch("drivers.transport.serial.open_serial", opened),
                patch.dict(PsemClient.__init__.__kwdefaults__, {"clock": clock}),
            ):
                return await PsemDriver().read(wanted)

    data = run(story())
    frame = Visit("gw-1", now, now + timedelta(seconds=30), zone)
    shown = utc_text(data.clock.meter_time) if data.clock is not None else None
    after = data.clock_change.after if data.clock_change is not None else None
    later = utc_text(after.meter_time) if after is not None else None
    part = ClockPart(agent_source="none", corrected=after is not None, meter_time=shown, meter_time_after=later)
    reading = build_reading(order or Order(url=url), data, frame, part, (), digest(recording))
    return Visited(data, reading, recording)


def _nanoseconds(seconds: Callable[[], float]) -> int:
    return int(seconds() * 1e9)
