"""How far a count can have moved between two moments: what receptions of one meter agree by. Pure, exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agent.checks.quantity import energy, factor
from agent.listening.plan import PlannedMeter

NS_AN_HOUR = 3_600_000_000_000
#: A message may tell the register as it stood some minutes before: meters refresh what they send at intervals.
STALE_NS = NS_AN_HOUR // 12
#: Counts an hour, where neither plan nor rule set say what a service can draw: one a second.
FASTEST = Decimal(3600)
HALF = Decimal("0.5")  # of a turn: what is further on may as well have gone back


@dataclass(frozen=True, slots=True)
class Pace:
    """What one meter's count can do. `per_hour` in counts."""

    per_hour: Decimal
    turn: Decimal | None = None  # the dials start again at 0 here
    runs_back: bool = False  # a net register

    @classmethod
    def of(cls, planned: PlannedMeter, service_limit: Decimal | None) -> Pace:
        """Return the pace of a planned meter; `service_limit` (kW) is the rule set's, where the plan has none."""
        kind = energy(planned.unit)
        kilo = Decimal(1) if kind is None else factor(f"k{kind}", planned.unit) or Decimal(1)
        an_hour = planned.service_limit
        if an_hour is None and kind in {"Wh", "VAh"}:
            an_hour = service_limit
        return cls(
            per_hour=FASTEST if an_hour is None else an_hour * kilo / planned.multiplier,
            turn=None if planned.dials is None else Decimal(1).scaleb(planned.dials),
            runs_back=planned.message == "netidm",
        )

    def fits(self, count: Decimal) -> bool:
        """Tell whether the dials can show this count."""
        return count >= 0 and (self.turn is None or count < self.turn)

    def rise(self, older: Decimal, newer: Decimal, wrap: Decimal | None) -> Decimal:
        """Return by how much the count rose: over the dials first, else over the width of the message; else as it is.

        A count that the dials cannot show does not turn over them.
        """
        turns = [turn for turn in (self.turn, wrap) if turn is not None and older < turn and newer < turn]
        rise = newer - older
        return rise + min(turns) if turns and rise < 0 else rise

    def allows(
        self, older: Decimal, newer: Decimal, ns: int, wrap: Decimal | None = None, step: Decimal = Decimal(1)
    ) -> bool:
        """Tell whether the count can have moved from `older` to `newer` in `ns` nanoseconds; a `step` for rounding."""
        most = self.per_hour * max(ns, STALE_NS) / NS_AN_HOUR + step
        turns = [turn for turn in (self.turn, wrap) if turn is not None]
        if turns:
            most = min(most, min(turns) * HALF)
        if 0 <= self.rise(older, newer, wrap) <= most:
            return True
        return self.runs_back and 0 <= self.rise(newer, older, wrap) <= most
