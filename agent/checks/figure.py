"""A present figure against a historical one, between two percentages of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from agent.checks.channels import listed
from agent.checks.exact import above, below
from agent.checks.rules import Percent
from agent.checks.verdict import Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain


@dataclass(frozen=True, slots=True)
class Figure:
    """A present and a historical figure of one quantity, in the same unit."""

    what: str
    unit: str
    present: Fraction
    past: Fraction
    against: str  # which period the historical one is of

    def within(self, rule: Percent) -> bool:
        """Tell whether the present figure is between the two percentages of the historical one, inclusive."""
        return Fraction(rule.low) * self.past <= self.present * 100 <= Fraction(rule.high) * self.past

    def measure(self, rule: Percent) -> Measure:
        """Return the percentage against its limits; of a historical figure of 0 there is none."""
        if not self.past:
            return Measure(above(self.present), 0, self.unit)
        percent = self.present * 100 / self.past
        number = above(percent) if percent > Fraction(rule.high) else below(percent)
        return Measure(number, f"{plain(rule.low)} to {plain(rule.high)}", "%")

    @property
    def text(self) -> str:
        """Return both figures, for people."""
        return f"{self.what}: {rounded(self.present)} {self.unit}, {self.against}: {rounded(self.past)}"


def judged(found: Iterable[Figure | str], rule: Percent, verdict: Verdict) -> CheckResult:
    """Fail by all figures that are not within the rule; pass if all are; skip if there are only reasons why not."""
    figures: list[Figure] = []
    reasons: dict[str, None] = {}
    for each in found:
        if isinstance(each, str):
            reasons[each] = None
        else:
            figures.append(each)
    if wrong := [figure for figure in figures if not figure.within(rule)]:
        return verdict.failed(wrong[0].measure(rule), listed([figure.text for figure in wrong]))
    if figures:
        return verdict.passed(figures[0].measure(rule), f"against {figures[0].against}")
    return verdict.skipped(listed(list(reasons)))


def rounded(number: Fraction) -> str:
    """Write a figure for people, to a hundredth."""
    return plain(Decimal(round(number * 100)).scaleb(-2))
