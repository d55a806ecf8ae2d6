"""CRC-16/X-25 of PSEM packets (C12.18 §7): reflected 8408H, start FFFFH, inverted, sent low byte first."""

from __future__ import annotations

import binascii

# `crc_hqx` is the same polynomial most significant bit first: mirroring every octet makes it ours, at C speed.
_MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def crc16(octets: bytes | bytearray) -> int:
    """Return the CRC over `octets`, start byte included; 906EH for ASCII `123456789`."""
    mirrored = binascii.crc_hqx(octets.translate(_MIRROR), 0xFFFF)
    return (_MIRROR[mirrored & 0xFF] << 8 | _MIRROR[mirrored >> 8]) ^ 0xFFFF
