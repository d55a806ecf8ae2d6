"""Layer 2 of C12.18, the packet (§3, §4): one value, and the framer that finds packets in a stream of bytes.

    +-----+----------+------+-----+---------+-------------+----------------+
    | EEH | IDENTITY | CTRL | SEQ | LENGTH  | DATA        | CRC            |
    |  1  |    1     |  1   |  1  | 2 (BE)  | LENGTH      | 2 (low first)  |
    +-----+----------+------+-----+---------+-------------+----------------+
    CTRL: 80H part of a longer message · 40H its first packet · 20H toggle · 1FH reserved in C12.18

Between packets 06H is an ACK and 15H a NAK; inside a packet every octet is data, nothing is stuffed or escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.errors import LocalProtocolError, MeterProtocolError
from drivers.psem.crc import crc16

START: Final = 0xEE
ACK: Final = b"\x06"
NAK: Final = b"\x15"
OVERHEAD: Final = 8  # octets of a packet that are not data
HEADER: Final = 6  # octets up to DATA
DEFAULT_SIZE: Final = 64
LARGEST_SIZE: Final = 8192

MULTI: Final = 0x80
FIRST: Final = 0x40
TOGGLE: Final = 0x20

# A packet that lost its start byte shows its five other header octets before any of its data. A start byte found
# after so many stray octets may be data of such a packet, and data may well look like a whole packet.
_MOST_STRAYS = HEADER - 1


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `seq` counts the packets that still follow; `reserved` keeps CTRL bits 4–0 as they came."""

    data: bytes
    seq: int = 0
    multi: bool = False
    first: bool = False
    toggle: bool = False
    identity: int = 0
    reserved: int = 0

    @property
    def ctrl(self) -> int:
        """The CTRL octet."""
        return MULTI * self.multi | FIRST * self.first | TOGGLE * self.toggle | self.reserved

    def to_bytes(self) -> bytes:
        """Return the octets on the line. Raises `LocalProtocolError` for empty or oversized data."""
        if not 1 <= len(self.data) <= LARGEST_SIZE - OVERHEAD:
            msg = f"a packet of {len(self.data)} data octets"
            raise LocalProtocolError(msg)
        body = bytes((START, self.identity, self.ctrl, self.seq)) + len(self.data).to_bytes(2, "big") + self.data
        return body + crc16(body).to_bytes(2, "little")

    @classmethod
    def parse(cls, raw: bytes) -> Packet:
        """Take exactly one packet apart. Raises `MeterProtocolError` unless start, length and CRC agree."""
        if len(raw) <= OVERHEAD or raw[0] != START or int.from_bytes(raw[4:6], "big") != len(raw) - OVERHEAD:
            msg = "not a PSEM packet: start byte or length is wrong"
            raise MeterProtocolError(msg)
        if crc16(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
            msg = "a PSEM packet with a wrong CRC"
            raise MeterProtocolError(msg)
        ctrl = raw[2]
        return cls(
            data=raw[HEADER:-2],
            seq=raw[3],
            multi=bool(ctrl & MULTI),
            first=bool(ctrl & FIRST),
            toggle=bool(ctrl & TOGGLE),
            identity=raw[1],
            reserved=ctrl & 0x1F,
        )


def split_message(data: bytes, max_data: int, *, toggle: bool, identity: int = 0) -> list[Packet]:
    """Cut one message into packets of at most `max_data` octets, toggling from `toggle` (C12.18 §5).

    Raises `LocalProtocolError` for an empty message or one that needs more than the 256 packets that SEQ can count.
    """
    pieces = [data[at : at + max_data] for at in range(0, len(data), max_data)]
    if not 1 <= len(pieces) <= 256:
        msg = f"a message of {len(data)} octets does not fit 1 to 256 packets of {max_data}"
        raise LocalProtocolError(msg)
    multi = len(pieces) > 1
    return [
        Packet(
            piece,
            seq=len(pieces) - 1 - number,
            multi=multi,
            first=multi and number == 0,
            toggle=toggle ^ bool(number % 2),
            identity=identity,
        )
        for number, piece in enumerate(pieces)
    ]


class Fault(Enum):
    """Why something on the line was no packet."""

    CRC = "wrong CRC"
    LENGTH = "impossible length"
    GAP = "stopped in the middle"
    NO_START = "without a start byte"


class Control(Enum):
    """A single octet between packets."""

    ACK = ACK
    NAK = NAK


@dataclass(frozen=True, slots=True)
class Received:
    """A packet with a good CRC; `raw` is what was on the line."""

    packet: Packet
    raw: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """A damaged packet. Everything up to the next silence is dropped: its end is not known."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Noise:
    """Octets that belong to nothing."""

    count: int


FrameEvent = Received | Control | Bad | Noise

_CONTROLS: Final = {control.value[0]: control for control in Control}


class Framer:
    """Find packets, ACKs and NAKs in a stream cut anywhere. Keeps at most one packet and one chunk in memory."""

    __slots__ = ("_buffer", "_draining", "_strays", "max_data")

    def __init__(self, max_data: int = DEFAULT_SIZE - OVERHEAD) -> None:
        self.max_data = max_data  # longest DATA accepted
        self._buffer = bytearray()
        self._draining = False
        self._strays = 0  # octets outside packets, from the first that was no ACK or NAK to a good packet or silence

    @property
    def partial(self) -> bool:
        """A packet has begun and is not complete."""
        return bool(self._buffer)

    @property
    def unsettled(self) -> bool:
        """Octets that were no packet came in, and the line was not seen silent since."""
        return self._draining or self._strays > 0

    def feed(self, chunk: bytes) -> list[FrameEvent]:
        """Take what came in, return what it meant, in order."""
        events: list[FrameEvent] = []
        if self._draining:
            return [Noise(len(chunk))] if chunk else events
        self._buffer += chunk
        at = noise = 0
        while at < len(self._buffer):
            event: FrameEvent | None
            if self._buffer[at] == START:
                event, end = self._packet(at)
                if event is None:
                    break
                at = end
            else:
                event = _CONTROLS.get(self._buffer[at]) if self._strays < _MOST_STRAYS else None
                at += 1
                if event is None or self._strays:
                    self._strays += 1
                if event is None:
                    noise += 1
                    continue
            if noise:
                events.append(Noise(noise))
                noise = 0
            events.append(event)
            if isinstance(event, Bad):  # nothing that follows at once can be trusted
                noise, at = len(self._buffer) - at, len(self._buffer)
        if noise:
            events.append(Noise(noise))
        del self._buffer[:at]
        return events

    def quiet(self) -> Bad | None:
        """The line fell silent: end what is open and listen afresh. `Bad` if that was part of a packet.

        Damage that `feed` has reported already is not reported again.
        """
        fault: Fault | None = None
        if self._buffer:
            fault = Fault.GAP
        elif not self._draining and self._strays >= OVERHEAD:
            fault = Fault.NO_START
        self.reset()
        return Bad(fault) if fault else None

    def reset(self) -> None:
        """Forget everything that came in."""
        self._buffer.clear()
        self._draining = False
        self._strays = 0

    def _packet(self, at: int) -> tuple[Received | Bad | None, int]:
        """Judge the packet that begins at `at`; None = more octets are needed."""
        if self._strays >= _MOST_STRAYS:
            return self._bad(Fault.NO_START, at)
        available = len(self._buffer) - at
        if available < HEADER:
            return None, at
        length = int.from_bytes(self._buffer[at + 4 : at + 6], "big")
        if not 1 <= length <= self.max_data:
            return self._bad(Fault.LENGTH, at)
        if available < length + OVERHEAD:
            return None, at
        end = at + length + OVERHEAD
        raw = bytes(self._buffer[at:end])
        try:
            packet = Packet.parse(raw)
        except MeterProtocolError:
            return self._bad(Fault.CRC, end)
        self._strays = 0
        return Received(packet, raw), end

    def _bad(self, fault: Fault, end: int) -> tuple[Bad, int]:
        self._draining = True
        return Bad(fault), end
