"""What a check of the doctor finds, and what it means for the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault", "skipped"]

_EXIT = {"ok": 0, "skipped": 0, "warning": 1, "fault": 2}


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that a check says, and what the operator can do about it."""

    level: Level
    said: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark with the name of the check that made it."""

    check: str
    level: Level
    said: str
    advice: str = ""


def ok(said: str) -> Remark:
    return Remark("ok", said)


def skipped(said: str, advice: str = "") -> Remark:
    """What could not be looked at, or is not there to be looked at."""
    return Remark("skipped", said, advice)


def warning(said: str, advice: str) -> Remark:
    """What works now, and will not for long or not as well as it could."""
    return Remark("warning", said, advice)


def fault(said: str, advice: str) -> Remark:
    """What keeps readings from being made, kept or delivered."""
    return Remark("fault", said, advice)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 for warnings, 2 for faults."""
    return max((_EXIT[finding.level] for finding in findings), default=0)
