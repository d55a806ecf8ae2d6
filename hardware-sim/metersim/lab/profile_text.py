"""A firmware profile for the quirks of a scenario: what a reader must be told before it can be right."""

from __future__ import annotations

from decimal import Decimal

from drivers.decimal_text import plain
from metersim.meter.scenario import Scenario


def profile_text(scenario: Scenario, name: str) -> str:
    """Return the TOML of a profile that knows the quirks of the scenario, recognised by what ST01 says."""
    identity = scenario.identity
    lines = [
        f"name = {_value(name)}",
        f"title = {_value(scenario.title)}",
        'status = "not tried on hardware"',
        "",
        "[detect]",
        f"manufacturer = {_value(identity.manufacturer)}",
        f"model = {_value(identity.model)}",
        f"firmware = {{ min = {_value(identity.firmware)}, max = {_value(identity.firmware)} }}",
        "",
        "[c1219]",
        *(f"{key} = {_value(value)}" for key, value in scenario.quirks.departures().items()),
    ]
    return "\n".join(lines) + "\n"


def _value(value: str | int | Decimal) -> str:
    """Write a value of TOML; decimal numbers as text, as profiles have them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    text = plain(value) if isinstance(value, Decimal) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
