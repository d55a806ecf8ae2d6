"""A plan, its instruments, and a bench in this process: time passes when the standard or the counter is asked."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from agent.bench.instruments import Bench
from agent.bench.limits import HardLimits
from agent.bench.plan import LoadedPlan, Plan, load_plan
from agent.bench.preparing import Ready, prepare
from agent.bench.rules import AccuracyRules, load_test_rules
from agent.bench.runner import Hooks
from agent.bench.settings import BenchSettings, InstrumentSection
from drivers.instruments.errors import InstrumentLost
from drivers.instruments.values import Measured, Setting

TODAY = date(2026, 11, 22)
PLAN = """
schema = "mrsp.bench/1"
name = "residential-2s"
title = "Form 2S, class 200, in service"
program = "periodic"
settling = "1s"

[meter]
form = "2S"
class_amperes = "200 A"
rating = "test_amperes"
amperes = "30 A"
volts = "240 V"
kh = "7.2 Wh"
last_digit = "1000 Wh"

[instruments]
source = "src"
standard = "ref"
counter = "cnt"

[[points]]
name = "heavy"
role = "heavy"
voltage = "240 V"
current = "30 A"
pulses = 20

[[points]]
name = "light"
role = "light"
voltage = "240 V"
current = "3 A"
pulses = 20
"""
CREEP = """
[[points]]
name = "creep"
role = "creep"
voltage = "240 V"
current = "0 A"
run_for = "60s"
"""
HALF = """
[[points]]
name = "half"
role = "curve"
voltage = "240 V"
current = "15 A"
power_factor = "0.5"
lag = "lagging"
run_for = "600s"
"""


def instrument(name: str, profile: str, **more: object) -> InstrumentSection:
    """Return an instrument with a valid certificate."""
    given: dict[str, object] = {"certificate": f"C-{name}", "calibrated_on": date(2026, 6, 1)}
    return InstrumentSection(name, profile, "TCPIP::127.0.0.1::1::SOCKET", **(given | more))  # type: ignore[arg-type]


def settings(**more: object) -> BenchSettings:
    """Return a bench for 240 V and 100 A with the three simulated instruments."""
    instruments = (
        instrument("src", "metersim-source"),
        instrument("ref", "metersim-standard", uncertainty="0.02 %"),
        instrument("cnt", "metersim-counter"),
    )
    given: dict[str, object] = {"most_voltage": "264 V", "most_current": "100 A", "instruments": instruments}
    return BenchSettings(**(given | more))  # type: ignore[arg-type]


def loaded(directory: Path, text: str = PLAN) -> LoadedPlan:
    """Return a plan by way of its file."""
    path = directory / "plan.toml"
    path.write_text(text)
    return load_plan(path)


def ready(plan: Plan, rules: AccuracyRules | None = None) -> Ready:
    """Return what `prepare` makes of a plan today."""
    return prepare(plan, rules or load_test_rules(plan.rule_set), settings(), TODAY)


@dataclass
class World:
    """What source, standard, counter and meter share. Time is in seconds, energies in Wh, in float: it is nature."""

    error: float = 0.0  # of the meter, percent
    kh: float = 7.2
    seed: int = 0
    noise: float = 0.0  # standard deviation of a run, percent
    standard_error: float = 0.0  # percent
    creep_watts: float = 0.0
    step_s: float = 8.0
    at: float = 0.0
    meter_wh: float = 0.0
    true_wh: float = 0.0
    on: bool = False
    setting: Setting = field(default_factory=lambda: Setting(Decimal(0), Decimal(0), Decimal(60)))
    highest: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))  # volts and amperes that were ever put out
    offs: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311
        self.meter_wh = self.random.random() * self.kh

    @property
    def watts(self) -> float:
        return float(self.setting.volts * self.setting.amps * self.setting.power_factor) if self.on else 0.0

    @property
    def meter_watts(self) -> float:
        live = self.on and self.setting.volts > 0
        return self.watts * (1 + self.error / 100) + (self.creep_watts if live else 0.0)

    def pass_(self, seconds: float) -> None:
        self.at += seconds
        self.true_wh += self.watts * seconds / 3600
        self.meter_wh += self.meter_watts * seconds / 3600


class IdealSource:
    """A source that does as it is told. `lost`: its connection breaks when it is asked for the so many-th time."""

    name = "ideal source"
    has_watchdog = True

    def __init__(self, world: World, *, lost: int | None = None, latched: bool = False) -> None:
        self.world = world
        self.lost = lost
        self.latched = latched
        self.locked = False
        self.watched: list[int] = []

    async def apply(self, setting: Setting) -> None:
        self.world.setting = setting
        self._note()

    async def on(self) -> None:
        self.world.on = True
        self._note()

    async def off(self) -> None:
        self.world.offs += 1
        if self.latched:
            raise InstrumentLost("the output is latched")
        self.world.on = False

    async def is_on(self) -> bool:
        if self.lost is not None:
            self.lost -= 1
            if self.lost < 0:
                raise InstrumentLost("the connection was lost")
        return self.world.on

    async def is_locked_out(self) -> bool:
        return self.locked

    async def watch(self, seconds: int) -> None:
        self.watched.append(seconds)

    async def measured(self) -> Measured:
        return Measured(self.world.setting.volts, self.world.setting.amps)

    def _note(self) -> None:
        world = self.world
        if world.on:
            volts, amps = world.highest
            world.highest = max(volts, world.setting.volts), max(amps, world.setting.amps)


class IdealStandard:
    """A standard with an error of its own. `watts_factor`: what it makes of the power."""

    name = "ideal standard"
    resolution_wh = Decimal("0.00001")
    tells_elapsed = True

    def __init__(self, world: World, *, pulses_per_wh: Decimal | None = Decimal(100_000)) -> None:
        self.world = world
        self.pulses_per_wh = pulses_per_wh
        self.watts_factor = 1.0
        self.dead = False
        self._from = (0.0, 0.0)
        self._to: tuple[float, float] | None = None

    @property
    def factor(self) -> float:
        return 1 + self.world.standard_error / 100

    async def reset(self) -> None:
        self._to = None

    async def start(self) -> None:
        self._from = (self.world.at, self.world.true_wh)

    async def stop(self) -> None:
        self._to = self._to or (self.world.at, self.world.true_wh)

    async def energy_wh(self) -> Decimal:
        self.world.pass_(self.world.step_s)
        _, wh = self._to or (self.world.at, self.world.true_wh)
        energy = 0.0 if self.dead else (wh - self._from[1]) * self.factor
        return Decimal(int(energy / 1e-5)).scaleb(-5)

    async def elapsed_s(self) -> Decimal | None:
        at, _ = self._to or (self.world.at, 0.0)
        return Decimal(round((at - self._from[0]) * 1e6)).scaleb(-6)

    async def watts(self) -> Decimal | None:
        return Decimal(str(round(self.world.watts * self.watts_factor, 3)))


class IdealCounter:
    """A counter whose gate opens with the next pulse of the meter and closes with the last of N after that one."""

    name = "ideal counter"
    tells_gate = True

    def __init__(self, world: World, standard: IdealStandard, *, counts_reference: bool = True) -> None:
        self.world = world
        self.standard = standard
        self.counts_reference = counts_reference
        self._first = 0
        self._pulses = 0
        self._gate: tuple[float, float] | None = None  # Wh per element, seconds
        self._phase = 0.0

    async def arm(self, pulses: int) -> None:
        world = self.world
        self._first = int(world.meter_wh / world.kh) + 1
        self._pulses = pulses
        self._gate = None
        self._phase = world.random.random()

    async def disarm(self) -> None: ...

    async def count(self) -> int:
        return min(self._pulses, max(0, int(self.world.meter_wh / self.world.kh) - self._first))

    async def is_done(self, pulses: int) -> bool:
        self.world.pass_(self.world.step_s)
        if await self.count() < pulses:
            return False
        if self._gate is None:
            world = self.world
            noise = 1 + world.random.gauss(0.0, world.noise) / 100
            seconds = pulses * world.kh * 3600 / world.meter_watts * noise
            self._gate = (world.watts * seconds / 3600, seconds)
        return True

    async def reference_count(self) -> int | None:
        per_wh = 0.0 if self.standard.dead else float(self.standard.pulses_per_wh or 0)
        wh = self._gate[0] if self._gate is not None else 0.0
        return int(wh * self.standard.factor * per_wh + self._phase)

    async def gate_s(self) -> Decimal | None:
        return None if self._gate is None else Decimal(round(self._gate[1] * 1e6)).scaleb(-6)


@dataclass
class Watched:
    """A watchdog that counts. `gone`: it raises this when it is looked at for the so many-th time."""

    released: bool = True
    looks: int = 0

    def check(self) -> None:
        self.looks += 1


def ideal(world: World, plan: Plan) -> tuple[Bench, IdealSource, IdealStandard, IdealCounter]:
    """Return a bench of ideal instruments around one world."""
    source, standard = IdealSource(world), IdealStandard(world)
    counter = IdealCounter(world, standard)
    return Bench(source, standard, counter, HardLimits.of(settings(), plan.meter)), source, standard, counter


def hooks(world: World) -> Hooks:
    """Return hooks that let the world's time pass instead of waiting."""

    async def pause(seconds: float) -> None:
        world.pass_(seconds)

    return Hooks(pause=pause)
