"""`sum_check`: the intervals between two visits add up to what the register moved on (UBP A4 1.4.3, 5.2.1, 5.2.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from drivers.decimal_text import plain
from metersim.lab.channels import Channel, Slot, scale
from metersim.lab.foretold import Foretold, Visit, judged
from metersim.lab.register_checks import Advance, advances_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INCOMPLETE = frozenset({"missing", "skipped", "partial", "overflow", "test_mode"})


@dataclass(frozen=True, slots=True)
class _Span:
    """The intervals of one channel that ended after the visit before, in the unit of its register."""

    total: Fraction
    good: tuple[Fraction, ...]
    expected: int
    before: Fraction  # part of the interval that had gone by at the visit before
    after: Fraction  # part of the next one that has gone by now


def sum_check(visit: Visit) -> Iterator[Foretold]:
    """Foretell `sum_check` where registers of the visit before are on record; fails if a channel's sum does."""
    if visit.since is None or visit.truth.meter_time is None:
        return
    since, now = _seconds(visit.since), _seconds(visit.truth.meter_time)
    totals = [one for one in advances_of(visit) if not one.register.tier and not one.register.phase]
    reasons, compared = [], False
    for channel in visit.channels:
        kinds = [(one.unit, one.direction) for one in visit.channels]
        matching = [
            one
            for one in totals
            if one.register.direction == channel.direction and one.register.unit[-len(channel.kind) :] == channel.kind
        ]
        if kinds.count((channel.unit, channel.direction)) > 1 or not matching or matching[0].moved < 0:
            continue
        span = _span(channel, matching[0], since, now)
        if span is None or not span.good:
            continue
        compared = True
        if not _adds_up(channel, matching[0], span, visit):
            moved = plain(matching[0].moved)
            reasons.append(
                f"channel {channel.number} adds up to {float(span.total):g}, the register moved on by {moved}"
            )
    if compared:
        yield judged("sum_check", reasons)


def _seconds(at: datetime) -> Fraction:
    return Fraction((at - _EPOCH) // timedelta(microseconds=1), 1_000_000)


def _span(channel: Channel, advance: Advance, since: Fraction, now: Fraction) -> _Span | None:
    length, boundary = channel.interval_s, channel.slots[-1].end
    due_before, due_now = (since - boundary) // length, (now - boundary) // length
    if due_now <= due_before:
        return None
    factor = Fraction(channel.multiplier * scale(channel.unit, advance.register.unit))
    slots = channel.after(math.floor(since))
    valued = [slot for slot in slots if slot.count is not None]
    return _Span(
        total=sum((Fraction(slot.count or 0) for slot in valued), Fraction(0)) * factor,
        good=tuple(Fraction(slot.count or 0) * factor for slot in valued if _is_good(slot)),
        expected=due_now - due_before,
        before=(since - boundary) / length - due_before,
        after=(now - boundary) / length - due_now,
    )


def _is_good(slot: Slot) -> bool:
    return _INCOMPLETE.isdisjoint(slot.words)


def _adds_up(channel: Channel, advance: Advance, span: _Span, visit: Visit) -> bool:
    """Compare plainly, then with the start read put back to the begin of its interval, by the share of good ones."""
    register = advance.register
    multiplier = Fraction(register.multiplier)
    pulse = Fraction(channel.multiplier * scale(channel.unit, register.unit))
    least = Fraction(scale(f"k{channel.kind}", register.unit))
    margin = visit.limits.sum_multipliers * max(multiplier, pulse, least)
    moved = Fraction(advance.moved)
    if abs(span.total - moved) <= margin:
        return True
    moved += math.trunc(span.good[0] * span.before / multiplier) * multiplier
    margin += abs(span.good[-1]) * span.after
    if abs(span.total - moved) <= margin:
        return True
    share = Fraction(len(span.good), span.expected)
    return share < 1 and abs(sum(span.good) - moved * share) <= margin
