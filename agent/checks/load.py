"""Find a rule set by name and read it: the ones that ship with the agent, and a jurisdiction's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.checks.inherit import based_on, standing_alone
from agent.checks.rules import RuleSet
from agent.errors import ConfigError
from drivers.errors import UsageError
from drivers.toml_file import line_of, parse_toml, read_toml_text

SHIPPED = Path(__file__).parent / "rule_sets"
WHAT = "rule set"


def load_rule_set(name: str, extra_dirs: Sequence[Path] = ()) -> RuleSet:
    """Return the rule set `name`, from the file `name.toml` that ships or of `extra_dirs`, first directory first.

    A name that ships cannot be redefined: a result that says `ubp-2000` was judged by what we ship under that name.
    Raises `ConfigError` naming file, line and key of what is wrong, or the names that there are.
    """
    return _find(name, _files(extra_dirs), ())


def read_rule_set(path: Path, extra_dirs: Sequence[Path] = ()) -> RuleSet:
    """Return the rule set of one file, which may be based on one that ships or of `extra_dirs`.

    Raises `ConfigError` like `load_rule_set`; also where its name is another than the file's, or one that ships.
    """
    if path.stem in _shipped() and path.resolve().parent != SHIPPED.resolve():
        raise _taken(path)
    return _read(path, _files(extra_dirs), ())


def _find(name: str, found: dict[str, Path], above: tuple[str, ...]) -> RuleSet:
    try:
        path = found[name]
    except KeyError:
        raise ConfigError(f"there is no rule set {name!r}", advice="known: " + ", ".join(sorted(found))) from None
    return _read(path, found, above)


def _read(path: Path, found: dict[str, Path], above: tuple[str, ...]) -> RuleSet:
    """Read one file; `above` are the rule sets that are based on it."""
    name = path.stem
    if name in above:
        circle = " is based on ".join((*above[above.index(name) :], name))
        raise ConfigError(f"{WHAT} {path}: `based_on`: goes round in a circle: {circle}")
    try:
        text = read_toml_text(path, what=WHAT)
        base = parse_toml(text, _Head, name=str(path), what=WHAT).based_on
        if base is None:
            rules = parse_toml(text, RuleSet, name=str(path), what=WHAT)
        else:
            kind = based_on(_based(path, text, base, found, (*above, name)))
            rules = standing_alone(parse_toml(text, kind, name=str(path), what=WHAT))
    except UsageError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(error.message, advice=error.advice) from error
    if rules.name != name:
        raise ConfigError(f"{WHAT} {path}: `name`: is {rules.name!r}, but the file is called {name}.toml")
    return rules


def _based(path: Path, text: str, base: str, found: dict[str, Path], above: tuple[str, ...]) -> RuleSet:
    if base not in found:
        line = line_of(text, ["based_on"])
        raise ConfigError(
            f"{WHAT} {path}, line {line}: `based_on`: there is no rule set {base!r}",
            advice="known: " + ", ".join(sorted(found)),
        )
    return _find(base, found, above)


class _Head(msgspec.Struct):
    """What has to be known of a file before the rest of it can be read."""

    based_on: str | None = None


def rule_set_names(extra_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Return the names of all rule sets, sorted. Raises `ConfigError` like `load_rule_set`, but reads no file."""
    return tuple(sorted(_files(extra_dirs)))


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in SHIPPED.glob("*.toml")}


def _taken(path: Path) -> ConfigError:
    return ConfigError(
        f"{WHAT} {path}: the name {path.stem!r} is taken by a rule set that ships with the agent",
        advice="give the file and its `name` another name",
    )


def _files(extra_dirs: Sequence[Path]) -> dict[str, Path]:
    shipped = _shipped()
    found = dict(shipped)
    for directory in extra_dirs:
        if not directory.is_dir():
            raise ConfigError(f"{WHAT}s are looked for in {directory}, which is not a directory")
        for path in sorted(directory.glob("*.toml")):
            if path.stem in shipped:
                raise _taken(path)
            found.setdefault(path.stem, path)
    return found
