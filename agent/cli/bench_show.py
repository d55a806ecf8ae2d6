"""Plans, reports and histories of accuracy tests as text of about 100 columns."""

from __future__ import annotations

from collections.abc import Sequence

from agent.bench.plan import LoadedPlan, Plan, Point
from agent.bench.preparing import Ready
from agent.bench.report.document import FigurePart, JudgedPart, MeterTest, Result
from agent.bench.report.page import OUTCOMES
from agent.cli.show import table


def plan_in_words(loaded: LoadedPlan, ready: Ready) -> str:
    """Return a plan that can be run, and with which instruments."""
    plan = loaded.plan
    rows = [
        (one.name, one.role, one.voltage, one.current, one.power_factor, _length(plan, one), str(one.runs))
        for one in plan.points
    ]
    rows_of_instruments = [
        (kind, one.section.name, one.section.certificate or "", one.due_on.isoformat()) for kind, one in ready.all
    ]
    return "\n\n".join(
        (
            f"{plan.name}: {plan.title}\ncan be run; SHA-256 {loaded.sha256}",
            table(("point", "role", "voltage", "current", "power factor", "each run", "runs"), rows),
            table(("role", "instrument", "certificate", "due"), rows_of_instruments),
            f"the standard is {ready.ratio:.1f} times better than the meter ({ready.standard_basis})",
        )
    )


def history_in_words(found: Sequence[MeterTest]) -> str:
    """Return the tests of a meter, one a line."""
    header = ("date", "results", "outcome", "heavy", "light", "average", "by", "report")
    return table(header, map(_history_row, found))


def report_in_words(report: MeterTest) -> str:
    """Return what a test found."""
    parts = [f"meter {report.meter_id}: {OUTCOMES[report.outcome].lower()} ({report.stage.replace('_', ' ')})"]
    result = _newest(report)
    if result is not None:
        rows = [_result_row(one.name, one.figure, one.judged) for one in result.points]
        if result.average is not None:
            rows.append(_result_row("final average", result.average, result.average_judged))
        parts.append(table(("point", "registration", "± U (k = 2)", "limits", "judgement"), rows))
        parts.append("\n".join(result.reasons))
    parts.append(f"report {report.report_id}, due at the MDSP by {report.due_by}")
    return "\n\n".join(parts)


def _history_row(report: MeterTest) -> tuple[str, ...]:
    result = _newest(report)
    by_role = {point.role: point for point in result.points} if result is not None else {}
    figures = [
        point.figure.registration if point is not None and point.figure is not None else "-"
        for point in (by_role.get("heavy"), by_role.get("light"))
    ]
    average = result.average.registration if result is not None and result.average is not None else "-"
    tester = result.tester if result is not None else "-"
    stage = report.stage.replace("_", " ")
    return report.test_date, stage, OUTCOMES[report.outcome], *figures, average, tester, report.report_id


def _newest(report: MeterTest) -> Result | None:
    return report.as_left or report.as_found


def _length(plan: Plan, point: Point) -> str:
    seconds = round(plan.seconds_of(point))
    return f"{seconds} s" if point.role == "creep" else f"{plan.pulses_of(point)} pulses, {seconds} s"


def _result_row(name: str, found: FigurePart | None, judged: JudgedPart | None) -> tuple[str, ...]:
    figures = ("-", "-") if found is None else (found.registration, found.expanded)
    limits = "-" if judged is None or judged.low is None else f"{judged.low} to {judged.high}"
    return name, *figures, limits, "-" if judged is None else judged.judgement.replace("_", " ")
