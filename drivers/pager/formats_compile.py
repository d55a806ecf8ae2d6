"""Compile a declared message text and its fields to a grammar. Pure.

A text is literal characters and `{name}` for fields; `{[}` and `{]}` enclose what the check value covers, and `{{` and
`}}` stand for braces. What would let a message be read in two ways is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from drivers.pager.formats_grammar import DIGITS, HEX, LONGEST, Atom, Grammar, Literal, Minus, Part, Run, check_form
from drivers.pager.formats_schema import (
    AnyField,
    CheckField,
    DecimalField,
    DigitsField,
    HexField,
    LettersField,
    TimeField,
)
from drivers.pager.formats_time import pieces

_LETTERS = frozenset(chr(code) for code in range(128) if chr(code).isalnum())
_TOKEN = re.compile(
    r"(?P<brace>\{\{|\}\})|\{(?P<name>[a-z][a-z0-9_]*|\[|\])\}|(?P<text>[^{}]+)|(?P<stray>.)", re.DOTALL
)


class FormatMistake(ValueError):
    """A format that makes no sense. `keys` lead to the key that is wrong, below the table that is compiled."""

    def __init__(self, keys: tuple[str | int, ...], reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.keys = keys
        self.reason = reason
        self.advice = advice


def compile_grammar(text: str, fields: Mapping[str, AnyField]) -> Grammar:
    """Return the grammar of a declared text. Raises `FormatMistake`."""
    parts: list[Part] = []
    marks: dict[str, int] = {}
    for name, literal in _tokens(text):
        if name in {"[", "]"}:
            if name in marks:
                raise FormatMistake(("text",), f"{{{name}}} stands in it twice")
            marks[name] = len(parts)
        elif name:
            if name not in fields:
                raise FormatMistake(("text",), f"{{{name}}} is no field", f"fields: {', '.join(fields) or 'none'}")
            if any(part.name == name for part in parts):
                raise FormatMistake(("text",), f"{{{name}}} stands in it twice")
            parts.append(Part(name, _atoms(name, fields[name])))
        else:
            parts.append(Part("", (Literal(literal),)))
    if unused := [name for name in fields if all(part.name != name for part in parts)]:
        raise FormatMistake(("field", unused[0]), f"{{{unused[0]}}} does not stand in the text")
    _refuse_two_ways(parts)
    longest = sum(_longest(atom) for part in parts for atom in part.atoms)
    if longest > LONGEST:
        raise FormatMistake(("text",), f"a message can have {longest} characters; at most {LONGEST} are read")
    return _with_check(tuple(parts), fields, marks)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, "") for a field or mark, ("", characters) for literal text."""
    literal = ""
    for found in _TOKEN.finditer(text):
        if found["stray"] is not None:
            raise FormatMistake(
                ("text",), f"a stray {found['stray']} at character {found.start() + 1}", "write {{ or }} for a brace"
            )
        if found["name"] is None:
            literal += found["text"] or found["brace"][0]
            continue
        if literal:
            yield "", _ascii(literal)
        literal = ""
        yield found["name"], ""
    if literal:
        yield "", _ascii(literal)


def _ascii(literal: str) -> str:
    if not literal.isascii():
        raise FormatMistake(("text",), f"{literal!r} is not ASCII")
    return literal


def _atoms(name: str, field: AnyField) -> tuple[Atom, ...]:
    match field:
        case DigitsField():
            return (_run(name, "length", field.length, DIGITS, "digits"),)
        case HexField():
            return (_run(name, "length", field.length, HEX, "hexadecimal digits"),)
        case LettersField():
            return (_run(name, "length", field.length, _LETTERS, "letters or digits"),)
        case DecimalField():
            whole = _run(name, "whole", field.whole, DIGITS, "digits")
            places = (Literal(field.point), _run(name, "decimals", field.decimals, DIGITS, "decimals"))
            return (*((Minus(),) if field.signed else ()), whole, *(places if field.decimals else ()))
        case TimeField():
            return tuple(_time_atoms(name, field))
        case CheckField():
            chars, digits = check_form(field)
            return (_run(name, "algorithm", digits, chars, "digits of the check value"),)


def _time_atoms(name: str, field: TimeField) -> Iterator[Atom]:
    try:
        layout = pieces(field.layout)
    except ValueError as error:
        raise FormatMistake(("field", name, "layout"), str(error)) from error
    for piece in layout:
        yield (
            Run(DIGITS, len(piece.text), len(piece.text), f"digits for {piece.text}")
            if piece.token
            else Literal(_ascii(piece.text))
        )


def _run(name: str, key: str, length: int | tuple[int, ...], chars: frozenset[str], what: str) -> Run:
    low, high = (length, length) if isinstance(length, int) else length
    if low > high:
        raise FormatMistake(("field", name, key), f"{low} to {high} is no range", "write the shorter length first")
    return Run(chars, low, high, what)


def _refuse_two_ways(parts: list[Part]) -> None:
    """Refuse a field of varying length that does not end where something else must begin."""
    atoms = [(part.name, atom) for part in parts for atom in part.atoms]
    for k, (name, atom) in enumerate(atoms):
        if not isinstance(atom, Run) or atom.low == atom.high or k + 1 == len(atoms):
            continue
        after = atoms[k + 1][1]
        if not isinstance(after, Literal) or after.text[0] in atom.chars:
            raise FormatMistake(
                ("field", name),
                f"where {{{name}}} ends cannot be told: its length varies",
                f"let a character follow that is not among {atom.what}, or fix the length",
            )


def _longest(atom: Atom) -> int:
    if isinstance(atom, Run):
        return atom.high
    return len(atom.text) if isinstance(atom, Literal) else 1


def _with_check(parts: tuple[Part, ...], fields: Mapping[str, AnyField], marks: dict[str, int]) -> Grammar:
    checks = {name: field for name, field in fields.items() if isinstance(field, CheckField)}
    if not checks:
        if marks:
            raise FormatMistake(("text",), "{[} and {]} enclose what a check value covers, and there is none")
        return Grammar(parts)
    if len(checks) > 1:
        raise FormatMistake(("field",), f"there are {len(checks)} check values; one is read")
    [(name, check)] = checks.items()
    if len(marks) == 1:
        raise FormatMistake(("text",), "{[} and {]} go together")
    place = next(k for k, part in enumerate(parts) if part.name == name)
    first, last = (marks["["], marks["]"]) if marks else (0, place)
    if first >= last or first <= place < last:
        raise FormatMistake(("text",), "the check value must stand outside of what it covers, {[} before {]}")
    for k, part in enumerate(parts):
        if part.name and part.name != name and not first <= k < last:
            raise FormatMistake(("text",), f"{{{part.name}}} is not covered by the check value")
        if check.algorithm == "luhn" and isinstance(fields.get(part.name), LettersField | HexField):
            raise FormatMistake(("field", name, "algorithm"), f"luhn covers digits only, not those of {{{part.name}}}")
        if check.algorithm == "luhn" and any(isinstance(atom, Minus) for atom in part.atoms):
            raise FormatMistake(
                ("field", name, "algorithm"), f"luhn covers digits only, not the sign of {{{part.name}}}"
            )
    return Grammar(parts, check, name, (first, last))
