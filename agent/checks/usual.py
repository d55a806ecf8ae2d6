"""Customers of irregular usage: their own limits, from the order, in place of the rule set's."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.history import Usual
from agent.reading import CheckResult
from drivers.decimal_text import plain

LEFT_OUT = "left out by the order: a customer of irregular usage"
INTERVALS = "high_low_usage.interval"  # the part of a check that has its own rule

#: Key of the order → rule, and key in it.
LIMITS: dict[str, tuple[str, str]] = {
    "spike_ratio": ("spike", "ratio"),
    "spike_ignored_pulses": ("spike", "ignored_pulses"),
    "reactive_ignored_pulses": ("reactive", "ignored_pulses"),
    "usage_low": ("high_low_usage", "low"),
    "usage_high": ("high_low_usage", "high"),
    "usage_within": (INTERVALS, "within"),
    "demand_low": ("high_low_demand", "low"),
    "demand_high": ("high_low_demand", "high"),
}


def left_out(subject: Subject, check: str) -> bool:
    """Tell whether the order leaves a check out."""
    return subject.history is not None and check in subject.history.usual.omit


def adapted(rules: RuleSet, usual: Usual) -> tuple[RuleSet, dict[str, str]]:
    """Return the rules with the customer's limits, and by rule what its results must say about them.

    Limits that contradict the rule's others, such as a lower one above the upper, change nothing and are said, too.
    """
    wanted: dict[str, dict[str, Decimal]] = {}
    for name, (rule, key) in LIMITS.items():
        limit: Decimal | None = getattr(usual, name)
        if limit is not None:
            wanted.setdefault(rule, {})[key] = limit
    remarks: dict[str, str] = {}
    for rule, limits in wanted.items():
        by_order = ", ".join(f"{key} {plain(limit)}" for key, limit in limits.items())
        try:
            changed = _with(rules, rule.split("."), limits)
        except ValueError as error:
            remarks[rule] = f"{by_order} by the order is not applied: {error}"
        else:
            remarks[rule] = f"{by_order} by the order, not {_were(rules, rule, limits)}"
            rules = changed
    return rules, remarks


def remarked(result: CheckResult, remarks: dict[str, str]) -> CheckResult:
    """Return a result that says which of its limits are the customer's own."""
    rule = INTERVALS if result.check == "high_low_usage" and result.channel is not None else result.check
    said = remarks.get(rule)
    if said is None or result.outcome == "skipped":
        return result
    return msgspec.structs.replace(result, reason=f"{result.reason}; {said}" if result.reason else said)


def _with(rules: msgspec.Struct, path: list[str], limits: dict[str, Decimal]) -> RuleSet:
    def put(part: msgspec.Struct, names: list[str]) -> msgspec.Struct:
        if not names:
            return msgspec.structs.replace(part, **limits)
        return msgspec.structs.replace(part, **{names[0]: put(getattr(part, names[0]), names[1:])})

    changed = put(rules, path)
    assert isinstance(changed, RuleSet)  # noqa: S101 - the outermost part of a rule set is a rule set
    return changed


def _were(rules: RuleSet, rule: str, limits: dict[str, Decimal]) -> str:
    part: msgspec.Struct = rules
    for name in rule.split("."):
        part = getattr(part, name)
    return ", ".join(plain(getattr(part, key)) for key in limits)
