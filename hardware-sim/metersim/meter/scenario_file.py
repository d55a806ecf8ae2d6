"""Reading a scenario: a file, or the name of one that ships; every mistake is named with file and key."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path

import msgspec

from drivers.errors import UsageError
from metersim.meter.coherence import contradictions
from metersim.meter.scenario import Scenario

_AT = re.compile(r" - at `\$\.?(?P<key>.*)`$")


def scenario_names() -> list[str]:
    """The scenarios that ship."""
    folder = resources.files("metersim") / "scenarios"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_scenario(which: str | Path) -> Scenario:
    """Return the scenario of this name, or in this file. Raises `UsageError` naming file and key of what is wrong."""
    path = Path(which)
    if path.suffix == ".toml" or path.parent != Path():
        try:
            return parse_scenario(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"scenario {path}: {error}") from error
    if str(which) not in scenario_names():
        advice = f"there are {', '.join(scenario_names())}; a file needs its .toml"
        raise UsageError(f"no scenario is called {which}", advice=advice)
    text = (resources.files("metersim") / "scenarios" / f"{which}.toml").read_text("utf-8")
    return parse_scenario(text, f"{which}.toml")


def parse_scenario(text: str, name: str) -> Scenario:
    """Return the scenario that this TOML describes; `name` is for messages. Raises `UsageError`."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: {error}") from error
    try:
        scenario = msgspec.convert(document, Scenario, dec_hook=_no_float, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        where = _AT.search(message)
        key = where["key"] if where else ""
        raise UsageError(f"{name}: {key + ': ' if key else ''}{_AT.sub('', message)}") from error
    for key, reason in contradictions(scenario):
        raise UsageError(f"{name}: {key}: {reason}")
    return scenario


def _no_float(kind: type, value: object) -> object:
    """Let a decimal number stand where seconds are asked for."""
    if kind is float and isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} cannot stand for {kind.__name__}")
