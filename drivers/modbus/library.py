"""Find a register map by name: the shipped ones lie in `firmware_profiles/modbus/`, others in `modbus/` of a directory.

A Modbus meter does not say what it is, so its map is named by the order; only SunSpec meters are recognised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UsageError
from drivers.modbus.schema import RegisterMap
from drivers.modbus.sense import mistakes
from drivers.profiles.check import told
from drivers.profiles.hints import parse_hinted
from drivers.profiles.sense import Finding
from drivers.toml_file import placed, read_toml_text
from drivers.toml_library import Library

FOLDER = "modbus"
WHAT = "register map"
SUNSPEC = "sunspec-meter"


@dataclass(frozen=True, slots=True)
class MapReport:
    """What became of a check. `mistakes` keep the map from being used."""

    map: RegisterMap | None
    mistakes: tuple[str, ...] = ()


def load_maps(extra_dirs: Iterable[Path] = ()) -> Library[RegisterMap]:
    """Return the shipped maps and those in the folder `modbus` of each of `extra_dirs`; no file is read here.

    Raises `UsageError` for a folder that cannot be read, or for a name that exists twice.
    """
    return Library(WHAT, load_map, extra_dirs, folder=FOLDER)


def load_map(path: Path) -> RegisterMap:
    """Return the map in one file. Raises `UsageError` with file, line, key, the bad value and what is allowed."""
    text = read_toml_text(path, what=WHAT)
    one = parse_hinted(text, RegisterMap, name=str(path), what=WHAT)
    for found in mistakes(one, path.stem):
        raise UsageError(f"{WHAT} {placed(str(path), text, found.keys, found.reason)}", advice=found.advice)
    return one


def check_map(path: Path, extra_dirs: Iterable[Path] = ()) -> MapReport:
    """Check one file against the schema, against itself, and for its name among the others. Raises nothing of its own.

    Each text names file, line and key, and what is allowed.
    """
    try:
        text = read_toml_text(path, what=WHAT)
        one = parse_hinted(text, RegisterMap, name=str(path), what=WHAT)
    except UsageError as error:
        return MapReport(None, (str(error),))
    found = list(mistakes(one, path.stem))
    taken = load_maps(extra_dirs).path_of(one.name)
    if taken is not None and taken.resolve() != path.resolve():
        found.append(Finding(["name"], f"a register map {one.name} exists already: {taken}", "choose another name"))
    return MapReport(one, told(WHAT, path, text, found))


def is_map_file(path: Path) -> bool:
    """Whether a profile file is a register map: it lies in a folder `modbus`, as they all do."""
    return path.resolve().parent.name == FOLDER
