"""Read and write messages by a compiled grammar: one pass from left to right, no backtracking. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.errors import DataError
from drivers.pager.checks import check_value, width_of
from drivers.pager.formats_schema import CheckField

LONGEST = 1024  # characters of a message; carriers take 80 to 240
DIGITS = frozenset("0123456789")
HEX = DIGITS | frozenset("abcdefABCDEF")
_SHOWN = 60  # characters of a wrong message; a longer one is cut


class WrongCheck(DataError):
    """A message of the right form whose check value is another."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a field lies in the text: characters from `start` up to, not including, `end`."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the field as written."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Literal:
    text: str

    def end(self, text: str, at: int) -> int | None:
        return at + len(self.text) if text.startswith(self.text, at) else None

    def __str__(self) -> str:
        return repr(self.text)


@dataclass(frozen=True, slots=True)
class Run:
    """As many characters of a set as there are, within bounds."""

    chars: frozenset[str]
    low: int
    high: int
    what: str

    def end(self, text: str, at: int) -> int | None:
        stop, last = at, min(len(text), at + self.high)
        while stop < last and text[stop] in self.chars:
            stop += 1
        return stop if stop - at >= self.low else None

    def __str__(self) -> str:
        many = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        return f"{many} {self.what}"


@dataclass(frozen=True, slots=True)
class Minus:
    """A minus sign, or nothing."""

    def end(self, text: str, at: int) -> int | None:
        return at + text.startswith("-", at)


Atom = Literal | Run | Minus


@dataclass(frozen=True, slots=True)
class Part:
    """A field, or what stands between fields, whose name is empty."""

    name: str
    atoms: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """A compiled message. `covered`: the check value is over the parts from the first index up to the second."""

    parts: tuple[Part, ...]
    check: CheckField | None = None
    check_name: str = ""
    covered: tuple[int, int] = (0, 0)

    def scan(self, text: str) -> dict[str, Span]:
        """Return where each field lies. Raises `DataError` with the place and the reason, also for a wrong check."""
        if len(text) > LONGEST:
            raise DataError(f"a message of {len(text)} characters; the longest that is read has {LONGEST}")
        if not text.isascii():
            raise DataError(f"the message {_excerpt(text)} is not ASCII text")
        bounds, at = [0], 0
        for part in self.parts:
            for atom in part.atoms:
                end = atom.end(text, at)
                if end is None:
                    raise _misfit(text, at, f"{part.name or 'it'}: {atom}" if part.name else str(atom))
                at = end
            bounds.append(at)
        if at < len(text):
            raise _misfit(text, at, "its end")
        spans = {part.name: Span(bounds[k], bounds[k + 1]) for k, part in enumerate(self.parts) if part.name}
        if self.check is not None:
            first, last = self.covered
            said = spans[self.check_name].of(text)
            right = written(self.check, text[bounds[first] : bounds[last]])
            if said.upper() != right:
                raise WrongCheck(
                    f"the message {_excerpt(text)} has the check value {said}; {self.check.algorithm} gives {right}",
                    advice="it was damaged on the way, or is of another format",
                )
        return spans

    def compose(self, values: Mapping[str, str]) -> str:
        """Return the message with these fields as written, the check value computed. Raises `ValueError`."""
        texts = [self._text(part, values) for part in self.parts]
        if self.check is not None:
            first, last = self.covered
            value = written(self.check, "".join(texts[first:last]))
            texts = [
                value if part.name == self.check_name else text for part, text in zip(self.parts, texts, strict=True)
            ]
        return "".join(texts)

    def _text(self, part: Part, values: Mapping[str, str]) -> str:
        if not part.name:
            return "".join(atom.text for atom in part.atoms if isinstance(atom, Literal))
        if part.name == self.check_name:
            return ""
        if part.name not in values:
            raise ValueError(f"no value for the field {part.name}")
        text, at = values[part.name], 0
        for atom in part.atoms:
            end = atom.end(text, at)
            if end is None:
                raise ValueError(f"{part.name}: {text!r} does not fit: expected {atom} at character {at + 1}")
            at = end
        if at < len(text):
            raise ValueError(f"{part.name}: {text!r} is too long")
        return text


def check_form(field: CheckField) -> tuple[frozenset[str], int]:
    """Return the characters of a check value as written, and how many there are."""
    bits = width_of(field.algorithm)
    if field.base == "hex" and bits:
        return HEX, bits // 4
    return DIGITS, len(str((1 << bits) - 1)) if bits else 1


def written(field: CheckField, covered: str) -> str:
    """Return the check value over the text, in upper case."""
    chars, digits = check_form(field)
    value = check_value(field.algorithm, covered.encode("ascii"))
    return f"{value:0{digits}X}" if chars is HEX else f"{value:0{digits}}"


def _misfit(text: str, at: int, expected: str) -> DataError:
    found = repr(text[at : at + 12]) if at < len(text) else "the end"
    return DataError(
        f"the message {_excerpt(text)} is not of this format: at character {at + 1} stands {found}, expected {expected}"
    )


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
