"""One configuration for many boxes: `{agent_id}` and the values of `[fleet.values]` are put in before it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.errors import ConfigError

_PLACE = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")  # no TOML outside of a text or a comment


def fill(text: str, values: Mapping[str, str], *, name: str) -> str:
    """Return `text`, the file `name`, with each `{name}` replaced; its lines stay where they are.

    Raises `ConfigError` for a place that nothing is known for.
    """

    def value(found: re.Match[str]) -> str:
        known = values.get(found[1])
        if known is None:
            line = text.count("\n", 0, found.start()) + 1
            raise ConfigError(
                f"configuration {name}, line {line}: there is no value for {found[0]}",
                advice=f"put `{found[1]}` under [fleet.values] in the file of the box; known: {', '.join(values)}",
            )
        return known

    return _PLACE.sub(value, text)


def places(text: str) -> frozenset[str]:
    """Return the names that a configuration asks for."""
    return frozenset(_PLACE.findall(text))
