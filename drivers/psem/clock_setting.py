"""Correct the meter's clock inside an open session, when the order gives leave (C12.19 SP10).

Two steps: a plan (is the error worth it and within the leave, which interval pays for it, when may it happen without
stepping over a boundary), then one write, timed so that the meter has the whole request when the second that it
carries begins; then the clock is read back and judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from drivers.base import Task
from drivers.c1219 import Context
from drivers.c1219.clock_plan import Boundaries, setting
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.identity import identity_of
from drivers.c1219.procedure_catalogue import ACTIONS
from drivers.c1219.procedures import SetDateTime
from drivers.c1219.times import MeterTimes
from drivers.data import ClockChange, Problem
from drivers.decimal_text import plain
from drivers.errors import DataError, MeterRefused, MrspError
from drivers.psem.client import PsemClient
from drivers.psem.clock_look import NS, Look, look_at_clock, wire_s
from drivers.psem.collect import Collector
from drivers.psem.journalled import Journalled
from drivers.psem.procedure import Answer, Initiation, NotWritten, carry_out, free_sequence, must_have, prepare
from drivers.writes import ClockOrder, MeterWrite, WriteOutcome

_ACTION: Final = ACTIONS["set_clock"]
_PROFILE_LIMITS: Final = 61
_ATTEMPTS: Final = 4  # plans that could not be carried out in time, or met a busy meter
_MOST_WAIT_S: Final = 300.0  # for boundaries to be past: longer than the largest error that checks let pass, 180 s
_MARGIN: Final = timedelta(seconds=2)  # kept from every boundary, besides what the look leaves open
_LEAD: Final = timedelta(seconds=1)  # at least, from the plan to the write: the journal's disk must be done by then
_LATE_NS: Final = NS // 5  # behind the plan when the write should leave: too late
_LAST_NS: Final = NS  # of the waiting, without a word on the line
_SETTLE_S: Final = 1.5  # before a second look back at a meter that is slow to show what it was told
_WRITE_OCTETS: Final = 6  # of layer 7 around the table data: code, table, count, checksum
_OUTCOMES: Final[dict[str, WriteOutcome]] = {"set": "done", "failed": "failed", "unknown": "unknown"}


async def set_clock(client: PsemClient, collector: Collector, task: Task) -> ClockChange | None:
    """Correct the clock as `task.clock_order` allows, and say what became of it; call it after everything was read.

    None without a clock order, and, with a problem written down, for a meter whose clock cannot be read. Nothing that
    the collector has collected is changed: its look at the clock stays the one from before. Raises the line's errors
    only while nothing has been written; after that they make the outcome `unknown`.
    """
    order = task.clock_order
    if order is None:
        return None
    if _PROFILE_LIMITS not in collector.context and _PROFILE_LIMITS in collector.context.st00.std_tbls_used:
        await collector.table(_PROFILE_LIMITS)
    setter = _Setter(client, collector.context, task, order)
    reason = "the meter keeps none, or it holds no time that can be converted"
    look = None
    try:
        look = await setter.look()
    except (MeterRefused, DataError) as error:
        reason = error.message
    if look is None:
        problem = Problem("clock correction", f"the meter's clock was not read: {reason}", lost=False)
        collector.collection.problems.append(problem)
        return None
    try:
        return await setter.correct(look)
    except (NotWritten, DataError, MeterRefused) as refused:
        return ClockChange("refused", f"{refused.message}; nothing was written", look.sample)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The instant that the clock shall show when the write arrives, and the intervals that pay for it."""

    at: datetime  # UTC, a whole second
    intervals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _InTheWay:
    """A boundary, and the seconds until the correction may happen on its other side."""

    what: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class _Setter:
    """One correction of one clock."""

    client: PsemClient
    context: Context
    task: Task
    order: ClockOrder

    async def look(self) -> Look | None:
        """Look at the clock now; None where there is none, or no time in it."""
        if self.context.find(Clock) is None and self.context.find(ClockState) is None:
            return None
        return await look_at_clock(self.client, self.context, self.task.site_zone, self.task.monotonic_ns)

    async def correct(self, look: Look) -> ClockChange:
        """Plan, wait for boundaries to be past, write once, read back.

        Raises `NotWritten`, `DataError`, `MeterRefused` and the line's errors while nothing has been written.
        """
        waited, lead, reason = 0.0, _LEAD, ""
        sequence: int | None = None
        for _ in range(_ATTEMPTS):
            while True:
                error = look.error(self.order.utc_at)
                verdict = self._left_alone(look, error)
                if verdict is not None:
                    return verdict
                must_have(_ACTION.procedure, self.context)
                if sequence is None:
                    sequence = await free_sequence(self.client, self.context, monotonic_ns=self.task.monotonic_ns)
                plan = self._plan(look, error, lead)
                if isinstance(plan, _Plan):
                    break
                waited += plan.wait_s
                if waited > _MOST_WAIT_S:
                    why = f"{plan.what} is too near for so large a correction: not written, try again later"
                    return ClockChange("refused", why, look.sample)
                await self.client.pause(plan.wait_s)
                look = await self.look() or look
            change = await self._carry_out(look, plan, sequence)
            if isinstance(change, ClockChange):
                return change
            reason, lead, sequence = change, 2 * lead, (sequence + 1) % 256
            look = await self.look() or look
        return ClockChange("failed", f"given up after {_ATTEMPTS} plans, the last: {reason}", look.sample)

    def _left_alone(self, look: Look, error: timedelta) -> ClockChange | None:
        """Return what to report where the clock is to be left as it is."""
        off, unsure, sample = abs(_seconds(error)), _short(look.uncertainty_s), look.sample
        if sample.ambiguous:
            return ClockChange("refused", f"the meter's own time is ambiguous: {sample.note}", sample)
        if off <= self.order.over_s:
            return ClockChange("left", f"{plain(off)} s off, not more than {plain(self.order.over_s)} s", sample)
        if off <= unsure:
            why = f"{plain(off)} s off, which cannot be told from right on this line: ±{plain(unsure)} s"
            return ClockChange("left", why, sample)
        if off > self.order.most_s:
            most = plain(self.order.most_s)
            return ClockChange("refused", f"{plain(off)} s off, more than the {most} s that may be corrected", sample)
        return None

    def _plan(self, look: Look, error: timedelta, lead: timedelta) -> _Plan | _InTheWay:
        """Return when to set the clock, or what is in the way. Raises `NotWritten` where it always will be."""
        boundaries = Boundaries.of(self.context, MeterTimes.of(look.context, self.task.site_zone))
        margin = _MARGIN + timedelta(seconds=float(look.uncertainty_s))
        grid = boundaries.too_wide(abs(error) + 2 * margin)
        if grid is not None:
            minutes = grid.length // timedelta(minutes=1)
            raise NotWritten(
                f"{plain(abs(_seconds(error)))} s cannot be corrected inside one interval of {grid.what} "
                f"({minutes} min): it would step over the interval's end"
            )
        at = (self.order.utc_at(self.task.monotonic_ns()) + lead).replace(microsecond=0) + timedelta(seconds=1)
        begin, end = min(at, at + error) - margin, max(at, at + error) + margin
        boundary = boundaries.first(begin, end)
        if boundary is not None:
            return _InTheWay(boundary.what, (boundary.at - begin + _MARGIN).total_seconds())
        return _Plan(at, boundaries.affected(at, error))

    async def _carry_out(self, look: Look, plan: _Plan, sequence: int) -> ClockChange | str:
        """Write the planned time at its moment; return why nothing came of it, where another plan may do better."""
        error = look.error(self.order.utc_at)
        parameters = setting(look.context, MeterTimes.of(look.context, self.task.site_zone), plan.at)
        initiation = prepare(_ACTION.procedure, parameters, self.context, sequence)
        try:
            entry = Journalled(self.order.journal, self._write(initiation, parameters, plan, error))
        except (MrspError, OSError) as trouble:
            why = f"not written, since it cannot be set down in the journal: {trouble}"
            return ClockChange("refused", why, look.sample)
        with entry:
            late_ns = await self._wait_for(plan, initiation, look)
            if late_ns > _LATE_NS:
                why = f"not sent: this box was {Decimal(late_ns) / NS:.2f} s late"
                entry.settle("failed", why)
                return why
            entry.leaves()
            answer = await carry_out(self.client, self.context, initiation, now_or_never=True)
            if answer.not_now:
                entry.settle("refused", answer.reason)
                return answer.reason
            change = replace(await self._judged(look, error, answer), intervals=plan.intervals)
            entry.settle("refused" if answer.outcome == "refused" else _OUTCOMES[change.outcome], change.reason)
        return replace(change, reason=f"{change.reason}; {entry.trouble}") if entry.trouble else change

    def _write(self, initiation: Initiation, parameters: SetDateTime, plan: _Plan, error: timedelta) -> MeterWrite:
        shown = f"{parameters.clock:%Y-%m-%d %H:%M:%S}"
        summary = f"the clock is {_way(error)}: to {plan.at:%Y-%m-%dT%H:%M:%SZ}, which it shows as {shown}"
        return MeterWrite(
            url=self.task.url,
            meter_id=identity_of(self.context).meter_id,
            what=_ACTION.title,
            table="ST07",
            octets=initiation.octets,
            summary="; ".join((summary, *plan.intervals)),
        )

    async def _wait_for(self, plan: _Plan, initiation: Initiation, look: Look) -> int:
        """Wait until the write must leave to be in the meter, whole, at the planned instant; return the ns too late."""
        octets = _WRITE_OCTETS + len(initiation.octets)
        on_the_way_s = wire_s(octets, self.client.statistics.baud) + look.latency_s
        now_ns = self.task.monotonic_ns()
        left_us = (plan.at - self.order.utc_at(now_ns)) // timedelta(microseconds=1)
        leave_ns = now_ns + left_us * 1000 - int(on_the_way_s * NS)
        if leave_ns - now_ns > _LAST_NS:  # a pause that keeps the session alive takes longer than it says
            await self.client.pause((leave_ns - now_ns - _LAST_NS) / NS)
        if (left_ns := leave_ns - self.task.monotonic_ns()) > 0:
            await self.client.pause(left_ns / NS)
        return self.task.monotonic_ns() - leave_ns

    async def _judged(self, look: Look, error: timedelta, answer: Answer) -> ClockChange:
        """Read the clock back and say what became of it."""
        if answer.outcome == "refused":
            advice = f" ({answer.advice})" if answer.advice else ""
            return ClockChange("failed", f"{answer.reason}{advice}", look.sample)
        after: Look | None = None
        try:
            for attempt in range(2):
                if attempt:
                    await self.client.pause(_SETTLE_S)
                after = await self.look()
                if after is None:
                    break
                left = after.error(self.order.utc_at)
                if abs(_seconds(left)) <= _short(after.uncertainty_s):
                    why = f"it was {_way(error)}, it is {_way(left)} (±{plain(_short(after.uncertainty_s))} s)"
                    return ClockChange("set", why, look.sample, after.sample)
        except MrspError as trouble:
            return ClockChange("unknown", f"{answer.reason}; not read back: {trouble.message}", look.sample)
        if after is None:
            return ClockChange("unknown", f"{answer.reason}; read back it holds no time", look.sample)
        left = after.error(self.order.utc_at)
        as_before = abs(left - error) <= timedelta(seconds=float(after.uncertainty_s))
        shows = "as before" if as_before else "and that is neither right nor as before"
        return ClockChange(
            "failed", f"{answer.reason}; read back it is {_way(left)}, {shows}", look.sample, after.sample
        )


def _seconds(duration: timedelta) -> Decimal:
    """Return a duration in seconds, to the millisecond."""
    return _short(Decimal(duration // timedelta(microseconds=1)) / 1_000_000)


def _short(seconds: Decimal) -> Decimal:
    return seconds.quantize(Decimal("0.001"))


def _way(error: timedelta) -> str:
    return f"{plain(abs(_seconds(error)))} s {'fast' if error > timedelta() else 'slow'}"
