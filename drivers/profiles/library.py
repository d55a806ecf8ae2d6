"""Find the profile of a meter: by name, or by what the meter says of itself.

A visit knows the profile in two stages. Before identification only `generic-c1219` is known, so its `[psem]` and
`[line]` apply; once ST01 is read, `recognise` names the family and its `[c1219]`, `[displays]` and manufacturer tables
apply. A profile that is named by the operator applies as a whole from the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from drivers.errors import UsageError
from drivers.profiles.hints import parse_hinted
from drivers.profiles.match import may_collide, specificity
from drivers.profiles.schema import Profile
from drivers.profiles.sense import mistakes
from drivers.toml_file import placed, read_toml_text
from drivers.toml_library import Library

GENERIC = "generic-c1219"
WHAT = "profile"


class Profiles(Library[Profile]):
    """The profiles of some directories. A file is read when it is needed, and once."""

    @property
    def generic(self) -> Profile:
        """What applies to a meter that no profile means."""
        return self.find(GENERIC)

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
    return Profiles(WHAT, load_profile, extra_dirs)


def load_profile(path: Path) -> Profile:
    """Return the profile in one file. Raises `UsageError` with file, line, key, the bad value and what is allowed."""
    return _sensible(read_toml_text(path, what=WHAT), str(path), path.stem)


def profile_of_text(text: str, stem: str) -> Profile:
    """Return the profile that a file `stem`.toml with this text would be. Raises `UsageError` as `load_profile`."""
    return _sensible(text, f"{stem}.toml", stem)


def _sensible(text: str, name: str, stem: str) -> Profile:
    """Refuse also what the schema allows key by key, but what makes no sense together."""
    profile = parse_hinted(text, Profile, name=name, what=WHAT)
    for found in mistakes(profile, stem):
        raise UsageError(f"{WHAT} {placed(name, text, found.keys, found.reason)}", advice=found.advice)
    return profile
