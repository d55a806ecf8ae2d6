"""Find an instrument profile by name.

The shipped ones lie in `firmware_profiles/instruments/`, others in `instruments/` of a directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from drivers.errors import UsageError
from drivers.instruments.schema import InstrumentProfile
from drivers.instruments.sense import mistakes
from drivers.profiles.hints import parse_hinted
from drivers.toml_file import placed, read_toml_text
from drivers.toml_library import Library

FOLDER = "instruments"
WHAT = "instrument profile"


def load_instruments(extra_dirs: Iterable[Path] = ()) -> Library[InstrumentProfile]:
    """Return the shipped profiles and those in the folder `instruments` of each of `extra_dirs`; no file is read here.

    Raises `UsageError` for a folder that cannot be read, or for a name that exists twice.
    """
    return Library(WHAT, load_instrument, extra_dirs, folder=FOLDER)


def load_instrument(path: Path) -> InstrumentProfile:
    """Return the profile in one file. Raises `UsageError` with file, line, key, the bad value and what is allowed."""
    return parse_instrument(read_toml_text(path, what=WHAT), str(path), path.stem)


def parse_instrument(text: str, name: str, stem: str) -> InstrumentProfile:
    """Like `load_instrument`, from text that came from `name`; the profile must be called `stem`."""
    one = parse_hinted(text, InstrumentProfile, name=name, what=WHAT)
    for found in mistakes(one, stem):
        raise UsageError(f"{WHAT} {placed(name, text, found.keys, found.reason)}", advice=found.advice)
    return one
