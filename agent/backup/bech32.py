"""Bech32 (BIP 173), in which age writes its keys: `age1…` for the public half, `AGE-SECRET-KEY-1…` for the private."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM = 6  # letters


def encode(prefix: str, octets: bytes) -> str:
    """Return `octets` under `prefix` (lower case), with the checksum."""
    values = _regroup(octets, 8, 5, pad=True)
    check = _polymod([*_expanded(prefix), *values, *[0] * _CHECKSUM]) ^ 1
    values += [(check >> 5 * (_CHECKSUM - 1 - place)) & 31 for place in range(_CHECKSUM)]
    return prefix + "1" + "".join(_LETTERS[value] for value in values)


def decode(prefix: str, text: str) -> bytes:
    """Return the octets that `text` carries under `prefix`. Raises `ValueError` for anything else."""
    if text not in {text.lower(), text.upper()}:
        raise ValueError("it mixes upper and lower case")
    found, separator, letters = text.lower().rpartition("1")
    if not separator or found != prefix:
        raise ValueError(f"it does not begin with {prefix}1")
    values = [_LETTERS.find(letter) for letter in letters]
    if len(values) < _CHECKSUM or -1 in values:
        raise ValueError("it has letters that do not belong there")
    if _polymod([*_expanded(prefix), *values]) != 1:
        raise ValueError("its checksum is wrong")
    return bytes(_regroup(values[:-_CHECKSUM], 5, 8, pad=False))


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, constant in enumerate(_GENERATOR):
            check ^= constant if top >> place & 1 else 0
    return check


def _expanded(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _regroup(values: Sequence[int], bits_from: int, bits_to: int, *, pad: bool) -> list[int]:
    """Cut groups of `bits_from` bits anew into groups of `bits_to`."""
    held, bits, out = 0, 0, []
    for value in values:
        held, bits = held << bits_from | value, bits + bits_from
        while bits >= bits_to:
            bits -= bits_to
            out.append(held >> bits & (1 << bits_to) - 1)
    rest = held & (1 << bits) - 1
    if pad and bits:
        out.append(rest << bits_to - bits)
    elif not pad and (bits >= bits_from or rest):
        raise ValueError("it has bits left over")
    return out
