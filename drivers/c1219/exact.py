"""Exact linear conversion of raw numbers: `raw × multiplier + offset`, in integers, without rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context as DecimalContext
from decimal import Decimal
from fractions import Fraction

from drivers.c1219.number import Number

#: Digits of a value whose exact form has no end (a divisor of 3): rounded half even, and said so.
ROUNDED_DIGITS = 28
_WIDE = DecimalContext(prec=2000)  # no sum or product of the meter's number formats is longer
_ROUNDED = DecimalContext(prec=ROUNDED_DIGITS)


@dataclass(frozen=True, slots=True)
class Linear:
    """`raw × multiplier + offset` of exact fractions."""

    multiplier: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def times(self, factor: Fraction) -> Linear:
        """Return this conversion followed by a multiplication."""
        return Linear(self.multiplier * factor, self.offset * factor)

    def after(self, factor: Fraction) -> Linear:
        """Return a multiplication followed by this conversion."""
        return Linear(self.multiplier * factor, self.offset)

    @property
    def is_finite(self) -> bool:
        """Whether both numbers, and so every value, have an exact decimal form."""
        return all(_digits_after_point(part.denominator) is not None for part in (self.multiplier, self.offset))

    def apply(self, raw: Number) -> Decimal:
        """Return the value of a raw number: exact where it has an end, else rounded to 28 digits."""
        return to_decimal(Fraction(raw) * self.multiplier + self.offset)

    def of_counts(self) -> Callable[[int], Decimal]:
        """Return `apply` for whole numbers, made fast for the thousands of intervals of a profile."""
        places = [_digits_after_point(part.denominator) for part in (self.multiplier, self.offset)]
        if None in places:
            return self.apply
        shift = max(place or 0 for place in places)
        factor, term = int(self.multiplier * 10**shift), int(self.offset * 10**shift)

        def convert(count: int) -> Decimal:
            digits, point = count * factor + term, shift
            while point and not digits % 10:
                digits, point = digits // 10, point - 1
            return Decimal(digits).scaleb(-point, _WIDE) if point else Decimal(digits)

        return convert


def to_decimal(value: Fraction) -> Decimal:
    """Return a fraction as a decimal without exponent or trailing zeros; rounded to 28 digits where it has no end."""
    places = _digits_after_point(value.denominator)
    if places is None:
        return _ROUNDED.divide(Decimal(value.numerator), Decimal(value.denominator))
    digits = value.numerator * 10**places // value.denominator
    return Decimal(f"{digits}e-{places}") if places else Decimal(digits)


def _digits_after_point(denominator: int) -> int | None:
    """Return how many decimals a reduced fraction needs; None when they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
