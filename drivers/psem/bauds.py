"""Baud codes of the Negotiate service (C12.18 §9.3)."""

from __future__ import annotations

from typing import Final

EXTERNAL: Final = 0x00  # the speed is set by something else: a modem, a terminal server

BAUD_OF_CODE: Final[dict[int, int]] = {
    0x01: 300,
    0x02: 600,
    0x03: 1200,
    0x04: 2400,
    0x05: 4800,
    0x06: 9600,
    0x07: 14400,
    0x08: 19200,
    0x09: 28800,
    0x0A: 57600,
    0x0B: 38400,
    0x0C: 115200,
    0x0D: 128000,
    0x0E: 256000,
}
CODE_OF_BAUD: Final[dict[int, int]] = {baud: code for code, baud in BAUD_OF_CODE.items()}
