"""Registers over time: energy by tier, demand maxima, and what they were at any earlier moment. Counted in pulses.

A register set is asked for by meter time. `before` asks for the state just before a reset at that very moment, which is
what the previous-reset and previous-season tables keep.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from metersim.meter.calendar import Calendar
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Flow
from metersim.meter.quantity import Scaling


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One demand maximum (or minimum): the interval's pulses, its end by the meter, and the coincident pulses."""

    pulses: int = 0
    at: int | None = None
    coincident: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DemandState:
    """One demand register: its occurrences, and the sum of the maxima of all closed periods."""

    occurrences: tuple[Occurrence, ...]
    cumulative: int


@dataclass(frozen=True, slots=True)
class DataBlock:
    """Total or one tier; `summations` in pulses, in the order of the selection."""

    summations: tuple[int, ...]
    demands: tuple[DemandState, ...]


@dataclass(frozen=True, slots=True)
class RegisterSet:
    """The registers at one moment of the meter."""

    at: int
    resets: int
    season: int
    total: DataBlock
    tiers: tuple[DataBlock, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which loads the registers follow. A demand's coincidents are the loads taken at its time."""

    summations: tuple[str, ...]
    demands: tuple[tuple[str, bool], ...]  # load, minimum
    coincidents: tuple[tuple[str, int], ...]  # load, index of the demand
    tiers: int
    occurrences: int
    interval_s: int


@dataclass
class TierLedger:
    """Energy of every load by tier, kept at each moment at which the tier may change."""

    calendar: Calendar
    flows: Mapping[str, Flow]
    tiers: int
    _cuts: list[int] = field(default_factory=list)  # meter seconds: ends of closed segments
    _sums: list[dict[str, tuple[int, ...]]] = field(default_factory=list)  # by tier, at each cut
    _pulses: list[dict[str, int]] = field(default_factory=list)  # all tiers, at each cut

    def __post_init__(self) -> None:
        self._cuts.append(self.calendar.start)
        self._sums.append(dict.fromkeys(self.flows, (0,) * self.tiers))
        self._pulses.append(dict.fromkeys(self.flows, 0))

    def _close_until(self, at: int, clock: MeterClock) -> None:
        for _, until, tier in self.calendar.tier_segments(self._cuts[-1], at):
            if until >= at:
                return
            true = clock.reaches(until * MICROSECONDS)
            pulses = {name: flow.pulses_until(true) for name, flow in self.flows.items()}
            self._sums.append({
                name: _added(self._sums[-1][name], tier, pulses[name] - self._pulses[-1][name]) for name in self.flows
            })  # fmt: skip
            self._cuts.append(until)
            self._pulses.append(pulses)

    def sums(self, load: str, at: int, true_us: int, clock: MeterClock) -> tuple[int, ...]:
        """Pulses of `load` by tier at this meter time, which is `true_us`."""
        if not self.tiers:
            return ()
        self._close_until(at, clock)
        last = bisect_left(self._cuts, at) - 1
        if last < 0:
            return (0,) * self.tiers
        rest = self.flows[load].pulses_until(true_us) - self._pulses[last][load]
        return _added(self._sums[last][load], self.calendar.tier_at(self._cuts[last]), rest)


def _added(sums: tuple[int, ...], tier: int, pulses: int) -> tuple[int, ...]:
    return (*sums[:tier], sums[tier] + pulses, *sums[tier + 1 :])


@dataclass
class Billing:
    """The register side of one meter. Demand resets beyond the scheduled ones are told by `reset_now`."""

    calendar: Calendar
    flows: Mapping[str, Flow]
    start_pulses: Mapping[str, int]
    selection: Selection
    _manual: list[int] = field(default_factory=list)
    _closed: dict[tuple[int, int], tuple[tuple[DemandState, ...], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ledger = TierLedger(self.calendar, self.flows, self.selection.tiers)

    def reset_now(self, at: int) -> None:
        self._manual.append(at)

    def resets(self, at: int, *, before: bool = False) -> list[int]:
        """Demand resets until this meter time, oldest first; `before` leaves out one at this very moment."""
        scheduled = self.calendar.resets(self.calendar.start, at)
        every = sorted({*scheduled, *self._manual})
        return every[: bisect_left(every, at) if before else bisect_right(every, at)]

    def registers(self, at: int, true_us: int, clock: MeterClock, *, before: bool = False) -> RegisterSet:
        """The registers at meter time `at` (whole seconds), which is the true time `true_us`."""
        resets = self.resets(at, before=before)
        bounds = [self.calendar.start, *resets]
        blocks = self._period(bounds[-1], at, clock)
        cumulative = [[0] * len(self.selection.demands) for _ in blocks]
        for begin, end in pairwise(bounds):
            if (begin, end) not in self._closed:
                self._closed[begin, end] = self._period(begin, end, clock)
            for sums, closed in zip(cumulative, self._closed[begin, end], strict=True):
                for index, demand in enumerate(closed):
                    sums[index] += demand.occurrences[0].pulses
        energy = [self._energy(load, at, true_us, clock) for load in self.selection.summations]
        data = [
            DataBlock(
                summations=tuple(by_block[block] for by_block in energy),
                demands=tuple(
                    DemandState(demand.occurrences, cumulative[block][index]) for index, demand in enumerate(demands)
                ),
            )
            for block, demands in enumerate(blocks)
        ]
        return RegisterSet(at, len(resets), self._season(at, before=before), data[0], tuple(data[1:]))

    def _season(self, at: int, *, before: bool) -> int:
        return self.calendar.season_at(at - 1 if before else at)

    def _energy(self, load: str, at: int, true_us: int, clock: MeterClock) -> tuple[int, ...]:
        """Total and tiers of one load; what was on the registers at installation is shared out among the tiers."""
        tiers = self._ledger.sums(load, at, true_us, clock)
        start = self.start_pulses[load]
        if not tiers:
            return (start + self.flows[load].pulses_until(true_us),)
        share = start // len(tiers)
        with_start = [share + pulses for pulses in tiers]
        with_start[0] += start - share * len(tiers)
        return sum(with_start), *with_start

    def _period(self, begin: int, end: int, clock: MeterClock) -> tuple[tuple[DemandState, ...], ...]:
        """Demand of the whole intervals that begin in the period and end by `end`: total, then each tier."""
        chosen = self.selection
        if not chosen.demands:
            return ((),) * (1 + chosen.tiers)
        length = chosen.interval_s
        first = self.calendar.start + -(-(begin - self.calendar.start) // length) * length
        ends = list(range(first, end + 1, length))
        true = clock.reaches_all([time * MICROSECONDS for time in ends])
        loads = {load for load, _ in chosen.demands} | {load for load, _ in chosen.coincidents}
        used = {load: _differences(self.flows[load].all_until(true)) for load in loads}
        tier_of = self.calendar.tiers_at(ends[:-1]) if chosen.tiers else []
        return tuple(
            tuple(self._demand(index, ends, used, tier_of, block) for index in range(len(chosen.demands)))
            for block in range(1 + chosen.tiers)
        )

    def _demand(
        self, index: int, ends: list[int], used: Mapping[str, list[int]], tier_of: list[int], block: int
    ) -> DemandState:
        load, minimum = self.selection.demands[index]
        pulses = used[load]
        candidates = [k for k, tier in enumerate(tier_of) if tier == block - 1] if block else range(len(pulses))
        best = sorted(candidates, key=pulses.__getitem__, reverse=not minimum)[: self.selection.occurrences]
        coincident = [used[other] for other, demand in self.selection.coincidents if demand == index]
        found = [Occurrence(pulses[k], ends[k + 1], tuple(other[k] for other in coincident)) for k in best]
        empty = Occurrence(coincident=(0,) * len(coincident))
        found += [empty] * (self.selection.occurrences - len(found))
        return DemandState(tuple(found), 0)

    def present_demand(self, load: str, at: int, true_us: int, clock: MeterClock) -> tuple[int, int]:
        """Pulses of the demand interval in progress, and the seconds left of it."""
        length = self.selection.interval_s
        into = (at - self.calendar.start) % length
        flow = self.flows[load]
        begin = clock.reaches((at - into) * MICROSECONDS)
        return flow.pulses_until(true_us) - flow.pulses_until(begin), length - into


def _differences(values: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(values)]


def selection_of(scalings: Mapping[str, Scaling], calendar: Calendar) -> Selection:
    """What the scenario's register table selects, by load."""
    registers = calendar.registers
    return Selection(
        summations=tuple(scalings[name].source.load for name in registers.summations),
        demands=tuple((scalings[demand.source].source.load, demand.minimum) for demand in registers.demands),
        coincidents=tuple((scalings[c.source].source.load, c.demand) for c in registers.coincidents),
        tiers=calendar.tou.tiers if calendar.tou else 0,
        occurrences=registers.occurrences,
        interval_s=registers.demand_interval_min * 60,
    )
