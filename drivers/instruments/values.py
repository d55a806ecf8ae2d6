"""What the bench tells an instrument and hears from it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class InstrumentIdentity:
    """The answer to *IDN?: four fields (IEEE 488.2 §10.14); a field that the instrument leaves out is empty."""

    manufacturer: str
    model: str
    serial_number: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a source is to put out: volts and amperes (rms), hertz, and the power factor, 0 to 1.

    `leading`: the current is before its voltage. With a power factor of 1 it means nothing.
    """

    volts: Decimal
    amps: Decimal
    frequency_hz: Decimal
    power_factor: Decimal = Decimal(1)
    leading: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What a source says that it puts out; None where it cannot say."""

    volts: Decimal | None
    amps: Decimal | None
