"""What follows a reading: the meter's record moves on, and a person is called where needed.

    prepared = await follower.prepare(order, outcome)     # set down what is to follow …
    entry = await keep(spool, outcome.reading)            # … the reading is in the spool: now it holds
    await follower.complete(prepared)                     # the reports, then the record

So that a crash at any instant loses no report and makes none twice: before the reading is stored nothing has happened
and the next visit finds the same again; after it, what was set down is carried out at the next start or visit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.anomalies import (
    REACHED,
    AnomalySettings,
    News,
    Observation,
    Times,
    bounded,
    composed,
    composed_unread,
    news_of,
    news_without_reading,
    observations,
    of_another_meter,
)
from agent.anomalies.compose import MOST_PHOTOS
from agent.anomalies.kinds import KINDS
from agent.anomalies.state import MOST_OWED, Intent, Watch
from agent.anomaly import Anomaly, Finding
from agent.business_days import within_business_days
from agent.errors import LocalTrouble
from agent.meter_record import MeterRecord, MeterRecords, advanced
from agent.meter_versions import Seen
from agent.order import Order, Site
from agent.reading import Reading
from agent.spool import AlreadySpooled, Priority, Spool
from agent.visit import Outcome

NOT_REACHED: Finding = "meter_not_reached"
REPORT_WITHIN = 1  # business day of the detection (UBP, anomaly report)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What follows a visit once its reading is in the spool."""

    record: MeterRecord  # as it will be, the reports still owed
    seen: Seen | None = None  # how the meter is set up; None unless the reading is a good one


