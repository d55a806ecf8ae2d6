"""Quantities as people write them in plans and configurations: a decimal number, a blank, and the unit: `240 V`.

The unit is always there and always the one that is asked for: a plan that says `30 mA` where amperes are meant, or just
`30`, is refused rather than understood somehow.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

import msgspec

Quantity = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
_QUANTITY = re.compile(r"(?P<number>[0-9]{1,7}(?:\.[0-9]{1,6})?) (?P<unit>[A-Za-z%]{1,3})")
_NAMES = {"V": "volts", "A": "amperes", "Hz": "hertz", "Wh": "watthours", "%": "percent"}


def quantity(text: str, unit: str, key: str) -> Decimal:
    """Return the number of a text such as `240 V`. Raises `ValueError` naming `key`, and what is to be written."""
    found = _QUANTITY.fullmatch(text)
    example = f"write it as `12.5 {unit}`"
    if found is None:
        raise ValueError(f"`{key}`: {text!r} is no number of {_NAMES[unit]}; {example}")
    if found["unit"] != unit:
        raise ValueError(f"`{key}`: {text!r} is not in {_NAMES[unit]}; {example}")
    return Decimal(found["number"])


def positive(text: str, unit: str, key: str) -> Decimal:
    """Return like `quantity` what is above zero. Raises `ValueError`."""
    number = quantity(text, unit, key)
    if not number:
        raise ValueError(f"`{key}`: {text!r} must be above zero")
    return number
