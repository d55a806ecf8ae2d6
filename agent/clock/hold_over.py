"""An earlier proof of this boot in place of one that no source could renew. Pure.

A van synchronises at the depot in the morning and reads all day where there is no network: the oscillator carries the
time, within its bound, until it is stepped, the box starts anew, or the day ends.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from agent.clock.boot import same_boot, strayed_s
from agent.clock.instant import NS
from agent.clock.proof import ClockProof
from agent.clock.samples import NANOSECOND, TimeSample


def hold_over(fresh: ClockProof, last: ClockProof | None) -> ClockProof:
    """Return the proof to go by: `fresh`, or `last` carried to the present if `fresh` heard of no time at all.

    Sources that contradict each other, or that are not believed, are evidence against the clock: nothing is carried
    over them. Neither over another boot, nor over a step of the system clock.
    """
    if last is None or last.stamp is None or fresh.stamp is None or not last.tells_time:
        return fresh
    heard = any(isinstance(outcome, TimeSample) for outcome in fresh.outcomes)
    if heard or fresh.alarm or not same_boot(last.stamp, fresh.stamp) or last.stepped_s(fresh.measured):
        return fresh
    age = Decimal(fresh.measured.boottime_ns - last.measured.boottime_ns) / NS
    if last.uncertainty_s is None or age < 0:
        return fresh
    strayed = strayed_s(last.stamp, fresh.stamp).quantize(NANOSECOND)
    said = f"No source gave the time now; the clock was last measured {int(age)} s ago, and has been carried since."
    return replace(
        last,
        uncertainty_s=last.uncertainty_s + strayed,
        outcomes=fresh.outcomes,
        policy=fresh.policy,
        reasons=(said, *last.reasons) if not last.held_over else (said, *last.reasons[1:]),
        held_over=True,
        synchronized=last.synchronized and _within(last, fresh, strayed),
    )


def _within(last: ClockProof, fresh: ClockProof, strayed: Decimal) -> bool:
    bound = last.error_bound_at(fresh.measured.boottime_ns)
    return bound is not None and bound + strayed <= fresh.policy.limit_s
