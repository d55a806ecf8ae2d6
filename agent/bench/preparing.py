"""What is checked before any instrument is opened: rules, limits, ranges, calibrations, the 4:1 ratio.

Pure but for the instrument profiles that are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from agent.bench.calibration import check_calibration
from agent.bench.errors import BenchRefused
from agent.bench.limits import UNCHANGED, HardLimits, check_settings
from agent.bench.plan import Plan, check_against_rules
from agent.bench.rules import AccuracyRules
from agent.bench.settings import BenchSettings, InstrumentSection
from agent.bench.verdict import check_ratio
from drivers.errors import UsageError
from drivers.instruments import load_instruments
from drivers.instruments.schema import InstrumentProfile, Kind

_SQRT3 = Decimal(3).sqrt()


@dataclass(frozen=True, slots=True)
class Checked:
    """One instrument of a test that may be used today."""

    section: InstrumentSection
    profile: InstrumentProfile
    path: Path  # of the profile
    due_on: date


@dataclass(frozen=True, slots=True)
class Ready:
    """What a test will be made with, all of it checked, nothing opened."""

    source: Checked
    standard: Checked
    counter: Checked
    limits: HardLimits
    standard_percent: Decimal  # expanded uncertainty (k = 2) of the standard, of reading
    standard_basis: str
    ratio: Decimal
    visa_library: str

    @property
    def all(self) -> tuple[tuple[Kind, Checked], ...]:
        return (("source", self.source), ("standard", self.standard), ("counter", self.counter))


def prepare(
    plan: Plan, rules: AccuracyRules, settings: BenchSettings, today: date, profile_dirs: tuple[Path, ...] = ()
) -> Ready:
    """Check a plan against rules, limits, ranges and calibrations. Raises `BenchRefused` for the first that fails."""
    check_against_rules(plan, rules)
    wanted = plan.instruments
    checked: dict[Kind, Checked] = {}
    names: tuple[tuple[Kind, str], ...] = (
        ("source", wanted.source), ("standard", wanted.standard), ("counter", wanted.counter)
    )  # fmt: skip
    for kind, name in names:
        section = _section(settings, name)
        profile, path = _profile(section, kind, profile_dirs)
        checked[kind] = Checked(section, profile, path, check_calibration(section, rules.calibration, today))
    limits = HardLimits.of(settings, plan.meter)
    check_settings(plan, limits, checked["source"].profile)
    _check_method(checked["standard"].profile, checked["counter"].profile)
    _check_counts(plan, checked["counter"].profile)
    percent, basis = _standard_percent(plan, checked["standard"])
    return Ready(
        source=checked["source"],
        standard=checked["standard"],
        counter=checked["counter"],
        limits=limits,
        standard_percent=percent,
        standard_basis=basis,
        ratio=check_ratio(plan, rules, percent),
        visa_library=settings.visa_library,
    )


def _section(settings: BenchSettings, name: str) -> InstrumentSection:
    found = next((one for one in settings.instruments if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in settings.instruments) or "none"
        raise BenchRefused(
            f"there is no instrument {name!r} in `[bench]` of the configuration", advice=f"known: {known}; {UNCHANGED}"
        )
    return found


def _profile(section: InstrumentSection, kind: Kind, directories: tuple[Path, ...]) -> tuple[InstrumentProfile, Path]:
    library = load_instruments(directories)
    try:
        profile = library.find(section.profile)
    except UsageError as error:
        raise BenchRefused(f"the instrument {section.name}: {error.message}", advice=error.advice) from error
    path = library.path_of(section.profile)
    if profile.kind != kind or path is None:
        raise BenchRefused(
            f"the instrument {section.name} is a {profile.kind} by its profile {profile.name}, not a {kind}",
            advice=UNCHANGED,
        )
    return profile, path


def _check_method(standard: InstrumentProfile, counter: InstrumentProfile) -> None:
    """Raise `BenchRefused` where nothing measures the standard's energy within the gate of the meter's pulses."""
    if standard.standard is None or counter.counter is None:
        return
    by_pulses = standard.standard.pulses_per_wh is not None and counter.counter.reference is not None
    by_time = standard.standard.elapsed_s is not None and counter.counter.gate_s is not None
    if not (by_pulses or by_time):
        raise BenchRefused(
            f"the counter {counter.name} neither counts the pulses of the standard {standard.name} nor can both tell"
            " the time: what the standard measures between two pulses of the meter is not known",
            advice=UNCHANGED,
        )


def _check_counts(plan: Plan, counter: InstrumentProfile) -> None:
    most = counter.counter.most_pulses if counter.counter is not None else 0
    for point in plan.points:
        if point.role == "creep":
            continue
        pulses = plan.pulses_of(point)
        if not 1 <= pulses <= most:
            raise BenchRefused(
                f"{plan.name}, {point.name}: {pulses} pulses; the counter {counter.name} counts 1 to {most}",
                advice=UNCHANGED,
            )


def _standard_percent(plan: Plan, standard: Checked) -> tuple[Decimal, str]:
    """Return the expanded uncertainty of the standard: by its certificate, else by the limits of error of its class."""
    if (certified := standard.section.uncertainty_percent) is not None:
        return certified, f"certificate {standard.section.certificate}, k = 2"
    if standard.profile.standard is None:
        raise BenchRefused(f"the instrument {standard.section.name} is no standard")
    accuracy = standard.profile.standard.accuracy
    pulses = min(plan.pulses_of(one) for one in plan.points if one.role != "creep")
    least = pulses * plan.meter.pulse_wh / plan.elements  # the standard sees one of them
    limit = Decimal(accuracy.percent) + Decimal(accuracy.absolute_wh) * 100 / least
    return 2 * limit / _SQRT3, f"limits of error of its class, ± {accuracy.percent} %, rectangular"
