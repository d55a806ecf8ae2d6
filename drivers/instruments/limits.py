"""What a source can put out by its profile, judged before anything is sent, and the commands for a setting."""

from __future__ import annotations

import math
from decimal import Decimal

from drivers.decimal_text import plain
from drivers.errors import UsageError
from drivers.instruments.errors import OutOfRange
from drivers.instruments.schema import InstrumentProfile, Range, Source
from drivers.instruments.values import Setting

_DEGREES = Decimal("0.001")
_ADVICE = "change the plan, or take another source"


def check_setting(profile: InstrumentProfile, setting: Setting) -> None:
    """Raise `OutOfRange` that names the value and the range, unless the source can put this out."""
    source = profile.source
    if source is None:
        raise UsageError(f"the instrument profile {profile.name} is of no source")
    values = (
        ("V", setting.volts, source.volts),
        ("A", setting.amps, source.amps),
        ("Hz", setting.frequency_hz, source.frequency_hz),
    )
    for unit, value, allowed in values:
        _check(profile.name, unit, value, allowed)
    least, factor = Decimal(source.power_factor_min), setting.power_factor
    if not (factor.is_finite() and least <= factor <= 1):
        raise OutOfRange(f"{profile.name}: power factor {factor}: it can have {least} to 1", advice=_ADVICE)


def _check(name: str, unit: str, value: Decimal, allowed: Range) -> None:
    if not (value.is_finite() and Decimal(allowed.min) <= value <= Decimal(allowed.max)):
        raise OutOfRange(
            f"{name}: {value} {unit}: it can put out {allowed.min} to {allowed.max} {unit}", advice=_ADVICE
        )
    if value % Decimal(allowed.step):
        raise OutOfRange(f"{name}: {value} {unit}: it goes in steps of {allowed.step} {unit}", advice="round it")


def phase_degrees(source: Source, setting: Setting) -> Decimal:
    """Return the angle of current to voltage with the sign that the source takes, in thousandths of a degree."""
    angle = Decimal(math.degrees(math.acos(float(setting.power_factor)))).quantize(_DEGREES)
    negative = (source.lagging == "negative") != setting.leading
    return -angle if negative and angle else angle


def setting_commands(source: Source, setting: Setting) -> list[str]:
    """Return the commands of the profile for a setting that was checked."""
    fields = {
        "volts": plain(setting.volts),
        "amps": plain(setting.amps),
        "frequency_hz": plain(setting.frequency_hz),
        "power_factor": plain(setting.power_factor),
        "phase_deg": plain(phase_degrees(source, setting)),
    }
    return [command.format_map(fields) for command in source.settings]
