"""What every number of a scenario must be: finite, of a size that means something, and clocks that go forwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from metersim.meter.part import Part
from metersim.meter.scenario import Scenario

Finding = tuple[str, str]  # key, reason
_LARGEST, _PLACES = Decimal(10) ** 18, 18
_BOUNDS = {"offset_s": Decimal(10_000_000), "drift_ppm": Decimal(10_000), "by_s": Decimal(31 * 86_400)}


def unfit_numbers(scenario: Scenario) -> Iterator[Finding]:
    """Yield key and reason of every decimal number that cannot be reckoned with."""
    yield from _inside("", scenario)


def _inside(key: str, value: object) -> Iterator[Finding]:
    if isinstance(value, Part):
        for field in msgspec.structs.fields(value):
            yield from _inside(f"{key}.{field.encode_name}" if key else field.encode_name, getattr(value, field.name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, one in enumerate(value):
            yield from _inside(f"{key}[{index}]", one)
    elif isinstance(value, Decimal):
        yield from _number(key, value)


def _number(key: str, value: Decimal) -> Iterator[Finding]:
    most = _BOUNDS.get(key.rpartition(".")[2], _LARGEST)
    if not value.is_finite() or abs(value) > most:
        yield key, f"{value} is not a number from -{most} to {most}"
    elif int(value.normalize().as_tuple().exponent) < -_PLACES:
        yield key, f"{value} has more than {_PLACES} decimal places"
