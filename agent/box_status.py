"""How the box is: its clock, its queue, its link to the MDSP, its certificate, its disk, and what went wrong last."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

from agent.clock.instant import Instant
from agent.clock.proof import NOT_PROVEN, ClockProof, ProofSource
from agent.errors import LocalTrouble
from agent.forward.reconnect import LinkState
from agent.forward.trouble import ForwardTrouble
from agent.identity.status import KeyStatus, key_status
from agent.recent_log import LogLine, RecentLog
from agent.spool import Spool, SpoolStatus

VERSION = version("mrsp-agent")
MOST_TROUBLES = 20
LOW_DISK_PERCENT = 10


@dataclass(frozen=True, slots=True)
class ClockGlance:
    """The clock proof at one look. `state`: interval reads are permitted, only registers are, or nothing is known."""

    state: Literal["proven", "registers only", "unknown"]
    said: str  # a sentence for people
    at: datetime  # UTC as the box knows it
    source: ProofSource = "none"
    offset_s: Decimal | None = None  # the system clock minus the reference
    uncertainty_s: Decimal | None = None
    synchronized_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkGlance:
    """The way to the MDSP. `trouble`: the last, until it acknowledged something again; empty if there is none."""

    state: str  # a `LinkState`, or "none": nothing is forwarded
    trouble: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class DiskGlance:
    """The disk that the state directory is on, in octets."""

    path: Path
    free: int
    total: int

    @property
    def percent_free(self) -> int:
        return self.free * 100 // self.total if self.total else 0

    @property
    def low(self) -> bool:
        return self.percent_free < LOW_DISK_PERCENT


@dataclass(frozen=True, slots=True)
class BoxStatus:
    """Everything at one moment."""

    at: datetime
    agent_id: str
    version: str
    clock: ClockGlance
    spool: SpoolStatus
    link: LinkGlance
    keys: KeyStatus | None  # None: `keys_trouble` says why
    keys_trouble: str
    disk: DiskGlance
    troubles: tuple[LogLine, ...]  # warnings and errors, newest first

    @property
    def oldest_age(self) -> timedelta | None:
        """How long the oldest document waits for the MDSP's acknowledgement; None if none does."""
        return None if self.spool.oldest is None else self.at - self.spool.oldest


class Link(Protocol):
    """What a forwarder tells of itself."""

    @property
    def state(self) -> LinkState: ...
    @property
    def trouble(self) -> ForwardTrouble | None: ...


@dataclass(frozen=True, slots=True)
class BoxLooker:
    """Looks at one running agent. `proof` and `now` are the service's; `link` is None where nothing is forwarded."""

    agent_id: str
    state_directory: Path
    key_directory: Path
    certificate: Path | None  # None: the one beside the key
    spool: Spool
    proof: Callable[[], ClockProof | None]
    instant: Callable[[], Instant]
    now: Callable[[], datetime]
    link: Link | None
    log: RecentLog

    def clock(self) -> ClockGlance:
        """Return how the clock stands at this moment."""
        return clock_glance(self.proof(), self.instant(), self.now())

    async def status(self) -> BoxStatus:
        """Look at everything. Raises `LocalTrouble` if the spool cannot be asked."""
        spool = await self.spool.status()
        now = self.now()
        keys, keys_trouble, disk = await asyncio.to_thread(self._files, now)
        return BoxStatus(
            at=now,
            agent_id=self.agent_id,
            version=VERSION,
            clock=self.clock(),
            spool=spool,
            link=link_glance(self.link),
            keys=keys,
            keys_trouble=keys_trouble,
            disk=disk,
            troubles=self.log.troubles()[:MOST_TROUBLES],
        )

    def _files(self, now: datetime) -> tuple[KeyStatus | None, str, DiskGlance]:
        usage = shutil.disk_usage(self.state_directory)
        disk = DiskGlance(self.state_directory, usage.free, usage.total)
        try:
            return key_status(self.key_directory, now=now, certificate=self.certificate), "", disk
        except LocalTrouble as error:
            return None, str(error), disk


def clock_glance(proof: ClockProof | None, instant: Instant, now: datetime) -> ClockGlance:
    """Return what a person should know of the clock at every moment. Pure."""
    if proof is None:
        return ClockGlance("unknown", "The clock has not been measured yet.", now)
    permit = proof.permits("interval", instant)
    said = permit.reason if permit.allowed or proof.offset_s is not None else NOT_PROVEN
    return ClockGlance(
        "proven" if permit.allowed else "registers only" if proof.tells_time else "unknown",
        said,
        now,
        proof.source,
        proof.offset_s,
        proof.uncertainty_at(instant.boottime_ns),
        proof.synchronized_at,
    )


def link_glance(link: Link | None) -> LinkGlance:
    """Return how the way to the MDSP stands."""
    if link is None:
        return LinkGlance("none")
    trouble = link.trouble
    return LinkGlance(link.state.value, trouble.message if trouble else "", trouble.advice if trouble else "")