class FollowUp:
    """Follows the visits of one agent. Never raises for the disk: what it refuses is owed, and due again."""

    def __init__(
        self,
        records: MeterRecords,
        spool: Spool,
        settings: AnomalySettings | None = None,
        *,
        zone: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`zone`: the box's, for meters whose site has none; without it days are those of UTC."""
        self._records = records
        self._spool = spool
        self._settings = settings or AnomalySettings()
        self._zone = zone
        self._now = now

    async def prepare(self, order: Order, outcome: Outcome) -> Prepared:
        """Work out what follows a visit, and set it down durably. To be called before the reading is stored."""
        before = await self._settled(await asyncio.to_thread(self._records.of, order))
        seen = _seen(outcome)
        try:
            return Prepared(await self._prepared(order, outcome, before), seen)
        except Exception:  # noqa: BLE001 - a bug in here must not cost the reading, which is not stored yet
            _log.exception("%s: what follows reading %s is not known", before.key, outcome.reading.reading_id)
            return Prepared(advanced(before, outcome.reading, outcome.memory, outcome.before), seen)

    async def complete(self, prepared: Prepared) -> None:
        """Report what was found and let the record move on. To be called once the reading is in the spool."""
        record = await self._delivered(prepared.record)
        await asyncio.to_thread(self._records.keep, record)
        if prepared.seen is not None:
            await asyncio.to_thread(self._records.versions.note, record.key, prepared.seen)

    async def not_reached(self, order: Order, reason: str, at: datetime) -> None:
        """Report a meter whose read was given up, once until a reading of it comes. `reason`: in words."""
        await self.seen_without_reading(order, [Observation(NOT_REACHED, ("",), (reason,))], at)

    async def seen_without_reading(
        self,
        order: Order,
        seen: Sequence[Observation],
        at: datetime,
        *,
        by: str | None = None,
        photos: tuple[str, ...] = (),
    ) -> None:
        """Report what is known of a meter without a reading of it: once, until a reading shows that it is gone.

        What a person says is reported again after a while. `by`: the person. The reports are owed before they are
        delivered, so that a crash loses them as little as it makes them twice; on return the spool has or is owed them.
        """
        before = await self._settled(await asyncio.to_thread(self._records.of, order))
        stay, news = news_without_reading(before.watch.open, seen, at)
        news = self._urgent_first(news)[: max(0, MOST_OWED - len(before.watch.owed))]
        if not news or order.purpose == "bench":
            return
        times = Times(at, await asyncio.to_thread(self._due_by, order, at))
        reports = tuple(
            msgspec.structs.replace(
                composed_unread(item, order, self._spool.agent_id, self._settings, times),
                found_by=by,
                photos=photos[:MOST_PHOTOS],
            )
            for item in news
        )
        opened = (one for item, report in zip(news, reports, strict=True) for one in item.opened(report.anomaly_id))
        watch = msgspec.structs.replace(
            before.watch, open=bounded((*stay, *opened)), owed=(*before.watch.owed, *reports)
        )
        owing = msgspec.structs.replace(before, watch=watch)
        await asyncio.to_thread(self._records.keep, owing)
        delivered = await self._delivered(owing)
        await asyncio.to_thread(self._records.keep, delivered)

    async def catch_up(self) -> None:
        """At the start of the agent: carry out what a crash or a full disk left."""
        for record in await asyncio.to_thread(lambda: list(self._records.owing())):
            await self._settled(record)

    async def _prepared(self, order: Order, outcome: Outcome, before: MeterRecord) -> MeterRecord:
        reading = outcome.reading
        record = advanced(before, reading, outcome.memory, outcome.before)
        last_read_at = order.last_read_at or before.last_read_at
        seen = observations(reading, clock_failures=record.clock_failures, last_read_at=last_read_at)
        if reading.purpose != "bench":
            seen = (*map(Observation, REACHED), *seen)  # it was reached, unless the person says otherwise
        known = before.watch
        other = None not in {known.meter_id, reading.meter.meter_id} and known.meter_id != reading.meter.meter_id
        stay, news = news_of(of_another_meter(known.open) if other else known.open, seen)
        news = self._urgent_first(news)[: MOST_OWED - len(known.owed)]
        reports = await asyncio.to_thread(self._composed, news, order, reading) if news else ()
        opened = (one for item, report in zip(news, reports, strict=True) for one in item.opened(report.anomaly_id))
        intent = Intent(
            reading.reading_id,
            reports,
            bounded((*stay, *opened)),
            reading.meter.meter_id or known.meter_id,
            record.clock_failures,
        )
        if (intent.open, intent.clock_failures) != (known.open, before.clock_failures):
            noted = msgspec.structs.replace(before, watch=msgspec.structs.replace(known, intent=intent))
            await asyncio.to_thread(self._records.keep, noted)
        return _carried_out(record, intent)

    async def _settled(self, record: MeterRecord) -> MeterRecord:
        """Carry out what an earlier visit left: its intent, if its reading was stored, and the reports still owed."""
        intent = record.watch.intent
        if intent is None and not record.watch.owed:
            return record
        settled = msgspec.structs.replace(record, watch=msgspec.structs.replace(record.watch, intent=None))
        if intent is not None:
            try:
                stored = await self._spool.has(intent.reading_id)
            except LocalTrouble as error:
                _log.error("%s: whether its last reading is stored cannot be told: %s", record.key, error)
                stored = True  # the findings are true all the same
            if stored:
                _log.info("%s: what follows reading %s is made up for", record.key, intent.reading_id)
                failures = msgspec.structs.replace(settled, clock_failures=intent.clock_failures)
                settled = _carried_out(failures, intent)
        settled = await self._delivered(settled)
        if settled != record:
            await asyncio.to_thread(self._records.keep, settled)
        return settled

    async def _delivered(self, record: MeterRecord) -> MeterRecord:
        """Put the reports that are owed into the spool, those on safety first; what it refuses stays owed."""
        left: list[Anomaly] = []
        for report in sorted(record.watch.owed, key=lambda owed: not owed.safety_related):
            try:
                await store_report(report, self._spool)
            except LocalTrouble as error:
                _log.error(
                    "%s: the anomaly report cannot be stored: %s; it is due again at the next visit", record.key, error
                )
                left.append(report)
        return msgspec.structs.replace(record, watch=msgspec.structs.replace(record.watch, owed=tuple(left)))

    def _urgent_first(self, news: Sequence[News]) -> tuple[News, ...]:
        return tuple(sorted(news, key=lambda item: not self._settings.is_safety_related(item.observation.finding)))

    def _composed(self, news: Sequence[News], order: Order, reading: Reading) -> tuple[Anomaly, ...]:
        finished = reading.read_finished_at
        detected_at = datetime.fromisoformat(finished) if finished else self._now()  # delivered with its time unknown
        times = Times(detected_at, self._due_by(order, detected_at))
        return tuple(composed(item, order, reading, self._settings, times) for item in news)

    def _due_by(self, order: Order, detected_at: datetime) -> datetime:
        return within_business_days(detected_at, REPORT_WITHIN, site_zone(order.site, self._zone))


async def store_report(anomaly: Anomaly, spool: Spool) -> None:
    """Put an anomaly report into the spool, sealed like a reading, once. Raises `LocalTrouble`."""

    def place(sequence: int) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(anomaly, sequence=sequence))

    priority = Priority.URGENT if anomaly.safety_related else Priority.ORDINARY
    try:
        entry = await spool.add("anomaly", anomaly.anomaly_id, place, priority=priority)
    except AlreadySpooled:
        return  # by the visit that a crash ended
    words_of_a_person = anomaly.found_by is not None  # they stay out of logs
    said = KINDS[anomaly.anomaly].title if words_of_a_person else anomaly.description
    _log.warning("anomaly %s: %s (report %d)", anomaly.anomaly, said, entry.sequence)


def _seen(outcome: Outcome) -> Seen | None:
    """Return how the meter of a good reading is set up."""
    if outcome.before is None:
        return None
    whole = outcome.broken is None and not any(problem.lost for problem in outcome.reading.problems or ())
    return Seen(outcome.before, outcome.reading.reading_id, whole)


def _carried_out(record: MeterRecord, intent: Intent) -> MeterRecord:
    """Return the record with what was intended in force, and its reports owed."""
    watch = Watch(meter_id=intent.meter_id, open=intent.open, owed=(*record.watch.owed, *intent.reports))
    return msgspec.structs.replace(record, watch=watch)


def site_zone(site: Site, otherwise: str | None) -> tzinfo:
    """Return the zone whose days count at a site; `otherwise`: the box's, where the site has none. Else UTC."""
    name = site.zone or otherwise
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC  # the visit has refused such an order; a report of its reading must not be lost for it
