"""POCSAG codewords: 21 bits of address or message, 10 bits of a BCH(31,21) code, one of even parity (ITU-R M.584).

 31  30 ……………………………… 13  12 11  10 ………………… 1  0
┌───┬───────────────────┬──────┬─────────────┬───┐
│ 0 │ 18 bits of address│ func │  BCH check  │ p │   the 3 low bits of an address are the frame that it is sent in
│ 1 │ 20 bits of message       │  BCH check  │ p │
└───┴──────────────────────────┴─────────────┴───┘
"""

from __future__ import annotations

SYNC = 0x7CD215D8  # begins a batch
IDLE = 0x7A89C197  # fills a frame that has nothing to say
LARGEST_ADDRESS = (1 << 21) - 1
_GENERATOR = 0b111_0110_1001  # x¹⁰ + x⁹ + x⁸ + x⁶ + x⁵ + x³ + 1
_NUMERALS = "0123456789*U -)("  # by code; `*` is spare
_BCD_SPACE = _NUMERALS.index(" ")


def codeword(bits: int) -> int:
    """Return 21 bits as a codeword of 32, check bits and parity added."""
    remainder = bits << 10
    for place in range(30, 9, -1):
        if remainder >> place & 1:
            remainder ^= _GENERATOR << place - 10
    word = (bits << 10 | remainder) << 1
    return word | word.bit_count() & 1


def address_word(address: int, function: int) -> int:
    """Return the codeword that begins a page; it belongs into frame `address` & 7."""
    if not 8 <= address <= LARGEST_ADDRESS:
        raise ValueError(f"a POCSAG address is a number from 8 to {LARGEST_ADDRESS}, not {address}")
    if not 0 <= function <= 3:
        raise ValueError(f"a POCSAG function is a number from 0 to 3, not {function}")
    return codeword(address >> 3 << 2 | function)


def alpha_words(text: str) -> list[int]:
    """Return a text as message codewords: ASCII of 7 bits, the lowest first, zeros after the last."""
    if not text.isascii():
        raise ValueError(f"{text!r} is not ASCII, which is all that a page can say")
    return _message_words("".join(f"{ord(char):07b}"[::-1] for char in text), "0")


def numeric_words(text: str) -> list[int]:
    """Return digits, blanks and `U - ) (` as message codewords: 4 bits each, the lowest first, blanks at the end."""
    if wrong := set(text) - set(_NUMERALS):
        raise ValueError(f"{sorted(wrong)} cannot be said by a numeric page: {_NUMERALS!r} can")
    return _message_words("".join(_bcd(_NUMERALS.index(char)) for char in text), _bcd(_BCD_SPACE))


def _bcd(code: int) -> str:
    return f"{code:04b}"[::-1]


def _message_words(bits: str, filling: str) -> list[int]:
    while len(bits) % 20:
        bits += filling
    return [codeword(1 << 20 | int(bits[at : at + 20], 2)) for at in range(0, len(bits), 20)]
