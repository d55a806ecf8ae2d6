"""What is counted while the service runs: visits by outcome, checks, what went over the lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from agent.ledger import Ledger, lacking_of, reason_of
from agent.metrics.exposition import Family, counter
from agent.reading import Reading
from drivers.data import MeterData

WHOLE = "complete"


@dataclass(slots=True)
class Tally:
    """Counters since the start of the process. The keys are words of the program: their number is bounded."""

    reads: Counter[tuple[str, ...]] = field(default_factory=Counter)
    given_up: Counter[tuple[str, ...]] = field(default_factory=Counter)
    checks: Counter[tuple[str, ...]] = field(default_factory=Counter)
    octets: Counter[tuple[str, ...]] = field(default_factory=Counter)
    payload: int = 0
    retries: int = 0
    seconds: Decimal = Decimal(0)

    def came(self, reading: Reading, broken: Exception | None) -> None:
        """A visit brought a reading."""
        self.reads[lacking_of(reading, broken) or WHOLE,] += 1
        self.checks.update((one.check, one.outcome) for one in reading.checks if one.outcome != "skipped")

    def failed(self, error: BaseException) -> None:
        """A visit brought none."""
        self.reads[reason_of(error),] += 1

    def met(self, found: MeterData) -> None:
        """A session with a meter is over: what went over the line, and what of it was data."""
        if found.line is None:
            return
        self.octets["sent",] += found.line.bytes_sent
        self.octets["received",] += found.line.bytes_received
        self.payload += payload_of(found)
        self.retries += found.line.retries
        self.seconds += found.line.seconds

    def families(self) -> list[Family]:
        """Return the counters as they are now."""
        return [
            Family("mrsp_reads_total", "counter", "Visits to meters, by what came of them.", self.reads, ("outcome",)),
            Family(
                "mrsp_reads_given_up_total",
                "counter",
                "Reads that are not tried again, by the last reason.",
                self.given_up,
                ("reason",),
            ),
            Family(
                "mrsp_checks_total",
                "counter",
                "At-read checks that applied, by name and outcome.",
                self.checks,
                ("check", "outcome"),
            ),
            Family("mrsp_line_bytes_total", "counter", "Octets on the lines to meters.", self.octets, ("direction",)),
            counter("mrsp_line_payload_bytes_total", "Octets of meter tables among those received.", self.payload),
            counter("mrsp_line_retries_total", "Packets that had to be sent again.", self.retries),
            counter("mrsp_line_seconds_total", "Time in sessions with meters.", self.seconds),
        ]


def payload_of(found: MeterData) -> int:
    """Return the octets of tables that a session brought; of profiles those of the intervals that were read."""
    slots = {
        (block.data_set, block.first_interval_end): len(block.counts) * block.slots.stride
        for block in found.blocks
        if block.slots is not None
    }
    return sum(map(len, found.tables.values())) + sum(slots.values())


class CountedLedger(Ledger):
    """A ledger whose entries are counted, too: every visit of this process comes by here, whoever asked for it."""

    def __init__(self, directory: Path, tally: Tally) -> None:
        super().__init__(directory)
        self._tally = tally

    async def came(self, meter: str, due: datetime, reading: Reading, broken: Exception | None = None) -> None:
        self._tally.came(reading, broken)
        await super().came(meter, due, reading, broken)

    async def failed(self, meter: str, due: datetime, at: datetime, error: BaseException) -> None:
        self._tally.failed(error)
        await super().failed(meter, due, at, error)

    async def given_up(self, meter: str, due: datetime, at: datetime, reason: str, why: str) -> None:
        self._tally.given_up[reason,] += 1
        await super().given_up(meter, due, at, reason, why)
