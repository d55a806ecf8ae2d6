"""A check's result as one sentence for people: what is wrong, and what to do."""

from __future__ import annotations

from agent.checks.run import CHECKS
from agent.reading import CheckResult

_BY_NAME = {check.name: check for check in CHECKS}


def describe(result: CheckResult) -> str:
    """Return one plain sentence about `result`, with what to do if it failed."""
    check = _BY_NAME.get(result.check)
    title = check.title if check else result.check.replace("_", " ")
    where = f", channel {result.channel}" if result.channel is not None else ""
    subject = f"{title[0].upper()}{title[1:]}{where}"
    if result.outcome == "skipped":
        return f"{subject}: not checked, {result.reason}."
    if result.outcome == "fail":
        advice = f"; {check.advice}" if check else ""
        return f"{subject}: {result.reason or _numbers(result)}{advice}."
    said = "failed, but a second reading gave the same" if result.outcome == "verified" else "in order"
    numbers = _numbers(result)
    remark = f"; {result.reason}" if result.reason else ""
    return f"{subject}: {said}{f' ({numbers})' if numbers else ''}{remark}."


def _numbers(result: CheckResult) -> str:
    if result.measured is None:
        return ""
    unit = f" {result.unit}" if result.unit else ""
    if result.limit is None or result.limit == result.measured:
        return f"{result.measured}{unit}"
    return f"{result.measured}{unit}, {'limit' if unit else 'expected'} {result.limit}{unit}"
