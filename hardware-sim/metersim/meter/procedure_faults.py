"""What can go wrong with the procedures of a simulated meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProcedureFaults:
    """The default is a perfect world."""

    slow: int = 0  # looks at ST08 that say "not complete", after each procedure
    refused: Mapping[int, int] = field(default_factory=dict)  # procedure → result code
    clock_stuck: bool = False  # SP10 is answered as done, and nothing happens
