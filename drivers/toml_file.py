"""Read a TOML file into a typed, validated value; every mistake is named with file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from drivers.errors import UsageError

T = TypeVar("T")
LARGEST = 4 * 1024 * 1024  # octets; no configuration of a person is larger
_AT_KEY = re.compile(r" - at (?:`key` in )?`(?P<path>[^`]+)`$")
_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def load_toml(path: Path, kind: type[T], *, what: str) -> T:
    """Return the file as `kind`. Raises `UsageError` that names file, line, key and what is allowed there."""
    return parse_toml(read_toml_text(path, what=what), kind, name=str(path), what=what)


def read_toml_text(path: Path, *, what: str) -> str:
    """Return what is in a file. Raises `UsageError` for one that cannot be read, is too large or is no UTF-8."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{what} {path} is larger than {LARGEST} octets: not a {what}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not UTF-8 text: {error.reason} at octet {error.start}") from error


def parse_toml(text: str, kind: type[T], *, name: str, what: str) -> T:
    """Like `load_toml`, from text that came from `name`."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{what} {name} is not TOML: its brackets are nested too deeply") from None
    except ValueError as error:  # not only TOMLDecodeError: a number of thousands of digits is another
        raise UsageError(f"{what} {name} is not TOML: {error}") from error
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        reason, keys = _reason_and_keys(str(error))
        raise UsageError(f"{what} {placed(name, text, keys, reason)}") from error


def placed(name: str, text: str, keys: list[str | int], reason: str) -> str:
    """Return what is wrong at a key path of a file with this text: `NAME, line 3: `meters[0].url`: reason`."""
    return f"{name}, line {line_of(text, keys)}: `{_dotted(keys)}`: {reason}" if keys else f"{name}: {reason}"


def _dotted(keys: list[str | int]) -> str:
    """Write a key path as a person writes it: `meters[0].url`."""
    out = ""
    for key in keys:
        if key != "...":  # some entry of a table whose keys are free
            out += f"[{key}]" if isinstance(key, int) else f".{key}" if out else key
    return out


def _reason_and_keys(message: str) -> tuple[str, list[str | int]]:
    """Split msgspec's message into its reason and the key path, with an unknown or missing key added to the path."""
    found = _AT_KEY.search(message)
    reason = message[: found.start()] if found else message
    keys: list[str | int] = []
    for name, index in _STEP.findall(found["path"][1:] if found else ""):
        keys.append(name or (int(index) if index.isdigit() else index))
    if field := re.search(r"unknown field `([^`]+)`", reason):
        keys.append(field[1])
        reason = "unknown key"
    elif field := re.search(r"missing required field `([^`]+)`", reason):
        reason = f"the key `{field[1]}` is missing"
    return reason, keys


def line_of(text: str, keys: list[str | int]) -> int:
    """Return the line (from 1) where the key path is set, or its nearest enclosing table; 1 if it cannot be told."""
    names = tuple(key for key in keys if isinstance(key, str) and key != "...")
    wanted = {_names_before(keys, k): key for k, key in enumerate(keys) if isinstance(key, int)}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            path = table = _parts(header[2])
            if header[1] == "[[":
                inner = [known for known in counts if len(known) > len(table) and known[: len(table)] == table]
                for known in inner:  # the lists in an entry are counted from its begin
                    del counts[known]
                counts[table] = counts.get(table, -1) + 1
        elif pair := _KEY.match(line):
            path = (*table, *_parts(pair[1]))
        else:
            continue
        right_entry = all(counts[prefix] == index for prefix, index in wanted.items() if prefix in counts)
        if right_entry and path == names[: len(path)]:
            best = number
            if len(path) == len(names):
                break
    return best


def _parts(dotted_name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted_name))


def _names_before(keys: list[str | int], position: int) -> tuple[str, ...]:
    """Return the names that lead to the index at `position`."""
    return tuple(str(key) for key in keys[:position] if not isinstance(key, int))
