"""The anomaly report, `mrsp.anomaly/1`: something found in the field that a person at the MDSP must act on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from agent.document import uuid7
from agent.reading import CheckResult, Reading
from agent.utc_text import utc_text

SCHEMA = "mrsp.anomaly/1"
CLOCK_FAILURES = 3  # in a row, of one meter (UBP A4 1.3.2)

Finding = Literal["physical_inspection_required"]


class Anomaly(msgspec.Struct, frozen=True, omit_defaults=True):
    """One report (UBP A2, anomaly report). Keys that are not known are left out."""

    schema: str
    anomaly_id: str  # UUID version 7
    agent_id: str
    sequence: int  # gap-free per agent; 0 until the spool gives it its place
    anomaly: Finding
    detected_at: str
    safety_related: bool
    description: str
    meter_id: str | None = None
    service_delivery_point_id: str | None = None
    account_id: str | None = None
    customer_name: str | None = None
    order_id: str | None = None
    reading_id: str | None = None  # the reading that shows it
    checks: tuple[CheckResult, ...] = ()


def clock_anomaly(reading: Reading, failures: int, now: datetime) -> Anomaly | None:
    """Return the report that the third failure in a row of a meter's clock asks for; None at any other count.

    It is raised once: the count goes on until a visit finds the clock right, and starts anew after it.
    """
    if failures != CLOCK_FAILURES:
        return None
    description = (
        f"the meter's clock failed at {failures} visits in a row: physical inspection required; intervals and "
        "time-of-use registers of these visits cannot be relied on"
    )
    site = reading.site
    return Anomaly(
        schema=SCHEMA,
        anomaly_id=str(uuid7(now)),
        agent_id=reading.agent_id,
        sequence=0,
        anomaly="physical_inspection_required",
        detected_at=utc_text(now),
        safety_related=False,
        description=description,
        meter_id=reading.meter.meter_id or reading.meter.expected_meter_id,
        service_delivery_point_id=site.service_delivery_point_id if site else None,
        account_id=site.account_id if site else None,
        customer_name=site.customer_name if site else None,
        order_id=reading.order_id,
        reading_id=reading.reading_id,
        checks=tuple(check for check in reading.checks if check.check == "meter_clock"),
    )
