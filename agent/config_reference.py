"""Every key of the configuration, from the code that reads it: its type, its default, what it means.

The meaning of a section is the docstring of its class, that of a key the comment behind or above it.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
from msgspec import inspect as types

from agent.config import GONE
from agent.errors import UsageError

_PLAIN: Final[dict[type[types.Type], str]] = {
    types.BoolType: "true or false",
    types.StrType: "text",
    types.DecimalType: "number",
    types.DateType: "date",
    types.DateTimeType: "date and time with zone",
}


_HEAD: Final = """\
# Configuration

Every key of `mrsp.toml`. This page is what `mrsp config reference --markdown` prints of the version at hand;
`mrsp config check FILE` says what a file means, or names line and key of what is wrong. A key that is not known is
refused, never ignored. Relative paths start at the directory of the file; durations are `90s`, `15m`, `6h`, `1d`.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `default`: as it is written in the file; None: it must be given, or nothing stands for it."""

    name: str
    kind: str
    required: bool
    default: str | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the file. `heading`: as it is written there, e.g. `[clock]` or `[[meters]]`."""

    heading: str
    meaning: str
    keys: tuple[Key, ...]


def sections(settings: type[msgspec.Struct]) -> tuple[Section, ...]:
    """Return every table that a configuration of this type may have, in the order of the code."""
    return tuple(_tables(settings, (), several=False))


def _tables(struct: type[msgspec.Struct], path: tuple[str, ...], *, several: bool) -> Iterator[Section]:
    """Yield the table at `path` if it has keys of its own, then the tables in it."""
    keys, below = [], []
    meanings = _comments(struct)
    for field in msgspec.structs.fields(struct):
        info = types.type_info(field.type)
        if isinstance(info, types.Metadata) and info.extra == GONE:
            continue
        inner, array = _struct_in(info)
        if inner is not None:
            below.append((inner, (*path, field.encode_name), array))
            continue
        keys.append(Key(field.encode_name, _kind(info), field.required, _default(field), meanings.get(field.name, "")))
    if keys and path:
        name = ".".join(path)
        yield Section(f"[[{name}]]" if several else f"[{name}]", inspect.cleandoc(struct.__doc__ or ""), tuple(keys))
    for inner, where, array in below:
        yield from _tables(inner, where, several=array)


def _struct_in(info: types.Type) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return the struct that a field holds, and whether it holds any number of them."""
    match info:
        case types.StructType(cls=cls):
            return cls, False
        case types.UnionType(types=[types.StructType(cls=cls), types.NoneType()]):
            return cls, False
        case types.VarTupleType(item_type=types.StructType(cls=cls)):
            return cls, True
        case _:
            return None, False


def _kind(info: types.Type) -> str:  # noqa: PLR0911 - one answer for each kind
    """Return a type in words, with its bounds."""
    match info:
        case types.Metadata(type=inner):
            return _kind(inner)
        case types.VarTupleType(item_type=item):
            return f"list of {_kind(item)}"
        case types.DictType(key_type=key, value_type=value):
            name = "name" if isinstance(key, types.LiteralType) else _kind(key)
            return f"table from {name} to {_kind(value)}"
        case types.UnionType(types=several):
            return " or ".join(_kind(one) for one in several if not isinstance(one, types.NoneType))
        case types.LiteralType(values=values):
            return " or ".join(map(_toml, values))
        case types.IntType() | types.FloatType():
            whole = "whole number" if isinstance(info, types.IntType) else "number"
            return f"{whole}{_bounds(info)}"
        case _:
            return _PLAIN[type(info)]


def _bounds(info: types.IntType | types.FloatType) -> str:
    """Return the bounds of a number in words; each key has a least and a most, or a least, or none."""
    low = f"{info.ge:,}" if info.ge is not None else f"above {info.gt:,}" if info.gt is not None else ""
    if info.le is not None:
        return f", {low} to {info.le:,}"
    return f", at least {low}" if low else ""


def _default(field: msgspec.structs.FieldInfo) -> str | None:
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return None if default is None else _toml(default)


def _toml(value: object) -> str:
    """Return a value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


@cache
def _comments(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the comment behind or above each field, of the class and of those it builds on."""
    found: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if cls is msgspec.Struct or not issubclass(cls, msgspec.Struct):
            continue
        source = textwrap.dedent(inspect.getsource(cls))
        comments = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:"))
        }
        alone = {number for number, line in enumerate(source.splitlines(), start=1) if line.lstrip().startswith("#")}
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class is one
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                first, last = node.lineno, node.end_lineno or node.lineno
                while first - 1 in alone:
                    first -= 1
                found[node.target.id] = " ".join(comments[line] for line in range(first, last + 1) if line in comments)
    return found


def as_markdown(settings: type[msgspec.Struct]) -> str:
    """Return the reference as one page of Markdown."""
    lines = [_HEAD]
    for section in sections(settings):
        lines += [f"## `{section.heading}`", "", section.meaning, ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(key))} |" for key in section.keys]
        lines.append("")
    return "\n".join(lines)


def _cells(key: Key) -> Iterator[str]:
    default = "**required**" if key.required else "" if key.default is None else f"`{key.default}`"
    for cell in (f"`{key.name}`", key.kind, default, key.meaning):
        yield cell.replace("|", "\\|")


def as_text(settings: type[msgspec.Struct], wanted: Sequence[str]) -> str:
    """Return the reference for a terminal: all of it, or the sections that are `wanted`, e.g. `clock` or `[clock]`.

    Raises `UsageError` for a section that does not exist.
    """
    found = sections(settings)
    names = {section.heading.strip("[]"): section for section in found}
    if unknown := [name for name in wanted if name.strip("[]") not in names]:
        raise UsageError(f"there is no section {unknown[0]!r:.60}", advice=f"one of {', '.join(names)}")
    chosen = [names[name.strip("[]")] for name in wanted] or found
    return "\n".join(line for section in chosen for line in _lines(section))


def _lines(section: Section) -> Iterator[str]:
    yield section.heading
    yield from textwrap.wrap(section.meaning.replace("\n\n", " "), 100)
    yield ""
    for key in section.keys:
        default = "required" if key.required else "" if key.default is None else f"default {key.default}"
        yield f"  {key.name:26} {key.kind}{'; ' if default else ''}{default}"
        yield from textwrap.wrap(key.meaning, 90, initial_indent=" " * 29, subsequent_indent=" " * 29)
    yield ""
