"""A rule set: every threshold and every clause by which the checks judge. Data, validated on load.

One struct is one section of the TOML file; thresholds are decimal strings or integers, never floats. `clause` names the
paragraph that a result was judged by and travels with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
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


class SumCheck(Reread, frozen=True):
    """|sum of the intervals − difference of the registers| <= `multipliers` × meter multiplier.

    The meter multiplier converts a reading to kWh (kvarh, kVAh). A register that is read in finer steps, Wh say, has no
    smaller one for it: what is below `least_multiplier`, in kWh, counts as that.
    `redo` says in which ways a failure is looked at again: `prorate` takes the parts of an interval before the start
    read and after the stop read into account, `scale` the intervals that are missing or incomplete.
    """

    multipliers: Decimal
    least_multiplier: Decimal
    redo: tuple[Literal["prorate", "scale"], ...]


class Reactive(Rule, frozen=True):
    """No interval without active energy has more than `ignored_pulses` of reactive energy."""

    ignored_pulses: Decimal


class StaleSnapshot(Rule, frozen=True):
    """Clock and registers have moved since the last read, if that is at least `least_s` ago."""

    least_s: Decimal


class ImplausibleJump(Rule, frozen=True):
    """A value of one-way telemetry rises by no more than the service can draw.

    `service_limit` is what it can draw where the order does not say it, in kW; without one only the order's counts.
    """

    service_limit: Decimal | None = None


class Percent(Reread, frozen=True):
    """`low` % of the historical figure <= present one <= `high` % of it.

    Historical is the same period last year, else the highest of the last `last_periods` periods; none of them shorter
    than `least_days`. With `reread`: another figure, read more than `same_time_s` after the first, confirms it where it
    is within `reread_within` % of it.
    """

    low: Decimal
    high: Decimal
    last_periods: Annotated[int, msgspec.Meta(ge=1, le=36)]
    least_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    reread_within: Decimal
    same_time_s: Decimal

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.low > self.high:
            raise ValueError("`low` must not be above `high`")


class IntervalUsage(Rule, frozen=True):
    """|historical − present average daily usage| <= `within` % of the historical one, from interval data."""

    within: Decimal


class HighLowUsage(Percent, frozen=True):
    """Average daily usage against its history: by registers, and by intervals."""

    interval: IntervalUsage


class RegisterAdvance(Reread, frozen=True):
    """A register has not gone backwards. What rolled over counts at most the part `most_of_dial` of a full turn."""

    most_of_dial: Decimal

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.most_of_dial > 1:
            raise ValueError("`most_of_dial` is a part of a full turn: at most 1")


class SelfReport(Rule, frozen=True):
    """Status flags (ST03, in lower case) and standard event codes (ST72–ST76) by which a meter reports a fault."""

    flags: Words
    events: EventCodes


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All rules by which one reading is judged; each field below `based_on` is one check."""

    name: Name
    title: Text
    based_on: Name | None = None  # the rule set that gives what this one leaves out
    agent_clock: AgentClock
    meter_id_internal: Rule
    meter_id_external: Rule
    table_data: Rule
    dial_count: Reread
    demand_decimals: Reread
    meter_clock: MeterClock
    stale_snapshot: StaleSnapshot
    register_advance: RegisterAdvance
    implausible_jump: ImplausibleJump
    high_low_usage: HighLowUsage
    zero_consumption: Reread
    high_low_demand: Percent
    tou_sum: TouSum
    channel_count: Rule
    interval_count: IntervalCount
    pulse_overflow: Rule
    test_mode: MeterModes
    sum_check: SumCheck
    spike: Spike
    reactive: Reactive
    power_outage: Rule
    missing_intervals: Rule
    meter_diagnostics: SelfReport
    phase_loss: SelfReport
    configuration_change: Rule
    time_reset: Rule
