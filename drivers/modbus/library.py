"""Find a register map by name: the shipped ones lie in `firmware_profiles/modbus/`, others in `modbus/` of a directory.

A Modbus meter does not say what it is, so its map is named by the order; only SunSpec meters are recognised.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from drivers.errors import UsageError
from drivers.modbus.schema import RegisterMap
from drivers.modbus.sense import mistakes
from drivers.profiles.hints import hint
from drivers.profiles.library import SHIPPED
from drivers.profiles.sense import Finding
from drivers.toml_file import dotted, line_of, parse_toml, read_toml_text

FOLDER = "modbus"
WHAT = "register map"
SUNSPEC = "sunspec-meter"


class Maps:
    """The register maps of some directories. A file is read when it is needed, and once."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._loaded: dict[str, RegisterMap] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted; no file is read for it."""
        return tuple(sorted(self._paths))

    def __iter__(self) -> Iterator[RegisterMap]:
        return map(self.find, self.names)

    def path_of(self, name: str) -> Path | None:
        """Return the file of a map, if there is one of that name."""
        return self._paths.get(name)

    def find(self, name: str) -> RegisterMap:
        """Return the map called `name`. Raises `UsageError` with the names that exist, the nearest first."""
        if name not in self._paths:
            near = difflib.get_close_matches(name.lower(), self.names, n=3, cutoff=0.4)
            guess = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"no register map is called {name!r}", advice=f"{guess}known: {', '.join(self.names)}")
        if name not in self._loaded:
            self._loaded[name] = load_map(self._paths[name])
        return self._loaded[name]


@dataclass(frozen=True, slots=True)
class MapReport:
    """What became of a check. `mistakes` keep the map from being used."""

    map: RegisterMap | None
    mistakes: tuple[str, ...] = ()


def load_maps(extra_dirs: Iterable[Path] = ()) -> Maps:
    """Return the shipped maps and those in the folder `modbus` of each of `extra_dirs`; no file is read here.

    Raises `UsageError` for a folder that cannot be read, or for a name that exists twice.
    """
    paths: dict[str, Path] = {}
    for directory in (SHIPPED, *extra_dirs):
        folder = directory / FOLDER
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix == ".toml") if folder.is_dir() else []
        except OSError as error:
            raise UsageError(f"directory {folder} cannot be read: {error.strerror}") from error
        for path in files:
            if other := paths.get(path.stem):
                raise UsageError(
                    f"the register map {path.stem} exists twice: {other} and {path}", advice="rename one and its `name`"
                )
            paths[path.stem] = path
    return Maps(paths)


def load_map(path: Path) -> RegisterMap:
    """Return the map in one file. Raises `UsageError` with file, line, key, the bad value and what is allowed."""
    text = read_toml_text(path, what=WHAT)
    one = _parsed(text, str(path))
    for found in mistakes(one, path.stem):
        raise UsageError(_placed(text, path, found), advice=found.advice)
    return one


def check_map(path: Path, extra_dirs: Iterable[Path] = ()) -> MapReport:
    """Check one file against the schema, against itself, and for its name among the others. Raises nothing of its own.

    Each text names file, line and key, and what is allowed.
    """
    try:
        text = read_toml_text(path, what=WHAT)
        one = _parsed(text, str(path))
    except UsageError as error:
        return MapReport(None, (str(error),))
    found = list(mistakes(one, path.stem))
    taken = load_maps(extra_dirs).path_of(one.name)
    if taken is not None and taken.resolve() != path.resolve():
        found.append(Finding(["name"], f"a register map {one.name} exists already: {taken}", "choose another name"))
    return MapReport(one, tuple(_placed(text, path, one) + (f" ({one.advice})" if one.advice else "") for one in found))


def is_map_file(path: Path) -> bool:
    """Whether a profile file is a register map: it lies in a folder `modbus`, as they all do."""
    return path.resolve().parent.name == FOLDER


def _parsed(text: str, name: str) -> RegisterMap:
    try:
        return parse_toml(text, RegisterMap, name=name, what=WHAT)
    except UsageError as error:
        if isinstance(error.__cause__, msgspec.ValidationError):
            error.advice = hint(text, RegisterMap, str(error.__cause__))
        raise


def _placed(text: str, path: Path, found: Finding) -> str:
    key = f" `{dotted(found.keys)}`:" if found.keys else ""
    return f"{WHAT} {path}, line {line_of(text, found.keys)}:{key} {found.reason}"
