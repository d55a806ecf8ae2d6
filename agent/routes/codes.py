"""Codes that a person at the meter may give, and hazards they are warned of: a set of them is data, validated on load.

    codes = load_codes("mrsp-field")
    codes["dog"].text

A set of your own may begin with `based_on = "mrsp-field"` and say only what differs, also of a single code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from agent.anomaly import Finding
from agent.errors import ConfigError, UsageError
from agent.routes.order import CodeKey, Line
from agent.routes.safe_text import wrong_in
from drivers.toml_file import line_of, parse_toml, read_toml_text
from drivers.visual.trouble import Trouble

SHIPPED = Path(__file__).parent / "code_sets"
WHAT = "code set"
MOST_CODES = 500

CodeKind = Literal["trouble", "note", "hazard"]
Signal = Literal["flash", "sound", "vibrate"]
_TROUBLES: tuple[Trouble, ...] = get_args(Trouble)


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One code. `trouble`: why there is no reading, or a caveat of one; `note`: a remark; `hazard`: a warning."""

    text: Line  # for the person
    kind: CodeKind
    priority: Annotated[int, Meta(ge=1, le=9)] = 5  # 1 is said first
    signals: Annotated[tuple[Signal, ...], Meta(max_length=3)] = ()  # how it is noticed before the meter is reached
    non_reading: bool = False  # given, the stop is over without a reading
    anomaly: Finding | None = None  # the finding that is reported
    means: Trouble | None = None  # in a visual reading; default: the key itself where that is one, else `other`
    advice: Line | None = None  # what the person is to do

    def __post_init__(self) -> None:
        if self.non_reading and self.kind != "trouble":
            raise ValueError("`non_reading`: only a code of the kind trouble can be why there is no reading")
        if self.means is not None and self.kind != "trouble":
            raise ValueError("`means` goes with a code of the kind trouble")
        for text in filter(None, (self.text, self.advice)):
            if wrong := wrong_in(text):
                raise ValueError(f"{text!r:.60}: {wrong}")


class CodeSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The codes of a route, by key. Kept with the route: what was typed means what it meant that day."""

    name: str
    title: Line
    codes: dict[CodeKey, Code]

    def __getitem__(self, key: str) -> Code:
        """Return a code. Raises `UsageError` naming those that there are."""
        try:
            return self.codes[key]
        except KeyError:
            raise UsageError(
                f"{key!r:.60} is no code of {self.name}", advice="one of " + ", ".join(self.codes)
            ) from None

    def of_kind(self, *kinds: CodeKind) -> tuple[tuple[str, Code], ...]:
        """Return (key, code) of these kinds, most urgent first; of the same priority in the order of the file."""
        return self.sorted(key for key, code in self.codes.items() if code.kind in kinds)

    def sorted(self, keys: Iterable[str]) -> tuple[tuple[str, Code], ...]:
        """Return (key, code) of what is known of `keys`, most urgent first."""
        found = [(key, self.codes[key]) for key in dict.fromkeys(keys) if key in self.codes]
        return tuple(sorted(found, key=lambda one: one[1].priority))

    def trouble_of(self, key: str) -> Trouble:
        """Return what a code is called in a visual reading (`drivers.visual.trouble`)."""
        code = self[key]
        if code.means is not None:
            return code.means
        return next((trouble for trouble in _TROUBLES if trouble == key), "other")


def load_codes(name: str, extra_dirs: Sequence[Path] = ()) -> CodeSet:
    """Return the set `name`, that ships or is `name.toml` in one of `extra_dirs`, first directory first.

    A name that ships cannot be redefined. Raises `ConfigError` naming file, line and key of what is wrong, or the
    names that there are.
    """
    return _read(name, _files(extra_dirs), ())


def code_set_names(extra_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Return the names of all sets, sorted. Raises `ConfigError` like `load_codes`, but reads no file."""
    return tuple(sorted(_files(extra_dirs)))


class _FileText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file. `without`: codes that are not taken over from the set that it is based on."""

    name: str
    title: Line
    based_on: str | None = None
    without: tuple[CodeKey, ...] = ()
    codes: dict[CodeKey, dict[str, Any]] = {}


def _read(name: str, found: Mapping[str, Path], above: tuple[str, ...]) -> CodeSet:
    """Return a set; `above`: those that are based on it."""
    if name not in found:
        raise ConfigError(f"there is no {WHAT} {name!r:.80}", advice="known: " + ", ".join(sorted(found)))
    path = found[name]
    if name in above:
        raise ConfigError(f"{WHAT} {path}: `based_on`: goes round in a circle")
    try:
        text = read_toml_text(path, what=WHAT)
        file = parse_toml(text, _FileText, name=str(path), what=WHAT)
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    if file.name != name:
        raise ConfigError(f"{WHAT} {path}: `name`: is {file.name!r:.80}, but the file is called {name}.toml")
    codes = dict(_read(file.based_on, found, (*above, name)).codes) if file.based_on is not None else {}
    for key in file.without:
        if codes.pop(key, None) is None:
            line = line_of(text, ["without"])
            raise ConfigError(f"{WHAT} {path}, line {line}: `without`: {key} is no code of what it is based on")
    for key, given in file.codes.items():
        whole = msgspec.to_builtins(codes[key]) | given if key in codes else given
        try:
            codes[key] = msgspec.convert(whole, Code)
        except msgspec.ValidationError as error:
            line = line_of(text, ["codes", key])
            raise ConfigError(f"{WHAT} {path}, line {line}: `codes.{key}`: {error}") from error
    if not 1 <= len(codes) <= MOST_CODES:
        raise ConfigError(f"{WHAT} {path}: {len(codes)} codes; a set has 1 to {MOST_CODES}")
    return CodeSet(name=name, title=file.title, codes=codes)


def _files(extra_dirs: Sequence[Path]) -> dict[str, Path]:
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    found = dict(shipped)
    for directory in extra_dirs:
        if not directory.is_dir():
            raise ConfigError(f"{WHAT}s are looked for in {directory}, which is not a directory")
        for path in sorted(directory.glob("*.toml")):
            if path.stem in shipped:
                raise ConfigError(
                    f"{WHAT} {path}: the name {path.stem!r} is taken by one that ships with the agent",
                    advice="give the file and its `name` another name",
                )
            found.setdefault(path.stem, path)
    return found
