"""What ERT meters send, as values.

    SCM      0         21 23      26   30  32                       56                       80              96 bits
             sync      id  1 phys type enc register 24 bits         id, low 24 bits          BCH-16
    SCM+     16A3 1E type(8) id(32) register(32) tamper(16) CRC-16
    IDM      5555 16A3 1C 5C C6 version type(8) id(32) number(8) state(8) tamper(6×8) async(16) outages(48)
             register(32) 47 × 9-bit intervals, newest first, offset(16) id-CRC(16) CRC(16)
    NetIDM   the same frame with other contents: … tamper(6×8) 7 octets, generation(24) 3 octets, net(32)
             27 × 14-bit intervals, offset(16) id-CRC(16) CRC(16)

Nothing in a frame says which of IDM and NetIDM it is: a receiver reports both, and a read plan knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["scm", "scmplus", "idm", "netidm"]

#: The low four bits of the type say what is metered. By the published tables 4 and 12 are used for more than one thing.
COMMODITY = {
    **dict.fromkeys((4, 5, 7, 8), "electric"),
    **dict.fromkeys((0, 1, 2, 9, 12), "gas"),
    **dict.fromkeys((3, 11, 13), "water"),
}
AMBIGUOUS = frozenset({4, 12})  # an electric CENTRON sends 12
WIDTH = {"scm": 24, "scmplus": 32, "idm": 32, "netidm": 32}  # bits of the register
INTERVAL_S = 300


@dataclass(frozen=True, slots=True)
class Signal:
    """How a message came in: dB of full scale, MHz. None where the receiver does not say."""

    rssi_db: Decimal | None = None
    snr_db: Decimal | None = None
    noise_db: Decimal | None = None
    frequency_mhz: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the digits of a number lie in the line."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The intervals of one IDM or NetIDM, newest first; the newest ended when the register was read out.

    `number`: of the newest one, modulo 256; `offset`: how long ago it ended when this was sent, in 1/16 s.
    `outages`: bit 46 − i is set if the power failed during interval i; None where the message does not tell.
    """

    number: int
    offset: int
    counts: tuple[int, ...]
    maximum: int  # 511 or 16383: a count that is as large may have been larger
    outages: int | None = None


@dataclass(frozen=True, slots=True)
class ErtMessage:
    """One message, its check words verified by the receiver, and the line that the receiver printed of it."""

    kind: Kind
    meter_id: int
    type: int  # the whole octet; of an SCM four bits
    count: int  # the register; of a NetIDM the net one
    place: Place  # of the count
    tamper: tuple[int, ...]  # counters: two modulo 4 (SCM), one of 16 bits (SCM+), six modulo 256 (IDM)
    line: bytes
    signal: Signal = Signal()
    time: str = ""  # as the receiver tells it
    profile: Profile | None = None  # None: of another kind, or not to be relied on (see `remarks`)
    generation: int | None = None  # NetIDM: 24 bits
    generation_place: Place | None = None
    remarks: tuple[str, ...] = ()  # what was left out of the message, and why

    @property
    def commodity(self) -> str:
        """What is metered, by the type: `electric`, `gas`, `water`, or empty where the type does not say."""
        return COMMODITY.get(self.type & 15, "")

    @property
    def is_ambiguous(self) -> bool:
        """Whether meters of more than one commodity send this type."""
        return self.type & 15 in AMBIGUOUS
