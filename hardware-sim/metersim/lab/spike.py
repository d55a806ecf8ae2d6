"""`spike`: an interval that stands out from the other high ones of its day (UBP A4 1.4.4)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta
from heapq import nlargest

from metersim.lab.channels import Channel, Slot
from metersim.lab.document import Outcome
from metersim.lab.foretold import Foretold, Visit
from metersim.meter.calendar import DAY, wall

_NEAR = 3 * DAY  # how far what a reader borrows for its first day can reach


def spike_check(visit: Visit) -> Iterator[Foretold]:
    """Foretell `spike`: a day is midnight to midnight at the meter, a partial one at either end borrows from the next.

    What the first day borrows depends on where in it a reader begins; what is a spike only for some may be named.
    """
    if not visit.channels:
        return
    found = {channel.number: _by_any_reader(channel, visit) for channel in visit.channels}
    since = visit.since_s
    must = {number: tuple(sorted(sure)) for number, (sure, _) in found.items()}
    may = {number: tuple(sorted(some - sure)) for number, (sure, some) in found.items()}
    new = sum(since is None or end > since for ends in must.values() for end in ends)
    doubtful = any(may.values()) or any(must.values())
    outcome: Outcome = "fail" if new else "either" if doubtful else "pass"
    because = f"{new} far above the third highest of the day" if new else "depends on what is borrowed" * doubtful
    yield Foretold("spike", outcome, because, must, may)


def _by_any_reader(channel: Channel, visit: Visit) -> tuple[set[int], set[int]]:
    """Return what is a spike wherever in the day of the visit before a reader begins, and what is one for some."""
    slots, since = channel.slots, visit.since_s
    whole = _spikes(channel, slots, visit)
    if since is None:
        return whole, whole
    ends = [slot.end for slot in slots]
    begin = visit.meter.calendar.midnight(wall(visit.meter.calendar.local(since)).date())
    first, last = bisect_right(ends, begin), bisect_right(ends, begin + _NEAR)
    begins = range(first, max(first, bisect_right(ends, since)) + 1)
    variants = [_spikes(channel, slots[at:last], visit) for at in begins]
    near = set(ends[first:last])
    sure, some = whole & near, whole & near
    for at, variant in zip(begins, variants, strict=True):
        sure &= variant | set(ends[first:at])  # what a reader has not is no matter
        some |= variant
    return (whole - near) | sure, whole | some


def _spikes(channel: Channel, slots: Sequence[Slot], visit: Visit) -> set[int]:
    limits = visit.limits
    found: set[int] = set()
    ends = [slot.end for slot in slots]
    for begin, end in _days(channel, slots, visit):
        whole = slots[bisect_left(ends, begin + channel.interval_s) : bisect_right(ends, end)]
        day = [(slot.count, slot.end) for slot in whole if slot.count is not None]
        if len(day) < 3:
            continue
        highest = nlargest(3, day)
        third = highest[2][0]
        found |= {
            at
            for count, at in highest[:2]
            if count > limits.spike_pulses and count - third > limits.spike_ratio * third
        }
    return found


def _days(channel: Channel, slots: Sequence[Slot], visit: Visit) -> Iterator[tuple[int, int]]:
    if not slots:
        return
    calendar = visit.meter.calendar
    first, last = slots[0].end - channel.interval_s, slots[-1].end
    day = wall(calendar.local(first)).date()
    final = wall(calendar.local(last - 1)).date()
    while day <= final:
        begin, end = (calendar.midnight(one) for one in (day, day + timedelta(days=1)))
        if begin < first:
            yield first, min(max(end, first + DAY), last)
        elif end > last:
            yield max(min(begin, last - DAY), first), last
        else:
            yield begin, end
        day += timedelta(days=1)
