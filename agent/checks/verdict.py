"""How a check says what it found: one result, with the numbers as exact decimal text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from agent.checks.rules import Rule, RuleSet
from agent.checks.subject import Subject
from agent.reading import CheckResult, Outcome
from drivers.decimal_text import plain

Judge = Callable[[Subject, RuleSet], tuple[CheckResult, ...]]


@dataclass(frozen=True, slots=True)
class Check:
    """One at-read check: `judge` is pure and gives at least one result, all under `name`."""

    name: str
    title: str  # for people, in lower case
    judge: Judge
    advice: str  # what a person does when it fails, one clause without full stop


@dataclass(frozen=True, slots=True)
class Measure:
    """What was measured against which limit; identifications are kept as text."""

    measured: Decimal | int | str
    limit: Decimal | int | str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Makes the results of one check under one rule."""

    check: str
    rule_set: str
    clause: str

    @classmethod
    def by(cls, check: str, rules: RuleSet, rule: Rule) -> Verdict:
        """Judge `check` by `rule` of `rules`."""
        return cls(check, rules.name, rule.clause)

    def passed(
        self,
        measure: Measure | None = None,
        reason: str | None = None,
        *,
        channel: int | None = None,
        intervals: tuple[int, ...] | None = None,
    ) -> CheckResult:
        """Pass; `reason` is a remark, `intervals` those that are worth a remark."""
        return self._result("pass", measure, reason, channel, intervals)

    def failed(
        self,
        measure: Measure | None,
        reason: str,
        *,
        channel: int | None = None,
        intervals: tuple[int, ...] | None = None,
    ) -> CheckResult:
        """Fail, and say what is wrong."""
        return self._result("fail", measure, reason, channel, intervals)

    def skipped(self, reason: str, *, channel: int | None = None) -> CheckResult:
        """Not applicable, or no data to judge: say which."""
        return self._result("skipped", None, reason, channel, None)

    def _result(
        self,
        outcome: Outcome,
        measure: Measure | None,
        reason: str | None,
        channel: int | None,
        intervals: tuple[int, ...] | None,
    ) -> CheckResult:
        return CheckResult(
            check=self.check,
            outcome=outcome,
            rule_set=self.rule_set,
            clause=self.clause,
            measured=None if measure is None else _text(measure.measured),
            limit=None if measure is None else _text(measure.limit),
            unit=None if measure is None else measure.unit,
            reason=reason,
            channel=channel,
            intervals=intervals or None,
        )


def _text(value: Decimal | int | str) -> str:
    return value if isinstance(value, str) else plain(value)
