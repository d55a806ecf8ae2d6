"""What no plan exceeds: the limits of the configuration, the meter's class, and the ranges of the instruments. Pure.

Judged for every point before an instrument is opened, and once more for each setting on its way to the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agent.bench.errors import BenchRefused
from agent.bench.plan import MeterFacts, Plan, Point
from agent.bench.settings import BenchSettings
from drivers.decimal_text import plain
from drivers.errors import MrspError
from drivers.instruments.limits import check_setting
from drivers.instruments.schema import InstrumentProfile
from drivers.instruments.values import Setting

UNCHANGED = "nothing was energised"


@dataclass(frozen=True, slots=True)
class HardLimits:
    """The most volts and amperes that are ever put on a meter here."""

    volts: Decimal
    amps: Decimal

    @classmethod
    def of(cls, settings: BenchSettings, facts: MeterFacts) -> HardLimits:
        """Return those of the configuration, and of the meter's class where that is less."""
        return cls(settings.most_volts, min(settings.most_amps, facts.most_amps))

    def check(self, setting: Setting, what: str) -> None:
        """Raise `BenchRefused` for a setting that is above them, or no number."""
        for number, most, unit in ((setting.volts, self.volts, "V"), (setting.amps, self.amps, "A")):
            if not number.is_finite() or number < 0:
                raise BenchRefused(f"{what}: {number} {unit} cannot be set", advice=UNCHANGED)
            if number > most:
                raise BenchRefused(
                    f"{what}: {plain(number)} {unit} is above the {plain(most)} {unit} that are allowed",
                    advice=f"`[bench]` of the configuration and the class of the meter set that; {UNCHANGED}",
                )


def setting_of(point: Point, facts: MeterFacts) -> Setting:
    """Return what the source is to put out at a point."""
    return Setting(point.volts, point.amps, facts.hertz, point.factor, leading=point.lag == "leading")


def no_load(plan: Plan) -> Setting:
    """Return rated volts and no amperes."""
    return Setting(plan.meter.rated_volts, Decimal(0), plan.meter.hertz)


def check_settings(plan: Plan, limits: HardLimits, source: InstrumentProfile) -> None:
    """Raise `BenchRefused` for the first point that is above a limit, or that the source cannot have."""
    settings = [(one.name, setting_of(one, plan.meter)) for one in plan.points]
    for name, setting in [*settings, ("no load", no_load(plan))]:
        what = f"{plan.name}, {name}"
        limits.check(setting, what)
        try:
            check_setting(source, setting)
        except MrspError as error:
            raise BenchRefused(f"{what}: {error.message}", advice=error.advice or UNCHANGED) from error
