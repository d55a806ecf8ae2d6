"""What visitors did to a meter besides setting its clock and resetting demand: modes, flags, lists, self reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from metersim.meter.events import LIST_RESET, LIST_UPDATED, MODE_STARTED, MODE_STOPPED, SELF_READ, LoggedEvent
from metersim.meter.lists import FIRST_SET, Held, held

if TYPE_CHECKING:
    from metersim.meter.model import Meter

Mode = Literal["metering", "test", "meter_shop"]


@dataclass
class Interventions:
    """Kept by the meter; the functions below change it."""

    mode: Mode | None = None  # None: as the scenario says
    test_since_us: int | None = None  # of a test mode that somebody began
    standard_flags_cleared: bool = False
    manufacturer_flags_cleared: bool = False
    self_reads: list[int] = field(default_factory=list)  # meter seconds
    cleared: dict[int, int] = field(default_factory=dict)  # list → entries that are no longer in it


def change_mode(meter: Meter, mode: Mode, true_us: int, user_id: int) -> None:
    """SP06: intervals that are recorded in test mode say so."""
    before = meter.mode
    if mode == before:
        return
    testing_since = meter.test_since_us
    meter.done.mode = mode
    meter.done.test_since_us = true_us if mode == "test" else None
    for memory in meter.memories.values():
        spans = memory.happenings.tested
        if testing_since is not None:
            spans = (*spans, (testing_since, true_us))
        memory.happen(replace(memory.happenings, test_since_us=meter.test_since_us, tested=spans))
    at = meter.now(true_us)
    meter.log(LoggedEvent(at, MODE_STOPPED[before], user_id=user_id))
    meter.log(LoggedEvent(at, MODE_STARTED[mode], user_id=user_id))


def read_itself(meter: Meter, true_us: int, user_id: int) -> None:
    """SP09: keep the registers of this moment in ST26."""
    at = meter.now(true_us)
    meter.done.self_reads.append(at)
    meter.log(LoggedEvent(at, SELF_READ, user_id=user_id))


def update_last_read(meter: Meter, which: int, entries: int, true_us: int, user_id: int) -> bool:
    """SP05: count entries as read; False if the list has not so many that are unread."""
    found = held(meter, which, true_us)
    if found is None:
        return False
    read = max(meter.last_read.get(which, 0), found.total - found.kept) + entries
    if read > found.total:
        return False
    meter.last_read[which] = read
    meter.log(LoggedEvent(meter.now(true_us), LIST_UPDATED, which, user_id=user_id))
    return True


def clear_list(meter: Meter, which: int, found: Held, true_us: int, user_id: int) -> None:
    """SP04: empty a list; a profile begins to record anew with the next interval."""
    memory = meter.memories.get(which - FIRST_SET + 1)
    if memory is not None:
        memory.begin_anew(meter.now(true_us))
        meter.last_read.pop(which, None)
    else:
        meter.done.cleared[which] = meter.last_read[which] = found.total
    meter.log(LoggedEvent(meter.now(true_us), LIST_RESET, which, user_id=user_id))
