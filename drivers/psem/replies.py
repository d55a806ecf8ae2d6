"""Layer 7 responses (C12.18 §9): what follows the OK code of Identify, Negotiate, Timing setup, reads; both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.errors import LocalProtocolError, MeterProtocolError

C12_18: Final = 0
C12_21: Final = 2
MOST_TABLE_DATA: Final = 0xFFFF
TABLE_OVERHEAD: Final = 4  # octets of a read response that are not table data: code, count (2), checksum


class BadTableData(MeterProtocolError):
    """Count or checksum of table data is wrong: what came is discarded, the read can be repeated."""


class AnswerUnusable(BadTableData):
    """What this one request brings is of no use, however often it is asked, while others are answered.

    It costs what was asked for, a table as a rule; the session goes on.
    """


def checksum(data: bytes) -> int:
    """Return the table checksum: the two's complement of the sum, so that data and checksum add up to 0 mod 256."""
    return -sum(data) & 0xFF


def encode_table_data(data: bytes) -> bytes:
    """Return count, data, checksum. Raises `LocalProtocolError` above 65,535 octets."""
    if len(data) > MOST_TABLE_DATA:
        msg = f"{len(data)} octets of table data: the count has 16 bits"
        raise LocalProtocolError(msg)
    return len(data).to_bytes(2, "big") + data + bytes((checksum(data),))


def decode_table_data(payload: bytes, what: str) -> bytes:
    """Return the data of count, data, checksum. Raises `BadTableData` unless all three agree."""
    count = int.from_bytes(payload[:2], "big")
    if len(payload) != count + 3:
        msg = f"{what}: {len(payload)} octets came where the count says {count + 3}"
        raise BadTableData(msg)
    if sum(payload[2:]) & 0xFF:
        msg = f"{what}: the table checksum is wrong"
        raise BadTableData(msg)
    return payload[2:-1]


@dataclass(frozen=True, slots=True)
class Authentication:
    """Features 01 and 02: the meter can Authenticate, with a ticket (02) or without (01: `ticket` is empty)."""

    kind: int
    algorithm: int
    ticket: bytes = b""

    def encode(self) -> bytes:
        head = bytes((2 if self.ticket else 1, self.kind, self.algorithm))
        return head + (bytes((len(self.ticket),)) + self.ticket if self.ticket else b"")


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Feature 06: an object identifier in BER; `tag` is 06H absolute or 0DH relative."""

    tag: int
    oid: bytes

    def encode(self) -> bytes:
        return bytes((6, self.tag, len(self.oid))) + self.oid


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Feature 07: the meter's identity in a character format."""

    char_format: int
    identity: bytes

    def encode(self) -> bytes:
        return bytes((7, len(self.identity) + 1, self.char_format)) + self.identity


Feature = Authentication | DeviceClass | DeviceIdentity


@dataclass(frozen=True, slots=True)
class IdentifyReply:
    """Standard (0 C12.18, 2 C12.21, 3 C12.22), its edition, and the features. `rest` is what could not be read:
    features have no common length field, so everything behind an unknown one is opaque.
    """

    standard: int
    version: int
    revision: int
    features: tuple[Feature, ...] = ()
    rest: bytes = b""

    def encode(self) -> bytes:
        """Return what follows the OK code."""
        head = bytes((self.standard, self.version, self.revision))
        return head + b"".join(feature.encode() for feature in self.features) + (self.rest or b"\0")

    @classmethod
    def decode(cls, payload: bytes) -> IdentifyReply:
        """Read a reply; a missing end of list is accepted. Raises `MeterProtocolError` below three octets."""
        if len(payload) < 3:
            msg = f"Identify: an answer of {len(payload) + 1} octets"
            raise MeterProtocolError(msg)
        features, rest = _features(payload[3:], char_format_counted=True)
        if rest != b"":
            # Whether the length of feature 07 counts its char-format octet is read both ways in the field.
            other, other_rest = _features(payload[3:], char_format_counted=False)
            if other_rest == b"":
                features, rest = other, other_rest
        return cls(payload[0], payload[1], payload[2], features, rest)


def _features(octets: bytes, *, char_format_counted: bool) -> tuple[tuple[Feature, ...], bytes]:
    """Return the features that can be read, and what is left besides a 00 at the very end."""
    features: list[Feature] = []
    at = 0
    while at < len(octets) and octets[at] != 0:
        found = _feature(octets[at:], char_format_counted=char_format_counted)
        if found is None:
            return tuple(features), octets[at:]
        feature, size = found
        features.append(feature)
        at += size
    return tuple(features), octets[at:] if len(octets) - at > 1 else b""


def _feature(octets: bytes, *, char_format_counted: bool) -> tuple[Feature, int] | None:
    """Return the first feature and its size; None if it is unknown or cut off."""
    kind = octets[0]
    if kind == 1 and len(octets) >= 3:
        return Authentication(octets[1], octets[2]), 3
    if kind == 2 and len(octets) >= 4 and octets[3] > 0:
        size = 4 + octets[3]
        return (Authentication(octets[1], octets[2], octets[4:size]), size) if len(octets) >= size else None
    if kind == 6 and len(octets) >= 3:
        size = 3 + octets[2]
        return (DeviceClass(octets[1], octets[3:size]), size) if len(octets) >= size else None
    if kind == 7 and len(octets) >= 3:
        size = 2 + octets[1] + (0 if char_format_counted else 1)
        return (DeviceIdentity(octets[2], octets[3:size]), size) if len(octets) >= size >= 3 else None
    return None


@dataclass(frozen=True, slots=True)
class NegotiateReply:
    """What the meter will do; `baud_code` is None where it sent none."""

    packet_size: int
    packets: int
    baud_code: int | None = None

    def encode(self) -> bytes:
        head = self.packet_size.to_bytes(2, "big") + bytes((self.packets,))
        return head if self.baud_code is None else head + bytes((self.baud_code,))

    @classmethod
    def decode(cls, payload: bytes) -> NegotiateReply:
        """Read a reply. Raises `MeterProtocolError` for any length but 3 or 4."""
        if len(payload) not in (3, 4):
            msg = f"Negotiate: an answer of {len(payload) + 1} octets"
            raise MeterProtocolError(msg)
        return cls(int.from_bytes(payload[:2], "big"), payload[2], payload[3] if len(payload) == 4 else None)


@dataclass(frozen=True, slots=True)
class TimingReply:
    """The timers that the meter will use: whole seconds, and a number of retries (C12.21)."""

    traffic: int
    inter_character: int
    response: int
    retries: int

    def encode(self) -> bytes:
        return bytes((self.traffic, self.inter_character, self.response, self.retries))

    @classmethod
    def decode(cls, payload: bytes) -> TimingReply:
        """Read a reply. Raises `MeterProtocolError` for any length but 4."""
        if len(payload) != 4:
            msg = f"Timing setup: an answer of {len(payload) + 1} octets"
            raise MeterProtocolError(msg)
        return cls(*payload)


def encode_authentication(body: bytes) -> bytes:
    """Return what follows the OK code of Authenticate: a length octet and the body (C12.21)."""
    return bytes((len(body),)) + body


def decode_authentication(payload: bytes) -> bytes:
    """Return the body of an Authenticate reply. Raises `MeterProtocolError` if its length octet disagrees."""
    if not payload or len(payload) != 1 + payload[0]:
        msg = "Authenticate: the answer does not have the length that it says"
        raise MeterProtocolError(msg)
    return payload[1:]
