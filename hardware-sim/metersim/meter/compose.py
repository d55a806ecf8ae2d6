"""A scenario put together from several files: what `use` names first, in that order, then what the file itself says.

Tables are merged key by key. Of lists of tables with a `name` the entries of one name are merged, others are added;
lists of happenings (outages, tampering, changes, settings of the clock), of holidays, faults and visits are added up.
Everything else is as the last file says. It is known of every value which file it came from, so that mistakes are
found there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from drivers.errors import UsageError
from drivers.toml_file import line_of
from metersim.meter.library import shipped

Keys = tuple[str | int, ...]
MOST_FILES = 50
LARGEST = 4 * 1024 * 1024  # octets of one file
_ADDED_UP = frozenset({"outage", "tamper", "change", "set", "holidays", "faults", "visits"})


@dataclass(frozen=True, slots=True)
class File:
    """One file that takes part; `folder` is where its `use` looks for others, None for one that ships."""

    name: str
    text: str
    folder: Path | None = None


@dataclass
class Composed:
    """The merged document, and where each part of it came from."""

    document: dict[str, object] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    _origins: dict[Keys, tuple[File, Keys]] = field(default_factory=dict)

    def place(self, keys: Sequence[str | int]) -> str:
        """Return `file, line N` of what stands at these keys, or of the nearest table around it."""
        for length in range(len(keys), -1, -1):
            if found := self._origins.get(tuple(keys[:length])):
                file, begin = found
                return f"{file.name}, line {line_of(file.text, [*begin, *keys[length:]])}"
        return self.files[-1].name

    def merge(self, file: File, document: Mapping[str, object]) -> None:
        """Put a file on top of those that came before."""
        self.files.append(file)
        self._table(self.document, document, file, (), ())

    def _table(self, into: dict[str, object], table: Mapping[str, object], file: File, keys: Keys, own: Keys) -> None:
        self._origins[keys] = file, own
        for key, value in table.items():
            there, path, here = into.get(key), (*keys, key), (*own, key)
            if isinstance(there, dict) and isinstance(value, dict):
                self._table(there, value, file, path, here)
            elif isinstance(there, list) and isinstance(value, list) and _by_name(there) and _by_name(value):
                self._entries(there, value, file, path, here)
            elif isinstance(there, list) and isinstance(value, list) and key in _ADDED_UP:
                for index, entry in enumerate(value):
                    self._origins[*path, len(there)] = file, (*here, index)
                    there.append(entry)
            else:
                self._replace(into, key, value, file, path, here)

    def _replace(self, into: dict[str, object], key: str, value: object, file: File, path: Keys, here: Keys) -> None:
        if key in into:
            self._origins = {known: at for known, at in self._origins.items() if known[: len(path)] != path}
        into[key] = value
        self._origins[path] = file, here

    def _entries(self, into: list[object], entries: list[object], file: File, keys: Keys, own: Keys) -> None:
        names = [entry["name"] for entry in into if isinstance(entry, dict)]
        for index, entry in enumerate(entries):
            assert isinstance(entry, dict)  # noqa: S101 - as `_by_name` has it
            name = entry["name"]
            if name in names:
                there = into[names.index(name)]
                assert isinstance(there, dict)  # noqa: S101
                self._table(there, entry, file, (*keys, names.index(name)), (*own, index))
            else:
                self._origins[*keys, len(into)] = file, (*own, index)
                names.append(name)
                into.append(entry)


def _by_name(entries: list[object]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) and "name" in entry for entry in entries)


def composed(file: File) -> Composed:
    """Return a file with everything that it uses. Raises `UsageError` naming file and line."""
    result = Composed()
    _take(file, result, ())
    return result


def _take(file: File, result: Composed, within: tuple[str, ...]) -> None:
    if file.name in within:
        raise UsageError(f"{within[-1]}: use: {file.name} uses itself, by way of {', '.join(within)}")
    if len(result.files) >= MOST_FILES:
        raise UsageError(f"{file.name}: more than {MOST_FILES} files are used")
    document = parsed(file)
    used = document.pop("use", [])
    if not isinstance(used, list) or not all(isinstance(name, str) for name in used):
        raise UsageError(f"{file.name}, line {line_of(file.text, ['use'])}: use: names in brackets are expected")
    for name in used:
        _take(_used(name, file), result, (*within, file.name))
    result.merge(file, document)


def _used(name: str, by: File) -> File:
    at = f"{by.name}, line {line_of(by.text, ['use'])}: use: "
    if not name.endswith(".toml"):
        try:
            return File(f"{name}.toml", shipped(name))
        except UsageError as error:
            raise UsageError(f"{at}{error.message}", advice=error.advice) from error
    if by.folder is None:
        raise UsageError(f"{at}{name}: what ships uses what ships, by name")
    return file_of(by.folder / name, at=at)


def file_of(path: Path, *, at: str = "") -> File:
    """Read a file. Raises `UsageError` if it cannot be, begun with `at`."""
    try:
        with path.open("rb") as opened:
            octets = opened.read(LARGEST + 1)
        if len(octets) > LARGEST:
            raise UsageError(f"{at}scenario {path}: larger than {LARGEST} octets")
        return File(str(path), octets.decode("utf-8"), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{at}scenario {path}: {error}") from error


def parsed(file: File) -> dict[str, object]:
    """Return the file's document, its numbers as decimals. Raises `UsageError` with the line of what is no TOML."""
    try:
        return tomllib.loads(file.text, parse_float=Decimal)
    except RecursionError:
        raise UsageError(f"{file.name}: its brackets are nested too deeply") from None
    except (ValueError, ArithmeticError) as error:  # TOMLDecodeError is a ValueError; a number may be no decimal
        raise UsageError(f"{file.name}: {error}") from error
