"""Several senders under one identification, and nothing to tell which is the meter: no reading, but a report."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import msgspec

from agent.anomalies import AnomalySettings, OpenFinding, bounded
from agent.anomaly import SCHEMA, Anomaly
from agent.business_days import within_business_days
from agent.document import uuid7
from agent.errors import LocalTrouble
from agent.follow_up import REPORT_WITHIN, store_report
from agent.listening.hearing import Hearing
from agent.listening.report import unconfirmed_because
from agent.meter_record import MeterRecords
from agent.order import Order
from agent.spool import Spool
from agent.utc_text import utc_text

MARK = "several senders"
ADVICE = "find out at the meter which value is true, and who else sends under its identification"

_log = logging.getLogger("agent.listening")


@dataclass(frozen=True, slots=True)
class SenderReports:
    """Reports each meter once, until a reading of it shows that it is over."""

    records: MeterRecords
    spool: Spool
    settings: AnomalySettings
    zone: tzinfo = UTC

    async def report(self, hearing: Hearing, order: Order, now: datetime) -> None:
        """Report one meter whose senders contradict each other. Never raises for the disk: it is due again."""
        record = await asyncio.to_thread(self.records.of, order)
        if any(one.finding == "tamper" and one.mark == MARK for one in record.watch.open):
            return
        anomaly = self._anomaly(hearing, order, now)
        try:
            await store_report(anomaly, self.spool)
        except LocalTrouble as error:
            _log.error("%s: the anomaly report cannot be stored: %s; it is due again", order.url, error)
            return
        opened = bounded((*record.watch.open, OpenFinding("tamper", anomaly.anomaly_id, MARK)))
        watch = msgspec.structs.replace(record.watch, open=opened)
        await asyncio.to_thread(self.records.keep, msgspec.structs.replace(record, watch=watch))

    def _anomaly(self, hearing: Hearing, order: Order, now: datetime) -> Anomaly:
        return Anomaly(
            schema=SCHEMA,
            anomaly_id=str(uuid7(now)),
            agent_id=self.spool.agent_id,
            sequence=0,
            anomaly="tamper",
            detected_at=utc_text(now),
            due_by=utc_text(within_business_days(now, REPORT_WITHIN, self.zone)),
            reporting_entity=self.settings.reporting_entity or self.spool.agent_id,
            safety_related=self.settings.is_safety_related("tamper"),
            description=f"{unconfirmed_because(hearing)}: nothing is delivered; {ADVICE}"[:1_000],
            found=(MARK,),
            meter_id=order.expected_meter_id,
            service_delivery_point_id=order.site.service_delivery_point_id,
            account_id=order.site.account_id,
        )
