"""What a source measures, in words: ST12 → quantity, unit, direction, phase (C12.19 §UOM_ENTRY)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from drivers.c1219.context import Context
from drivers.c1219.decade1 import UnitOfMeasure
from drivers.data import Direction

#: MULTIPLIER code → power of ten that leads to the base unit.
POWERS = (0, 2, 3, 6, 9, -2, -3, -6)
_PREFIXES = {0: "", 3: "k", 6: "M", 9: "G"}
_PHASES = ("", "A-B", "B-C", "C-A", "N", "A", "B", "C")
_SELF_NAMED = frozenset({"%", "deg", "count", "min"})  # units whose label alone names the quantity
_HOURLY = frozenset({0, 5})  # TIME_BASE: bulk quantity, net bulk quantity of an interval


class _Quantity(NamedTuple):
    """One ID_CODE: unit word, what sets it apart from another quantity in the same unit, and how ratios apply."""

    word: str
    label: str = ""
    amps: int = 0  # power of the current transformers' ratio in it
    volts: int = 0  # power of the voltage transformers' ratio
    prefixed: bool = True  # k, M, G are usual, and an hour turns it into an energy-like sum
    axis: str = ""  # which axis of the quadrants gives its direction


_QUANTITIES = {
    0: _Quantity("W", "", 1, 1, axis="active"),
    1: _Quantity("var", "", 1, 1, axis="reactive"),
    2: _Quantity("VA", "", 1, 1, axis="active"),
    3: _Quantity("VA", "", 1, 1, axis="active"),
    4: _Quantity("Q", "", 1, 1, axis="active"),
    5: _Quantity("Q", "45-degree", 1, 1, axis="active"),
    6: _Quantity("var", "phasor", 1, 1, axis="reactive"),
    7: _Quantity("VA", "distortion", 1, 1, axis="active"),
    8: _Quantity("V", "", 0, 1),
    9: _Quantity("V", "average", 0, 1),
    10: _Quantity("V2", "", 0, 2),
    11: _Quantity("V", "instantaneous", 0, 1),
    12: _Quantity("A", "", 1, 0),
    13: _Quantity("A", "average", 1, 0),
    14: _Quantity("A2", "", 2, 0),
    15: _Quantity("A", "instantaneous", 1, 0),
    16: _Quantity("%", "THD V", prefixed=False),
    17: _Quantity("%", "THD I", prefixed=False),
    18: _Quantity("%", "THD V (IC)", prefixed=False),
    19: _Quantity("%", "THD I (IC)", prefixed=False),
    20: _Quantity("deg", "angle V-VA", prefixed=False),
    21: _Quantity("deg", "angle Vx-Vy", prefixed=False),
    22: _Quantity("deg", "angle I-VA", prefixed=False),
    23: _Quantity("deg", "angle Ix-Iy", prefixed=False),
    24: _Quantity("PF", prefixed=False),
    25: _Quantity("PF", prefixed=False),
    26: _Quantity("PF", "average", prefixed=False),
    33: _Quantity("Hz", prefixed=False),
    34: _Quantity("count", prefixed=False),
    50: _Quantity("count", "power outages", prefixed=False),
    51: _Quantity("count", "demand resets", prefixed=False),
    52: _Quantity("count", "times programmed", prefixed=False),
    53: _Quantity("min", "on battery", prefixed=False),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """What a value means. `power` of ten is still to be applied to the value; `base` is where the unit then stands."""

    quantity: str
    unit: str
    direction: Direction
    phase: str = ""
    power: int = 0
    prefix_power: int = 0  # 3 for k, 6 for M, 9 for G
    word: str = ""  # unit without prefix; empty when unknown
    amps: int = 0
    volts: int = 0

    @property
    def known(self) -> bool:
        """Whether the unit is known; otherwise it reads `id_code=n` and no transformer ratio can be applied."""
        return bool(self.word)


UNKNOWN = Measure("unknown", "unknown", "total")


def measure_of(entry: UnitOfMeasure, context: Context) -> Measure:
    """Return the meaning of one ST12 entry; an unknown, non-electric or non-standard one as `id_code=n`.

    The prefix k, M or G stands for a multiplier of 10³, 10⁶ or 10⁹; any other power is for the value.
    """
    foreign = entry.nfs or (entry.id_resource and context.st00.std_version_no > 1) or context.quirks.uom == "ignore"
    quantity = None if foreign else _QUANTITIES.get(entry.id_code)
    phase = _PHASES[entry.segmentation]
    if quantity is None:
        name = f"id_code={entry.id_code}"
        return Measure(name, name, "total", phase, 0 if foreign else POWERS[entry.multiplier])
    power = POWERS[entry.multiplier]
    prefix = _PREFIXES.get(power) if quantity.prefixed and not quantity.word.endswith("2") else None
    word = quantity.word + ("h" if entry.time_base in _HOURLY and quantity.prefixed else "")
    unit = (prefix or "") + word
    direction, quadrants = _direction(entry, quantity.axis)
    labels = [label for label in ("harmonic" if entry.harmonic else "", quantity.label, quadrants) if label]
    name = " ".join(labels if quantity.label and unit in _SELF_NAMED else [*labels, unit])
    return Measure(
        quantity=name,
        unit=unit,
        direction=direction,
        phase=phase,
        power=0 if prefix is not None else power,
        prefix_power=power if prefix is not None else 0,
        word=word,
        amps=quantity.amps,
        volts=quantity.volts,
    )


#: (axis, Q1 Q2 Q3 Q4) → direction of the usual pairs of quadrants.
_PAIRS: dict[tuple[str, tuple[bool, bool, bool, bool]], Direction] = {
    ("active", (True, False, False, True)): "delivered",
    ("active", (False, True, True, False)): "received",
    ("reactive", (True, True, False, False)): "delivered",
    ("reactive", (False, False, True, True)): "received",
}


def _direction(entry: UnitOfMeasure, axis: str) -> tuple[Direction, str]:
    """Return the direction, and the quadrants in words where the direction alone would not tell them."""
    quadrants = (entry.q1, entry.q2, entry.q3, entry.q4)
    whole: Direction = "net" if entry.net_flow else "total"
    if not axis or not any(quadrants) or all(quadrants):
        return whole, ""
    if (axis, quadrants) in _PAIRS:
        return _PAIRS[axis, quadrants], ""
    words = "+".join(f"Q{index}" for index, used in enumerate(quadrants, 1) if used)
    delivered = {"active": (0, 3), "reactive": (0, 1)}[axis]
    sides = {index in delivered for index, used in enumerate(quadrants) if used}
    if len(sides) == 1:
        return ("delivered" if True in sides else "received"), words
    return whole, words
