"""What can be made to go wrong with calls: `--fault NAME:P`, repeatable, each with its probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Final, Literal

from drivers.errors import UsageError

Fate = Literal["connected", "busy", "no_answer", "no_carrier"]

_HELP: Final = {
    "busy": "the number is engaged",
    "no_answer": "it rings, and nobody picks up",
    "no_carrier": "a person picks up, or the modems do not agree",
    "no_dialtone": "the line is dead when the modem takes it",
    "drop": "the carrier is lost in mid-read, after some 30 to 4,000 octets",
    "noise": "each octet is damaged, both ways; with error correction it comes later instead",
    "delayed": "the modem's redial guard: DELAYED, and the number is refused for a minute",
    "blacklisted": "the modem's redial guard: BLACKLISTED, and the number is refused for good",
    "error": "the modem answers ERROR to the dial command",
}


@dataclass(frozen=True, slots=True)
class CallFaults:
    """Probabilities: of `noise` for each octet, of all others for each call. The default is a perfect network."""

    busy: float = 0.0
    no_answer: float = 0.0
    no_carrier: float = 0.0
    no_dialtone: float = 0.0
    drop: float = 0.0
    noise: float = 0.0
    delayed: float = 0.0
    blacklisted: float = 0.0
    error: float = 0.0

    def fate(self, random: Random) -> Fate:
        """Decide what becomes of one call."""
        if random.random() < self.busy:
            return "busy"
        if random.random() < self.no_answer:
            return "no_answer"
        return "no_carrier" if random.random() < self.no_carrier else "connected"

    def dropped_after(self, random: Random) -> int | None:
        """Decide after how many octets, both ways together, the carrier is lost; None: not at all."""
        return int(30 * (4000 / 30) ** random.random()) if random.random() < self.drop else None

    def rejected(self, random: Random) -> str:
        """Decide what the modem says instead of dialling; empty: it dials."""
        for name in ("delayed", "blacklisted", "error"):
            if random.random() < getattr(self, name):
                return name.upper()
        return ""


def parse_call_faults(texts: Iterable[str]) -> CallFaults:
    """Return the faults of these `NAME:P`, `NAME` alone meaning always. Raises `UsageError` naming what is wrong."""
    found = CallFaults()
    names = [field.name for field in fields(CallFaults)]
    for text in texts:
        name, colon, value = text.replace("=", ":").partition(":")
        name = name.replace("-", "_").lower()
        if name not in names:
            raise UsageError(f"no fault of calls is called {name}", advice=f"there are {', '.join(names)}")
        try:
            probability = float(value) if colon else 1.0
        except ValueError:
            probability = -1.0
        if not 0.0 <= probability <= 1.0:
            raise UsageError(f"fault {name}: {value} is no probability from 0 to 1")
        found = replace(found, **{name: probability})
    return found


def call_faults_help() -> str:
    """One line for each fault, for `metersim modem --help`."""
    return "\n".join(f"  {name + ':P':<15} {_HELP[name]}" for name in _HELP)
