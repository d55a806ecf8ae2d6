"""The figures of a test: percentage registration, final average, and the uncertainty of each. Pure; Decimal only.

Every figure is worked out from the counts themselves with 34 digits and rounded once, where it is written down:
registrations to 0.001 % half to even, uncertainties up to the next 0.001 %. Verdicts go by the figures as written, so
that anybody can repeat them from the report alone.

Uncertainty (JCGM 100:2008, GUM), in percent of reading, k = 2:

    standard       type B, normal: U of its certificate ÷ 2
    resolution     type B, triangular: of the standard's pulses or last digit, off by up to one step at the begin and at
                   the end: step ÷ √6. The runs of a point may begin at the same phase, so it is not divided by their
                   number. The pulses of the meter open and close the gate: their count is exact
    repeatability  type A: s ÷ √n, times t ÷ 2 (Student, 95.45 %, table G.2), so that k = 2 holds for few runs;
                   or s of earlier tests ÷ √n, where the plan gives it

The allowance for observation widens the limits of the verdict instead: in both places it would count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Literal

PLACE = Decimal("0.001")
FINE = Decimal("0.00001")  # of a component
K = 2
_HUNDRED = Decimal(100)
_EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN)
# GUM table G.2, p = 95.45 %: t for 1, 2, … degrees of freedom; for more, that of the fewer in the table.
_T = {
    1: "13.97", 2: "4.53", 3: "3.31", 4: "2.87", 5: "2.65", 6: "2.52", 7: "2.43", 8: "2.37", 9: "2.32", 10: "2.28",
    11: "2.25", 12: "2.23", 13: "2.21", 14: "2.20", 15: "2.18", 16: "2.17", 17: "2.16", 18: "2.15", 19: "2.14",
    20: "2.13", 25: "2.11", 30: "2.09", 35: "2.07", 40: "2.06", 45: "2.06", 50: "2.05",
}  # fmt: skip

Distribution = Literal["normal", "triangular", "student"]


@dataclass(frozen=True, slots=True)
class Run:
    """One comparison. Energies in Wh; `step_wh`: in which the standard counts."""

    meter_wh: Decimal
    standard_wh: Decimal
    step_wh: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Component:
    """One line of a budget: `u`, the standard uncertainty in percent of reading, not rounded."""

    name: str
    distribution: Distribution
    u: Decimal
    degrees: int | None = None  # of freedom; None: infinitely many

    @property
    def written(self) -> Decimal:
        """As it is written down: rounded up."""
        return self.u.quantize(FINE, ROUND_CEILING, context=_EXACT)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured percentage registration and its uncertainty. `exact` is for further arithmetic only."""

    exact: Decimal
    components: tuple[Component, ...]
    expanded_exact: Decimal

    @property
    def registration(self) -> Decimal:
        """As it is written down and judged."""
        return self.exact.quantize(PLACE, ROUND_HALF_EVEN, context=_EXACT)

    @property
    def expanded(self) -> Decimal:
        """U with k = 2, in percent of reading, as it is written down and judged."""
        return self.expanded_exact.quantize(PLACE, ROUND_CEILING, context=_EXACT)


def registration(run: Run) -> Decimal:
    """Return meter ÷ standard × 100, not rounded. Raises `ValueError` if the standard has measured nothing."""
    if run.standard_wh <= 0 or run.meter_wh < 0:
        raise ValueError("a registration needs energy by the standard, and none below zero by the meter")
    with localcontext(_EXACT):
        return run.meter_wh / run.standard_wh * _HUNDRED


def written(percent: Decimal) -> Decimal:
    """Return a registration as it is written down."""
    return percent.quantize(PLACE, ROUND_HALF_EVEN, context=_EXACT)


def figure(runs: Sequence[Run], standard_percent: Decimal, repeatability: Decimal | None = None) -> Figure:
    """Return the mean of the runs with its budget.

    `standard_percent`: of the certificate, expanded (k = 2). `repeatability`: standard deviation of one run by earlier
    tests; without it two runs or more are needed, else `ValueError`.
    """
    with localcontext(_EXACT):
        values = [registration(run) for run in runs]
        count = Decimal(len(values))
        mean = sum(values, Decimal(0)) / count
        components = (
            Component("standard", "normal", standard_percent / K * mean / _HUNDRED),
            Component("resolution", "triangular", max(map(_resolution, runs))),
            _repeatability(values, mean, repeatability),
        )
        combined = sum((one.u * one.u for one in components), Decimal(0)).sqrt()
        return Figure(mean, components, K * combined)


def final_average(heavy: Figure, light: Figure, weights: tuple[int, int]) -> Figure:
    """Return (a × H + b × L) ÷ (a + b). The standard errs alike at both loads: its parts add up, the others do not."""
    with localcontext(_EXACT):
        a, b = Decimal(weights[0]), Decimal(weights[1])
        components = []
        for one, other in zip(heavy.components, light.components, strict=True):
            x, y = a * one.u / (a + b), b * other.u / (a + b)
            u = x + y if one.name == "standard" else (x * x + y * y).sqrt()
            components.append(Component(one.name, one.distribution, u, one.degrees))
        combined = sum((one.u * one.u for one in components), Decimal(0)).sqrt()
        return Figure((a * heavy.exact + b * light.exact) / (a + b), tuple(components), K * combined)


def _resolution(run: Run) -> Decimal:
    return run.step_wh * _HUNDRED / run.standard_wh / Decimal(6).sqrt() * registration(run) / _HUNDRED


def _repeatability(values: Sequence[Decimal], mean: Decimal, earlier: Decimal | None) -> Component:
    count = len(values)
    if earlier is not None:
        return Component("repeatability, by earlier tests", "normal", earlier / Decimal(count).sqrt())
    if count < 2:
        raise ValueError("one run alone does not show how repeatable it is")
    variance = sum(((value - mean) ** 2 for value in values), Decimal(0)) / (count - 1)
    u = (variance / count).sqrt() * student(count - 1) / K
    return Component("repeatability", "student", u, count - 1)


def student(degrees: int) -> Decimal:
    """Return t for 95.45 % and so many degrees of freedom, from 1."""
    return Decimal(_T[max(known for known in _T if known <= degrees)])
