"""Judge one profile file as a whole: everything that is wrong with it, and what its writer should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import UsageError
from drivers.profiles.hints import parse_hinted
from drivers.profiles.library import GENERIC, WHAT, Profiles, load_profiles
from drivers.profiles.schema import Profile
from drivers.profiles.sense import Finding, mistakes, remarks
from drivers.toml_file import placed, read_toml_text


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
        text = read_toml_text(path, what=WHAT)
        profile = parse_hinted(text, Profile, name=str(path), what=WHAT)
    except UsageError as error:
        return CheckReport(None, (str(error),))
    wrong = mistakes(profile, path.stem) or list(_rivalry(path, profile, load_profiles(extra_dirs)))
    return CheckReport(profile, told(WHAT, path, text, wrong), told(WHAT, path, text, remarks(profile)))


def told(what: str, path: Path, text: str, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return findings in a file with this text for people: each with file, line, key and advice."""
    return tuple(
        f"{what} {placed(str(path), text, found.keys, found.reason)}" + (f" ({found.advice})" if found.advice else "")
        for found in findings
    )


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
