"""`sum_check`: the intervals between two readings of a register add up to what it moved on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from agent.checks.advance import Advance, advances, counts, why_none
from agent.checks.channels import NO_INTERVALS, Channel, channels, several
from agent.checks.exact import above, shown
from agent.checks.moments import utc
from agent.checks.quantity import energy, factor
from agent.checks.rules import RuleSet, SumCheck
from agent.checks.span import INCOMPLETE, Span, span_of
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.history import present_registers
from agent.reading import CheckResult
from drivers.data import Register
from drivers.decimal_text import plain


@dataclass(frozen=True, slots=True)
class _Try:
    """One way to compare, in the unit of the register: intervals and register apart by `apart`, `margin` allowed."""

    apart: Fraction
    margin: Fraction
    how: str = ""

    @property
    def holds(self) -> bool:
        return self.apart <= self.margin


def increments(usage: Fraction, elapsed: Fraction, multiplier: Fraction) -> Fraction:
    """Return how many meter increments the part `elapsed` of an interval's `usage` is (UBP A4 5.2.1)."""
    return usage * elapsed / multiplier


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when |sum of the intervals − difference of the registers| is within so many meter multipliers.

    The sum is of the intervals that end after the start read and up to the stop read. A difference takes one rollover
    at the dials into account. What fails is looked at again, as far as the rule has it: (a) with the start read put
    back to the begin of its interval, and the margin widened by the part of an interval after the last one (UBP A4
    5.2.1); (b) with the difference scaled by the share of good intervals, where some are missing or incomplete
    (5.2.2). Where no earlier reading is on record, the readings that the meter keeps at the ends of its blocks serve.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.sum_check)
    found = [channel for channel in channels(subject.data) if energy(channel.blocks[0].unit)]
    if not found:
        return (verdict.skipped("no channel records energy" if subject.data.blocks else NO_INTERVALS),)
    moved = tuple(advance for advance in advances(subject) if advance.register.tier == 0)
    kinds = [(channel.blocks[0].quantity, channel.blocks[0].direction) for channel in found]
    results: list[CheckResult] = []
    for channel, kind in zip(found, kinds, strict=True):
        if kinds.count(kind) > 1:
            reason = f"several channels record {' '.join(kind)}: which of them the register counts is not known"
            results.append(verdict.skipped(reason, channel=channel.number))
        else:
            results.append(_judge_channel(channel, subject, rules.sum_check, verdict, moved))
    if all(result.outcome == "skipped" for result in results):
        return tuple(results[:1])
    plainly = [result for result in results if result.outcome == "pass" and result.reason is None]
    odd = [result for result in results if result not in plainly]
    return (*odd, *plainly[:1])


def _judge_channel(
    channel: Channel, subject: Subject, rule: SumCheck, verdict: Verdict, moved: tuple[Advance, ...]
) -> CheckResult:
    if (unfit := _unfit(channel)) is not None:
        return verdict.skipped(unfit, channel=channel.number)
    matching = [advance for advance in moved if counts(advance.register, channel.blocks[0])]
    if not matching:
        by_blocks = _by_block_readings(channel, subject, rule, verdict)
        reason = "no earlier reading of its register is on record" if moved else why_none(subject)
        return by_blocks or verdict.skipped(reason, channel=channel.number)
    advance, stop = _start(matching, channel), _stop(subject)
    if (hindered := _hindered(channel, subject, advance)) is not None:
        return verdict.skipped(hindered, channel=channel.number)
    span = span_of(channel, advance.at, stop)
    if span is None or span.first is None:
        none = "no interval lies" if span is None else f"none of {several(span.expected)} is good"
        return verdict.skipped(f"{none} between the reads of {utc(advance.at)} and {utc(stop)}", channel=channel.number)
    return _compared(advance, span, rule, verdict, channel)


def _unfit(channel: Channel) -> str | None:
    first = channel.blocks[0]
    if len({(b.interval_s, b.multiplier, b.offset, b.unit) for b in channel.blocks}) > 1 or first.interval_s <= 0:
        return "interval length or multiplier changes within the data"
    if not first.multiplier.is_finite() or first.multiplier <= 0:
        return f"the channel's multiplier is {first.multiplier}"
    return None


def _hindered(channel: Channel, subject: Subject, advance: Advance) -> str | None:
    first, asked = channel.blocks[0], subject.last_read_at
    length = timedelta(seconds=first.interval_s)
    begin = first.first_interval_end - length
    if asked is not None and asked.utcoffset() is not None and advance.at < asked and begin > advance.at + length:
        return f"the intervals were read from {utc(begin)} on, and the start read is of {utc(advance.at)}"
    if advance.moved < 0:
        return f"{advance.what} went backwards, and no rollover explains it"
    return None


