"""Instruments of a meter bench, described by profiles of their commands: AC source, reference standard, pulse counter.

Importing this does not import PyVISA, which is the extra `bench`: `open_source`, `open_standard` and `open_counter` do.
Every number is a `Decimal` or an int; what an instrument cannot have is refused before anything is sent to it.

    profiles = load_instruments()
    async with open_source(profiles.find("metersim-source"), "TCPIP::127.0.0.1::5025::SOCKET") as source:
        await source.set_output(volts=Decimal(240), amps=Decimal(30), frequency_hz=Decimal(60))
        await source.on()
        ...
        await source.off()
"""

from drivers.instruments.counter import Counter
from drivers.instruments.errors import (
    BadAnswer,
    InstrumentError,
    InstrumentLost,
    InstrumentRefused,
    InstrumentSilent,
    OutOfRange,
    OutputNotOn,
    OutputStillOn,
    Overrange,
    WrongInstrument,
)
from drivers.instruments.library import load_instrument, load_instruments
from drivers.instruments.limits import check_setting
from drivers.instruments.opening import open_counter, open_source, open_standard, turn_off_now
from drivers.instruments.schema import InstrumentProfile
from drivers.instruments.source import Source
from drivers.instruments.standard import Standard
from drivers.instruments.values import InstrumentIdentity, Measured, Setting

__all__ = [
    "BadAnswer",
    "Counter",
    "InstrumentError",
    "InstrumentIdentity",
    "InstrumentLost",
    "InstrumentProfile",
    "InstrumentRefused",
    "InstrumentSilent",
    "Measured",
    "OutOfRange",
    "OutputNotOn",
    "OutputStillOn",
    "Overrange",
    "Setting",
    "Source",
    "Standard",
    "WrongInstrument",
    "check_setting",
    "load_instrument",
    "load_instruments",
    "open_counter",
    "open_source",
    "open_standard",
    "turn_off_now",
]
