"""Checks of the meter as a whole: identity, clock, mode, what it reports of itself, its constants."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from drivers.c1219.event_names import EVENT_NAMES
from drivers.decimal_text import plain
from metersim.lab.foretold import Foretold, Visit, judged

_DIAGNOSTIC_FLAGS = (
    "unprogrammed", "configuration_error", "self_chk_error", "ram_failure", "rom_failure", "nonvol_mem_failure",
    "clock_error", "measurement_error", "low_battery",
)  # fmt: skip
_DIAGNOSTIC_EVENTS = range(39, 45)
_MEASURED_S = Decimal(1)  # to within which a reader can measure a clock that shows whole seconds
_PHASE_FLAGS, _PHASE_EVENTS = ("low_loss_potential",), (45,)


def meter_checks(visit: Visit) -> Iterator[Foretold]:
    """Foretell the checks that need neither registers nor intervals, but for the multipliers of the former."""
    truth, expected = visit.truth, visit.record.meter_id
    found = truth.meter_id
    yield judged("meter_id_internal", [] if found == expected else [f"the meter says it is {found}, not {expected}"])
    if truth.clock_offset_s is not None:
        yield _clock(truth.clock_offset_s, visit.limits.clock_s)
    if visit.record.channels is not None:
        yield judged("channel_count", [])
    yield judged("meter_diagnostics", _reported(visit, _DIAGNOSTIC_FLAGS, _DIAGNOSTIC_EVENTS))
    yield judged("phase_loss", _reported(visit, _PHASE_FLAGS, _PHASE_EVENTS))
    if visit.record.multipliers:
        yield judged("configuration_change", _multipliers(visit))


def _clock(offset_s: Decimal, limit_s: Decimal) -> Foretold:
    off = abs(offset_s)
    if abs(off - limit_s) <= _MEASURED_S:
        return Foretold("meter_clock", "either", f"off by {plain(offset_s)} s: as exactly as it is measured")
    return judged("meter_clock", [f"off by {plain(offset_s)} s, more than {plain(limit_s)}"] if off > limit_s else [])


def _reported(visit: Visit, flags: tuple[str, ...], codes: range | tuple[int, ...]) -> list[str]:
    """Return the flags that are set now, and the events since the visit before."""
    found = [flag for flag in visit.truth.flags if flag in flags]
    if visit.since is not None:
        found += [EVENT_NAMES[e.code] for e in visit.truth.events if e.code in codes and e.at > visit.since]
    return list(dict.fromkeys(found))


def _multipliers(visit: Visit) -> list[str]:
    now = {(one.quantity, one.direction): plain(one.multiplier) for one in visit.summations()}
    past = {(one.quantity, one.direction): one.multiplier for one in visit.record.multipliers}
    changed = {kind: (now[kind], right) for kind, right in past.items() if now[kind] != right}
    return [f"the multiplier of {' '.join(kind)} is {one}, not {right}" for kind, (one, right) in changed.items()]
