"""Judge one profile file as a whole: everything that is wrong with it, and what its writer should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UsageError
from drivers.profiles.library import GENERIC, Profiles, load_profiles, parse_profile, placed
from drivers.profiles.schema import Profile
from drivers.profiles.sense import Finding, mistakes, remarks


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What became of a check. `mistakes` keep the profile from being used; `remarks` do not."""

    profile: Profile | None
    mistakes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def check_profile(path: Path, extra_dirs: Iterable[Path] = ()) -> CheckReport:
    """Check one file against the schema, against itself, and against the other profiles. Raises nothing of its own.

    Each text names file, line and key, and what is allowed. A mistake of the schema is the only one reported, since
    the rest cannot be judged then.
    """
    try:
        profile = parse_profile(path)
    except UsageError as error:
        return CheckReport(None, (str(error),))
    wrong = [_text(path, found) for found in mistakes(profile, path.stem)]
    if not wrong:
        wrong += [_text(path, found) for found in _rivalry(path, profile, load_profiles(extra_dirs))]
    return CheckReport(profile, tuple(wrong), tuple(_text(path, found) for found in remarks(profile)))


def _rivalry(path: Path, profile: Profile, others: Profiles) -> Iterator[Finding]:
    """Find what stands in the way of this profile beside the others."""
    taken = others.path_of(profile.name)
    if taken is not None and taken.resolve() != path.resolve():
        yield Finding(["name"], f"a profile {profile.name} ships already: {taken}", "choose another name")
    if profile.name == GENERIC and profile.detect is not None:
        yield Finding(["detect"], f"{GENERIC} is for the meters that nobody recognises")
    for other in others.rivals(profile):
        advice = "make one of them more special: more of the model, or a range of firmware"
        yield Finding(["detect"], f"{other.name} could mean the same meter equally well", advice)


def _text(path: Path, found: Finding) -> str:
    return placed(path, found) + (f" ({found.advice})" if found.advice else "")
