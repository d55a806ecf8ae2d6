"""Exact fractions as the decimal text of a result, without making what fails look as if it passed."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

_PLACES = 6  # of a number that has no end
_LONGEST = 12  # of one that has


def shown(measured: Fraction, limit: Fraction) -> tuple[Decimal, Decimal]:
    """Return both as decimals, rounded so that they compare as the fractions do: away from each other, or together."""
    above = measured > limit
    return _rounded(measured, up=above), _rounded(limit, up=not above)


def above(number: Fraction) -> Decimal:
    """Return a decimal that is not below `number`, and equal where it can be written out."""
    return _rounded(number, up=True)


def below(number: Fraction) -> Decimal:
    """Return a decimal that is not above `number`, and equal where it can be written out."""
    return _rounded(number, up=False)


def _rounded(number: Fraction, *, up: bool) -> Decimal:
    scaled = number * 10**_PLACES
    if scaled.denominator != 1 and _ends(number.denominator):
        return Decimal(number.numerator) / Decimal(number.denominator)
    return Decimal(math.ceil(scaled) if up else math.floor(scaled)).scaleb(-_PLACES)


def _ends(denominator: int) -> bool:
    """Tell whether a fraction with this denominator has an end as a decimal, and one that a person can read."""
    for prime in (2, 5):
        for _ in range(_LONGEST):
            if denominator % prime:
                break
            denominator //= prime
    return denominator == 1
