"""Running a plan: what is measured, and that the source is off at the end whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.bench.conduct import Assessed, assess
from agent.bench.errors import BenchRefused, BenchTrouble, SourceNotOff
from agent.bench.instruments import Bench
from agent.bench.limits import HardLimits
from agent.bench.meter_side import Snapshot
from agent.bench.plan import Plan
from agent.bench.rules import load_test_rules
from agent.bench.runner import Taken, run_points
from drivers.errors import MrspError
from drivers.instruments.errors import InstrumentError, InstrumentLost
from tests.bench.bench_kit import CREEP, HALF, PLAN, IdealCounter, Watched, World, hooks, ideal, loaded, ready

D = Decimal
RULES = load_test_rules("ubp-2000")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return loaded(tmp_path).plan


async def taken_from(world: World, plan: Plan) -> Taken:
    bench, *_ = ideal(world, plan)
    return await run_points(plan, bench, Watched(), hooks(world))


def assessed(plan: Plan, taken: Taken) -> Assessed:
    return assess(plan, RULES, ready(plan, RULES), taken)


async def test_it_measures_the_error_of_the_meter(tmp_path: Path) -> None:
    plan, world = loaded(tmp_path, PLAN + HALF + CREEP).plan, World(error=0.75)
    found = await taken_from(world, plan)
    verdict = assessed(plan, found).verdict
    assert [(one.point.name, len(one.runs), one.silent) for one in found.points] == [
        ("heavy", 3, False), ("light", 3, False), ("half", 3, False), ("creep", 0, False),
    ]  # fmt: skip
    assert verdict.average is not None
    assert verdict.average.registration == D("100.750")
    assert verdict.outcome == "pass"
    assert (world.on, world.highest) == (False, (D(240), D(30)))


async def test_the_standard_may_be_read_in_proportion_to_the_time_of_the_gate(plan: Plan) -> None:
    world = World(error=-0.5)
    bench, _, standard, _ = ideal(world, plan)
    standard.pulses_per_wh = None
    timed = replace(bench, counter=IdealCounter(world, standard, counts_reference=False))
    found = await run_points(plan, timed, Watched(), hooks(world))
    registration = assessed(plan, found).figures["heavy"].registration
    assert abs(registration - D("99.5")) <= D("0.001")


async def test_several_elements_take_several_times_the_energy_of_one(plan: Plan) -> None:
    two = msgspec.structs.replace(plan, elements=2)
    world = World(error=100.0)  # as a meter with two circuits in series sees it
    found = await taken_from(world, two)
    assert found.points[0].runs[0].meter_wh == 144
    assert assessed(two, found).figures["heavy"].registration == D("100.000")


async def test_a_meter_without_pulses_does_not_register(plan: Plan) -> None:
    found = await taken_from(World(error=-100.0), plan)
    assert [(one.silent, one.runs) for one in found.points] == [(True, ()), (True, ())]
    assert assessed(plan, found).verdict.outcome == "not_registering"


async def test_a_meter_that_is_much_too_slow_is_measured_by_the_pulses_it_gave(plan: Plan) -> None:
    found = await taken_from(World(error=-80.0), plan)
    verdict = assessed(plan, found)
    figure = verdict.figures["heavy"]
    assert figure.registration == 20
    assert found.points[0].pulses[0] < 20
    assert verdict.verdict.outcome == "fail"


async def test_a_standard_without_energy_is_no_fault_of_the_meter(plan: Plan) -> None:
    world = World(error=-100.0)
    bench, _, standard, _ = ideal(world, plan)
    standard.dead = True
    with pytest.raises(BenchTrouble, match="measured 0 Wh where at least 864 Wh"):
        await run_points(plan, bench, Watched(), hooks(world))
    assert not world.on


async def test_creep_is_counted_from_the_second_pulse(tmp_path: Path) -> None:
    plan = loaded(tmp_path, PLAN + CREEP.replace('"60s"', '"3600s"')).plan
    found = await taken_from(World(creep_watts=50.0), plan)
    creeping = found.points[-1].creeping
    assert creeping is not None
    assert creeping.pulses in {6, 7}
    assert assessed(plan, found).verdict.outcome == "creep"
    quiet = (await taken_from(World(), plan)).points[-1].creeping
    assert quiet is not None
    assert (quiet.pulses, quiet.wh) == (0, D(0))


Break = Callable[[World, Bench], None]


def lost(world: World, bench: Bench) -> None:
    bench.source.lost = 5  # type: ignore[attr-defined]


def protection(world: World, bench: Bench) -> None:
    original = bench.standard.start

    async def start() -> None:
        await original()
        world.on = False

    bench.standard.start = start  # type: ignore[method-assign]


def dead_standard(world: World, bench: Bench) -> None:
    bench.standard.dead = True  # type: ignore[attr-defined]


def wrong_watts(world: World, bench: Bench) -> None:
    bench.standard.watts_factor = 1000.0  # type: ignore[attr-defined]


def bug(world: World, bench: Bench) -> None:
    async def arm(pulses: int) -> None:
        raise RuntimeError("a mistake in a driver")

    bench.counter.arm = arm  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("breaks", "error", "said"),
    [
        (lost, InstrumentLost, "lost"),
        (protection, BenchTrouble, "went off by itself"),
        (dead_standard, BenchTrouble, "measured nothing"),
        (wrong_watts, BenchTrouble, "measures 7200000 W where 7200 W are set"),
        (bug, RuntimeError, "a mistake"),
    ],
)
async def test_the_source_is_off_after_any_trouble(
    breaks: Break, error: type[Exception], said: str, plan: Plan
) -> None:
    world, watched = World(), Watched()
    bench, *_ = ideal(world, plan)
    breaks(world, bench)
    with pytest.raises(error, match=said):
        await run_points(plan, bench, watched, hooks(world))
    assert (world.on, world.offs >= 1, watched.released) == (False, True, True)


async def test_the_source_is_off_after_a_cancellation_and_a_second_one(plan: Plan) -> None:
    world, watched = World(), Watched()
    bench, source, *_ = ideal(world, plan)
    measuring, turning, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pause(_seconds: float) -> None:
        if world.setting.amps:
            measuring.set()
            await asyncio.Event().wait()

    off = source.off

    async def slowly() -> None:
        turning.set()
        await go_on.wait()
        await off()

    source.off = slowly  # type: ignore[method-assign]
    told: list[str] = []
    heard = replace(hooks(world), pause=pause, tell=told.append)
    task = asyncio.create_task(run_points(plan, bench, watched, heard))
    await measuring.wait()
    assert world.on
    task.cancel()
    await turning.wait()
    task.cancel()  # an impatient operator
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.on, watched.released) == (False, True)
    assert told[-1] == "the source is off, and says so"


async def test_a_source_that_does_not_go_off_is_said_loudly_and_left_to_the_watchdog(plan: Plan) -> None:
    world, watched = World(), Watched()
    bench, source, *_ = ideal(world, plan)
    source.latched = True
    told: list[str] = []
    with pytest.raises(SourceNotOff, match="TAKE THE BENCH FOR LIVE"):
        await run_points(plan, bench, watched, replace(hooks(world), tell=told.append))
    assert (world.offs, watched.released) == (3, False)
    assert "TAKE THE BENCH FOR LIVE" in told[-1]  # at once: the watchdog goes on for minutes


async def test_a_source_that_is_on_before_or_locked_out_begins_no_test(plan: Plan) -> None:
    world = World()
    bench, source, *_ = ideal(world, plan)
    world.on = True
    with pytest.raises(BenchTrouble, match="was on before"):
        await run_points(plan, bench, Watched(), hooks(world))
    assert not world.on
    source.locked = True
    with pytest.raises(BenchTrouble, match="locked out"):
        await run_points(plan, bench, Watched(), hooks(world))
    assert world.highest == (D(0), D(0))


async def test_a_watchdog_that_has_gone_ends_the_test(plan: Plan) -> None:
    class Gone(Watched):
        def check(self) -> None:
            super().check()
            if self.looks > 3:
                raise BenchTrouble("its watchdog has gone")

    world = World()
    bench, *_ = ideal(world, plan)
    with pytest.raises(BenchTrouble, match="watchdog"):
        await run_points(plan, bench, Gone(), hooks(world))
    assert not world.on


async def test_the_limits_hold_for_every_setting_whatever_was_checked_before(plan: Plan) -> None:
    world = World()
    bench, *_ = ideal(world, plan)
    low = replace(bench, limits=HardLimits(D(240), D(10)))
    with pytest.raises(BenchRefused, match="above the 10 A"):
        await run_points(plan, low, Watched(), hooks(world))
    assert (world.on, world.highest) == (False, (D(240), D(0)))


class Port:
    """A meter at its optical port. `fails`: what goes wrong when it is read again."""

    def __init__(self, world: World, fails: MrspError | None = None) -> None:
        self.world = world
        self.fails = fails
        self.said: list[str] = []

    async def registers(self) -> Snapshot:
        self.said.append(f"registers, {'live' if self.world.on else 'dead'}, {self.world.setting.amps} A")
        if self.fails is not None and len(self.said) > 1:
            raise self.fails
        return Snapshot("B-1", "1", D(str(round(self.world.meter_wh, 3))), "Wh", "2026-11-22T10:00:00Z", None)

    async def enter_test_mode(self) -> None:
        self.said.append("enters test mode")

    async def leave_test_mode(self) -> None:
        self.said.append(f"leaves test mode, {self.world.setting.amps} A")


async def test_the_optical_port_is_used_with_volts_and_without_load(plan: Plan) -> None:
    access = msgspec.structs.replace(plan.access, registers=True, test_mode=True)
    reading, world = msgspec.structs.replace(plan, access=access), World()
    bench, *_ = ideal(world, reading)
    port = Port(world)
    found = await run_points(reading, bench, Watched(), replace(hooks(world), meter=port))
    assert port.said == [
        "registers, live, 0 A", "enters test mode", "leaves test mode, 0 A", "registers, live, 0 A",
    ]  # fmt: skip
    assert found.before is not None
    assert found.after is not None
    assert found.after.wh > found.before.wh


async def test_trouble_at_the_optical_port_turns_the_source_off(plan: Plan) -> None:
    access = msgspec.structs.replace(plan.access, registers=True)
    reading, world = msgspec.structs.replace(plan, access=access), World()
    bench, *_ = ideal(world, reading)
    port = Port(world, InstrumentError("the probe fell off"))
    with pytest.raises(InstrumentError, match="fell off"):
        await run_points(reading, bench, Watched(), replace(hooks(world), meter=port))
    assert not world.on


async def test_a_source_that_goes_off_while_the_meter_is_read_ends_the_test(plan: Plan) -> None:
    access = msgspec.structs.replace(plan.access, registers=True)
    reading, world = msgspec.structs.replace(plan, access=access), World()
    bench, *_ = ideal(world, reading)

    class Slow(Port):
        async def registers(self) -> Snapshot:
            self.world.on = False
            await asyncio.Event().wait()  # a meter without power does not answer
            return await super().registers()

    with pytest.raises(BenchTrouble, match="went off by itself"):
        await run_points(reading, bench, Watched(), replace(hooks(world), meter=Slow(world)))
    assert not world.on


async def test_a_warm_up_is_at_the_first_load(tmp_path: Path) -> None:
    plan, world = loaded(tmp_path, PLAN.replace("settling", 'warm_up = "2m"\nsettling')).plan, World()
    bench, *_ = ideal(world, plan)
    waited: list[tuple[Decimal, float]] = []

    async def pause(seconds: float) -> None:
        waited.append((world.setting.amps, seconds))
        world.pass_(seconds)

    await run_points(plan, bench, Watched(), replace(hooks(world), pause=pause))
    assert sum(seconds for amps, seconds in waited[:121] if amps == 30) == 120
