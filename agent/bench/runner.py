"""Run the points of a plan on open instruments. Whatever happens, the source is off at the end, and was asked.

    taken = await run_points(plan, bench, watch, hooks)

Off on any error, on cancellation, on a lost connection (the source is turned off over a new one), and when something is
measured that nobody has set. A source that does not say that it is off is `SourceNotOff`: a person has to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from agent.bench.comparing import Comparison, NotRegistering, compare
from agent.bench.errors import LIVE, BenchTrouble, SourceNotOff
from agent.bench.figures import Run
from agent.bench.instruments import Bench
from agent.bench.limits import no_load, setting_of
from agent.bench.meter_side import Snapshot
from agent.bench.plan import Plan, Point
from agent.bench.verdict import Creeping
from drivers.decimal_text import plain
from drivers.errors import MrspError
from drivers.instruments.values import Measured, Setting

SOURCE_WATCHDOG_S = 30
CLOSE = Decimal("0.02")  # of what was set: the source's own meters, and the standard's, must be so near
_TURNS = 3
_CREEP_PULSES = 20  # from two on it is known how fast the meter creeps

Pause = Callable[[float], Awaitable[None]]


class Watch(Protocol):
    """What turns the source off should this process die. `released`: it is off, so there is nothing to watch."""

    released: bool

    def check(self) -> None: ...


class MeterSide(Protocol):
    """The meter's optical port, used with volts and without load."""

    async def registers(self) -> Snapshot: ...
    async def enter_test_mode(self) -> None: ...
    async def leave_test_mode(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TakenPoint:
    """What was measured at one point. `silent`: in one of its runs the meter gave no pulse."""

    point: Point
    runs: tuple[Run, ...] = ()
    pulses: tuple[int, ...] = ()  # of the meter, of each run
    silent: bool = False
    measured: Measured | None = None  # what the source said that it put out
    creeping: Creeping | None = None


@dataclass(slots=True)
class Taken:
    """Everything that was measured."""

    points: list[TakenPoint] = field(default_factory=list)
    before: Snapshot | None = None
    after: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a run is told: how to wait, whom to tell, and the meter's port if it is used."""

    pause: Pause = asyncio.sleep
    tell: Callable[[str], None] = lambda _text: None
    meter: MeterSide | None = None


async def run_points(plan: Plan, bench: Bench, watch: Watch, hooks: Hooks) -> Taken:
    """Run every point. Raises `BenchTrouble`, `InstrumentError`, `SourceNotOff`; the source is off on return."""
    await _must_be_off(bench, watch, hooks)
    watch.released = False
    try:
        taken = await _Runner(plan, bench, watch, hooks).run()
    except BaseException as error:
        await _off(bench, watch, hooks, because=error)
        raise
    await _off(bench, watch, hooks)
    return taken


async def _must_be_off(bench: Bench, watch: Watch, hooks: Hooks) -> None:
    if await bench.source.is_on():
        watch.released = False
        await _off(bench, watch, hooks)
        raise BenchTrouble(
            f"{bench.source.name} was on before the test began: it was turned off",
            advice="make sure that nobody else uses this bench, and begin again",
        )
    if await bench.source.is_locked_out():
        await bench.source.off()  # which ends a lockout that an earlier test has left
    if await bench.source.is_locked_out():
        raise BenchTrouble(
            f"{bench.source.name} is locked out by a protection", advice="find out why, and reset it by hand"
        )


async def _off(bench: Bench, watch: Watch, hooks: Hooks, because: BaseException | None = None) -> None:
    """Turn the source off and see that it is, also where the caller is being cancelled. Raises `SourceNotOff`.

    That is told at once, too: the watchdog tries for minutes more, and nobody should wait for its end to know.
    """
    turning = asyncio.ensure_future(_turned_off(bench))
    cancelled = False
    while not turning.done():
        try:
            await asyncio.wait({turning})
        except asyncio.CancelledError:
            cancelled = True  # whoever cancels waits: the source comes first
    if (error := turning.exception()) is not None:
        trouble = SourceNotOff(f"{bench.source.name} does not say that it is off: {error}", advice=LIVE)
        hooks.tell(f"{trouble}")
        raise trouble from because or error
    watch.released = True
    if because is not None:
        hooks.tell("the source is off, and says so")
    if cancelled:
        raise asyncio.CancelledError


async def _turned_off(bench: Bench) -> None:
    for turn in range(_TURNS):
        try:
            await bench.source.off()
        except MrspError:
            if turn == _TURNS - 1:
                raise
        else:
            break
    if bench.source.has_watchdog:
        with suppress(MrspError):  # it is off; at worst it locks itself out when nobody speaks to it any more
            await bench.source.watch(0)


class _Runner:
    def __init__(self, plan: Plan, bench: Bench, watch: Watch, hooks: Hooks) -> None:
        self._plan = plan
        self._bench = bench
        self._watch = watch
        self._hooks = hooks
        self._taken = Taken()

    async def run(self) -> Taken:
        if self._bench.source.has_watchdog:
            await self._bench.source.watch(SOURCE_WATCHDOG_S)
        meter, access = self._hooks.meter, self._plan.access
        await self._set(no_load(self._plan), "no load")
        await self._bench.source.on()
        await self._settle()
        if meter is not None and access.registers:
            self._hooks.tell("registers before")
            self._taken.before = await self._while_on(meter.registers())
        if meter is not None and access.test_mode:
            await self._in_test_mode(meter)
        else:
            await self._points()
        if meter is not None and access.registers:
            await self._set(no_load(self._plan), "no load")
            await self._settle()
            self._hooks.tell("registers after")
            self._taken.after = await self._while_on(meter.registers())
        return self._taken

    async def _in_test_mode(self, meter: MeterSide) -> None:
        """Run the points in test mode. After trouble the source goes off at once, and the meter is left as it is."""
        await self._while_on(meter.enter_test_mode())
        await self._points()
        await self._set(no_load(self._plan), "no load")
        await self._while_on(meter.leave_test_mode())

    async def _points(self) -> None:
        if self._plan.warm_up_s:
            first = next(one for one in self._plan.points if one.role != "creep")
            await self._set(setting_of(first, self._plan.meter), first.name)
            self._hooks.tell(f"warming up, {self._plan.warm_up_s} s")
            await self._wait(float(self._plan.warm_up_s))
        for point in self._plan.points:
            await self._set(setting_of(point, self._plan.meter), point.name)
            await self._settle()
            taken = await (self._creep(point) if point.role == "creep" else self._load(point))
            self._taken.points.append(taken)

    async def _load(self, point: Point) -> TakenPoint:
        measured = await self._conditions(point)
        runs: list[Run] = []
        pulses: list[int] = []
        comparison = Comparison(
            pulses=self._plan.pulses_of(point),
            pulse_wh=self._plan.meter.pulse_wh,
            elements=self._plan.elements,
            seconds=float(self._plan.seconds_of(point)),
        )
        for number in range(point.runs):
            self._hooks.tell(f"{point.name}: run {number + 1} of {point.runs}")
            try:
                found = await compare(self._bench, comparison, self._beat)
            except NotRegistering:
                return TakenPoint(point, tuple(runs), tuple(pulses), silent=True, measured=measured)
            runs.append(found.run)
            pulses.append(found.pulses)
        return TakenPoint(point, tuple(runs), tuple(pulses), measured=measured)

    async def _creep(self, point: Point) -> TakenPoint:
        """Count pulses with volts and without load: the gate opens with the first, which is not counted."""
        meter = self._hooks.meter if self._plan.access.registers else None
        counter, seconds = self._bench.counter, point.seconds or 0
        before = None if meter is None else await self._while_on(meter.registers())
        await counter.arm(_CREEP_PULSES)
        self._hooks.tell(f"{point.name}: {seconds} s with volts and without load")
        await self._wait(float(seconds))
        counted = await counter.count()
        await counter.disarm()
        after = None if meter is None else await self._while_on(meter.registers())
        pulses = counted + 1 if counted else 0
        wh = pulses * self._plan.meter.pulse_wh
        if before is not None and after is not None:
            wh = max(wh, abs(after.wh - before.wh))
        return TakenPoint(point, measured=await self._bench.source.measured(), creeping=Creeping(seconds, pulses, wh))

    async def _conditions(self, point: Point) -> Measured:
        """Return what the source says. Raises `BenchTrouble` if that, or the standard's power, is not what was set."""
        measured = await self._bench.source.measured()
        watts = await self._bench.standard.watts()
        for what, found, wanted, unit in (
            (self._bench.source.name, measured.volts, point.volts, "V"),
            (self._bench.source.name, measured.amps, point.amps, "A"),
            (self._bench.standard.name, watts, point.watts, "W"),
        ):
            if found is not None and abs(found - wanted) > CLOSE * wanted:
                raise BenchTrouble(
                    f"{point.name}: {what} measures {plain(found)} {unit} where {plain(wanted)} {unit} are set",
                    advice="check the wiring, the ranges and the units of the instruments",
                )
        return measured

    async def _set(self, setting: Setting, name: str) -> None:
        """Set the source, held against the limits once more: no way leads past them."""
        self._bench.limits.check(setting, f"{self._plan.name}, {name}")
        await self._bench.source.apply(setting)

    async def _settle(self) -> None:
        await self._wait(float(self._plan.settling_s))

    async def _wait(self, seconds: float) -> None:
        """Wait, with an eye on the source and the watchdog."""
        while seconds > 0:
            await self._beat(min(seconds, 1.0))
            seconds -= 1.0

    async def _beat(self, seconds: float) -> None:
        self._watch.check()
        await self._hooks.pause(seconds)
        await self._must_be_on()

    async def _must_be_on(self) -> None:
        if not await self._bench.source.is_on():
            raise BenchTrouble(
                f"{self._bench.source.name} went off by itself", advice="a protection has tripped; find out why"
            )

    async def _while_on(self, work: Awaitable[Snapshot | None]) -> Snapshot | None:
        """Do something over the meter's port with an eye on the source and the watchdog."""
        task = asyncio.ensure_future(work)
        pause = asyncio.ensure_future(self._hooks.pause(1.0))
        try:
            while not task.done():
                await asyncio.wait({task, pause}, return_when=asyncio.FIRST_COMPLETED)
                self._watch.check()
                await self._must_be_on()
                if pause.done():
                    pause = asyncio.ensure_future(self._hooks.pause(1.0))
            return task.result()
        finally:
            task.cancel()
            pause.cancel()
            await asyncio.gather(task, pause, return_exceptions=True)
