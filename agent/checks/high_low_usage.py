"""`high_low_usage`: average daily usage is about what it was before, by registers and by intervals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction

from agent.checks.advance import Advance, advances, why_none
from agent.checks.channels import NO_INTERVALS, Channel, channels, several
from agent.checks.exact import shown
from agent.checks.figure import Figure, judged, rounded
from agent.checks.past import (
    NO_HISTORY,
    average_daily,
    billing_start,
    comparable,
    days_between,
    periods_of,
    zone_of,
)
from agent.checks.quantity import energy
from agent.checks.rules import HighLowUsage, RuleSet
from agent.checks.span import Span, span_of
from agent.checks.subject import Subject
from agent.checks.usual import LEFT_OUT, left_out
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult

DAY_S = 86_400


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when average daily usage is within the rule's part of the historical one: by registers, and by intervals.

    Days are those of the calendar between two reads, where the meter stands. Interval data are judged if they span a
    billing period, by the average of their good intervals; each result then names its channel.
    """
    rule = rules.high_low_usage
    verdict = Verdict.by(CHECK.name, rules, rule)
    if subject.history is None:
        return (verdict.skipped(NO_HISTORY),)
    if left_out(subject, CHECK.name):
        by_registers = verdict.skipped(LEFT_OUT)
    else:
        by_registers = judged(_monthly(subject, rule), rule, verdict)
    interval = Verdict.by(CHECK.name, rules, rule.interval)
    energies = [channel for channel in channels(subject.data) if energy(channel.blocks[0].unit)]
    by_intervals = [_judge_channel(channel, subject, rule, interval) for channel in energies]
    told = [result for result in (by_registers, *by_intervals) if result.outcome != "skipped"]
    return tuple(told) or (by_registers,)


def _monthly(subject: Subject, rule: HighLowUsage) -> Iterator[Figure | str]:
    """Give the average daily usage of each register that has an earlier reading on the order."""
    billed = [a for a in advances(subject) if a.by == "order" and a.register.tier == 0 and energy(a.register.unit)]
    if not billed:
        past = subject.history.registers if subject.history is not None else ()
        yield why_none(subject) if past else "no earlier reading of the registers is on the order"
    for advance in billed:
        yield _usage(advance, subject, rule)


def _usage(advance: Advance, subject: Subject, rule: HighLowUsage) -> Figure | str:
    register = advance.register
    days = days_between(advance.at, subject.read_at, zone_of(subject))
    if days <= 0:
        return f"{advance.what}: no day lies between this read and the one before"
    if advance.moved < 0:
        return f"{advance.what}: usage is negative, the register went backwards (see register_advance)"
    periods = periods_of(subject, register.quantity, register.direction, "usage")
    chosen = comparable(subject, periods, advance.at, rule)
    if isinstance(chosen, str):
        return f"{advance.what}: {chosen}"
    past = average_daily(chosen, register.quantity)
    if past < 0:
        return f"{advance.what}: usage on record is negative"
    return Figure(advance.what, f"{register.unit} a day", Fraction(advance.moved) / days, past, chosen.text)


def _judge_channel(channel: Channel, subject: Subject, rule: HighLowUsage, verdict: Verdict) -> CheckResult:
    """Judge one channel of interval data that spans a billing period."""
    block, number = channel.blocks[0], channel.number
    span = _billing_span(channel, subject)
    if isinstance(span, str):
        return verdict.skipped(span, channel=number)
    if span.expected * block.interval_s < rule.least_days * DAY_S:
        short = f"the intervals span less than {several(rule.least_days, 'day')}: no billing period"
        return verdict.skipped(short, channel=number)
    length = timedelta(seconds=block.interval_s)
    start = billing_start(subject) or block.first_interval_end - length
    chosen = comparable(subject, periods_of(subject, block.quantity, block.direction, "usage"), start, rule)
    if isinstance(chosen, str):
        return verdict.skipped(chosen, channel=number)
    past = average_daily(chosen, block.quantity)
    present = span.good_total * DAY_S / (span.good * block.interval_s)
    if past <= 0:
        return verdict.skipped("usage on record is not above 0", channel=number)
    percent, within = abs(past - present) * 100 / past, Fraction(rule.interval.within)
    measure = Measure(*shown(percent, within), "%")
    if percent <= within:
        return verdict.passed(measure, f"against {chosen.text}", channel=number)
    texts = f"{block.quantity} {block.direction}: {rounded(present)} {block.unit} a day, {chosen.text}: {rounded(past)}"
    return verdict.failed(measure, texts, channel=number)


def _billing_span(channel: Channel, subject: Subject) -> Span | str:
    """Return the intervals of a channel since the last billing read, or of all its data where that is not on record."""
    first, newest = channel.blocks[0], channel.blocks[-1]
    if len({(b.interval_s, b.multiplier, b.offset) for b in channel.blocks}) > 1 or first.interval_s <= 0:
        return "interval length or multiplier changes within the data"
    if not first.multiplier.is_finite():
        return f"the channel's multiplier is {first.multiplier}"
    length = timedelta(seconds=first.interval_s)
    begin = first.first_interval_end - length
    billed = billing_start(subject)
    stop = newest.first_interval_end + (len(newest.counts) - 1) * length
    span = span_of(channel, begin if billed is None else max(begin, billed), stop)
    return NO_INTERVALS if span is None or not span.good else span


CHECK = Check(
    name="high_low_usage",
    title="high or low usage",
    judge=judge,
    advice="read once more; the same value at the same time verifies it, else look for a reason on site",
)