def _compared(advance: Advance, span: Span, rule: SumCheck, verdict: Verdict, channel: Channel) -> CheckResult:
    block, unit = channel.blocks[0], advance.register.unit
    scale = Fraction(factor(block.quantity, advance.register.quantity) or 1)
    multiplier = Fraction(advance.register.multiplier)
    # A channel whose pulse is worth more than one step of its register cannot be compared more closely than by pulses.
    pulse = Fraction(block.multiplier) * scale
    step = max(multiplier, pulse, _least(rule, advance.register))
    moved = Fraction(advance.moved)
    margin = Fraction(rule.multipliers) * step
    plain_try = _Try(abs(span.total * scale - moved), margin)
    tries = [plain_try]
    if not plain_try.holds and span.first is not None and span.last is not None:
        if "prorate" in rule.redo:
            back = math.trunc(increments(span.first * scale, span.elapsed_before, multiplier)) * multiplier
            moved += back
            margin += abs(span.last * scale) * span.elapsed_after
            how = f"(a) start read put back by {_text(back)} {unit}, to the begin of its interval"
            tries.append(_Try(abs(span.total * scale - moved), margin, how))
        if "scale" in rule.redo and span.good < span.expected:
            share = Fraction(span.good, span.expected)
            how = f"(b) difference scaled by {span.good} of {several(span.expected)} that are good"
            tries.append(_Try(abs(span.good_total * scale - moved * share), margin, how))
    held = next((each for each in tries if each.holds), None)
    shown_try = held or plain_try
    measured, limit = shown(shown_try.apart, shown_try.margin)
    measure = Measure(measured, limit, unit)
    remarks = [f"{advance.what} rolled over at its dials"] if advance.rolled_over else []
    if step == pulse > multiplier:
        remarks.append(f"one pulse, {_text(step)} {unit}, stands for the multiplier, which is less")
    if held is not None and held is not plain_try:
        was = _text(plain_try.apart)
        remarks.insert(0, f"failed by {was} {unit} at first, passes when redone: {held.how}")
    if held is not None:
        return verdict.passed(measure, "; ".join(remarks) or None, channel=channel.number)
    since = f"the intervals since {utc(advance.at)} add up to {_text(span.total * scale)} {unit}"
    redone = [f"redone {each.how}: {_text(each.apart)} of {_text(each.margin)} {unit} allowed" for each in tries[1:]]
    reason = "; ".join([f"{since}, {advance.what} moved on by {plain(advance.moved)}", *redone, *remarks])
    return verdict.failed(measure, reason, channel=channel.number)


def _start(matching: list[Advance], channel: Channel) -> Advance:
    """Choose the start read: the oldest whose intervals are all there, else the newest."""
    first = channel.blocks[0]
    begin = first.first_interval_end - timedelta(seconds=first.interval_s)
    covered = [advance for advance in matching if advance.at >= begin]
    return min(covered, key=lambda a: a.at) if covered else max(matching, key=lambda a: a.at)


def _stop(subject: Subject) -> datetime:
    """Return when the registers were read, by the clock that bounds the intervals."""
    return subject.data.clock.meter_time if subject.data.clock is not None else subject.read_at


def _by_block_readings(channel: Channel, subject: Subject, rule: SumCheck, verdict: Verdict) -> CheckResult | None:
    """Judge each run of blocks that have a reading at begin and end; None if there is none to judge."""
    register = next((r for r in present_registers(subject.data) if counts(r, channel.blocks[0])), None)
    runs = list(_runs(channel))
    if register is None or not runs:
        return None
    block = channel.blocks[0]
    scale = Fraction(factor(register.quantity, block.quantity) or 1)
    step = max(Fraction(block.multiplier), max(Fraction(register.multiplier), _least(rule, register)) * scale)
    total, moved, blocks = max(runs, key=lambda run: abs(run[0] - run[1]))
    apart, margin = Fraction(abs(total - moved)), Fraction(rule.multipliers) * step
    measure = Measure(*shown(apart, margin), block.unit)
    how = f"by the readings that the meter keeps at the ends of its blocks ({several(blocks, 'block')} in a row)"
    if apart <= margin:
        return verdict.passed(measure, how, channel=channel.number)
    sums = f"the intervals add up to {plain(total)} {block.unit}, the register moved on by {plain(moved)}"
    return verdict.failed(measure, f"{sums}, {how}", channel=channel.number)


def _runs(channel: Channel) -> Iterator[tuple[Decimal, Decimal, int]]:
    """Give of each run of complete blocks that join up: sum of intervals, difference of readings, number of blocks."""
    total = moved = Decimal(0)
    blocks, ended = 0, None
    for block in channel.blocks:
        start, stop = block.start_register, block.stop_register
        good = None not in block.counts and all(INCOMPLETE.isdisjoint(words) for words in block.status)
        if blocks and (not good or start != ended):
            yield total, moved, blocks
            total, moved, blocks = Decimal(0), Decimal(0), 0
        if good and start is not None and stop is not None and stop >= start:
            total += sum(count or 0 for count in block.counts) * block.multiplier
            total += len(block.counts) * (block.offset or 0)
            moved, blocks, ended = moved + stop - start, blocks + 1, stop
    if blocks:
        yield total, moved, blocks


def _least(rule: SumCheck, register: Register) -> Fraction:
    """Return the least meter multiplier, in the unit of the register."""
    word = energy(register.unit)
    scale = factor(f"k{word}", register.unit) if word else None
    return Fraction(rule.least_multiplier * scale) if scale is not None else Fraction(0)


def _text(number: Fraction) -> str:
    return plain(above(number))


CHECK = Check(
    name="sum_check",
    title="sum check",
    judge=judge,
    advice="read again; if it stays so, verify meter and pulse multipliers, then have the meter tested",
)
