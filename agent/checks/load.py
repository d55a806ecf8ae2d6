"""Find a rule set by name and read it: the ones that ship with the agent, and a jurisdiction's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.checks.rules import RuleSet
from agent.errors import ConfigError
from drivers.errors import UsageError
from drivers.toml_file import load_toml

SHIPPED = Path(__file__).parent / "rule_sets"
WHAT = "rule set"


def load_rule_set(name: str, extra_dirs: Sequence[Path] = ()) -> RuleSet:
    """Return the rule set `name`, from the file `name.toml` that ships or of `extra_dirs`, first directory first.

    A name that ships cannot be redefined: a result that says `ubp-2000` was judged by what we ship under that name.
    Raises `ConfigError` naming file, line and key of what is wrong, or the names that there are.
    """
    found = _files(extra_dirs)
    try:
        path = found[name]
    except KeyError:
        raise ConfigError(f"there is no rule set {name!r}", advice="known: " + ", ".join(sorted(found))) from None
    try:
        rules = load_toml(path, RuleSet, what=WHAT)
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    if rules.name != name:
        raise ConfigError(f"{WHAT} {path}: `name`: is {rules.name!r}, but the file is called {name}.toml")
    return rules


def rule_set_names(extra_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Return the names of all rule sets, sorted. Raises `ConfigError` like `load_rule_set`, but reads no file."""
    return tuple(sorted(_files(extra_dirs)))


def _files(extra_dirs: Sequence[Path]) -> dict[str, Path]:
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    found = dict(shipped)
    for directory in extra_dirs:
        if not directory.is_dir():
            raise ConfigError(f"{WHAT}s are looked for in {directory}, which is not a directory")
        for path in sorted(directory.glob("*.toml")):
            if path.stem in shipped:
                raise ConfigError(
                    f"{WHAT} {path}: the name {path.stem!r} is taken by a rule set that ships with the agent",
                    advice="give the file and its `name` another name",
                )
            found.setdefault(path.stem, path)
    return found
