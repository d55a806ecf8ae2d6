"""What an instrument understands, made of its profile: every command that the profile sends, and nothing else.

A command is refused as SCPI 1999 §21.8 demands: -113 for a header that is not there, -108 and -109 for too many and too
few parameters, -104 for one that is no number.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,3})?"


class Refused(Exception):
    """A command that is put into the error queue, with its SCPI number and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Heard:
    """A command that was understood: the template it is of, and the numbers in it."""

    template: str
    numbers: Mapping[str, Decimal]


class Dialect:
    """The commands of one profile."""

    def __init__(self, templates: tuple[str, ...]) -> None:
        self._patterns = {template: _pattern(template) for template in templates}
        self._headers = {_header(template) for template in templates}
        self._bare = {_header(template) for template in templates if " " not in template}

    def hear(self, command: str) -> Heard:
        """Return what a command is. Raises `Refused`."""
        for template, pattern in self._patterns.items():
            if found := pattern.fullmatch(command.strip()):
                return Heard(template, {name: Decimal(text) for name, text in found.groupdict().items()})
        header = _header(command)
        if header not in self._headers:
            raise Refused(-113, "Undefined header")
        if not command.strip()[len(header) :].strip():
            raise Refused(-109, "Missing parameter")
        if header in self._bare:
            raise Refused(-108, "Parameter not allowed")
        raise Refused(-104, "Data type error")


def _header(command: str) -> str:
    return command.strip().split(" ", 1)[0].upper()


def _pattern(template: str) -> re.Pattern[str]:
    """Return what matches a command of a template: any case, any number in its places, spaces where there are some."""
    made = ""
    for literal, name, _, _ in string.Formatter().parse(template):
        made += r"\s+".join(map(re.escape, literal.split(" ")))
        if name is not None:
            made += f"(?P<{name}>{_NUMBER})"
    return re.compile(made, re.IGNORECASE)
