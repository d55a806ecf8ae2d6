"""One kind of finding, as it was looked for once."""

from __future__ import annotations

from dataclasses import dataclass

from agent.anomaly import Finding
from agent.reading import CheckResult


@dataclass(frozen=True, slots=True)
class Observation:
    """One kind of finding, looked for. `marks` tell one of a kind from another: faults, channels; none: it is gone."""

    finding: Finding
    marks: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  # in words
    checks: tuple[CheckResult, ...] = ()  # the evidence
