"""One visit by the real driver: live to a simulated meter in virtual time, or to the recording of such a visit."""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from drivers.base import Task
from drivers.psem.client import PsemClient
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from drivers.transport import serial
from drivers.transport.recording import start_recording
from drivers.transport.urls import SerialAddress
from metersim.meter import Truth
from metersim.meter.faults import parse_faults
from metersim.meter.serving import Serving, serve_meter
from tests.recordings.cases import NOW, SEED, Case
from tests.recordings.outcome import outcome_of
from tests.recordings.virtual import CablePort, CableTransport, loop_time, loop_time_ns, opener, run

PROFILES = Path(__file__).with_name("profiles")

Json = dict[str, Any]


def live(case: Case, recording: Path) -> tuple[Json, Truth]:
    """Visit the simulated meter of `case` and record it; return the outcome, and what is true of the meter."""

    async def main() -> tuple[Json, Truth]:
        ports: list[CablePort] = []
        serving = Serving(case.meter(), NOW, SEED, faults=parse_faults(case.faults), baud_pace=True, rate=0)
        async with serve_meter(serving, opener(ports)) as meter:
            with _cable(CableTransport(ports[0])):
                outcome = await _visit(_task(case, "/dev/ttySIM0", recording))
            return outcome, meter.truth()

    return run(main())


def replayed(case: Case, recording: Path, *, pace: str = "") -> Json:
    """Visit the recording instead."""
    query = f"?pace={pace}" if pace else ""

    async def main() -> Json:
        return await _visit(_task(case, f"replay://{recording}{query}", None))

    return run(main())


def unpacked(packed: Path, directory: Path) -> Path:
    """Return the recording in a file of its own."""
    recording = directory / packed.name.removesuffix(".gz")
    recording.write_bytes(gzip.decompress(packed.read_bytes()))
    return recording


def packed(octets: bytes) -> bytes:
    """Return a recording compressed, the same octets for the same recording."""
    return gzip.compress(octets, compresslevel=9, mtime=0)


def _task(case: Case, url: str, recording: Path | None) -> Task:
    return Task(
        url=url,
        profile=case.profile,
        profile_dirs=(PROFILES,),
        password=Secret(case.password.encode()),
        record=recording,
        monotonic_ns=loop_time_ns,
    )


async def _visit(task: Task) -> Json:
    with _clocks_of_the_loop():
        return await outcome_of(PsemDriver().read(task))


@contextmanager
def _cable(cable: CableTransport) -> Iterator[None]:
    """Let every serial line be this cable, and recordings begin at a time that is always the same."""

    async def open_cable(_address: SerialAddress) -> CableTransport:
        return cable

    with mock.patch.object(serial, "open_serial", open_cable), _default(start_recording, "started", NOW):
        yield


@contextmanager
def _clocks_of_the_loop() -> Iterator[None]:
    """Let the client's timers run by the loop's clock, which is virtual."""
    with _default(PsemClient.__init__, "clock", loop_time):
        yield


@contextmanager
def _default(function: Callable[..., Any], name: str, value: object) -> Iterator[None]:
    """Change the default of a keyword argument for a while."""
    defaults = inspect.unwrap(function).__kwdefaults__
    assert name in defaults
    with mock.patch.dict(defaults, {name: value}):
        yield
