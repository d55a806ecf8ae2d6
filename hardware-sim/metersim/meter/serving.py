"""A running meter: model, tables, PSEM core, line and port put together.

`running_meter` is the way in for tests; `metersim.meter.meter_line` attaches one or several meters to any byte line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drivers.psem.codes import ResponseCode
from drivers.psem.meter import MeterLimits, MeterSession
from drivers.psem.options import C12_21_TIMING, PsemOptions, Timing
from metersim.meter import iec
from metersim.meter.application import Application
from metersim.meter.calendar import wall
from metersim.meter.clock import MICROSECONDS
from metersim.meter.faults import Faults, faults_of
from metersim.meter.line import Line, LineOptions
from metersim.meter.model import Meter, microseconds
from metersim.meter.ports import Port, PtyPort, TcpPort
from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario
from metersim.meter.tables.image import Image
from metersim.meter.truth import Truth, truth_of

OpenPort = Callable[[Callable[[bytes], None]], Awaitable[Port]]  # given what is to be called with what comes in

_NEGOTIATE, _SECURITY, _TIMING_SETUP = 0x60, 0x51, 0x71
_BASE_BAUD = 9600
_SERIAL_SLICE_S = 0.02  # a USB adapter hands over what came in every 16 ms
_NETWORK_SLICE_S = 0.05  # a serial device server waits for more before it sends a segment


@dataclass(frozen=True, slots=True)
class Serving:
    """How one meter is to be served. `now`: virtual start time; `rate`: virtual seconds a second, None: scenario's."""

    scenario: Scenario
    now: datetime
    seed: int = 1
    tcp: int | None = None  # None: a pty; 0: any free port
    faults: Faults = field(default_factory=Faults)
    baud_pace: bool = False
    echo: bool = False
    rate: int | None = None
    baud: int = _BASE_BAUD  # of the line in Base; 0: a modem or a network decides, and Negotiate changes no speed
    any_identity: bool = True  # answers packets for identity 0 as well as for its own

    def meter(self) -> Meter:
        """The model alone, without a line. Raises `ScenarioError`."""
        return Meter(self.scenario, self.seed, microseconds(self.now), self.faults.mishaps)


