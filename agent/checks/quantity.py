"""Quantities by their unit words: what is energy, what is reactive, and how kWh and Wh compare."""

from __future__ import annotations

from decimal import Decimal

_PREFIXES = {"": 0, "k": 3, "M": 6, "G": 9}
_ENERGY = ("varh", "VAh", "Wh", "Qh")  # the longer first: `varh` ends with no other


def energy(quantity: str) -> str | None:
    """Return the energy that a quantity is without its prefix, e.g. `Wh` of `kWh`; None for anything else."""
    return next((word for word in _ENERGY if quantity.endswith(word) and quantity[: -len(word)] in _PREFIXES), None)


def active(quantity: str) -> bool:
    """Tell whether a quantity is active energy."""
    return energy(quantity) == "Wh"


def reactive(quantity: str) -> bool:
    """Tell whether a quantity is reactive energy, or the kQh that stands for it."""
    return energy(quantity) in {"varh", "Qh"}


def factor(of: str, to: str) -> Decimal | None:
    """Return what a number in unit `of` is multiplied by to be in unit `to`; None for units of different kinds."""
    if of == to:
        return Decimal(1)
    word = energy(of)
    if word is None or energy(to) != word:
        return None
    return Decimal(1).scaleb(_PREFIXES[of[: -len(word)]] - _PREFIXES[to[: -len(word)]])
