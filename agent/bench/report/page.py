"""The report as one HTML page: self-contained, printable, nothing loaded from anywhere, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from agent.bench.report.curve import curve
from agent.bench.report.document import FigurePart, JudgedPart, MeterTest, PointPart, RegisterSnapshot, Result

OUTCOMES = {
    "pass": "Pass",
    "fail": "Fail",
    "not_registering": "Not registering",
    "indeterminate": "Indeterminate",
    "creep": "Creep",
    "undecided": "Undecided",
}
_STAGES = {
    "as_found": "as found",
    "as_left": "as left",
    "as_found_and_left": "as found, and left so",
}
_KEY_TO_THE_CURVE = (
    "Registration over current. Bars: ± U. Filled: power factor 1; open: below 1. Shaded: within the limits as applied."
)
_UNSAID = "not stated"  # what belongs on every report (UBP, Report of Meter Test)
_STYLE = """
:root{color-scheme:light;font:14px/1.45 system-ui,sans-serif;color:#14202b;background:#fff}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:2px solid #14202b}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
.outcome{font-size:1.15rem;font-weight:700;padding:.4rem .7rem;border:2px solid;display:inline-block;margin:.8rem 0}
.good{color:#0b5d2e}.bad{color:#9b1c1c}
table{border-collapse:collapse;width:100%;margin:.4rem 0}
th,td{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}
th{font-weight:600}thead th{border-bottom:1px solid #14202b}tbody tr+tr td,tbody tr+tr th{border-top:1px solid #d5dbe1}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}.facts td{overflow-wrap:anywhere}
.facts th{width:15rem;color:#44525f}
.note{color:#44525f;margin:.2rem 0}
.curve{width:100%;max-width:44rem;height:auto;font-size:11px}.curve text{fill:#14202b}.curve .within{fill:#d9eee0}
.curve .grid{stroke:#d5dbe1}.curve .hundred{stroke:#44525f}.curve .line{fill:none;stroke:#1c4f9c;stroke-width:1.5}
.curve .dot line{stroke:#1c4f9c;stroke-width:2}.curve .dot circle{fill:#1c4f9c}
.curve .other circle{fill:#fff;stroke:#1c4f9c}
.sign{margin-top:2.5rem;display:flex;gap:3rem}
.sign div{flex:1;border-top:1px solid #14202b;padding-top:.2rem}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}table,svg{break-inside:avoid}@page{margin:16mm}}
"""


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of the seal of the document that is shown. `verified` None: nobody has checked it."""

    kid: str | None = None
    link: int | None = None
    digest: str | None = None
    verified: bool | None = None


def as_html(report: MeterTest, signature: Signature | None = None) -> bytes:
    """Return the page as UTF-8."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(f'Report of meter test {report.meter_id}, {report.test_date}')}</title>",
        f"<style>{_STYLE}</style></head><body><main>",
        *_heading(report),
        *_about(report),
        *_results(report),
        *_traceability(report),
        *_seal(report, signature or Signature()),
        '<div class="sign"><div>Tester</div><div>Witness</div></div>',
        "</main></body></html>",
    ]
    return "\n".join(parts).encode()


def _heading(report: MeterTest) -> Iterator[str]:
    good = "good" if report.outcome == "pass" else "bad"
    yield "<h1>Report of meter test</h1>"
    yield f"<p>Meter {escape(report.meter_id)}, tested on {escape(report.test_date)} ({escape(report.zone)})</p>"
    yield f'<p class="outcome {good}">{OUTCOMES[report.outcome]}</p>'
    if not report.clock_proven:
        yield '<p class="bad">The clock of the box was not proven: dates and calibrations go by what it claims.</p>'


def _about(report: MeterTest) -> Iterator[str]:
    yield "<h2>Test</h2>"
    facts = report.meter
    yield _facts(
        (
            ("Customer", report.customer_id or _UNSAID),
            ("Account", report.account_id),
            ("Service delivery point", report.service_delivery_point_id or _UNSAID),
            ("Meter", report.meter_id),
            ("Energy supplier", report.energy_supplier_id or _UNSAID),
            ("MSP performing the test", report.msp_id),
            ("Test date", report.test_date),
            ("Reason", report.test_reason),
            ("Order", report.order_id),
            ("Tests performed", "; ".join(report.tests_performed)),
            ("Witnesses", "; ".join(report.witnesses) or "none"),
            ("Results", _STAGES[report.stage]),
            ("Work performed", report.work_performed or "none"),
            ("Test conditions", report.test_conditions or "nothing unusual was noted"),
            (
                "Nameplate",
                f"form {facts.form}, {facts.class_amperes} class, {facts.amperes} {facts.rating.replace('_', ' ')},"
                f" {facts.volts}, {facts.frequency}, Kh {facts.kh}, test pulses in a Kh: {facts.pulses_per_kh}",
            ),
        )
    )


def _results(report: MeterTest) -> Iterator[str]:
    if report.as_found is not None:
        yield from _result("As found" if report.stage != "as_found_and_left" else "As found and left", report.as_found)
    if report.as_left is not None and report.stage == "as_left":
        yield from _result("As left", report.as_left)


def _result(title: str, result: Result) -> Iterator[str]:
    yield f"<h2>{title}: {OUTCOMES[result.outcome]}</h2>"
    yield "<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in result.reasons) + "</ul>"
    reported = f"; report {escape(result.report_id)}" if result.report_id else ""
    yield f"<p>By {escape(result.tester)}, {escape(result.started_at)} to {escape(result.finished_at)}{reported}</p>"
    header = ("Point", "Load", "#Registration, %", "#± U (k = 2), %", "Limits, %", "Judgement")
    rows = [_point_row(one) for one in result.points]
    if result.average is not None:
        average = result.average
        judged = result.average_judged
        rows.append(("Final average", "", average.registration, average.expanded, _limits(judged), _said(judged)))
    yield _table(header, rows)
    if drawn := curve(result):
        yield drawn
        yield f'<p class="note">{_KEY_TO_THE_CURVE}</p>'
    yield from _runs(result)
    yield from _budgets(result)
    registers = (("Before", result.registers_before), ("After", result.registers_after))
    taken = [(name, one) for name, one in registers if one is not None]
    if taken:
        yield "<h3>Register over the optical port</h3>"
        yield _table(("", "Meter", "Raw", "#Value", "At", "Recording, SHA-256"), [_register(*one) for one in taken])


def _point_row(one: PointPart) -> tuple[str, ...]:
    load = _load(one)
    if one.role == "creep":
        seen = f"{one.creep_wh} Wh in {one.creep_seconds} s"
        limit = "" if one.judged is None or one.judged.high is None else f"{one.judged.high} Wh"
        return one.name, load, seen, "", limit, _said(one.judged)
    if one.figure is None:
        return one.name, load, "no pulse", "", _limits(one.judged), _said(one.judged)
    return one.name, load, one.figure.registration, one.figure.expanded, _limits(one.judged), _said(one.judged)


def _load(one: PointPart) -> str:
    """Return what was set, and what the source said that it was."""
    parts = [f"{one.volts} V", f"{one.amps} A", f"power factor {one.power_factor}" + (f" {one.lag}" if one.lag else "")]
    if one.percent_of_rating and one.role != "creep":
        parts[1] += f" ({one.percent_of_rating} % of rating)"
    seen = [f"{text} {unit}" for text, unit in ((one.measured_volts, "V"), (one.measured_amps, "A")) if text]
    return ", ".join(parts) + (f"; measured {', '.join(seen)}" if seen else "")


def _runs(result: Result) -> Iterator[str]:
    rows = [
        (point.name, str(number), str(run.pulses), run.meter_wh, run.standard_wh, run.registration)
        for point in result.points
        for number, run in enumerate(point.runs, start=1)
    ]
    if rows:
        yield "<h3>Runs</h3>"
        yield _table(("Point", "#Run", "#Pulses", "#Meter, Wh", "#Standard, Wh", "#Registration, %"), rows)


def _budgets(result: Result) -> Iterator[str]:
    figures: list[tuple[str, FigurePart]] = [(one.name, one.figure) for one in result.points if one.figure is not None]
    if result.average is not None:
        figures.append(("Final average", result.average))
    if figures:
        yield "<h3>Uncertainty budget, percent of reading</h3>"
        rows = [
            (name, one.name, one.distribution, "∞" if one.degrees is None else str(one.degrees), one.u, found.expanded)
            for name, found in figures
            for one in found.budget
        ]
        yield _table(("Point", "Component", "Distribution", "#Degrees", "#u", "#U (k = 2)"), rows)


def _register(name: str, one: RegisterSnapshot) -> tuple[str, ...]:
    return name, one.meter_id, one.raw, f"{one.value} {one.unit}", one.at, one.recording or ""


def _traceability(report: MeterTest) -> Iterator[str]:
    plan = report.plan
    yield "<h2>Instruments</h2>"
    header = ("Role", "Instrument", "Serial number", "Certificate", "#Calibrated", "#Due", "Uncertainty")
    yield _table(
        header,
        [
            (
                one.role,
                f"{one.name}: {one.manufacturer} {one.model}",
                one.serial_number,
                one.certificate,
                one.calibrated_on,
                one.due_on,
                f"{one.uncertainty} % ({one.basis})" if one.uncertainty else "",
            )
            for one in report.instruments
        ],
    )
    yield _facts(
        (
            ("Test plan", f"{plan.name}: {plan.title}"),
            ("Digest of the plan, SHA-256", plan.sha256),
            ("Rule set", f"{plan.rule_set}; program {plan.program.replace('_', ' ')}"),
            ("Final average", f"({plan.weights[0]} × heavy + {plan.weights[1]} × light) ÷ {sum(plan.weights)}"),
            ("Allowance beyond the limits", f"{plan.allowance} % of reading"),
            ("Standard, times better than the meter", plan.ratio),
            ("Uncertainty in the verdict", "yes" if plan.uncertainty_in_verdict else "no"),
            ("One load is enough because", plan.single_load),
        )
    )


def _seal(report: MeterTest, signature: Signature) -> Iterator[str]:
    said = {None: "not checked", True: "verifies", False: "DOES NOT VERIFY"}[signature.verified]
    yield "<h2>Document</h2>"
    yield _facts(
        (
            ("Report", report.report_id),
            ("Agent, number among its reports", f"{report.agent_id}, {report.sequence or 'none yet'}"),
            ("Made, due", f"{report.made_at}, {report.due_by}"),
            ("Signature", said),
            ("Key (RFC 7638 thumbprint)", signature.kid),
            ("Link of the chain", None if signature.link is None else str(signature.link)),
            ("Digest of the signed document, SHA-256", signature.digest),
        )
    )


def _limits(judged: JudgedPart | None) -> str:
    return "" if judged is None or judged.low is None else f"{judged.low} to {judged.high}"


def _said(judged: JudgedPart | None) -> str:
    return "" if judged is None else f"{judged.judgement.replace('_', ' ')} ({judged.clause})"


def _facts(rows: Iterable[tuple[str, str | None]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows if value
    )
    return f'<table class="facts"><tbody>{cells}</tbody></table>'


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `#` before a column's title sets its numbers to the right."""
    kinds = [' class="n"' if title.startswith("#") else "" for title in header]
    head = "".join(
        f'<th scope="col"{kind}>{escape(title.removeprefix("#"))}</th>'
        for kind, title in zip(kinds, header, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
