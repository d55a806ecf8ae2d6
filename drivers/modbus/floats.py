"""IEEE 754 registers as decimals, in integer arithmetic only.

The value of a float register is the shortest decimal that identifies it: of all decimals that a meter rounding to
nearest, ties to even, would have stored as these very bits, the one with the fewest digits, and of those the one
nearest to the stored number. So a meter that counts 12345.678 kWh and stores 12345.677734375 (binary32) is read as
12345.678, which is what its display shows; two different registers never read the same, and the bits can be had back.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

#: Octets → (bits of the exponent, bits of the mantissa without the hidden one, decimal digits that always suffice).
_FORMATS: Final = {4: (8, 23, 9), 8: (11, 52, 17)}


class NotFinite(ValueError):
    """The register holds no number: `what` is `NaN`, `infinity` or `-infinity`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def shortest(octets: bytes) -> Decimal:
    """Return the shortest decimal that identifies a big-endian binary32 or binary64. Raises `NotFinite`."""
    exact, below, above, even = _interval(octets)
    if exact == 0:
        return Decimal(0)
    magnitude = _magnitude(abs(exact))
    for digits in range(1, _FORMATS[len(octets)][2]):
        step = Fraction(10) ** (magnitude - digits + 1)
        whole = abs(exact) // step
        near = [count for count in (whole, whole + 1) if _identifies(count * step, below, above, even)]
        if near:
            count = min(near, key=lambda count: (abs(count * step - abs(exact)), count % 2))
            return _decimal(count, magnitude - digits + 1, exact < 0)
    step = Fraction(10) ** (magnitude - _FORMATS[len(octets)][2] + 1)
    return _decimal(round(abs(exact) / step), magnitude - _FORMATS[len(octets)][2] + 1, exact < 0)


def exact(octets: bytes) -> Fraction:
    """Return the number that a big-endian binary32 or binary64 stands for. Raises `NotFinite`."""
    return _interval(octets)[0]


def identified_by(text: Decimal, octets: bytes) -> bool:
    """Whether a decimal, rounded to nearest with ties to even, is stored as these octets. Raises `NotFinite`."""
    value, below, above, even = _interval(octets)
    number = Fraction(text)
    if number == 0 or value == 0:
        return number == value
    return (number < 0) == (value < 0) and _identifies(abs(number), below, above, even)


def _interval(octets: bytes) -> tuple[Fraction, Fraction, Fraction, bool]:
    """Return the number, the ends of what rounds to its magnitude, and whether the ends belong to that."""
    exponent_bits, mantissa_bits, _ = _FORMATS[len(octets)]
    bits = int.from_bytes(octets, "big")
    mantissa = bits & (1 << mantissa_bits) - 1
    exponent = bits >> mantissa_bits & (1 << exponent_bits) - 1
    negative = bits >> (mantissa_bits + exponent_bits)
    if exponent == (1 << exponent_bits) - 1:
        raise NotFinite("NaN" if mantissa else "-infinity" if negative else "infinity")
    bias = (1 << exponent_bits - 1) - 1
    whole = mantissa | (1 << mantissa_bits if exponent else 0)
    unit = Fraction(2) ** ((exponent or 1) - bias - mantissa_bits)
    narrow = mantissa == 0 and exponent > 1  # below a power of two the neighbour is half as far
    value = whole * unit
    return (
        -value if negative else value,
        value - unit / (4 if narrow else 2),
        value + unit / 2,
        whole % 2 == 0,
    )


def _identifies(value: Fraction, below: Fraction, above: Fraction, even: bool) -> bool:
    return below <= value <= above if even else below < value < above


def _magnitude(value: Fraction) -> int:
    """Return the power of ten of the first digit."""
    guess = len(str(value.numerator)) - len(str(value.denominator))
    return guess if value >= Fraction(10) ** guess else guess - 1


def _decimal(count: int, power: int, negative: bool) -> Decimal:
    digits = tuple(int(digit) for digit in str(count))
    return Decimal((int(negative), digits, power)).normalize()
