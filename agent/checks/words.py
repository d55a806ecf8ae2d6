"""A rule set in the words of a meter reader: what each check asks for, with its limits."""

from __future__ import annotations

from dataclasses import dataclass

from agent.checks.rules import Percent, Reread, Rule, RuleSet
from agent.checks.run import CHECKS
from drivers.decimal_text import plain

_REDO = {"prorate": "(a) with the start read pro-rated", "scale": "(b) scaled by the share of good intervals"}


@dataclass(frozen=True, slots=True)
class Line:
    """One check of a rule set: `asks` is what passes."""

    check: str
    title: str
    clause: str
    asks: str


def in_words(rules: RuleSet) -> tuple[Line, ...]:
    """Say what each check of a rule set asks for, in the order in which they run."""
    asks = {**_clocks_and_ids(rules), **_registers(rules), **_intervals(rules), **_meter(rules)}
    lines = []
    for check in CHECKS:
        rule: Rule = getattr(rules, check.name)
        again = "; a failure is verified by reading again" if isinstance(rule, Reread) and rule.reread else ""
        if again and isinstance(rule, Percent):
            again += f", also by another figure within {plain(rule.reread_within)} % after {plain(rule.same_time_s)} s"
        clause = rule.clause
        if check.name == "meter_clock" and rules.meter_clock.monthly_tou is not None:
            clause = f"{clause}; {rules.meter_clock.monthly_tou.clause} for TOU registers alone"
        if check.name == "high_low_usage":
            clause = f"{clause}; {rules.high_low_usage.interval.clause} for intervals"
        lines.append(Line(check.name, check.title, clause, asks[check.name] + again))
    return tuple(lines)


def _clocks_and_ids(r: RuleSet) -> dict[str, str]:
    monthly = r.meter_clock.monthly_tou
    tou = "" if monthly is None else f"; TOU registers alone pass up to {plain(monthly.limit_s)} s, with a remark"
    return {
        "agent_clock": f"this box's clock is within {plain(r.agent_clock.tolerance_s)} s, its uncertainty included",
        "meter_id_internal": "the meter's electronic identification is the one on record; not for reads by hand",
        "meter_id_external": "the nameplate says the identification on record; where a person is at the meter",
        "table_data": "everything that was asked for is in the reading",
        "meter_clock": f"the meter's clock is off by at most {plain(r.meter_clock.tolerance_s)} s{tou}",
        "stale_snapshot": "clock and registers have moved since the last read, if there was a load and it is at least "
        f"{plain(r.stale_snapshot.least_s)} s ago",
    }


def _registers(r: RuleSet) -> dict[str, str]:
    usage, demand, jump = r.high_low_usage, r.high_low_demand, r.implausible_jump
    against = "the same period last year, else of the last" if usage.last_periods == 1 else (
        f"the same period last year, else of the highest of the last {usage.last_periods}"
    )  # fmt: skip
    default = "" if jump.service_limit is None else f" ({plain(jump.service_limit)} kW where the order does not say)"
    seasons = "all seasons" if r.tou_sum.previous_season else "the current season"
    periods = "active periods" if r.tou_sum.active_only else "periods, active or not"
    return {
        "dial_count": "the registers show as many digits as there are dials on record",
        "demand_decimals": "demand shows as many decimal places as on record; for reads at the meter",
        "register_advance": "no register went backwards; one rollover at the dials, of at most "
        f"{plain(r.register_advance.most_of_dial * 100)} % of a full turn",
        "implausible_jump": f"a value heard one way rose by no more than the service can draw{default}",
        "high_low_usage": f"average daily usage is {plain(usage.low)} to {plain(usage.high)} % of that of {against} "
        f"of at least {usage.least_days} days; from intervals within {plain(usage.interval.within)} % of it",
        "zero_consumption": "an active meter has counted something",
        "high_low_demand": f"the peak demand is {plain(demand.low)} to {plain(demand.high)} % of the historical one",
        "tou_sum": f"the TOU periods of {seasons} add up to the total within {plain(r.tou_sum.per_period)} for each of "
        f"the {periods}, in the meter's own units",
    }


def _intervals(r: RuleSet) -> dict[str, str]:
    several = r.interval_count.allowed_difference
    redo = " or ".join(_REDO[how] for how in r.sum_check.redo)
    return {
        "channel_count": "the load profile has as many channels as on record",
        "interval_count": "as many intervals as the time since the last read has room for"
        + (f", give or take {several}" if several else ""),
        "pulse_overflow": "no interval overflowed or stands at the largest count that it can hold",
        "test_mode": "no interval was recorded in test mode, and the meter's mode is none of: "
        + ", ".join(r.test_mode.modes),
        "power_outage": "for information: intervals with a power failure are named",
        "missing_intervals": "no gap, no repetition, no interval without a value",
        "time_reset": "for information: intervals cut by a clock setting are named",
        "sum_check": "the intervals add up to the difference of the registers within "
        f"{plain(r.sum_check.multipliers)} meter multipliers of at least {plain(r.sum_check.least_multiplier)} kWh"
        + (f", at once or redone {redo}" if redo else ""),
        "spike": f"on days with more than {plain(r.spike.ignored_pulses)} pulses in an interval, none exceeds the "
        f"third highest by more than {plain(r.spike.ratio)} times that",
        "reactive": f"no interval without active energy has more than {plain(r.reactive.ignored_pulses)} pulses of "
        "reactive energy",
    }


def _meter(r: RuleSet) -> dict[str, str]:
    return {
        "meter_diagnostics": f"the meter reports none of: {', '.join(r.meter_diagnostics.flags)}; no such event",
        "phase_loss": f"the meter reports none of: {', '.join(r.phase_loss.flags)}; no such event",
        "configuration_change": "constants, multipliers, channels, interval length and versions are those of the last "
        "read, and multipliers those on record",
    }
