"""The `Driver` protocol: what every technology implements, and what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol

from drivers.data import MeterData
from drivers.memory import MeterMemory
from drivers.person import Ask
from drivers.secret import Secret
from drivers.transport.base import Transport
from drivers.writes import ClockOrder


@dataclass(frozen=True, slots=True)
class Progress:
    """What a driver tells while it works; the terminal, the console and the log each show it their way."""

    stage: str  # "identify", "logon", "ST23", "ST64" …
    done: int = 0  # octets of this stage so far
    total: int = 0  # octets of this stage, 0 = not known
    bytes_on_line: int = 0
    intervals: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """What to bring home from one meter. A driver knows no orders; this is all that it is told."""

    url: str
    profile: str | None = None  # None: recognised from the meter itself
    profile_dirs: tuple[Path, ...] = ()  # besides the profiles that ship
    user_id: int | None = None  # None: the profile's
    user: str | None = None
    password: Secret | None = None
    registers_only: bool = False
    site_zone: tzinfo | None = None  # where the meter stands, if it does not say itself
    since: datetime | None = None  # profile and logs: only what is newer, as far as the meter's pointers prove it
    memory: MeterMemory | None = None  # of the visit before
    clock_order: ClockOrder | None = None  # None: nothing is written to the meter
    # Asked in the session, when everything is in and no clock is set yet: which tables to read once more, such as
    # `ST23`; those that hold no registers are left out. Asked anew after each look, which is then among `again`; a
    # driver grants two at most. Must not raise.
    second_look: Callable[[MeterData], tuple[str, ...]] | None = None
    record: Path | None = None  # write every byte exchanged to this file
    line: Transport | None = None  # already open: a call that came in; the driver closes it as its own
    stay: bool = False  # leave `line` open and the call up: another meter on it is read next
    keep: Path | None = None  # a directory that outlives the visit, for what must: requests that wait for their answer
    ask: Ask | None = None  # asks the person at the meter, as on a terminal; None: there is nobody to ask
    options: dict[str, str] = field(default_factory=dict)  # line options of the URL's query and the configuration
    progress: Callable[[Progress], None] = lambda _progress: None
    monotonic_ns: Callable[[], int] = time.monotonic_ns  # the agent passes CLOCK_BOOTTIME


class Driver(Protocol):
    """One way to talk to meters. Stateless between reads; registered as an entry point of `mrsp.drivers`."""

    schemes: tuple[str, ...]  # URL schemes it serves

    async def read(self, task: Task) -> MeterData:
        """Visit the meter and leave it logged off and terminated, whatever happens, also on cancellation.

        Raises `TransportError` or `ProtocolError` when nothing billable was obtained, `MeterRefused` when the meter
        says no (`PasswordRefused` where that means the password, which is then not shown to it again by itself),
        `DataError` when what it says cannot be decoded at all, `UsageError` for a wrong URL or profile. When the line
        breaks after registers were read, returns what is whole, with `broken` set.
        """
        ...
