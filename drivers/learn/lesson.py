"""One thing learned of a meter, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sureness = Literal["sure", "likely", "open"]
Value = bool | int | str | dict[str, int] | list[str]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was seen, and the profile key that it speaks for.

    `value` None: the standard or our default does, nothing is to be set. `open`: not to be told from one visit; the
    value, if any, is a suggestion that stays commented out.
    """

    key: str  # dotted, as `c1219.block_order`
    seen: str
    sure: Sureness = "sure"
    value: Value | None = None
