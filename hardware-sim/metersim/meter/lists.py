"""The lists of SP04 and SP05 by their numbers: how much each ever held, and how much of it is still there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metersim.meter.model import Meter

EVENTS: Final = 1
SELF_READS: Final = 2
FIRST_SET: Final = 3  # to 6: data sets 1 to 4
HISTORY: Final = 7
EVERY: Final = 255


@dataclass(frozen=True, slots=True)
class Held:
    """Entries that a list ever had, and how many of them it holds now."""

    total: int
    kept: int


def held(meter: Meter, which: int, true_us: int) -> Held | None:
    """Return what a list holds; None for one that this meter does not have."""
    log, capacity = meter.scenario.log, meter.scenario.registers.self_reads
    found: tuple[int, int] | None = None
    if which == EVENTS and log is not None:
        found = len(meter.events(true_us)), log.entries
    elif which == HISTORY and log is not None and log.history_entries:
        found = len(meter.history(true_us)), log.history_entries
    elif which == SELF_READS and capacity:
        reads = meter.self_reads(true_us)
        found = reads[-1].sequence if reads else 0, min(capacity, len(reads))
    elif (memory := meter.memories.get(which - FIRST_SET + 1)) is not None:
        found = memory.newest(meter.now(true_us)) + 1, memory.layout.blocks
    if found is None:
        return None
    total, capacity = found
    return Held(total, min(capacity, total - meter.done.cleared.get(which, 0)))


def lists_of(meter: Meter, true_us: int) -> list[int]:
    """Return the numbers of the lists that this meter has."""
    return [which for which in range(EVENTS, HISTORY + 1) if held(meter, which, true_us) is not None]
