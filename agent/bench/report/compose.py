"""Turn what was measured into the report: figures, verdicts and certificates in the words of the contract. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.bench.figures import Figure, Run, registration, written
from agent.bench.meter_side import Snapshot
from agent.bench.plan import LoadedPlan, Plan
from agent.bench.preparing import Checked, Ready
from agent.bench.report.document import (
    SCHEMA,
    ComponentPart,
    FigurePart,
    InstrumentPart,
    JudgedPart,
    MeterPart,
    MeterTest,
    PlanPart,
    PointPart,
    RegisterSnapshot,
    Result,
    RunPart,
    Stage,
)
from agent.bench.rules import AccuracyRules
from agent.bench.runner import Taken, TakenPoint
from agent.bench.verdict import Judged, Verdict
from agent.business_days import within_business_days
from agent.document import uuid7
from agent.order import Site
from agent.utc_text import utc_text
from drivers.decimal_text import plain
from drivers.instruments.schema import Kind
from drivers.instruments.values import InstrumentIdentity

DUE_WITHIN = 1  # business day of the completion (UBP, Report of Meter Test)
_TESTS = {
    "heavy": "heavy load registration",
    "light": "light load registration",
    "creep": "creep",
    "curve": "registration at further loads",
}


@dataclass(frozen=True, slots=True)
class About:
    """What people say of a test: whose meter, why, who was there, what was done."""

    meter_id: str
    tester: str
    stage: Stage
    site: Site = field(default_factory=Site)
    order_id: str | None = None
    reason: str | None = None
    witnesses: tuple[str, ...] = ()
    work_performed: str | None = None
    conditions: str | None = None


@dataclass(frozen=True, slots=True)
class Equipped:
    """By which plan and rules, and with which instruments, as they say who they are."""

    loaded: LoadedPlan
    rules: AccuracyRules
    ready: Ready
    identities: dict[Kind, InstrumentIdentity]


@dataclass(frozen=True, slots=True)
class Made:
    """When and by whom a report is made."""

    agent_id: str
    msp_id: str
    started_at: datetime
    finished_at: datetime
    zone: ZoneInfo
    clock_proven: bool


def result_of(
    plan: Plan, taken: Taken, verdict: Verdict, figures: dict[str, Figure], about: About, made: Made
) -> Result:
    """Return one run of a plan as the report writes it. `figures`: by the names of the points."""
    judged = {one.name: one for one in verdict.judged}
    return Result(
        started_at=utc_text(made.started_at),
        finished_at=utc_text(made.finished_at),
        tester=about.tester,
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        points=tuple(
            _point(plan, one, figures.get(one.point.name), judged.get(_judged_as(one))) for one in taken.points
        ),
        average=None if verdict.average is None else _figure(verdict.average),
        average_judged=_judged_part(judged.get("final average")),
        registers_before=_snapshot(taken.before),
        registers_after=_snapshot(taken.after),
    )


def report_of(equipped: Equipped, result: Result, about: About, made: Made, found: Result | None = None) -> MeterTest:
    """Return the report of one test without its place in the stream. `found`: as found, where this is as left."""
    loaded, rules, ready = equipped.loaded, equipped.rules, equipped.ready
    plan, site = loaded.plan, about.site
    roles = dict.fromkeys(_TESTS[one.role] for one in plan.points)
    registers = ("register before and after",) if plan.access.registers else ()
    return MeterTest(
        schema=SCHEMA,
        report_id=str(uuid7(made.finished_at)),
        agent_id=made.agent_id,
        sequence=0,
        made_at=utc_text(made.finished_at),
        due_by=utc_text(within_business_days(made.finished_at, DUE_WITHIN, made.zone)),
        meter_id=about.meter_id,
        msp_id=made.msp_id,
        test_date=made.finished_at.astimezone(made.zone).date().isoformat(),
        zone=str(made.zone),
        stage=about.stage,
        outcome=result.outcome,
        tests_performed=(*roles, *registers),
        plan=_plan(loaded, rules, ready),
        meter=_meter(plan),
        instruments=tuple(_instrument(kind, one, equipped.identities[kind], ready) for kind, one in ready.all),
        as_found=result if about.stage != "as_left" else found,
        as_left=result if about.stage != "as_found" else None,
        witnesses=about.witnesses,
        work_performed=about.work_performed,
        test_conditions=about.conditions,
        test_reason=about.reason,
        clock_proven=made.clock_proven,
        customer_id=site.customer_id,
        service_delivery_point_id=site.service_delivery_point_id,
        account_id=site.account_id,
        energy_supplier_id=site.energy_supplier_id,
        order_id=about.order_id,
    )


def _judged_as(taken: TakenPoint) -> str:
    return "creep" if taken.point.role == "creep" else taken.point.name


def _point(plan: Plan, taken: TakenPoint, found: Figure | None, judged: Judged | None) -> PointPart:
    point, measured, creeping = taken.point, taken.measured, taken.creeping
    percent = point.amps * 100 / plan.meter.rated_amps
    return PointPart(
        name=point.name,
        role=point.role,
        volts=plain(point.volts),
        amps=plain(point.amps),
        power_factor=point.power_factor,
        frequency=plain(plan.meter.hertz),
        lag=point.lag,
        percent_of_rating=plain(round(percent, 2)),
        measured_volts=_optional(None if measured is None else measured.volts),
        measured_amps=_optional(None if measured is None else measured.amps),
        silent=taken.silent,
        runs=_runs(taken.runs, taken.pulses),
        figure=None if found is None else _figure(found),
        creep_seconds=None if creeping is None else creeping.seconds,
        creep_pulses=None if creeping is None else creeping.pulses,
        creep_wh=None if creeping is None else plain(creeping.wh),
        judged=_judged_part(judged),
    )


def _runs(runs: Sequence[Run], pulses: Sequence[int]) -> tuple[RunPart, ...]:
    return tuple(
        RunPart(
            pulses=count,
            meter_wh=plain(run.meter_wh),
            standard_wh=plain(run.standard_wh),
            registration=f"{written(registration(run)):f}",
        )
        for run, count in zip(runs, pulses, strict=True)
    )


def _figure(found: Figure) -> FigurePart:
    return FigurePart(
        registration=f"{found.registration:f}",
        expanded=f"{found.expanded:f}",
        budget=tuple(
            ComponentPart(name=one.name, distribution=one.distribution, u=f"{one.written:f}", degrees=one.degrees)
            for one in found.components
        ),
    )


def _judged_part(judged: Judged | None) -> JudgedPart | None:
    if judged is None:
        return None
    return JudgedPart(
        judgement=judged.judgement, clause=judged.clause, low=_optional(judged.low), high=_optional(judged.high)
    )


def _snapshot(found: Snapshot | None) -> RegisterSnapshot | None:
    if found is None:
        return None
    return RegisterSnapshot(
        meter_id=found.meter_id,
        raw=found.raw,
        value=plain(found.value),
        unit=found.unit,
        at=found.at,
        recording=found.recording,
    )


def _plan(loaded: LoadedPlan, rules: AccuracyRules, ready: Ready) -> PlanPart:
    plan = loaded.plan
    return PlanPart(
        name=plan.name,
        title=plan.title,
        sha256=loaded.sha256,
        rule_set=rules.name,
        program=plan.program,
        weights=(rules.average.heavy, rules.average.light),
        allowance=plain(rules.allowed(plan.program)),
        ratio=plain(round(ready.ratio, 2)),
        uncertainty_in_verdict=plan.uncertainty_in_verdict,
        single_load=plan.single_load,
    )


def _meter(plan: Plan) -> MeterPart:
    facts = plan.meter
    return MeterPart(
        form=facts.form,
        class_amperes=facts.class_amperes,
        rating=facts.rating,
        amperes=facts.amperes,
        volts=facts.volts,
        frequency=facts.frequency,
        kh=facts.kh,
        pulses_per_kh=facts.pulses_per_kh,
        elements=plan.elements,
        last_digit=facts.last_digit,
        accuracy=facts.accuracy,
    )


def _instrument(kind: Kind, one: Checked, who: InstrumentIdentity, ready: Ready) -> InstrumentPart:
    section, is_standard = one.section, kind == "standard"
    return InstrumentPart(
        role=kind,
        name=section.name,
        manufacturer=who.manufacturer,
        model=who.model,
        serial_number=who.serial_number,
        firmware=who.firmware,
        certificate=section.certificate or "",
        calibrated_on=section.calibrated_on.isoformat() if section.calibrated_on is not None else "",
        due_on=one.due_on.isoformat(),
        profile=one.profile.name,
        uncertainty=plain(round(ready.standard_percent, 5)) if is_standard else None,
        basis=ready.standard_basis if is_standard else None,
    )


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
