"""Run every check, in the order that UBP A4 3 recommends; none stops another."""

from __future__ import annotations

from agent.checks import (
    agent_clock,
    demand_decimals,
    dial_count,
    interval_count,
    meter_clock,
    meter_id,
    metering_mode,
    missing_intervals,
    power_outage,
    pulse_overflow,
    self_report,
    spike,
    table_data,
    time_reset,
    tou_sum,
)
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
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
    interval_count.CHECK,
    tou_sum.CHECK,
    pulse_overflow.CHECK,
    metering_mode.CHECK,
    power_outage.CHECK,
    missing_intervals.CHECK,
    time_reset.CHECK,
    spike.CHECK,
    self_report.DIAGNOSTICS,
    self_report.PHASE_LOSS,
)


def run_checks(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Judge `subject` by every rule; each check has at least one result. Never raises."""
    return tuple(result for check in CHECKS for result in _judged(check, subject, rules))


def _judged(check: Check, subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    try:
        return check.judge(subject, rules)
    except Exception as error:  # noqa: BLE001  a bug in one check must cost neither the reading nor the other checks
        # Failed, not skipped: what could not be judged must not look as if nothing were to be judged.
        reason = f"the check broke on these data: {type(error).__name__}: {error}"
        clause: str = getattr(rules, check.name).clause
        return (CheckResult(check.name, "fail", rules.name, clause, reason=reason),)
