"""From packets to messages: sequence numbers and lost synchronisation (C12.18 §5). No timers, no line."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.psem.packet import Packet

_MOST_PACKETS = 256  # of one message: SEQ counts those that follow in one octet


@dataclass(frozen=True, slots=True)
class Message:
    """One whole request or response, exactly as the peer sent it."""

    data: bytes
    packets: int


@dataclass(frozen=True, slots=True)
class Part:
    """A packet of a longer message was accepted; `octets` of the message are here so far."""

    octets: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """A message could not be put together and is gone; the request that it belongs to must be repeated.

    `suspect`: a message of one packet that is whole, but whose place in the exchange is in doubt.
    """

    reason: str
    suspect: bytes = b""


class Assembler:
    """Collect the packets of one message at a time. Bounded: 256 packets of the framer's largest size."""

    __slots__ = ("_expected", "_octets", "_parts", "_passed", "_spoilt")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._octets = 0
        self._expected = 0
        self._spoilt = ""
        self._passed = 0  # packets of a spoilt message

    @property
    def collecting(self) -> bool:
        """A message has begun and is not complete."""
        return bool(self._parts)

    @property
    def spoilt(self) -> str:
        """Why the rest of the present message is only waited out; empty if it is not."""
        return self._spoilt

    def continues(self, packet: Packet) -> bool:
        """Whether `packet` is the very next one of the message being collected."""
        return self.collecting and packet.multi and not packet.first and packet.seq == self._expected

    def repeats(self, packet: Packet) -> bool:
        """Whether `packet` has the place of the one accepted last."""
        return self.collecting and packet.multi and packet.seq == self._expected + 1

    def accept(self, packet: Packet, *, fresh_allowed: bool) -> Message | Part | Discarded | None:
        """Add a packet that is no duplicate; None while the rest of a spoilt message passes by.

        `fresh_allowed`: a new message may begin before the present one is complete, as a client may do that gave up
        waiting; otherwise that means lost packets.
        """
        fresh = not packet.multi or packet.first
        if fresh and fresh_allowed:
            self.reset()
        if self._spoilt:
            return self.spoil(packet, self._spoilt)
        if not packet.multi and packet.seq:
            return self.spoil(packet, f"a single packet says that {packet.seq} follow")
        if fresh and self.collecting:
            return self.spoil(packet, "a new message began inside another")
        if not fresh and not self.continues(packet):
            wanted = str(self._expected) if self.collecting else "the first packet"
            return self.spoil(packet, f"packet {packet.seq} came instead of {wanted}")
        self._parts.append(packet.data)
        self._octets += len(packet.data)
        if packet.seq:
            self._expected = packet.seq - 1
            return Part(self._octets)
        message = Message(b"".join(self._parts), len(self._parts))
        self.reset()
        return message

    def spoil(self, packet: Packet, reason: str) -> Discarded | None:
        """Give up the message that `packet` belongs to; `Discarded` once its last packet is through, or must be."""
        passed = self._passed + 1 if self._spoilt else 1
        self.reset()
        if packet.multi and packet.seq and passed < _MOST_PACKETS:
            self._spoilt, self._passed = reason, passed
            return None
        return Discarded(reason)

    def reset(self) -> None:
        """Forget everything collected."""
        self._parts.clear()
        self._octets = 0
        self._expected = 0
        self._spoilt = ""
        self._passed = 0
