"""Run every check, in the order that UBP A4 3 recommends; none stops another."""

from __future__ import annotations

import decimal

from agent.checks import (
    agent_clock,
    channel_count,
    configuration_change,
    demand_decimals,
    dial_count,
    high_low_demand,
    high_low_usage,
    implausible_jump,
    interval_count,
    meter_clock,
    meter_id,
    metering_mode,
    missing_intervals,
    power_outage,
    pulse_overflow,
    reactive,
    register_advance,
    self_report,
    spike,
    stale_snapshot,
    sum_check,
    table_data,
    time_reset,
    tou_sum,
    zero_consumption,
)
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.usual import adapted, remarked
from agent.checks.verdict import Check
from agent.reading import CheckResult

CHECKS: tuple[Check, ...] = (
    agent_clock.CHECK,
    meter_id.INTERNAL,
    meter_id.EXTERNAL,
    table_data.CHECK,
    dial_count.CHECK,
    demand_decimals.CHECK,
    meter_clock.CHECK,
    stale_snapshot.CHECK,
    register_advance.CHECK,
    implausible_jump.CHECK,
    high_low_usage.CHECK,
    zero_consumption.CHECK,
    high_low_demand.CHECK,
    tou_sum.CHECK,
    channel_count.CHECK,
    interval_count.CHECK,
    pulse_overflow.CHECK,
    metering_mode.CHECK,
    power_outage.CHECK,
    missing_intervals.CHECK,
    time_reset.CHECK,
    sum_check.CHECK,
    spike.CHECK,
    reactive.CHECK,
    self_report.DIAGNOSTICS,
    self_report.PHASE_LOSS,
    configuration_change.CHECK,
)


#: More digits than it takes to add or compare any two numbers of a meter, floats of 10³⁰⁸ and 10⁻³²⁴ among them.
_EXACT = decimal.Context(prec=2000)


def run_checks(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Judge `subject` by every rule; each check has at least one result. Never raises.

    A customer's own limits, on the order, stand for those of the rule set, and the results say so.
    """
    with decimal.localcontext(_EXACT):
        if subject.history is None:
            return tuple(result for check in CHECKS for result in _judged(check, subject, rules))
        rules, remarks = adapted(rules, subject.history.usual)
        return tuple(remarked(result, remarks) for check in CHECKS for result in _judged(check, subject, rules))


def _judged(check: Check, subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    try:
        return check.judge(subject, rules)
    except Exception as error:  # noqa: BLE001  a bug in one check must cost neither the reading nor the other checks
        # Failed, not skipped: what could not be judged must not look as if nothing were to be judged.
        reason = f"the check broke on these data: {type(error).__name__}: {error}"
        clause: str = getattr(rules, check.name).clause
        return (CheckResult(check.name, "fail", rules.name, clause, reason=reason),)
