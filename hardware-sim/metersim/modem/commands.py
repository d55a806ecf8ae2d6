"""What may stand on an AT command line, and what it means: a table and a parser, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_RANGES: Final[dict[str, tuple[int, ...]]] = {
    "B": (0, 1, 2, 3, 15, 16),
    "C": (1,),
    "E": (0, 1),
    "F": tuple(range(11)),
    "H": (0, 1),
    "I": tuple(range(10)),
    "L": (0, 1, 2, 3),
    "M": (0, 1, 2, 3),
    "N": (0, 1),
    "O": (0, 1),
    "P": (0,),
    "Q": (0, 1),
    "T": (0,),
    "V": (0, 1),
    "W": (0, 1, 2),
    "X": (0, 1, 2, 3, 4),
    "Y": (0, 1),
    "Z": (0, 1),
    "&B": (0, 1),
    "&C": (0, 1),
    "&D": (0, 1, 2, 3),
    "&F": (0, 1),
    "&G": (0, 1, 2),
    "&J": (0, 1),
    "&K": (0, 3, 4, 5, 6),
    "&L": (0, 1),
    "&M": (0, 1, 2, 3, 4, 5),
    "&P": (0, 1, 2, 3),
    "&Q": (0, 1, 2, 3, 4, 5, 6),
    "&R": (0, 1),
    "&S": (0, 1),
    "&V": (0, 1),
    "&W": (0, 1),
    "&X": (0, 1, 2),
    "&Y": (0, 1),
    "\\A": (0, 1, 2, 3),
    "\\B": tuple(range(10)),
    "\\G": (0, 1),
    "\\J": (0, 1),
    "\\K": (0, 1, 2, 3, 4, 5),
    "\\L": (0, 1),
    "\\N": (0, 1, 2, 3, 4, 5),
    "\\Q": (0, 1, 2, 3),
    "\\V": (0, 1),
    "%B": (300, 1200, 2400, 4800, 9600),
    "%C": (0, 1, 2, 3),
    "%E": (0, 1, 2, 3),
}
_REGISTERS: Final = 100  # S0 … S99
_NAME = re.compile(r"[&\\%]?[A-Z]")
_DIGITS = re.compile(r"\d{0,5}")
_REGISTER = re.compile(r"S(\d{1,3})(?:=(\d{0,5})|(\?))")
_EXTENDED = re.compile(r"\+([A-Z]+)(=[0-9A-Z,]*|\?|=\?)?(?:;|$)")
_DIALLED: Final = frozenset("0123456789*#ABCD")
_IGNORED: Final = " -()."
_MODIFIERS: Final = frozenset(",W@!;TPR")


class BadCommand(Exception):
    """The modem answers ERROR; what stood before on the line has taken effect."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A letter, with `&`, a backslash or `%` before it or not, and its number."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class SetRegister:
    number: int
    value: int


@dataclass(frozen=True, slots=True)
class ShowRegister:
    number: int


@dataclass(frozen=True, slots=True)
class Extended:
    """`+MS=V22B,0,2400,2400`: name and parameters; None: it asks (`?`)."""

    name: str
    values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Dial:
    """What follows D: digits and modifiers, in order, without what a modem ignores."""

    steps: str


@dataclass(frozen=True, slots=True)
class Answer:
    """ATA."""


Command = Setting | SetRegister | ShowRegister | Extended | Dial | Answer


def commands(line: str, *, longest: int) -> Iterator[Command]:
    """Yield the commands of a line, without its AT, one by one; raise `BadCommand` at the first that makes no sense.

    Nothing of a line with more than `longest` characters is carried out.
    """
    if len(line) > longest:
        raise BadCommand(line)
    at = 0
    text = line.upper().replace(" ", "")
    while at < len(text):
        if text[at] == "D":
            yield Dial(_steps(text[at + 1 :]))
            return
        if text[at] == "A":
            yield Answer()  # the rest of the line is not looked at
            return
        command, at = _one(text, at)
        yield command
        if isinstance(command, Setting) and command.name == "Z":
            return  # what follows on the line is lost


def _one(text: str, at: int) -> tuple[Command, int]:
    if text[at] == "S":
        return _register(text, at)
    if text[at] == "+":
        found = _EXTENDED.match(text, at)
        if found is None:
            raise BadCommand(text[at:])
        given = found[2] or "?"
        return Extended(found[1], None if given == "?" else tuple(given[1:].split(","))), found.end()
    name = _NAME.match(text, at)
    if name is None or name[0] not in _RANGES:
        raise BadCommand(text[at:])
    digits = _DIGITS.match(text, name.end())
    value = int(digits[0]) if digits and digits[0] else 0
    if value not in _RANGES[name[0]]:
        raise BadCommand(text[at:])
    return Setting(name[0], value), digits.end() if digits else name.end()


def _register(text: str, at: int) -> tuple[Command, int]:
    found = _REGISTER.match(text, at)
    if found is None or int(found[1]) >= _REGISTERS:
        raise BadCommand(text[at:])
    if found[3]:
        return ShowRegister(int(found[1])), found.end()
    value = int(found[2] or 0)
    if value > 255:
        raise BadCommand(text[at:])
    return SetRegister(int(found[1]), value), found.end()


def _steps(text: str) -> str:
    steps = text.translate({ord(char): None for char in _IGNORED})
    if not set(steps) <= _DIALLED | _MODIFIERS or ";" in steps[:-1]:
        raise BadCommand(text)
    return steps
