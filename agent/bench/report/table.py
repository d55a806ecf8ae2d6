"""The report as CSV (RFC 4180, UTF-8): one line a run, and one for a point without any. Columns: docs/bench.md.

A text that a spreadsheet would take for a formula has an apostrophe in front of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from agent.bench.report.document import JudgedPart, MeterTest, PointPart, Result, RunPart

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

COLUMNS = (
    "report_id", "test_date", "meter_id", "service_delivery_point_id", "customer_id", "energy_supplier_id", "msp_id",
    "plan", "plan_sha256", "rule_set", "tests", "tester", "outcome", "point", "role", "volts", "amps", "power_factor",
    "lag", "run", "pulses", "meter_wh", "standard_wh", "run_registration_percent", "registration_percent",
    "expanded_uncertainty_percent", "low_percent", "high_percent", "judgement",
)  # fmt: skip


def as_csv(report: MeterTest) -> bytes:
    """Return the table with its header."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for name, result in (("as found", report.as_found), ("as left", report.as_left)):
        if result is not None and not (name == "as left" and report.stage == "as_found_and_left"):
            shown = "as found and left" if report.stage == "as_found_and_left" else name
            for cells in _lines(report, result, shown):
                writer.writerow({column: _cell(text) for column, text in cells.items()})
    return out.getvalue().encode()


def _lines(report: MeterTest, result: Result, tests: str) -> Iterator[dict[str, str | None]]:
    common = {
        "report_id": report.report_id,
        "test_date": report.test_date,
        "meter_id": report.meter_id,
        "service_delivery_point_id": report.service_delivery_point_id,
        "customer_id": report.customer_id,
        "energy_supplier_id": report.energy_supplier_id,
        "msp_id": report.msp_id,
        "plan": report.plan.name,
        "plan_sha256": report.plan.sha256,
        "rule_set": report.plan.rule_set,
        "tests": tests,
        "tester": result.tester,
        "outcome": result.outcome,
    }
    for point in result.points:
        cells = common | _point(point)
        if not point.runs:
            yield cells
        for number, run in enumerate(point.runs, start=1):
            yield cells | _run(number, run)
    if result.average is not None:
        figures = {"registration_percent": result.average.registration}
        figures["expanded_uncertainty_percent"] = result.average.expanded
        yield common | {"point": "final average"} | figures | _judged(result.average_judged)


def _point(point: PointPart) -> dict[str, str | None]:
    cells: dict[str, str | None] = {
        "point": point.name,
        "role": point.role,
        "volts": point.volts,
        "amps": point.amps,
        "power_factor": point.power_factor,
        "lag": point.lag,
        "pulses": None if point.creep_pulses is None else str(point.creep_pulses),
        "meter_wh": point.creep_wh,
    }
    if point.figure is not None:
        cells["registration_percent"] = point.figure.registration
        cells["expanded_uncertainty_percent"] = point.figure.expanded
    return cells | _judged(point.judged)


def _judged(judged: JudgedPart | None) -> dict[str, str | None]:
    if judged is None:
        return {}
    return {"low_percent": judged.low, "high_percent": judged.high, "judgement": judged.judgement}


def _run(number: int, run: RunPart) -> dict[str, str | None]:
    return {
        "run": str(number),
        "pulses": str(run.pulses),
        "meter_wh": run.meter_wh,
        "standard_wh": run.standard_wh,
        "run_registration_percent": run.registration,
    }


def _cell(text: str | None) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula."""
    found = text or ""
    return f"'{found}" if found.startswith(_FORMULA) else found
