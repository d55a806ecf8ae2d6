"""From news to a report: who, where, since when, how bad, in words, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from agent.anomalies.kinds import KINDS
from agent.anomalies.settings import AnomalySettings
from agent.anomalies.watch import News
from agent.anomaly import SCHEMA, Anomaly
from agent.document import uuid7
from agent.order import Order, Site
from agent.reading import CheckResult, Reading
from agent.utc_text import utc_text

LONGEST_DESCRIPTION = 1_000
MOST_CHECKS = 8
MOST_INTERVALS = 50  # named in the report; the reading names them all
MOST_MARKS = 16
MOST_PHOTOS = 8  # named in the report; the reading names them all
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Times:
    """When the finding was made, and the last moment at which its report is in time."""

    detected_at: datetime
    due_by: datetime


def composed(news: News, order: Order, reading: Reading, settings: AnomalySettings, times: Times) -> Anomaly:
    """Return the report of `news`, bounded in size."""
    meter_id, expected = reading.meter.meter_id, reading.meter.expected_meter_id
    return msgspec.structs.replace(
        composed_at(news, order.site, reading.agent_id, settings, times),
        meter_id=meter_id or expected,
        expected_meter_id=expected if expected != (meter_id or expected) else None,
        order_id=reading.order_id,
        reading_id=reading.reading_id,
        recording=reading.recording.sha256 if reading.recording else None,
        found_by=reading.read_by,
        photos=(reading.photos or ())[:MOST_PHOTOS],
    )


def composed_unread(news: News, order: Order, agent_id: str, settings: AnomalySettings, times: Times) -> Anomaly:
    """Return the report of `news` of a meter that there is no reading of, bounded in size."""
    report = composed_at(news, order.site, agent_id, settings, times)
    return msgspec.structs.replace(report, meter_id=order.expected_meter_id, order_id=order.order_id)


def composed_at(news: News, site: Site, agent_id: str, settings: AnomalySettings, times: Times) -> Anomaly:
    """Return the report of `news` of a site, bounded in size: without the meter, and what shows it."""
    finding = news.observation.finding
    return Anomaly(
        schema=SCHEMA,
        anomaly_id=str(uuid7(times.detected_at)),
        agent_id=agent_id,
        sequence=0,
        anomaly=finding,
        detected_at=utc_text(times.detected_at),
        due_by=utc_text(times.due_by),
        reporting_entity=settings.reporting_entity or agent_id,
        safety_related=settings.is_safety_related(finding),
        description=_description(news),
        found=tuple(mark for mark in news.marks if mark)[:MOST_MARKS],
        follows=news.follows,
        service_delivery_point_id=site.service_delivery_point_id,
        account_id=site.account_id,
        customer_id=site.customer_id,
        customer_name=site.customer_name,
        energy_supplier_id=site.energy_supplier_id,
        checks=tuple(map(_evidence, news.observation.checks[:MOST_CHECKS])),
    )


def _description(news: News) -> str:
    """Say what it is, what was found, and what to do; the first and the last are never cut."""
    kind = KINDS[news.observation.finding]
    head, tail = f"{kind.title}: ", f"; {kind.advice}"
    reasons = list(news.observation.reasons)
    more = len(news.observation.checks) - MOST_CHECKS
    if more > 0:
        reasons.append(f"and {more} more results of the same kind")
    return head + _cut("; ".join(reasons), LONGEST_DESCRIPTION - len(head) - len(tail)) + tail


def _evidence(check: CheckResult) -> CheckResult:
    return msgspec.structs.replace(
        check,
        measured=None if check.measured is None else _cut(check.measured, LONGEST_REASON),
        limit=None if check.limit is None else _cut(check.limit, LONGEST_REASON),
        reason=None if check.reason is None else _cut(check.reason, LONGEST_REASON),
        intervals=None if check.intervals is None else check.intervals[:MOST_INTERVALS],
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
