"""A rule set: every threshold and every clause by which the checks judge. Data, validated on load.

One struct is one section of the TOML file; thresholds are decimal strings or integers, never floats. `clause` names the
paragraph that a result was judged by and travels with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

Clause = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Words = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
EventCodes = tuple[Annotated[int, msgspec.Meta(ge=0, le=2047)], ...]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every rule has: the clause it follows."""

    clause: Clause

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            number = getattr(self, key)
            if isinstance(number, Decimal) and not (number.is_finite() and 0 <= number <= 1_000_000_000):
                raise ValueError(f"`{key}` must be a number from 0 to 1000000000, not {number}")


class AgentClock(Rule, frozen=True):
    """|offset| + uncertainty of the agent's own clock <= `tolerance_s`."""

    tolerance_s: Decimal


class MonthlyTou(Rule, frozen=True):
    """TOU registers without intervals: beyond the tolerance up to `limit_s` passes with a remark."""

    limit_s: Decimal


class MeterClock(Rule, frozen=True):
    """|meter − agent| <= `tolerance_s`. Without `monthly_tou` the same tolerance holds for TOU registers."""

    tolerance_s: Decimal
    monthly_tou: MonthlyTou | None = None

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.monthly_tou is not None and self.monthly_tou.limit_s < self.tolerance_s:
            raise ValueError("`monthly_tou.limit_s` must not be below `tolerance_s`")


class IntervalCount(Rule, frozen=True):
    """Received and expected intervals differ by at most `allowed_difference`.

    A meter clock that is off by at most `proratable_s` lets the MDSP prorate intervals that do not add up.
    """

    allowed_difference: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    proratable_s: Decimal


class Reread(Rule, frozen=True):
    """A check whose failure, with `reread`, is verified by reading the same registers again in the same visit."""

    reread: bool


class MeterModes(Rule, frozen=True):
    """Modes of the meter (ST03, in lower case) in which it does not measure the customer's load."""

    modes: Words


class Spike(Rule, frozen=True):
    """(highest − third highest) ÷ third highest <= `ratio`, for days whose highest exceeds `ignored_pulses`."""

    ignored_pulses: Decimal
    ratio: Decimal


class TouSum(Rule, frozen=True):
    """|sum of the periods − total| <= `per_period` × number of periods, in the meter's own units."""

    per_period: Decimal
    previous_season: bool  # whether a previous season's periods may belong to the sum
    active_only: bool  # whether only periods that hold something count for the tolerance


class SelfReport(Rule, frozen=True):
    """Status flags (ST03, in lower case) and standard event codes (ST72–ST76) by which a meter reports a fault."""

    flags: Words
    events: EventCodes


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All rules by which one reading is judged; each field below `title` is one check."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
    title: Text
    agent_clock: AgentClock
    meter_id_internal: Rule
    meter_id_external: Rule
    table_data: Rule
    dial_count: Reread
    demand_decimals: Reread
    meter_clock: MeterClock
    interval_count: IntervalCount
    tou_sum: TouSum
    pulse_overflow: Rule
    test_mode: MeterModes
    spike: Spike
    power_outage: Rule
    missing_intervals: Rule
    meter_diagnostics: SelfReport
    phase_loss: SelfReport
    time_reset: Rule
