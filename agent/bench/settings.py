"""`[bench]` of the configuration: what no plan can exceed, and the instruments with their calibration."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from agent.bench.quantity import Quantity, positive
from agent.order import Text

CEILING_VOLTS = Decimal(600)  # the highest nominal voltage of a socket meter (ANSI C12.10)
CEILING_AMPS = Decimal(400)  # the highest class of a self-contained meter that is tested on one source: CL320, and 25 %

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}\Z")]


class InstrumentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One instrument on the bench, and the certificate of its calibration.

    Whatever measures, or sets the conditions of a test, is calibrated (UBP Meter Testing, Equipment Covered).
    """

    name: Name  # by which plans call it
    profile: Name  # how it is spoken to
    resource: Text  # VISA, e.g. TCPIP::10.0.0.5::5025::SOCKET
    serial_number: Text | None = None  # that it must tell of itself
    certificate: Text | None = None  # number of its calibration certificate; needed to be used in a test
    calibrated_on: date | None = None  # needed to be used in a test
    due_on: date | None = None  # by its maker or laboratory; a year after the calibration at the latest
    uncertainty: Quantity | None = None  # of the certificate, expanded (k = 2), of reading: "0.02 %"; of a standard

    def __post_init__(self) -> None:
        if self.uncertainty is not None:
            positive(self.uncertainty, "%", "uncertainty")
        if self.calibrated_on is not None and self.due_on is not None and self.due_on <= self.calibrated_on:
            raise ValueError("`due_on` must be after `calibrated_on`")

    @property
    def uncertainty_percent(self) -> Decimal | None:
        """Expanded, k = 2."""
        return None if self.uncertainty is None else positive(self.uncertainty, "%", "uncertainty")


class BenchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Accuracy tests. Without this section no plan can put more on a meter than extra-low voltage and one ampere."""

    most_voltage: Quantity = "50 V"  # no plan exceeds it; default: the touch voltage limit (IEC 61140)
    most_current: Quantity = "1 A"  # no plan exceeds it, nor the class of the meter
    visa_library: Text = "@py"  # pyvisa-py; FILE.yaml@sim, or a manufacturer's
    msp_id: Text | None = None  # who performs the tests; default: the agent
    rule_set_directories: tuple[Text, ...] = ()  # more rule sets of accuracy tests
    instruments: tuple[InstrumentSection, ...] = ()

    def __post_init__(self) -> None:
        for key, number, ceiling in (
            ("most_voltage", self.most_volts, CEILING_VOLTS),
            ("most_current", self.most_amps, CEILING_AMPS),
        ):
            if number > ceiling:
                raise ValueError(f"`{key}`: {getattr(self, key)!r} is above {ceiling}, which is never put on a meter")
        twice = [name for name, count in Counter(one.name for one in self.instruments).items() if count > 1]
        if twice:
            raise ValueError(f"`instruments`: the name {twice[0]!r} is used twice")

    @property
    def most_volts(self) -> Decimal:
        """No plan exceeds it."""
        return positive(self.most_voltage, "V", "most_voltage")

    @property
    def most_amps(self) -> Decimal:
        """No plan exceeds it."""
        return positive(self.most_current, "A", "most_current")
