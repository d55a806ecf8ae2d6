"""`missing_intervals`: the intervals join up without gap or repetition, and each has a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from agent.checks.channels import NO_INTERVALS, Channel, channels, end_of, listed, several
from agent.checks.moments import utc
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import IntervalBlock

# Words that explain why an interval beside a seam is not of full length: the clock was set, or the power failed.
CUT = frozenset({"clock_adjusted", "partial", "long", "short"})


@dataclass(frozen=True, slots=True)
class _Seam:
    """Where two blocks of a channel do not join: at `index` begins the later one."""

    index: int
    missing: int  # whole intervals that are not there; 0 for a repetition or an odd boundary
    repeated: int  # intervals that are there for a second time
    text: str


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no interval lacks its value and the blocks of each channel join up in time.

    `intervals` names those without a value, the repeated ones, and the first after a gap. A boundary that a clock
    setting moved by less than an interval is no gap if the interval beside it is flagged as cut.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.missing_intervals)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    results = [result for channel in found if (result := _judge_channel(channel, verdict)) is not None]
    return tuple(results) or (verdict.passed(Measure(0, 0, "intervals")),)


def _judge_channel(channel: Channel, verdict: Verdict) -> CheckResult | None:
    empty = [first + k for first, block in channel.starts() for k, count in enumerate(block.counts) if count is None]
    seams = list(_seams(channel))
    if not empty and not seams:
        return None
    intervals = set(empty)
    for seam in seams:
        intervals.update(range(seam.index, seam.index + max(1, seam.repeated)))
    texts = [f"{several(len(empty))} without a value"] if empty else []
    texts += [seam.text for seam in seams]
    amount = len(empty) + sum(max(1, seam.missing + seam.repeated) for seam in seams)
    measure = Measure(amount, 0, "intervals")
    return verdict.failed(measure, listed(texts), channel=channel.number, intervals=tuple(sorted(intervals)))


def _seams(channel: Channel) -> Iterator[_Seam]:
    before: IntervalBlock | None = None
    for first, block in channel.starts():
        if not block.counts:
            continue
        if before is not None and (seam := _seam(before, block, first)) is not None:
            yield seam
        if before is None or end_of(block, len(block.counts) - 1) > end_of(before, len(before.counts) - 1):
            before = block


def _seam(before: IntervalBlock, block: IntervalBlock, index: int) -> _Seam | None:
    length = timedelta(seconds=block.interval_s)
    ended = end_of(before, len(before.counts) - 1)
    step = block.first_interval_end - ended
    if step == length or length <= timedelta(0):
        return None
    at = utc(ended)
    if step <= timedelta(0):
        repeated = min(len(block.counts), -step // length + 1)
        return _Seam(index, 0, repeated, f"{several(repeated)} repeated before {at}")
    if step >= 2 * length:
        missing = step // length - 1
        return _Seam(index, missing, 0, f"a gap of {several(missing)} after {at}")
    if CUT & {*(before.status[-1] if before.status else ()), *(block.status[0] if block.status else ())}:
        return None
    return _Seam(index, 0, 0, f"the interval after {at} ends {step.total_seconds():g} s later, without a reason given")


CHECK = Check(
    name="missing_intervals",
    title="missing intervals",
    judge=judge,
    advice="read again; what stays missing the MDSP must estimate",
)
