"""Reading a scenario: a file, or what ships by name; a mistake is named with file, line, key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from drivers.errors import UsageError
from metersim.meter.allowed import allowed_at
from metersim.meter.coherence import contradictions
from metersim.meter.compose import Composed, File, composed, file_of
from metersim.meter.library import names_of, shipped
from metersim.meter.scenario import Scenario

_AT = re.compile(r" - at `\$\.?(?P<key>.*)`$")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_FORM = re.compile(r"Expected `str` matching regex .*")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]+)`")


def scenario_names() -> list[str]:
    """The meters that ship."""
    return names_of("meter")


def load_scenario(which: str | Path) -> Scenario:
    """Return the scenario of this name, or in this file. Raises `UsageError` naming file, line and key of a mistake."""
    return scenario_of(composition(which))


def composition(which: str | Path) -> Composed:
    """Return the scenario of this name, or in this file, with everything that it uses, merged and not yet checked."""
    path = Path(which)
    if path.suffix == ".toml" or path.parent != Path():
        return composed(file_of(path))
    return composed(File(f"{which}.toml", shipped(str(which), "meter", "laboratory")))


def parse_scenario(text: str, name: str) -> Scenario:
    """Return the scenario that this TOML describes; `name` is for messages. Raises `UsageError`."""
    return scenario_of(composed(File(name, text)))


def scenario_of(made: Composed) -> Scenario:
    """Return what a composition describes. Raises `UsageError`."""
    try:
        scenario = msgspec.convert(made.document, Scenario, dec_hook=_no_float, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        where = _AT.search(message)
        key, reason = where["key"] if where else "", _FORM.sub("not of its form", _AT.sub("", message))
        raise UsageError(_found(made, _keys(key), key, reason), advice=_advice(_keys(key), reason)) from error
    for key, reason in contradictions(scenario):
        raise UsageError(_found(made, _keys_by_name(made.document, key), key, reason))
    return scenario


def _found(made: Composed, keys: Sequence[str | int], key: str, reason: str) -> str:
    unknown = _UNKNOWN.search(reason)
    place = made.place([*keys, unknown["field"]] if unknown else keys)
    return f"{place}: {key + ': ' if key else ''}{reason}"


def _advice(keys: Sequence[str | int], reason: str) -> str:
    if "missing required field" in reason:
        return ""
    allowed = allowed_at(keys)
    return f"allowed: {allowed}" if allowed else ""


def _keys(path: str) -> list[str | int]:
    return [name or int(index) for name, index in _STEP.findall(path)]


def _keys_by_name(document: object, key: str) -> list[str | int]:
    """Turn a key that names entries of lists, as `source.kWh delivered.load`, into one that counts them."""
    keys: list[str | int] = []
    node, rest = document, key
    while rest:
        if isinstance(node, list):
            named = [entry if isinstance(entry, dict) else {} for entry in node]
            step = next(
                (k for k, one in enumerate(named) if _heads(rest, str(one.get("name", one.get("source", ""))))), None
            )
            if step is None:
                return keys
            name = str(named[step].get("name", named[step].get("source")))
            keys, node, rest = [*keys, step], node[step], rest[len(name) :].lstrip(".")
            continue
        name, _, rest = rest.partition(".")
        name, *indices = [found for pair in _STEP.findall(name) for found in pair if found]
        keys.append(name)
        node = node.get(name) if isinstance(node, dict) else None
        for index in map(int, indices):
            keys.append(index)
            node = node[index] if isinstance(node, list) and index < len(node) else None
    return keys


def _heads(text: str, name: str) -> bool:
    return bool(name) and (text == name or text.startswith(f"{name}."))


def _no_float(kind: type, value: object) -> object:
    """Let a decimal number stand where seconds are asked for."""
    if kind is float and isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} cannot stand for {kind.__name__}")
