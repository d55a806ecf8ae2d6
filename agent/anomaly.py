"""The anomaly report, `mrsp.anomaly/1`: something found in the field that a person at the MDSP must act on."""

from __future__ import annotations

from typing import Literal

import msgspec

from agent.reading import CheckResult

SCHEMA = "mrsp.anomaly/1"

Finding = Literal[
    "channel_count_differs",
    "clock_must_be_set",
    "configuration_change",
    "decimals_differ",
    "dial_count_differs",
    "electrical_hazard",
    "installation_defect",
    "life_support",
    "meter_diagnostics",
    "meter_missing",
    "meter_not_reached",
    "meter_not_verified",
    "meter_unreadable",
    "no_access",
    "phase_loss",
    "physical_danger",
    "physical_inspection_required",
    "pulse_overflow",
    "register_went_back",
    "reverse_rotation",
    "seal_defect",
    "stale_snapshot",
    "tamper",
    "test_mode",
    "theft_of_service",
    "verification_required",
    "wrong_meter",
    "zero_consumption",
]


class Anomaly(msgspec.Struct, frozen=True, omit_defaults=True):
    """One report (UBP Appendix 2, anomaly report; due within 1 business day of detection). Unknown keys are left out.

    A finding is reported once until it is gone, and again when it comes back, or when something new of its kind is
    found: `found` names what is new, `follows` the report of what stays.
    """

    schema: str
    anomaly_id: str  # UUID version 7
    agent_id: str
    sequence: int  # gap-free per agent; 0 until the spool gives it its place
    anomaly: Finding
    detected_at: str
    due_by: str  # the last second of the first business day after the detection, where the meter serves
    reporting_entity: str
    safety_related: bool
    description: str
    immediate_threat: bool = False  # to personal safety: without delay, whatever `due_by` says (UBP, site inspections)
    found: tuple[str, ...] = ()  # in short: the faults, the identification, the codes of what a person found
    follows: str | None = None  # anomaly_id
    meter_id: str | None = None
    expected_meter_id: str | None = None  # where it is not the one that was found
    service_delivery_point_id: str | None = None
    account_id: str | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    energy_supplier_id: str | None = None
    order_id: str | None = None
    reading_id: str | None = None  # the reading that shows it
    recording: str | None = None  # SHA-256 of the recording of that visit
    inspection_id: str | None = None  # the site inspection that found it
    found_by: str | None = None  # the person
    photos: tuple[str, ...] = ()  # references, with their SHA-256
    checks: tuple[CheckResult, ...] = ()  # of an interval check the first intervals only; the reading has them all
