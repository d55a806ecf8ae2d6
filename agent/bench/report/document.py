"""The report of a meter test, `mrsp.meter-test/1` (UBP Appendix 3, Report of Meter Test), sealed like a reading.

Numbers are decimal strings; the figures can be repeated from `runs` alone by the rules of `agent.bench.figures`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from agent.bench.verdict import Judgement, Outcome

SCHEMA = "mrsp.meter-test/1"
Stage = Literal["as_found", "as_left", "as_found_and_left"]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Members that are not known are left out."""


class RunPart(_Part, frozen=True):
    pulses: int
    meter_wh: str
    standard_wh: str
    registration: str  # percent


class ComponentPart(_Part, frozen=True):
    """One line of an uncertainty budget: the standard uncertainty in percent of reading."""

    name: str
    distribution: str
    u: str
    degrees: int | None = None


class FigurePart(_Part, frozen=True):
    """A percentage registration, and U with k = 2 in percent of reading."""

    registration: str
    expanded: str
    k: int = 2
    budget: tuple[ComponentPart, ...] = ()


class JudgedPart(_Part, frozen=True):
    judgement: Judgement
    clause: str
    low: str | None = None  # the allowance is in both
    high: str | None = None  # of creep: Wh


class PointPart(_Part, frozen=True):
    name: str
    role: str
    volts: str
    amps: str
    power_factor: str
    frequency: str
    measured_volts: str | None = None
    measured_amps: str | None = None
    lag: str | None = None
    percent_of_rating: str | None = None
    silent: bool = False  # the meter gave no pulse in one of the runs
    runs: tuple[RunPart, ...] = ()
    figure: FigurePart | None = None
    creep_seconds: int | None = None
    creep_pulses: int | None = None
    creep_wh: str | None = None
    judged: JudgedPart | None = None


class RegisterSnapshot(_Part, frozen=True):
    meter_id: str
    raw: str
    value: str
    unit: str
    at: str
    recording: str | None = None


class Result(_Part, frozen=True):
    """What one run of a plan found: complete results under the various loads."""

    started_at: str
    finished_at: str
    tester: str
    outcome: Outcome
    reasons: tuple[str, ...]
    points: tuple[PointPart, ...]
    average: FigurePart | None = None
    average_judged: JudgedPart | None = None
    registers_before: RegisterSnapshot | None = None
    registers_after: RegisterSnapshot | None = None
    report_id: str | None = None  # of an earlier test: the report that it was given in first


class MeterPart(_Part, frozen=True):
    form: str
    class_amperes: str
    rating: str
    amperes: str
    volts: str
    frequency: str
    kh: str
    pulses_per_kh: int
    elements: int
    last_digit: str | None = None
    accuracy: str | None = None


class InstrumentPart(_Part, frozen=True):
    """One instrument, and by which certificate it is traceable."""

    role: str
    name: str
    manufacturer: str
    model: str
    serial_number: str
    firmware: str
    certificate: str
    calibrated_on: str
    due_on: str  # the last day on which it may be used
    profile: str
    uncertainty: str | None = None  # of a standard: expanded, percent of reading
    basis: str | None = None


class PlanPart(_Part, frozen=True):
    name: str
    title: str
    sha256: str  # of the file
    rule_set: str
    program: str
    weights: tuple[int, int]  # of heavy and light load in the final average
    allowance: str  # percent beyond the limits
    ratio: str  # times that the standard is better than the meter
    uncertainty_in_verdict: bool = False
    single_load: str | None = None


class MeterTest(_Part, frozen=True):
    """The whole report; due within 1 business day of the completion of the test (UBP, Report of Meter Test)."""

    schema: str
    report_id: str  # UUID version 7
    agent_id: str
    sequence: int  # gap-free per agent among its reports; 0 until the spool gives it its place
    made_at: str
    due_by: str
    meter_id: str
    msp_id: str  # who performed the test
    test_date: str
    zone: str  # of the test date
    stage: Stage
    outcome: Outcome  # of the newest test in it
    tests_performed: tuple[str, ...]
    plan: PlanPart
    meter: MeterPart
    instruments: tuple[InstrumentPart, ...]
    as_found: Result | None = None
    as_left: Result | None = None
    witnesses: tuple[str, ...] = ()
    work_performed: str | None = None  # was the meter adjusted, modified, or replaced
    test_conditions: str | None = None  # anything unusual: weather, site, line voltage
    test_reason: str | None = None
    clock_proven: bool = True  # whether this box's clock was, by which dates and calibrations were judged
    customer_id: str | None = None
    service_delivery_point_id: str | None = None
    account_id: str | None = None
    energy_supplier_id: str | None = None
    order_id: str | None = None


def decoded(content: bytes) -> MeterTest:
    """Return a report from its JSON. Raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    report = msgspec.json.decode(content, type=MeterTest)
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"the schema is {report.schema!r}, not {SCHEMA!r}")
    return report
