"""Open an instrument: connect, ask who it is, and refuse to go on if it is not what its profile is for.

An address is a VISA resource name, e.g. `TCPIP::192.168.1.20::5025::SOCKET`, `ASRL/dev/ttyUSB0::INSTR` or
`GPIB0::4::INSTR`; `backend` is the VISA library, `@py` (pyvisa-py), `FILE.yaml@sim` (pyvisa-sim) or empty (the
manufacturer's). PyVISA is the extra `bench` and is imported by the first instrument that is opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from drivers.errors import UsageError
from drivers.instruments.counter import Counter
from drivers.instruments.instrument import Instrument
from drivers.instruments.schema import InstrumentProfile, Kind
from drivers.instruments.source import Source, turn_off
from drivers.instruments.standard import Standard
from drivers.instruments.talk import Talk
from drivers.instruments.values import InstrumentIdentity
from drivers.instruments.visa import VisaWire
from drivers.instruments.worker import Worker

PY = "@py"
_I = TypeVar("_I", bound=Instrument)


@asynccontextmanager
async def open_source(profile: InstrumentProfile, resource: str, *, backend: str = PY) -> AsyncIterator[Source]:
    """Open an AC source while the context lasts. Nothing is set or switched at the begin; at the end it is turned off.

    Raises `UsageError` (no PyVISA, no such address, a profile of another kind), `WrongInstrument`, `InstrumentError`,
    and at the end `OutputStillOn` unless the source says that it is off.
    """
    async with _opened(Source, "source", _talk(profile, resource, backend)) as source:
        try:
            yield source
        finally:
            await source.off()


@asynccontextmanager
async def open_standard(profile: InstrumentProfile, resource: str, *, backend: str = PY) -> AsyncIterator[Standard]:
    """Open a reference standard while the context lasts, and prepare it. Raises as `open_source` does at the begin."""
    async with _opened(Standard, "standard", _talk(profile, resource, backend)) as standard:
        yield standard


@asynccontextmanager
async def open_counter(profile: InstrumentProfile, resource: str, *, backend: str = PY) -> AsyncIterator[Counter]:
    """Open a counter while the context lasts, and prepare it. Raises as `open_source` does at the begin."""
    async with _opened(Counter, "counter", _talk(profile, resource, backend)) as counter:
        yield counter


def turn_off_now(profile: InstrumentProfile, resource: str, *, backend: str = PY) -> None:
    """Turn a source off over a connection of its own, blocking, whoever else speaks to it. For a dead-man process.

    Raises `OutputStillOn` unless the source says that it is off, and `UsageError`.
    """
    talk = _talk(profile, resource, backend)
    try:
        turn_off(talk)
    finally:
        talk.close()


def _talk(profile: InstrumentProfile, resource: str, backend: str) -> Talk:
    return Talk(profile, resource, VisaWire(resource, profile.line, backend))


@asynccontextmanager
async def _opened(
    kind: Callable[[Talk, Worker, InstrumentIdentity], _I], wanted: Kind, talk: Talk
) -> AsyncIterator[_I]:
    instrument = await _open(kind, wanted, talk)
    try:
        yield instrument
    finally:
        await instrument.close()


async def _open(kind: Callable[[Talk, Worker, InstrumentIdentity], _I], wanted: Kind, talk: Talk) -> _I:
    if talk.profile.kind != wanted:
        raise UsageError(
            f"the instrument profile {talk.profile.name} is of a {talk.profile.kind}, not of a {wanted}",
            advice=f"name the profile of a {wanted}",
        )
    worker = Worker(f"instrument {talk.profile.name}")
    try:
        identity = await worker.call(talk.begin)
    except BaseException:
        worker.abandon(talk.close)
        raise
    return kind(talk, worker, identity)
