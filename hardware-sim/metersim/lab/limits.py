"""The limits of the published rule sets, as far as checks are foretold by them.

UBP: EEI Uniform Business Practices, Appendix 4. CPUC: Decision 97-12-048, section f. PG&E: direct access handbook.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from drivers.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults are those of UBP Appendix 4."""

    name: str = "ubp-2000"
    clock_s: Decimal = Decimal(180)  # A4 1.3.2
    interval_difference: int = 0  # A4 1.3.2: as many intervals as the time has room for
    sum_multipliers: int = 2  # A4 1.4.3
    spike_pulses: int = 10  # A4 1.4.4
    spike_ratio: Decimal = Decimal("1.8")
    reactive_pulses: int = 4  # A4 1.4.5
    tou_previous_season: bool = True  # A4 3.5: of all seasons …
    tou_active_only: bool = False  # … active or not


_UBP = Limits()
RULE_SETS = {
    limits.name: limits
    for limits in (
        _UBP,
        replace(
            _UBP, name="cpuc-d97-12-048", sum_multipliers=1, tou_previous_season=False, tou_active_only=True
        ),  # f(1) sum check; f(1)(e) third reasonableness check
        replace(_UBP, name="pge-direct-access", interval_difference=4),  # "less than 5 intervals"
    )
}


def limits_of(rule_set: str) -> Limits:
    """Return the limits of a rule set. Raises `UsageError` naming those that there are."""
    if rule_set not in RULE_SETS:
        raise UsageError(f"no rule set is called {rule_set}", advice=f"allowed: {', '.join(RULE_SETS)}")
    return RULE_SETS[rule_set]
