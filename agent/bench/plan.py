"""A test plan, `mrsp.bench/1`: the meter's ratings, the points, and by which rules and instruments. TOML.

plan = load_plan(Path("residential.toml"))          # shape, units and ranges; raises naming file, line and key
check_against_rules(plan, rules)                    # loads and pulses that the rule set asks for
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.bench.errors import BenchRefused
from agent.bench.quantity import Quantity, positive, quantity
from agent.bench.rules import AccuracyRules, Program, Rating
from agent.bench.settings import Name
from agent.order import Text
from agent.schedule import parse_duration
from drivers.decimal_text import plain
from drivers.errors import UsageError
from drivers.toml_file import parse_toml, read_toml_text

WHAT = "test plan"
Role = Literal["heavy", "light", "creep", "curve"]
Lag = Literal["lagging", "leading"]
Duration = Annotated[str, msgspec.Meta(min_length=2, max_length=12)]
ONE = Decimal(1)
USUAL_RUNS = 3


class MeterFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the nameplate says (ANSI C12.10) of the kind of meter that the plan is for."""

    form: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,2}[AS]\Z")]  # e.g. "2S"
    class_amperes: Quantity  # "200 A": no point exceeds it
    rating: Rating  # what `amperes` is
    amperes: Quantity
    volts: Quantity
    frequency: Quantity = "60 Hz"
    kh: Quantity  # watthours of one revolution, or of what stands for one
    pulses_per_kh: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    last_digit: Quantity | None = None  # of the register: what creep is judged by, e.g. "1000 Wh"
    accuracy: Quantity | None = None  # that its class promises, e.g. "0.5 %"; default: the limit of the rule set

    def __post_init__(self) -> None:
        for key, unit in (("class_amperes", "A"), ("amperes", "A"), ("volts", "V"), ("frequency", "Hz"), ("kh", "Wh")):
            positive(getattr(self, key), unit, key)
        for key, unit in (("last_digit", "Wh"), ("accuracy", "%")):
            if (text := getattr(self, key)) is not None:
                positive(text, unit, key)
        if self.rated_amps > self.most_amps:
            raise ValueError(f"`amperes`: {self.amperes} is above the class, {self.class_amperes}")
        if not 40 <= self.hertz <= 70:
            raise ValueError(f"`frequency`: {self.frequency} is no mains frequency")

    @property
    def most_amps(self) -> Decimal:
        return positive(self.class_amperes, "A", "class_amperes")

    @property
    def rated_amps(self) -> Decimal:
        return positive(self.amperes, "A", "amperes")

    @property
    def rated_volts(self) -> Decimal:
        return positive(self.volts, "V", "volts")

    @property
    def hertz(self) -> Decimal:
        return positive(self.frequency, "Hz", "frequency")

    @property
    def pulse_wh(self) -> Decimal:
        """Energy of one test pulse, Kt."""
        return positive(self.kh, "Wh", "kh") / self.pulses_per_kh

    @property
    def last_digit_wh(self) -> Decimal | None:
        return None if self.last_digit is None else positive(self.last_digit, "Wh", "last_digit")

    @property
    def accuracy_percent(self) -> Decimal | None:
        return None if self.accuracy is None else positive(self.accuracy, "%", "accuracy")


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One load, run `repetitions` times by `pulses` of the meter, or for a time. Creep: volts and no amperes."""

    name: Name
    role: Role
    voltage: Quantity
    current: Quantity
    power_factor: Annotated[str, msgspec.Meta(pattern=r"^(1(\.0{1,4})?|0\.[0-9]{1,4})\Z")] = "1"
    lag: Lag | None = None
    pulses: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    run_for: Duration | None = None
    repetitions: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None  # default: 3; of creep: 1

    def __post_init__(self) -> None:
        positive(self.voltage, "V", "voltage")
        amps = quantity(self.current, "A", "current")
        if (self.pulses is None) == (self.run_for is None):
            raise ValueError("either `pulses` or `run_for` says how long each run is")
        if self.run_for is not None:
            parse_duration(self.run_for)
        if self.role == "creep":
            if amps or self.run_for is None or self.repetitions not in {None, 1}:
                raise ValueError('creep is looked for once, with `current = "0 A"` and `run_for`')
        elif not amps:
            raise ValueError("`current`: a load needs more than 0 A; without load it is the role creep")
        factor = self.factor
        if not factor:
            raise ValueError("`power_factor` must be above 0: without watts there is nothing to register")
        if (factor == ONE) != (self.lag is None):
            raise ValueError("`lag` is lagging or leading where `power_factor` is below 1, and is left out at 1")
        if self.role in {"heavy", "light"} and factor != ONE:
            raise ValueError("heavy and light load are tested at a power factor of 1; others are the role curve")

    @property
    def volts(self) -> Decimal:
        return positive(self.voltage, "V", "voltage")

    @property
    def amps(self) -> Decimal:
        return quantity(self.current, "A", "current")

    @property
    def factor(self) -> Decimal:
        return Decimal(self.power_factor)

    @property
    def runs(self) -> int:
        return self.repetitions or (1 if self.role == "creep" else USUAL_RUNS)

    @property
    def seconds(self) -> int | None:
        """How long each run is, where a time says so."""
        return None if self.run_for is None else int(parse_duration(self.run_for).total_seconds())

    @property
    def watts(self) -> Decimal:
        """In one element."""
        return self.volts * self.amps * self.factor


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The instruments by their names in the configuration. The counter may be the standard's own."""

    source: Name
    standard: Name
    counter: Name


class MeterAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done over the meter's optical port."""

    registers: bool = False  # before and after, with volts and no load
    test_mode: bool = False  # put into it for the test, by the standard procedure


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The whole plan. `single_load`: why one load point is enough for this type of meter (UBP Test Loads 1.3)."""

    schema: Literal["mrsp.bench/1"]
    name: Name
    title: Text
    rule_set: Text = "ubp-2000"
    program: Program
    meter: MeterFacts
    instruments: Wanted
    elements: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1  # current circuits in series, potential circuits in parallel
    warm_up: Duration | None = None  # at the first load
    settling: Duration = "2s"  # after each change of load
    repeatability: Quantity | None = None  # of earlier tests of this type, standard deviation: "0.02 %"
    uncertainty_in_verdict: bool = False  # for a standard that is less than the rule set's ratio better
    single_load: Text | None = None
    access: MeterAccess = MeterAccess()
    points: Annotated[tuple[Point, ...], msgspec.Meta(min_length=1, max_length=100)]

    def __post_init__(self) -> None:
        for text in filter(None, (self.warm_up, self.settling)):
            parse_duration(text)
        if self.repeatability is not None:
            positive(self.repeatability, "%", "repeatability")
        twice = [name for name, count in Counter(one.name for one in self.points).items() if count > 1]
        if twice:
            raise ValueError(f"`points`: the name {twice[0]!r} is used twice")
        count = Counter(one.role for one in self.points)
        if count["heavy"] != 1 or count["light"] > 1 or count["creep"] > 1:
            raise ValueError("`points`: there is one heavy load, one light load, and at most one creep")
        if (count["light"] == 0) != (self.single_load is not None):
            raise ValueError("`points`: a light load is tested too, unless `single_load` says why it need not be")
        if self.repeatability is None and (one := next(filter(_too_few, self.points), None)) is not None:
            raise ValueError(
                f"`points`: {one.name}: two or more `repetitions` show how repeatable a result is; for one alone say"
                " `repeatability` of earlier tests"
            )

    def point(self, role: Role) -> Point | None:
        """Return the only point of that role."""
        return next((one for one in self.points if one.role == role), None)

    def pulses_of(self, point: Point) -> int:
        """Return how many pulses each run of a load point compares: as it says, or those of its time at that load."""
        if point.pulses is not None:
            return point.pulses
        return int(point.watts * self.elements * (point.seconds or 0) / 3600 / self.meter.pulse_wh)

    def seconds_of(self, point: Point) -> Decimal:
        """Return how long one run takes with a meter that registers 100 %."""
        if point.seconds is not None:
            return Decimal(point.seconds)
        return self.pulses_of(point) * self.meter.pulse_wh * 3600 / (point.watts * self.elements)

    @property
    def repeatability_percent(self) -> Decimal | None:
        """Standard deviation of one run, by earlier tests."""
        return None if self.repeatability is None else positive(self.repeatability, "%", "repeatability")

    @property
    def warm_up_s(self) -> int:
        return 0 if self.warm_up is None else int(parse_duration(self.warm_up).total_seconds())

    @property
    def settling_s(self) -> int:
        return int(parse_duration(self.settling).total_seconds())


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan, and the digest of the octets that say it."""

    plan: Plan
    sha256: str  # hexadecimal


def load_plan(path: Path) -> LoadedPlan:
    """Return the plan of a file. Raises `BenchRefused` naming file, line, key and what is allowed there."""
    try:
        text = read_toml_text(path, what=WHAT)
        plan = parse_toml(text, Plan, name=str(path), what=WHAT)
    except UsageError as error:
        raise BenchRefused(error.message, advice=error.advice) from error
    return LoadedPlan(plan, hashlib.sha256(text.encode()).hexdigest())


def check_against_rules(plan: Plan, rules: AccuracyRules) -> None:
    """Raise `BenchRefused` for points that the rule set does not take for what the plan calls them."""
    facts = plan.meter
    for point in plan.points:
        where = f"{plan.name}, {point.name}"
        within = abs(point.volts - facts.rated_volts) * 100 / facts.rated_volts
        if point.role != "curve" and within > rules.conditions.volts_within:
            raise BenchRefused(
                f"{where}: {point.voltage} is more than {plain(rules.conditions.volts_within)} % from the"
                f" {facts.volts} of the nameplate",
                advice=rules.conditions.clause,
            )
        if point.role in {"heavy", "light"}:
            load = rules.heavy if point.role == "heavy" else rules.light
            band, percent = load.band(facts.rating), point.amps * 100 / facts.rated_amps
            if not band.holds(percent):
                raise BenchRefused(
                    f"{where}: {point.current} is {plain(round(percent, 1))} % of {facts.amperes}; {point.role} load is"
                    f" {plain(band.low)} to {plain(band.high)} %",
                    advice=load.clause,
                )
        if point.role != "creep" and (pulses := plan.pulses_of(point)) < rules.pulses.least:
            raise BenchRefused(
                f"{where}: {pulses} pulses; at least {rules.pulses.least} are compared",
                advice=rules.pulses.clause,
            )
    if (creep := plan.point("creep")) is not None:
        if facts.last_digit is None:
            raise BenchRefused(f"{plan.name}, {creep.name}: creep is judged by `last_digit` of the meter: say it")
        if creep.seconds is not None and creep.seconds > rules.creep.hours * 3600:
            raise BenchRefused(f"{plan.name}, {creep.name}: looked for at most {rules.creep.hours} hours")


def _too_few(point: Point) -> bool:
    return point.role != "creep" and point.runs < 2
