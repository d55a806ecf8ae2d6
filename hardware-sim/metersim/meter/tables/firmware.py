"""The quirks of a scenario that change how octets are laid out, as `drivers.c1219` names them."""

from __future__ import annotations

from drivers.c1219.quirks import Quirks as Layout
from metersim.meter.story import Quirks


def context_quirks(quirks: Quirks) -> Layout:
    """Return those that the encoder is to follow; what numbers and flags mean the tables themselves see to."""
    return Layout(status_nibbles=quirks.status_nibbles, no_offset=quirks.no_offset, bcd_point=quirks.bcd_point)
