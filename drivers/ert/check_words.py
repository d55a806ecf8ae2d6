"""The check words of ERT messages. Pure."""

from __future__ import annotations

CCITT = 0x1021
BCH = 0x6F63  # of the SCM, over bits 16 to 79


def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for octet in range(256):
        word = octet << 8
        for _ in range(8):
            word = (word << 1 ^ polynomial) & 0xFFFF if word & 0x8000 else word << 1
        entries.append(word)
    return tuple(entries)


_CCITT, _BCH = _table(CCITT), _table(BCH)


def crc16(octets: bytes) -> int:
    """Return the CRC-16 of SCM+ and IDM: polynomial 1021, begun with FFFF, inverted."""
    word = 0xFFFF
    for octet in octets:
        word = (word << 8 & 0xFFFF) ^ _CCITT[word >> 8 ^ octet]
    return word ^ 0xFFFF


def bch16(octets: bytes) -> int:
    """Return the check word of an SCM: polynomial 6F63, begun with 0, of octets 2 to 9."""
    word = 0
    for octet in octets:
        word = (word << 8 & 0xFFFF) ^ _BCH[word >> 8 ^ octet]
    return word


def id_crc(meter_id: int) -> int:
    """Return the check word of an IDM's identification."""
    return crc16(meter_id.to_bytes(4, "big"))
