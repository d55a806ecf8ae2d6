"""What the checks of one visit are foretold from, and how each of them is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from metersim.lab.channels import Channel, utc
from metersim.lab.document import CheckPart, Outcome, RecordPart
from metersim.lab.limits import Limits
from metersim.meter.model import Meter
from metersim.meter.truth import Truth, TruthRegister

Ends = Mapping[int, tuple[int, ...]]  # of intervals, by channel


@dataclass(frozen=True, slots=True)
class Visit:
    """One meter at one moment, what it holds, and what is on record about it."""

    meter: Meter
    truth: Truth
    channels: tuple[Channel, ...]
    record: RecordPart
    since: datetime | None  # the visit before
    limits: Limits

    @property
    def since_s(self) -> int | None:
        """The visit before, in seconds since 1970."""
        return None if self.since is None else int(self.since.timestamp())

    def summations(self) -> tuple[TruthRegister, ...]:
        """Return the cumulative registers of ST23."""
        return tuple(one for one in self.truth.registers if one.table == "ST23" and one.kind == "cumulative")


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a check must come to; by channel the ends of intervals that it must name, and of those that it may."""

    check: str
    outcome: Outcome
    because: str = ""
    intervals: Ends = field(default_factory=dict)
    may_name: Ends = field(default_factory=dict)

    def part(self) -> CheckPart:
        """Return it as the document writes it."""
        return CheckPart(
            check=self.check,
            outcome=self.outcome,
            because=self.because,
            intervals=_written(self.intervals),
            may_name=_written(self.may_name),
        )


def _written(ends: Ends) -> dict[str, tuple[str, ...]] | None:
    return {str(channel): tuple(map(utc, some)) for channel, some in ends.items() if some} or None


def judged(check: str, reasons: list[str]) -> Foretold:
    """Return a check that fails if there is any reason for it."""
    return Foretold(check, "fail" if reasons else "pass", "; ".join(reasons))
