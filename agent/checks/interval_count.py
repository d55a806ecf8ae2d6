"""`interval_count`: time tolerance of the data, as many intervals as the time since the last read has room for."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.checks.channels import NO_INTERVALS, Channel, channels, several
from agent.checks.moments import utc
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain

MICROSECOND = timedelta(microseconds=1)


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when every channel has an interval for each of the meter's own boundaries since the last read.

    Counted are the boundaries after the last read, up to the meter's clock at this one. A boundary that passes while
    the meter is being read may be in the data or not. Intervals without a value count (`missing_intervals` judges
    them), one that is there twice counts once.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.interval_count)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    last = subject.last_read_at
    if last is None:
        return (verdict.skipped("the time of the last read is not on record"),)
    if last.utcoffset() is None:
        return (verdict.skipped(f"the time of the last read on record, {last}, has no time zone"),)
    earliest, latest = _meter_now(subject)
    if latest < last:
        return (verdict.skipped(f"contradictory: the last read on record, {utc(last)}, is later than this one"),)
    odd: list[CheckResult] = []
    passed: list[CheckResult] = []
    for channel in found:
        result = _judge_channel(channel, verdict, subject, rules, (last, max(last, earliest), latest))
        (passed if result.outcome == "pass" else odd).append(result)
    return (*odd, *passed[:1])


def _judge_channel(
    channel: Channel, verdict: Verdict, subject: Subject, rules: RuleSet, span: tuple[datetime, datetime, datetime]
) -> CheckResult:
    lengths = sorted({block.interval_s for block in channel.blocks})
    if len(lengths) > 1 or lengths[0] <= 0:
        listed = ", ".join(str(length) for length in lengths)
        return verdict.skipped(f"no single interval length: {listed} s", channel=channel.number)
    last, earliest, latest = span
    length = timedelta(seconds=lengths[0])
    boundary = channel.blocks[-1].first_interval_end
    passed_before = (last - boundary) // length
    fewest = (earliest - boundary) // length - passed_before
    most = (latest - boundary) // length - passed_before
    received = _received(channel, last, length)
    expected = min(max(received, fewest), most)
    measure = Measure(received, expected, "intervals")
    difference = abs(received - expected)
    if difference > rules.interval_count.allowed_difference:
        why = f"{several(difference)} {'too many' if received > expected else 'not there'}"
        reason = f"{why} between the last read, {utc(last)}, and now, {utc(latest)}"
        reason += f"{_held_since(channel, last)}; {_drift(subject, rules)}"
        return verdict.failed(measure, reason, channel=channel.number)
    if difference:
        allowed = rules.interval_count.allowed_difference
        return verdict.passed(measure, f"differs by {several(difference)}, up to {allowed} accepted")
    return verdict.passed(measure)


def _meter_now(subject: Subject) -> tuple[datetime, datetime]:
    """Return between which times of the meter's clock the intervals were read."""
    started, finished = subject.read_started_at, max(subject.read_started_at, subject.read_at)
    sample = subject.data.clock
    if sample is None:
        return started, finished
    # The clock was read at some moment of the session, so the session's length lies on either side of it.
    return sample.meter_time - (finished - started), sample.meter_time + (finished - started)


def _received(channel: Channel, last: datetime, length: timedelta) -> int:
    """Count the distinct interval ends after `last`."""
    step = length // MICROSECOND
    ends: set[int] = set()
    for block in channel.blocks:
        first = (block.first_interval_end - last) // MICROSECOND
        before = max(0, -first // step + 1) if first <= 0 else 0  # so many of its ends lie at or before `last`
        ends.update(range(first + before * step, first + len(block.counts) * step, step))
    return len(ends)


def _held_since(channel: Channel, last: datetime) -> str:
    oldest = channel.blocks[0]
    begin = oldest.first_interval_end - timedelta(seconds=oldest.interval_s)
    return f"; the meter's data begin only at {utc(begin)}" if begin > last else ""


def _drift(subject: Subject, rules: RuleSet) -> str:
    offset, limit = subject.clock.meter_offset_s, rules.interval_count.proratable_s
    if offset is None:
        return "how far the meter's clock is off is not known"
    within = abs(offset) <= limit
    text = f"the meter's clock is off by {plain(offset)} s"
    return f"{text}, {'at most' if within else 'more than'} {plain(limit)} s: {'' if within else 'not '}proratable"


CHECK = Check(
    name="interval_count",
    title="interval count",
    judge=judge,
    advice="read again; if intervals stay missing the MDSP must correct the span from the last read to now",
)
