"""Say what a wrong value is and what would be right, from the schema itself."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from drivers.errors import UsageError
from drivers.toml_file import parse_toml

T = TypeVar("T", bound=msgspec.Struct)
SHOWN = 60  # characters of a wrong value; a longer one is cut
_PATH = re.compile(r" - at (?P<key>`key` in )?`\$(?P<steps>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")  # the last: some entry of a table whose keys are free
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]+)`")


def parse_hinted(text: str, kind: type[T], *, name: str, what: str) -> T:
    """Like `parse_toml`, with the bad value and what is allowed in its place as advice."""
    try:
        return parse_toml(text, kind, name=name, what=what)
    except UsageError as error:
        if isinstance(error.__cause__, msgspec.ValidationError):
            error.advice = hint(text, kind, str(error.__cause__))
        raise


def hint(text: str, kind: type[msgspec.Struct], message: str) -> str:
    """Return advice for msgspec's `message` about the TOML `text`: the bad value and what is allowed in its place."""
    value: Any = tomllib.loads(text)
    allowed = inspect.type_info(kind)
    found = _PATH.search(message)
    for name, index, any_key in _STEP.findall(found["steps"] if found else ""):
        if not any_key:
            value = value[int(index) if index else name]
        allowed = _inside(allowed, name)
    if "missing required" in message:
        return ""
    if found and found["key"]:
        plain = _plain(allowed)
        known_key = describe_type(plain.key_type) if isinstance(plain, inspect.DictType) else "text"
        return f"one of its keys is wrong: {', '.join(map(_shown, value))}; allowed: {known_key}"
    if unknown := _UNKNOWN.search(message):
        known = list(_keys(allowed))
        near = difflib.get_close_matches(unknown["key"], known, n=1)
        return (f"did you mean `{near[0]}`? " if near else "") + f"known keys: {', '.join(known)}"
    return f"it is {_shown(value)}; allowed: {describe_type(allowed)}"


def describe_type(kind: inspect.Type) -> str:
    """Return in words what a value of this type may be."""
    match kind:
        case inspect.Metadata():
            words = str((kind.extra_json_schema or {}).get("description") or describe_type(kind.type))
        case inspect.UnionType():
            words = ", or ".join(describe_type(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType():
            words = ", ".join(map(_shown, kind.values))
        case inspect.IntType():
            words = f"a whole number from {kind.ge} to {kind.le}"
        case inspect.BoolType():
            words = "true or false"
        case inspect.VarTupleType():
            words = f"a list of: {describe_type(kind.item_type)}"
        case inspect.StructType():
            words = f"a table with the keys {', '.join(_keys(kind))}"
        case _:
            words = "text"
    return words


def _keys(kind: inspect.Type) -> dict[str, inspect.Type]:
    """Return the keys of a table with their types; none of what is not a table."""
    plain = _plain(kind)
    return {field.encode_name: field.type for field in plain.fields} if isinstance(plain, inspect.StructType) else {}


def _inside(kind: inspect.Type, name: str) -> inspect.Type:
    """Return the type of the key `name` of a table, or of the items of a list."""
    plain = _plain(kind)
    if isinstance(plain, inspect.DictType):
        return plain.value_type
    return plain.item_type if isinstance(plain, inspect.VarTupleType) else _keys(plain)[name]


def _plain(kind: inspect.Type) -> inspect.Type:
    """Take off descriptions and the `None` of an optional key; of several kinds, the table or list."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        inner = [_plain(one) for one in kind.types]
        tables = inspect.StructType | inspect.VarTupleType | inspect.DictType
        return next((one for one in inner if isinstance(one, tables)), kind)
    return kind


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
