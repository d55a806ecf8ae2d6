"""IEEE 754 singles and doubles as decimals and back, in integer arithmetic only.

The value of a float is the shortest decimal that identifies it: of all decimals that a meter rounding to nearest, ties
to even, would have stored as these very bits, the one with the fewest digits, and of those the one nearest to the
stored number. So a meter that counts 12345.678 kWh and stores 12345.677734375 (binary32) is read as 12345.678, which
is what its display shows; two different floats never read the same, and the bits can be had back (`nearest`). The one
thing that is not kept is the sign of zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

#: Octets → (bits of the exponent, bits of the mantissa without the hidden one): binary32, binary64.
_FORMATS: Final = {4: (8, 23), 8: (11, 52)}
#: Powers of ten beyond the largest double and below the smallest: such numbers are not written out.
_FAR: Final = 400


class NotFinite(ValueError):
    """The float holds no number: `what` is `NaN`, `infinity` or `-infinity`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def shortest(octets: bytes) -> Decimal:
    """Return the shortest decimal that identifies a big-endian binary32 or binary64. Raises `NotFinite`."""
    place = _placed(octets)
    if not place.value:
        return Decimal(0)
    # The largest power of ten up to 2**exponent, three of which lie between the ends: so a multiple of it does, too.
    power = place.exponent * 30103 // 100000
    up, down = _ratio(place.exponent, power)
    least, most = -(-place.below * up // down), place.above * up // down
    if not place.ends:
        least, most = place.below * up // down + 1, -(-place.above * up // down) - 1
    while -(-least // 10) <= most // 10:
        least, most, power = -(-least // 10), most // 10, power + 1
    count = _divided(place.value, *_ratio(place.exponent, power))
    count = min(max(count, least), most)
    return Decimal(f"{'-' if place.negative else ''}{count}E{power}")


def exact(octets: bytes) -> Fraction:
    """Return the number that a big-endian binary32 or binary64 stands for. Raises `NotFinite`."""
    place = _placed(octets)
    return Fraction(2) ** place.exponent * (-place.value if place.negative else place.value)


def identified_by(text: Decimal, octets: bytes) -> bool:
    """Whether a decimal, rounded to nearest with ties to even, is stored as these octets. Raises `NotFinite`."""
    value = exact(octets)
    try:
        return exact(nearest(text, len(octets))) == value
    except ValueError:  # larger than any float
        return False


def nearest(number: Decimal | int, width: int) -> bytes:
    """Return the big-endian float of `width` octets nearest to `number`, of two the one whose last bit is 0.

    Raises `ValueError` for what rounds to no finite float.
    """
    exponent_bits, mantissa_bits = _FORMATS[width]
    number = Decimal(number)
    bits = infinity = (1 << exponent_bits) - 1 << mantissa_bits
    if not number or number.adjusted() < -_FAR:
        bits = 0
    elif number.is_finite() and number.adjusted() <= _FAR:
        bits = _magnitude(number, exponent_bits, mantissa_bits)
    if bits >= infinity:
        raise ValueError(f"{number:.6g} does not fit a {8 * width}-bit float")
    return (bits | number.is_signed() << (exponent_bits + mantissa_bits)).to_bytes(width, "big")


def quiet_nan(width: int) -> bytes:
    """Return the big-endian float of `width` octets that stands for no number."""
    exponent_bits, mantissa_bits = _FORMATS[width]
    return ((1 << exponent_bits + 1) - 1 << mantissa_bits - 1).to_bytes(width, "big")


@dataclass(frozen=True, slots=True)
class _Place:
    """A float among its neighbours: its magnitude, and the ends of what rounds to that, in units of 2**exponent."""

    negative: bool
    value: int
    below: int
    above: int
    exponent: int
    ends: bool  # whether they belong to it


def _placed(octets: bytes) -> _Place:
    exponent_bits, mantissa_bits = _FORMATS[len(octets)]
    bits = int.from_bytes(octets, "big")
    mantissa = bits & (1 << mantissa_bits) - 1
    exponent = bits >> mantissa_bits & (1 << exponent_bits) - 1
    negative = bool(bits >> (mantissa_bits + exponent_bits))
    if exponent == (1 << exponent_bits) - 1:
        raise NotFinite("NaN" if mantissa else "-infinity" if negative else "infinity")
    whole = mantissa | (1 << mantissa_bits if exponent else 0)
    narrow = mantissa == 0 and exponent > 1  # below a power of two the neighbour is half as far
    return _Place(
        negative,
        4 * whole,
        4 * whole - (1 if narrow else 2),
        4 * whole + 2,
        (exponent or 1) - _bias(exponent_bits) - mantissa_bits - 2,
        ends=whole % 2 == 0,
    )


def _magnitude(number: Decimal, exponent_bits: int, mantissa_bits: int) -> int:
    """Return the bits nearest to a number that is not zero, but for its sign; past the largest, those of no float."""
    above, below = number.copy_abs().as_integer_ratio()
    exponent = above.bit_length() - below.bit_length()
    if above << max(-exponent, 0) < below << max(exponent, 0):
        exponent -= 1
    biased = max(exponent + _bias(exponent_bits), 1)  # 1 also for the smallest, which have no hidden bit
    unit = biased - _bias(exponent_bits) - mantissa_bits
    whole = _divided(above, 1 << max(-unit, 0), below << max(unit, 0))
    return (biased - 1 << mantissa_bits) + whole  # the hidden bit counts the exponent up, and so does a carry


def _bias(exponent_bits: int) -> int:
    return (1 << exponent_bits - 1) - 1


def _ratio(exponent: int, power: int) -> tuple[int, int]:
    """Return how many steps of 10**power are in 2**exponent, as a fraction of whole numbers."""
    return (
        (1 << max(exponent, 0)) * 10 ** max(-power, 0),
        (1 << max(-exponent, 0)) * 10 ** max(power, 0),
    )


def _divided(number: int, up: int, down: int) -> int:
    """Return number × up ÷ down, rounded to nearest, ties to even."""
    whole, rest = divmod(number * up, down)
    return whole + (2 * rest > down or (2 * rest == down and whole % 2))
