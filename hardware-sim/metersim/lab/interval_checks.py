"""Checks of the interval data by what is recorded in each interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from metersim.lab.channels import Channel, Slot, utc
from metersim.lab.document import Outcome
from metersim.lab.foretold import Ends, Foretold, Visit

_CUT = ("clock_adjusted", "short", "long")


def interval_checks(visit: Visit) -> Iterator[Foretold]:
    """Foretell the checks that name intervals, and `interval_count`; nothing for a meter without intervals."""
    if not visit.channels:
        return
    yield from _interval_count(visit)
    yield _flagged(visit, "pulse_overflow", _overflowed)
    in_test = _flagged(visit, "test_mode", _having("test_mode"))
    if "test" in visit.truth.mode:
        in_test = Foretold("test_mode", "fail", "the meter is in test mode now", in_test.intervals)
    yield in_test
    yield _flagged(visit, "missing_intervals", lambda _channel: lambda slot: slot.count is None)
    yield _told(visit, "power_outage", ("power_outage",))
    yield _told(visit, "time_reset", _CUT)
    yield from _reactive(visit)


def _having(*words: str) -> Callable[[Channel], Callable[[Slot], bool]]:
    sought = frozenset(words)
    return lambda _channel: lambda slot: not sought.isdisjoint(slot.words)


def _overflowed(channel: Channel) -> Callable[[Slot], bool]:
    full = channel.maximum
    return lambda slot: "overflow" in slot.words or (full is not None and slot.count is not None and slot.count >= full)


def _flagged(visit: Visit, check: str, which: Callable[[Channel], Callable[[Slot], bool]]) -> Foretold:
    """Return a check that fails if it is so of any interval that a reader must have."""
    ends = {channel.number: channel.where(which(channel)) for channel in visit.channels}
    return Foretold(check, *outcome_of(visit, ends), ends)


def _told(visit: Visit, check: str, words: tuple[str, ...]) -> Foretold:
    """Return a check that only names intervals."""
    ends = {channel.number: channel.where(_having(*words)(channel)) for channel in visit.channels}
    return Foretold(check, "pass", intervals=ends)


def outcome_of(visit: Visit, ends: Ends) -> tuple[Outcome, str]:
    """Tell what becomes of a check that fails by these intervals: those before the visit before may not be read."""
    since = visit.since_s
    new = sum(since is None or end > since for of_channel in ends.values() for end in of_channel)
    known = sum(map(len, ends.values()))
    if new:
        return "fail", f"{new} intervals" if new > 1 else "1 interval"
    return ("either", "only of intervals before the visit before") if known else ("pass", "")


def _interval_count(visit: Visit) -> Iterator[Foretold]:
    since, now = visit.since_s, visit.truth.meter_time
    if since is None or now is None or now.timestamp() < since:  # before the visit before, by a clock that is slow
        return
    for channel in visit.channels:
        length = channel.interval_s
        boundary = channel.slots[-1].end
        expected = (int(now.timestamp()) - boundary) // length - (since - boundary) // length
        received = len(channel.after(since))
        if abs(expected - received) > visit.limits.interval_difference:
            oldest = channel.slots[0].end - length
            yield Foretold(
                "interval_count", "fail", f"{received} of {expected} are held, the oldest from {utc(oldest)} on"
            )
            return
    yield Foretold("interval_count", "pass")


def _reactive(visit: Visit) -> Iterator[Foretold]:
    """Foretell `reactive`: no active energy at all in an interval, and more pulses of reactive energy than allowed."""
    active = [channel for channel in visit.channels if channel.kind == "Wh"]
    other = [channel for channel in visit.channels if channel.kind == "varh"]
    if not active or not other:
        return
    idle: set[int] = set.intersection(*({slot.end for slot in one.slots if slot.count == 0} for one in active))
    together: dict[tuple[Decimal, int], Decimal] = {}
    for channel in other:
        for slot in channel.slots:
            if slot.end in idle and slot.count is not None:
                key = channel.multiplier, slot.end
                together[key] = together.get(key, Decimal(0)) + Decimal(slot.count).copy_abs()
    wrong = sorted({end for (_, end), count in together.items() if count > visit.limits.reactive_pulses})
    ends = {active[0].number: tuple(wrong)}
    yield Foretold("reactive", *outcome_of(visit, ends), ends)
