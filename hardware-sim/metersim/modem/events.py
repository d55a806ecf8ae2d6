"""What a modem does to its telephone line, in the order in which it does it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OffHook:
    """It takes the line and listens for a dial tone: tell it of one by `dial_tone`."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """The whole number is out; what comes of it is told by `ringback`, `busy` and `carrier`."""

    number: str


@dataclass(frozen=True, slots=True)
class Answered:
    """It takes the line because it rings, or because it was told to."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Octets for the modem at the other end."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class OnHook:
    """It has hung up."""

    why: str


ModemEvent = OffHook | Dialled | Answered | Transmit | OnHook
