"""What is measured when it is asked for: the queue, the clock, the link, the certificate, the schedule, the process."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agent.box_status import VERSION
from agent.clock.instant import NS, Instant
from agent.clock.proof import ClockProof
from agent.forward.reconnect import LinkState
from agent.metrics.exposition import Family, counter, gauge
from agent.metrics.tally import Tally
from agent.spool import Spool, SpoolStatus

PAGE_OCTETS = resource.getpagesize()


class Link(Protocol):
    """What a forwarder tells of itself."""

    acks_refused: int

    @property
    def state(self) -> LinkState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One running agent. `link` is None where nothing is forwarded."""

    tally: Tally
    spool: Spool
    state_directory: Path
    proof: Callable[[], ClockProof | None]
    instant: Callable[[], Instant]
    now: Callable[[], datetime]
    certificate_days: Callable[[], int | None]
    link: Link | None
    backlog: Callable[[], Mapping[str, int]]  # reads of the schedule by stage, and those that are `late`

    async def families(self) -> list[Family]:
        """Measure everything. Raises `LocalTrouble` if the spool cannot be asked."""
        spool = await self.spool.status()
        days, free = await asyncio.to_thread(
            lambda: (self.certificate_days(), shutil.disk_usage(self.state_directory).free)
        )
        backlog = dict(self.backlog())
        late = backlog.pop("late", 0)
        return [
            Family("mrsp_build_info", "gauge", "The version of the agent.", {(VERSION,): 1}, ("version",)),
            *self.tally.families(),
            *_of_spool(spool, self.now()),
            *_of_clock(self.proof(), self.instant()),
            *_of_link(self.link),
            gauge("mrsp_certificate_days", "Whole days until the broker's certificate chain expires.", days),
            Family(
                "mrsp_schedule_reads",
                "gauge",
                "Reads of the schedule that are open, by stage.",
                {(stage,): count for stage, count in backlog.items()},
                ("stage",),
            ),
            gauge("mrsp_schedule_late_reads", "Open reads whose deadline has passed.", late),
            gauge("mrsp_disk_free_bytes", "Free octets on the disk of the state directory.", free),
            *_of_process(),
        ]


def _of_spool(status: SpoolStatus, now: datetime) -> list[Family]:
    age = 0.0 if status.oldest is None else max(0.0, (now - status.oldest).total_seconds())
    return [
        gauge("mrsp_spool_documents", "Documents that the MDSP has not acknowledged.", status.depth),
        gauge("mrsp_spool_oldest_age_seconds", "How long the oldest of them waits; 0 if none does.", age),
        gauge("mrsp_spool_bytes", "Octets that the spool takes.", status.octets),
        gauge("mrsp_spool_budget_bytes", "Octets that it may take.", status.budget_octets),
        gauge(
            "mrsp_spool_forecast_days",
            "Days until readings are no longer taken, at the present rate; absent if nothing comes in.",
            status.forecast.days,
        ),
    ]


def _of_clock(proof: ClockProof | None, now: Instant) -> list[Family]:
    permitted = proof is not None and proof.permits("interval", now).allowed
    found = [gauge("mrsp_clock_proven", "1 if the proof permits interval reads now, else 0.", int(permitted))]
    if proof is None:
        return found
    age = (now.boottime_ns - proof.measured.boottime_ns) / NS
    uncertainty = proof.uncertainty_at(now.boottime_ns)
    return [
        *found,
        gauge("mrsp_clock_offset_seconds", "The system clock minus its reference, when measured.", proof.offset_s),
        gauge("mrsp_clock_uncertainty_seconds", "How far the proven time may be off by now.", uncertainty),
        gauge("mrsp_clock_proof_age_seconds", "Since the clock was measured.", age),
    ]


def _of_link(link: Link | None) -> list[Family]:
    if link is None:
        return []
    states: dict[tuple[str, ...], int] = {(state.value,): int(link.state is state) for state in LinkState}
    return [
        Family("mrsp_link_state", "gauge", "1 for the state of the link to the MDSP.", states, ("state",)),
        counter("mrsp_acknowledgements_refused_total", "Acknowledgements that did not verify.", link.acks_refused),
    ]


def _of_process() -> list[Family]:
    """Return what every exporter tells of its process, under the names that dashboards know."""
    used, times = resource.getrusage(resource.RUSAGE_SELF), Path("/proc/self/statm").read_text("ascii").split()
    return [
        counter("process_cpu_seconds_total", "Time of the processor.", round(used.ru_utime + used.ru_stime, 2)),
        gauge("process_resident_memory_bytes", "Memory in use.", int(times[1]) * PAGE_OCTETS),
        gauge("process_open_fds", "Open files.", len(os.listdir("/proc/self/fd"))),  # noqa: PTH208 - names suffice
    ]
