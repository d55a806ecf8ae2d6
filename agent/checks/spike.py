"""`spike`: no interval stands out from the other high ones of its day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_CEILING, Decimal
from heapq import nlargest

from agent.checks.channels import NO_INTERVALS, Channel, channels, end_of, several
from agent.checks.rules import RuleSet, Spike
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import IntervalBlock

DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Peak:
    """One interval that is a spike: its index, its count, and by how much it exceeds the third highest (None: of 0)."""

    index: int
    count: Decimal | int
    ratio: Decimal | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One block's intervals, contiguous from `begin` to `end`; the first has the index `first`."""

    first: int
    begin: datetime
    end: datetime
    block: IntervalBlock

    def within(self, begin: datetime, end: datetime) -> list[tuple[Decimal | int, int]]:
        """Return magnitude and index of the intervals with a value that lie whole between `begin` and `end`."""
        if self.begin >= end or self.end <= begin:
            return []
        length = timedelta(seconds=self.block.interval_s)
        low = max(0, -((self.begin - begin) // length))
        counts = self.block.counts[low : max(low, (end - self.begin) // length)]
        return [
            (-count if count < 0 else count, index)
            for index, count in enumerate(counts, self.first + low)
            if count is not None
        ]


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when on no day (highest − third highest) ÷ third highest exceeds the ratio.

    Judged on counts as recorded, by magnitude, for channels of energy. A day is midnight to midnight where the meter
    stands; a partial day at either end borrows from its neighbour. A day whose highest count does not exceed the
    threshold, or with fewer than three values, is left out.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.spike)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    energy = [channel for channel in found if channel.blocks[0].quantity.endswith("h")]
    if not energy:
        return (verdict.skipped("no channel records energy"),)
    odd: list[CheckResult] = []
    passed: list[CheckResult] = []
    for channel in energy:
        result = _judge_channel(channel, rules.spike, verdict, subject.site_zone or UTC)
        (passed if result.outcome == "pass" else odd).append(result)
    return (*odd, *passed[:1])


def _judge_channel(channel: Channel, rule: Spike, verdict: Verdict, zone: tzinfo) -> CheckResult:
    if len({(block.interval_s, block.multiplier) for block in channel.blocks}) > 1 or channel.blocks[0].interval_s <= 0:
        return verdict.skipped("interval length or multiplier changes within the data", channel=channel.number)
    stretches = [
        _Stretch(first, end_of(block, -1), end_of(block, len(block.counts) - 1), block)
        for first, block in channel.starts()
        if block.counts
    ]
    peaks: dict[int, _Peak] = {}
    for begin, end, touched in _days(stretches, zone):
        day = [found for stretch in touched for found in stretch.within(begin, end)]
        peaks.update((peak.index, peak) for peak in _spikes(day, rule))
    if not peaks:
        return verdict.passed()
    intervals = tuple(sorted(peaks))
    reason = f"{several(len(peaks))} far above the third highest of the day"
    worst = max(peaks.values(), key=lambda peak: (peak.ratio is None, peak.ratio or peak.count))
    if worst.ratio is None:
        measure = Measure(worst.count, rule.ignored_pulses, "pulses")
        reason += ", which is 0"
    else:
        measure = Measure(worst.ratio, rule.ratio, "times")
    return verdict.failed(measure, reason, channel=channel.number, intervals=intervals)


def _spikes(day: list[tuple[Decimal | int, int]], rule: Spike) -> list[_Peak]:
    if len(day) < 3:
        return []
    highest = nlargest(3, day)
    third = highest[2][0]
    return [
        _Peak(index, count, _ratio(count, third))
        for count, index in highest[:2]
        if count > rule.ignored_pulses and count - third > rule.ratio * third
    ]


def _ratio(count: Decimal | int, third: Decimal | int) -> Decimal | None:
    """Return (count − third) ÷ third, rounded up to a thousandth so that what exceeds a limit also reads so."""
    return (Decimal(count - third) / third).quantize(Decimal("0.001"), ROUND_CEILING) if third else None


def _days(stretches: list[_Stretch], zone: tzinfo) -> Iterator[tuple[datetime, datetime, list[_Stretch]]]:
    """Give each day that has intervals, in UTC, with the stretches that touch it.

    The partial days at the two ends are stretched to 24 hours inwards.
    """
    if not stretches:
        return
    first = min(stretch.begin for stretch in stretches)
    last = max(stretch.end for stretch in stretches)
    touched: dict[date, list[_Stretch]] = {}
    for stretch in stretches:
        day, final = stretch.begin.astimezone(zone).date(), (stretch.end - _INSTANT).astimezone(zone).date()
        while day <= final:
            touched.setdefault(day, []).append(stretch)
            day += DAY
    for day in sorted(touched):
        begin, end = _midnight(day, zone), _midnight(day + DAY, zone)
        if begin < first:
            yield first, min(max(end, first + DAY), last), _near(touched, day)
        elif end > last:
            yield max(min(begin, last - DAY), first), last, _near(touched, day)
        else:
            yield begin, end, touched[day]


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _near(touched: dict[date, list[_Stretch]], day: date) -> list[_Stretch]:
    """Return the stretches that touch a day or the two on either side, each once."""
    found = (stretch for days in range(-2, 3) for stretch in touched.get(day + days * DAY, ()))
    return list({stretch.first: stretch for stretch in found}.values())


CHECK = Check(
    name="spike",
    title="spikes",
    judge=judge,
    advice="read again; if it stays so, look for a reason on site, else the MDSP must estimate",
)
