"""The `[pager]` table of the configuration: a fixed receiver of one paging channel."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from agent.listening.settings import ListeningSettings
from agent.order import Text
from drivers.pager.multimon_programs import Decoder, Receiver

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GAIN = re.compile(r"|[0-9]{1,2}(\.[0-9])?")


class PagerSettings(ListeningSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed receiver, with what every kind of one-way telemetry has. Needs Debian's multimon-ng and rtl-sdr."""

    frequency: Annotated[int, msgspec.Meta(ge=25_000_000, le=1_750_000_000)]  # Hz
    device: Text = "0"  # index or serial number
    gain: Annotated[str, msgspec.Meta(max_length=4)] = ""  # dB; empty: automatic
    ppm: Annotated[int, msgspec.Meta(ge=-200, le=200)] = 0  # error of the dongle's oscillator
    # bits a second, of POCSAG
    rates: Annotated[tuple[Literal[512, 1200, 2400], ...], msgspec.Meta(min_length=1, max_length=3)] = (512, 1200, 2400)
    inverted: bool = False  # the receiver turns the signal over
    # Off by default: multimon-ng 1.2 hands what a FLEX page says to printf as its format, so that anybody on the air
    # can crash it, or worse.
    flex: bool = False
    program: Text = "multimon-ng"  # Debian's multimon-ng, or another path to it
    receiver_program: Text = "rtl_fm"  # of Debian's rtl-sdr

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"`device`: {self.device!r} is neither an index nor a serial number")
        if not _GAIN.fullmatch(self.gain):
            raise ValueError(f"`gain`: {self.gain!r} is no number of decibels")

    @property
    def receiver(self) -> Receiver:
        """How rtl_fm is called."""
        return Receiver(self.frequency, self.device, self.gain or None, self.ppm, self.receiver_program)

    @property
    def decoder(self) -> Decoder:
        """How multimon-ng is called; which pages are text follows from the plan."""
        return Decoder(rates=self.rates, inverted=self.inverted, flex=self.flex, program=self.program)
