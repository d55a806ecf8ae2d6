"""The texts of the console, by key: `texts/LANGUAGE/*.toml`. The file's name is the first part of every key in it.

    texts/en/stop.toml:   title = "Stop {number}"          text("stop.title", number=7)
                          [left]
                          one = "1 stop left"
                          other = "{count} stops left"     text("stop.left", count=3)

A language that lacks a text shows the English one. `{name}` stands for a value; a page escapes it like any other.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from agent.errors import UsageError

ENGLISH = "en"
_VALUE = re.compile(r"\{([a-z_]+)\}")


class Texts:
    """The texts of one language. `extra`: a directory of the operator with further languages."""

    def __init__(self, language: str = ENGLISH, extra: Path | None = None) -> None:
        """Read them. Raises `UsageError` for a language that there is none of, and for a file that is not TOML."""
        own = files("agent.console") / "texts"
        self.language = language
        self._texts = dict(_read(own / ENGLISH))
        places = [own / language] if language != ENGLISH else []
        places += [extra / language] if extra is not None else []
        found = [place for place in places if place.is_dir()]
        if not found and language != ENGLISH:
            raise UsageError(
                f"there are no texts in the language {language!r}",
                advice="put them into the directory that `[console] texts` names",
            )
        for place in found:
            self._texts.update(_read(place))

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key; with `count`, the form for that number. Raises `KeyError` for no such key."""
        if "count" in values and f"{key}.other" in self._texts:
            key = f"{key}.one" if values["count"] == 1 and f"{key}.one" in self._texts else f"{key}.other"
        return _VALUE.sub(lambda found: str(values.get(found[1], found[0])), self._texts[key])

    def own(self, key: str, english: str) -> str:
        """Return the text of a key that only a translation has: what it says in English is in the agent's own data."""
        return self._texts.get(key, english)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def keys(self) -> frozenset[str]:
        return frozenset(self._texts)


def _read(place: Traversable) -> Iterator[tuple[str, str]]:
    for file in sorted(place.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            yield from _flat(file.name.removesuffix(".toml"), _tree(file), file)


def _tree(file: Traversable) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the texts in {file} cannot be read: {error}") from error


def _flat(prefix: str, tree: Mapping[str, Any], file: Traversable) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        key = f"{prefix}.{name}"
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, Mapping):
            yield from _flat(key, value, file)
        else:
            raise UsageError(f"the texts in {file}: {key} is no text")
