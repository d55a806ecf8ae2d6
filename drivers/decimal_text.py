"""Decimals as people and contracts write them: plain, without exponent, without trailing zeros."""

from __future__ import annotations

from decimal import Decimal


def plain(value: Decimal | int) -> str:
    """Return `value` exactly, e.g. `12345`, `3.25`, `-0.0001`; zero is `0`."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
