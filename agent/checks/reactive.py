"""`reactive`: where no active energy is recorded, none of reactive energy is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agent.checks.channels import NO_INTERVALS, Channel, channels, several
from agent.checks.quantity import active, reactive
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.usual import LEFT_OUT, left_out
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import IntervalBlock


@dataclass(frozen=True, slots=True)
class _Idle:
    """An interval of the first active channel in which no active energy was recorded on any."""

    index: int
    end: int  # microseconds after the first interval's end
    interval_s: int


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no interval without active energy has more pulses of reactive energy than the threshold.

    Active channels are taken together, and so are reactive ones of the same multiplier. The intervals are indexed as
    those of the first active channel, which is the one that is named.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.reactive)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    energy = [channel for channel in found if active(channel.blocks[0].unit)]
    other = [channel for channel in found if reactive(channel.blocks[0].unit)]
    if not (energy and other):
        return (verdict.skipped("no channel records active energy" if other else "no channel records reactive energy"),)
    if left_out(subject, CHECK.name):
        return (verdict.skipped(LEFT_OUT),)
    if subject.history is not None and not subject.history.reactive_billed:
        return (verdict.skipped("reactive energy is not billed: so the order says"),)
    threshold = rules.reactive.ignored_pulses
    idle = list(_idle(energy))
    most = _most_pulses(other, idle, energy[0].blocks[0]) if idle else {}
    wrong = tuple(index for index, pulses in most.items() if pulses > threshold)
    measure = Measure(max(most.values(), default=0), threshold, "pulses")
    if not wrong:
        return (verdict.passed(measure),)
    reason = f"{several(len(wrong))} without active energy, but with reactive energy"
    return (verdict.failed(measure, reason, channel=energy[0].number, intervals=wrong),)


def _idle(energy: list[Channel]) -> Iterator[_Idle]:
    """Give the intervals in which every active channel recorded zero; one without a value recorded nothing at all."""
    origin = energy[0].blocks[0]
    zeros: list[dict[tuple[int, int], int]] = []
    for channel in energy:
        found: dict[tuple[int, int], int] = {}
        for first, block in channel.starts():
            if 0 in block.counts:
                begin, step = _place(block, origin)
                counts = enumerate(block.counts)
                found.update({(begin + k * step, step): first + k for k, count in counts if count == 0})
        zeros.append(found)
    for (end, step), index in zeros[0].items():
        if all((end, step) in found for found in zeros[1:]):
            yield _Idle(index, end, step)


def _most_pulses(other: list[Channel], idle: list[_Idle], origin: IntervalBlock) -> dict[int, Decimal | int]:
    """Return by index the pulses of reactive energy: the most that channels of one multiplier recorded together."""
    wanted = {(each.end, each.interval_s): each.index for each in idle}
    sums: dict[Decimal, dict[int, Decimal | int]] = {}
    for channel in other:
        for block in channel.blocks:
            begin, step = _place(block, origin)
            pulses = sums.setdefault(block.multiplier, {})
            for k, count in enumerate(block.counts):
                if count is not None and (index := wanted.get((begin + k * step, step))) is not None:
                    pulses[index] = pulses.get(index, 0) + (-count if count < 0 else count)
    most: dict[int, Decimal | int] = {}
    for together in sums.values():
        for index, total in together.items():
            most[index] = max(most.get(index, 0), total)
    return dict(sorted(most.items()))


def _place(block: IntervalBlock, origin: IntervalBlock) -> tuple[int, int]:
    """Return when the first interval of a block ends, after that of `origin`, and its length: in microseconds."""
    away = block.first_interval_end - origin.first_interval_end
    return (away.days * 86_400 + away.seconds) * 1_000_000 + away.microseconds, block.interval_s * 1_000_000


CHECK = Check(
    name="reactive",
    title="reactive energy",
    judge=judge,
    advice="find out whether this is the customer's load; else the meter may be faulty and the MDSP must estimate",
)
