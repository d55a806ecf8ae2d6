"""Which standard procedures a simulated meter has: those that what it keeps makes sense for (STD_PROC_USED of ST00)."""

from __future__ import annotations

from metersim.meter.scenario import Scenario

_ALWAYS = frozenset({1, 6, 7, 8, 9})  # warm start, mode, both kinds of flags, remote reset
_WITH_LISTS = frozenset({4, 5})
_WITH_CLOCK = frozenset({10})


def procedures_of(scenario: Scenario) -> frozenset[int]:
    """Return their numbers."""
    lists = scenario.log is not None or scenario.profile is not None or scenario.registers.self_reads > 0
    clock = scenario.clock is not None and scenario.layout.time_format != 0
    return _ALWAYS | (_WITH_LISTS if lists else frozenset()) | (_WITH_CLOCK if clock else frozenset())
