"""What has become of a meter by the time at which it is started: its clock, its constants, its flags."""

from __future__ import annotations

from decimal import Decimal

from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Supply
from metersim.meter.scenario import Clock, Scenario

_LASTING = {"opened": "tamper_detect", "reversed": "reverse_rotation"}  # until somebody clears the flags


def clock_of(spec: Clock, offset_s: Decimal | None, start_us: int, supply: Supply) -> MeterClock:
    """Return the clock: off by its offset at `offset_at` (`start_us`, if that is given otherwise), with its settings.

    Settings before that time are part of the offset.
    """
    given = offset_s is not None or spec.offset_at is None
    anchor = start_us if given or spec.offset_at is None else int(spec.offset_at.timestamp()) * MICROSECONDS
    stops = supply.outages if spec.battery == "dead" else ()
    offset = spec.offset_s if offset_s is None else offset_s
    clock = MeterClock.of(anchor, offset, spec.drift_ppm, stops)
    for setting in sorted(spec.settings, key=lambda one: one.at):
        at = int(setting.at.timestamp()) * MICROSECONDS
        by = at - clock.shows(at) if setting.right else int((setting.by_s or 0) * MICROSECONDS)
        clock = clock.stepped(at, by)
        if at <= anchor:
            clock = clock.ahead_by(-by)
    return clock


def programmed_constants(scenario: Scenario, at_us: int) -> dict[str, Decimal]:
    """Return MULTIPLIER of the sources of which somebody changed it by this true time."""
    return {
        tamper.source: tamper.multiplier
        for tamper in sorted(scenario.tampering, key=lambda one: one.begins)
        if tamper.kind == "reprogrammed"
        and tamper.multiplier is not None
        and _has_begun(tamper.begins.timestamp(), at_us)
    }


def flags_of(scenario: Scenario, at_us: int, supply: Supply) -> tuple[str, ...]:
    """Return the standard flags of ST03 at this true time."""
    flags = [*scenario.status.flags]
    for tamper in scenario.tampering:
        if not _has_begun(tamper.begins.timestamp(), at_us):
            continue
        if tamper.kind in _LASTING:
            flags.append(_LASTING[tamper.kind])
        over = tamper.until is not None and _has_begun(tamper.until.timestamp(), at_us)
        if tamper.kind == "lost_phase" and not over:
            flags.append("low_loss_potential")
    if scenario.clock is not None and scenario.clock.battery == "dead" and any(to <= at_us for _, to in supply.outages):
        flags.append("low_battery")
    return tuple(dict.fromkeys(flags))


def _has_begun(timestamp: float, at_us: int) -> bool:
    return int(timestamp) * MICROSECONDS <= at_us
