"""What the schema of an instrument profile cannot say: names, placeholders, ranges and patterns that make sense."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from decimal import Decimal

from drivers.instruments.schema import Counter, InstrumentProfile, Range, Source, Standard, State
from drivers.profiles.sense import Finding

KINDS = ("source", "standard", "counter")
_SETTINGS = {"volts", "amps", "frequency_hz"}
_PHASE = {"phase_deg", "power_factor"}


def mistakes(profile: InstrumentProfile, stem: str) -> Iterator[Finding]:
    """Find what is wrong in a profile that is called `stem` by its file."""
    if profile.name != stem:
        yield Finding(["name"], f"it is {profile.name}, the file is {stem}.toml", "call both alike")
    for kind in KINDS:
        there = getattr(profile, kind) is not None
        if there != (kind == profile.kind):
            reason = f"the table [{kind}] is {'there' if there else 'missing'}"
            yield Finding(["kind"], f"{reason}, and kind is {profile.kind}", "exactly the table of that name is there")
    try:
        re.compile(profile.identity.pattern)
    except re.error as error:
        yield Finding(["identity", "pattern"], f"it is no regular expression: {error}", "see Python's re")
    if profile.source is not None:
        yield from _source(profile.source)
    if profile.standard is not None:
        yield from _standard(profile.standard)
    if profile.counter is not None:
        yield from _counter(profile.counter)


def _source(source: Source) -> Iterator[Finding]:
    names = [_placeholders(command) for command in source.settings]
    used = set().union(*(one for one in names if one is not None))
    if None in names or used - _SETTINGS - _PHASE:
        yield Finding(["source", "settings"], "a placeholder is unknown", f"there are {_listed(_SETTINGS | _PHASE)}")
    elif not (used >= _SETTINGS and used & _PHASE):
        advice = f"all of {_listed(_SETTINGS)} and one of {_listed(_PHASE)} must be set"
        yield Finding(["source", "settings"], f"only {_listed(used)} are set", advice)
    if source.watchdog is not None and _placeholders(source.watchdog) != {"seconds"}:
        yield Finding(["source", "watchdog"], "it must hold {seconds} and no other placeholder", "")
    for key in ("volts", "amps", "frequency_hz"):
        yield from _range(key, getattr(source, key))
    if not 0 <= Decimal(source.power_factor_min) <= 1:
        yield Finding(["source", "power_factor_min"], f"{source.power_factor_min} is no power factor", "0 to 1")
    yield from _state(["source", "state"], source.state)
    if source.lockout is not None:
        yield from _state(["source", "lockout"], source.lockout)


def _standard(standard: Standard) -> Iterator[Finding]:
    for key in ("resolution_wh", "pulses_per_wh"):
        said = getattr(standard, key)
        if said is not None and Decimal(said) <= 0:
            yield Finding(["standard", key], f"{said} is not above 0", "")
    for key in ("percent", "absolute_wh"):
        said = getattr(standard.accuracy, key)
        if Decimal(said) < 0:
            yield Finding(["standard", "accuracy", key], f"{said} is negative", "limits of error are ± this")
    yield from _scales("standard", standard)


def _counter(counter: Counter) -> Iterator[Finding]:
    names = [_placeholders(command) for command in counter.arm]
    if None in names or set().union(*(one for one in names if one is not None)) - {"pulses"}:
        yield Finding(["counter", "arm"], "a placeholder is unknown", "there is {pulses}")
    if counter.done is not None:
        yield from _state(["counter", "done"], counter.done)
    yield from _scales("counter", counter)


def _scales(table: str, section: Standard | Counter) -> Iterator[Finding]:
    for key in ("energy_wh", "elapsed_s", "watts", "count", "reference", "gate_s"):
        question = getattr(section, key, None)
        if question is not None and question.factor <= 0:
            yield Finding([table, key, "scale"], f"{question.scale} is not above 0", "")


def _range(key: str, allowed: Range) -> Iterator[Finding]:
    least, most, step = (Decimal(one) for one in (allowed.min, allowed.max, allowed.step))
    if not 0 <= least < most:
        yield Finding(["source", key, "min"], f"{least} to {most} is no range", "min is 0 or more and below max")
    if step <= 0:
        yield Finding(["source", key, "step"], f"{step} is not above 0", "")


def _state(keys: list[str | int], state: State) -> Iterator[Finding]:
    yes, no = ({answer.upper() for answer in answers} for answers in (state.yes, state.no))
    if not yes or not no or yes & no:
        yield Finding([*keys, "yes"], "what means yes and what means no must both be said, and differ", "")


def _placeholders(command: str) -> set[str] | None:
    """Return the names in braces; None where the braces are wrong or ask for more than a name."""
    try:
        parts = list(string.Formatter().parse(command))
    except ValueError:
        return None
    if any(spec or conversion or name == "" for _, name, spec, conversion in parts if name is not None):
        return None
    return {name for _, name, _, _ in parts if name is not None}


def _listed(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "none"