@dataclass
class RunningMeter:
    """A meter that can be read at `address`."""

    address: str
    meter: Meter
    application: Application
    line: Line
    true_us: Callable[[], int]
    task: asyncio.Task[None]  # ends only if the simulator itself fails

    def truth(self, at: datetime | None = None) -> Truth:
        """What a correct reader must find, now or at this (virtual, true) time."""
        return truth_of(self.meter, self.true_us() if at is None else microseconds(at))

    def truth_of_table(self, number: int) -> Truth:
        """The same at the moment at which this table was last given to a reader."""
        return truth_of(self.meter, self.application.last_read[number])

    def now(self) -> datetime:
        """Virtual true time."""
        at = self.true_us()
        return wall(at // MICROSECONDS).replace(microsecond=at % MICROSECONDS)


class VirtualClock:
    """True time in microseconds, running at the wanted rate from the wanted start."""

    def __init__(self, serving: Serving, seconds: Callable[[], float]) -> None:
        spec = serving.scenario.clock
        self._rate = serving.rate if serving.rate is not None else (spec.rate if spec else 1)
        self._start = microseconds(serving.now)
        self._seconds = seconds
        self._began = seconds()

    def __call__(self) -> int:
        return self._start + int((self._seconds() - self._began) * MICROSECONDS) * self._rate

    def skip(self, skipped_us: int) -> None:
        """Let so much time have passed at once."""
        self._start += skipped_us


def _session(application: Application, serving: Serving, now: float) -> MeterSession:
    psem, faults = serving.scenario.psem, serving.faults
    usual = C12_21_TIMING if psem.speaks_c1221 else Timing()
    options = PsemOptions(
        timing=Timing(
            inter_character_s=psem.inter_character_s or usual.inter_character_s,
            response_s=(psem.response_s or usual.response_s) + faults.late_s + faults.slow_answers_s,
            channel_traffic_s=psem.traffic_s or usual.channel_traffic_s,
            turnaround_s=psem.turnaround_ms / 1000,
        ),
        identity=psem.identity,
        toggles=not faults.no_toggle,
    )
    limits = MeterLimits(
        packet_size=min(psem.packet_size, faults.packet_size or psem.packet_size),
        packets=psem.packets,
        bauds=psem.bauds,
        refused=_refused(serving),
        too_long=ResponseCode[serving.scenario.layout.too_long.upper()],
        early_security=psem.early_security,
        c1221=psem.speaks_c1221,
        counts_tries=faults.timing_tries,
    )
    return MeterSession(
        application,
        now,
        options=options,
        limits=limits,
        baud=iec.BAUD if faults.iec else serving.baud,
        authenticator=application if psem.known_keys() else None,
        hears=_heard_identities(serving),
    )


def _refused(serving: Serving) -> frozenset[int]:
    """The services that this meter does not know."""
    psem = serving.scenario.psem
    known = {
        _NEGOTIATE: psem.negotiate and not serving.faults.no_negotiate,
        _SECURITY: psem.security,
        _TIMING_SETUP: psem.timing_setup,
    }
    return frozenset(code for code, there in known.items() if not there)


def _heard_identities(serving: Serving) -> frozenset[int] | None:
    """The identity octets that this meter answers to: its own and 0, which means any; all if it has none of its own."""
    identity = serving.scenario.psem.identity
    if serving.any_identity:
        return frozenset((0, identity)) if identity else None
    return frozenset((identity,))


async def _open_port(serving: Serving, received: Callable[[bytes], None]) -> Port:
    return PtyPort(received) if serving.tcp is None else await TcpPort(received).listen(serving.tcp)


@asynccontextmanager
async def serve_meter(serving: Serving, open_port: OpenPort | None = None) -> AsyncIterator[RunningMeter]:
    """Serve one meter while the context lasts, on the port that `open_port` opens if it is given.

    Raises `ScenarioError`, and `OSError` if the port cannot be had.
    """
    loop = asyncio.get_running_loop()
    meter = serving.meter()
    image = Image(meter)
    true_us = VirtualClock(serving, loop.time)
    application = Application(meter, image, serving.faults, true_us, loop.time, true_us.skip)
    session = _session(application, serving, loop.time())

    def forget() -> bool:
        wanted, application.forget_session = application.forget_session, False
        return wanted

    slice_s = _SERIAL_SLICE_S if serving.tcp is None else _NETWORK_SLICE_S
    options = LineOptions(
        paced=serving.baud_pace,
        echo=serving.echo,
        seed=serving.seed,
        slice_s=slice_s,
        hangs_up=open_port is not None or serving.tcp is not None,
    )
    line = Line(session, options, serving.faults, forget, lambda: meter.supply.is_off(true_us()))
    port = await (open_port(line.received) if open_port else _open_port(serving, line.received))
    task = asyncio.create_task(line.run(port), name=f"meter at {port.address}")
    try:
        yield RunningMeter(port.address, meter, application, line, true_us, task)
    finally:
        task.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            await port.close()


@asynccontextmanager
async def running_meter(  # noqa: PLR0913 - one argument for each option of the command
    scenario: Scenario | str | Path,
    *,
    now: datetime,
    tcp: int | None = None,
    faults: Sequence[str] | Faults = (),
    seed: int = 1,
    baud_pace: bool = False,
    echo: bool = False,
    rate: int | None = None,
) -> AsyncIterator[RunningMeter]:
    """Serve one meter in this process, on a pty or (`tcp`) on a port of 127.0.0.1; `now` is its virtual start time.

    With `rate=0` its time stands still, so that `truth()` is what any reading finds. Raises `UsageError`.
    """
    chosen = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    wrong = faults if isinstance(faults, Faults) else faults_of(chosen, faults)
    serving = Serving(chosen, now, seed, tcp, wrong, baud_pace, echo, rate)
    async with serve_meter(serving) as meter:
        yield meter
