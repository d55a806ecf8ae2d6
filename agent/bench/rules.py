"""A rule set of accuracy tests: loads, limits, weighting, allowance. Data with clauses, validated on load.

Thresholds are decimal strings or integers, never floats; `clause` names the paragraph that a result was judged by and
goes into the report with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.checks.rules import Name, Rule, Text
from agent.errors import ConfigError
from drivers.errors import UsageError
from drivers.toml_file import load_toml

SHIPPED = Path(__file__).parent / "rule_sets"
WHAT = "rule set of accuracy tests"

Program = Literal["acceptance", "periodic", "selective", "variable_interval", "complaint", "shop"]
Rating = Literal["test_amperes", "ampere_rating", "transformer_rated"]


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `low` to `high` percent, both included."""

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if not (self.low.is_finite() and self.high.is_finite() and 0 <= self.low <= self.high <= 1_000):
            raise ValueError("`low` and `high` must be percentages from 0 to 1000, the lower one first")

    def holds(self, percent: Decimal) -> bool:
        """Whether `percent` is within."""
        return self.low <= percent <= self.high


class Load(Rule, frozen=True):
    """Of a load point: percent of what the nameplate rates, by the kind of that rating."""

    test_amperes: Band
    ampere_rating: Band
    transformer_rated: Band

    def band(self, rating: Rating) -> Band:
        """Return the band for a meter rated so."""
        return {
            "test_amperes": self.test_amperes,
            "ampere_rating": self.ampere_rating,
            "transformer_rated": self.transformer_rated,
        }[rating]


class Conditions(Rule, frozen=True):
    """Of heavy and light load: volts within `volts_within` % of rated; power factor unity."""

    volts_within: Decimal


class Limits(Rule, frozen=True):
    """Percentage registration from `low` to `high`, both included."""

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if not 0 < self.low < self.high:
            raise ValueError("`low` must be above zero and below `high`")


class Average(Limits, frozen=True):
    """Of the final average, (`heavy` × H + `light` × L) ÷ (`heavy` + `light`)."""

    heavy: Annotated[int, msgspec.Meta(ge=1, le=100)]
    light: Annotated[int, msgspec.Meta(ge=1, le=100)]


class Allowance(Rule, frozen=True):
    """`percent` of reading for instrumentation and observation, beyond every limit; `without`: not in these."""

    percent: Decimal
    without: tuple[Program, ...]


class Standard(Rule, frozen=True):
    """The meter's limit of error ÷ the uncertainty of the standard >= `ratio`."""

    ratio: Decimal


class Calibration(Rule, frozen=True):
    """At most `months` since the last calibration, or less where the instrument is due earlier."""

    months: Annotated[int, msgspec.Meta(ge=1, le=120)]


class Pulses(Rule, frozen=True):
    """At least so many pulses of the meter are compared in each run."""

    least: Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Creep(Rule, frozen=True):
    """With volts and without amperes the register moves at most `digits` of its last digit in `hours`."""

    digits: Annotated[int, msgspec.Meta(ge=0, le=100)]
    hours: Annotated[int, msgspec.Meta(ge=1, le=240)]


class AccuracyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All rules by which one test is planned and judged."""

    name: Name
    title: Text
    conditions: Conditions
    heavy: Load
    light: Load
    limits: Limits
    average: Average
    allowance: Allowance
    standard: Standard
    calibration: Calibration
    pulses: Pulses
    creep: Creep
    single_load: Rule
    not_registering: Rule

    def allowed(self, program: Program) -> Decimal:
        """Return the allowance beyond the limits, in percent of reading, for a meter under `program`."""
        return Decimal(0) if program in self.allowance.without else self.allowance.percent

    @property
    def limit_of_error(self) -> Decimal:
        """Of a meter, in percent: the nearer of the two limits."""
        return min(100 - self.limits.low, self.limits.high - 100)


def load_test_rules(name: str, extra_dirs: Sequence[Path] = ()) -> AccuracyRules:
    """Return the rule set `name`, one that ships or of `extra_dirs`; a name that ships cannot be redefined.

    Raises `ConfigError` naming file, line and key of what is wrong, or the names that there are.
    """
    found = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    for directory in extra_dirs:
        if not directory.is_dir():
            raise ConfigError(f"rule sets of accuracy tests are looked for in {directory}, which is not a directory")
        for path in sorted(directory.glob("*.toml")):
            if path.stem in found:
                raise ConfigError(f"{WHAT} {path}: the name {path.stem!r} is taken", advice="rename file and `name`")
            found[path.stem] = path
    if name not in found:
        raise ConfigError(f"there is no {WHAT} {name!r}", advice="known: " + ", ".join(sorted(found)))
    try:
        rules = load_toml(found[name], AccuracyRules, what=WHAT)
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    if rules.name != name:
        raise ConfigError(f"{WHAT} {found[name]}: `name`: is {rules.name!r}, but the file is called {name}.toml")
    return rules
