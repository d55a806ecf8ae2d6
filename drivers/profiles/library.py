"""Find the profile of a meter: by name, or by what the meter says of itself.

A visit knows the profile in two stages. Before identification only `generic-c1219` is known, so its `[psem]` and
`[line]` apply; once ST01 is read, `recognise` names the family and its `[c1219]`, `[displays]` and manufacturer tables
apply. A profile that is named by the operator applies as a whole from the start.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import msgspec

from drivers.errors import UsageError
from drivers.profiles.hints import hint
from drivers.profiles.match import may_collide, specificity
from drivers.profiles.schema import Profile
from drivers.profiles.sense import Finding, mistakes
from drivers.toml_file import dotted, line_of, parse_toml, read_toml_text

GENERIC = "generic-c1219"
SHIPPED = Path(__file__).resolve().parents[2] / "firmware_profiles"  # beside `drivers`, in a checkout and in a wheel


class Profiles:
    """The profiles of some directories. A file is read when it is needed, and once."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._loaded: dict[str, Profile] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted; no file is read for it."""
        return tuple(sorted(self._paths))

    @property
    def generic(self) -> Profile:
        """What applies to a meter that no profile means."""
        return self.find(GENERIC)

    def __iter__(self) -> Iterator[Profile]:
        return map(self.find, self.names)

    def path_of(self, name: str) -> Path | None:
        """Return the file of a profile, if there is one of that name."""
        return self._paths.get(name)

    def find(self, name: str) -> Profile:
        """Return the profile called `name`. Raises `UsageError` with the names that exist, the nearest first."""
        if name not in self._paths:
            near = difflib.get_close_matches(name.lower(), self.names, n=3, cutoff=0.4)
            guess = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"no profile is called {name!r}", advice=f"{guess}known: {', '.join(self.names)}")
        if name not in self._loaded:
            self._loaded[name] = load_profile(self._paths[name])
        return self._loaded[name]

    def recognise(
        self,
        *,
        manufacturer: str,
        model: str = "",
        hardware_version: str = "",
        firmware_version: str = "",
        device_class: str = "",
    ) -> Profile:
        """Return the most special profile that means this meter, or `generic-c1219`; text as in ST00 and ST01.

        Versions as `version.revision`. Raises `UsageError` if two profiles mean it equally well: a wrong choice could
        scale a register wrongly.
        """
        best: list[Profile] = []
        level = (-1, -1, -1)
        for profile in self:
            found = profile.detect and specificity(
                profile.detect,
                manufacturer=manufacturer,
                model=model,
                hardware_version=hardware_version,
                firmware_version=firmware_version,
                device_class=device_class,
            )
            if not found or found < level:
                continue
            best = [profile] if found > level else [*best, profile]
            level = found
        if len(best) > 1:
            meter = " ".join(filter(None, (manufacturer.strip(" \0"), model.strip(" \0"))))
            raise self._ambiguous(best[0], best[1], f"both mean the meter {meter!r} equally well")
        return best[0] if best else self.generic

    def check(self) -> None:
        """Read every file; raises `UsageError` for the first mistake, or for two profiles that could mean one meter."""
        detecting = [(profile, profile.detect) for profile in self if profile.detect]
        for (one, detect), (other, other_detect) in combinations(detecting, 2):
            if may_collide(detect, other_detect):
                raise self._ambiguous(one, other, "could mean the same meter equally well")

    def rivals(self, profile: Profile) -> list[Profile]:
        """Return those that could mean the same meter as `profile`, equally well, but for one of its name."""
        mine = profile.detect
        others = [(other, other.detect) for other in self if other.name != profile.name]
        return [other for other, theirs in others if mine and theirs and may_collide(mine, theirs)]

    def _ambiguous(self, one: Profile, other: Profile, why: str) -> UsageError:
        return UsageError(
            f"the profiles {one.name} ({self._paths[one.name]}) and {other.name} ({self._paths[other.name]}) {why}",
            advice="make one [detect] more special, or take it out and choose that profile by --profile",
        )


def load_profiles(extra_dirs: Iterable[Path] = ()) -> Profiles:
    """Return the shipped profiles and those of `extra_dirs`; only directories are read here.

    Raises `UsageError` for a directory that cannot be read, or for a name that exists twice.
    """
    paths: dict[str, Path] = {}
    for directory in (SHIPPED, *extra_dirs):
        try:
            files = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
        except OSError as error:
            raise UsageError(f"profile directory {directory} cannot be read: {error.strerror}") from error
        for path in files:
            if other := paths.get(path.stem):
                raise UsageError(
                    f"the profile {path.stem} exists twice: {other} and {path}", advice="rename one, file and `name`"
                )
            paths[path.stem] = path
    return Profiles(paths)


def load_profile(path: Path) -> Profile:
    """Return the profile in one file. Raises `UsageError` with file, line, key, the bad value and what is allowed."""
    profile = parse_profile(path)
    _check_sense(profile, path)
    return profile


def parse_profile(path: Path) -> Profile:
    """Return the profile in one file, each key judged by itself only. Raises `UsageError` as `load_profile`."""
    return _parsed(read_toml_text(path, what="profile"), str(path))


def _parsed(text: str, name: str) -> Profile:
    try:
        return parse_toml(text, Profile, name=name, what="profile")
    except UsageError as error:
        if isinstance(error.__cause__, msgspec.ValidationError):
            error.advice = hint(text, Profile, str(error.__cause__))
        raise


def profile_of_text(text: str, stem: str) -> Profile:
    """Return the profile that a file `stem`.toml with this text would be. Raises `UsageError` as `load_profile`."""
    profile = _parsed(text, f"{stem}.toml")
    for found in mistakes(profile, stem):
        raise UsageError(f"profile {stem}.toml: `{dotted(found.keys)}`: {found.reason}", advice=found.advice)
    return profile


def _check_sense(profile: Profile, path: Path) -> None:
    """Refuse what the schema allows key by key, but what makes no sense together."""
    for found in mistakes(profile, path.stem):
        raise UsageError(placed(path, found), advice=found.advice)


def placed(path: Path, found: Finding) -> str:
    """Return a finding with its file, line and key."""
    line = line_of(path.read_text(encoding="utf-8"), found.keys)
    return f"profile {path}, line {line}: `{dotted(found.keys)}`: {found.reason}"
