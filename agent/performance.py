"""The performance report, `mrsp.report/1`: the agent's service figures of one reporting day, sealed like a reading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from agent.errors import LocalTrouble
from agent.figures import EVENING, OFF_CYCLE_DAYS, Figures, Period, Share, evening_of, figures, reporting_day
from agent.ledger import Ledger
from agent.ledger_lines import Entry
from agent.spool import AlreadySpooled, Spool
from agent.utc_text import utc_text

SCHEMA = "mrsp.report/1"
AFTER_EVENING = timedelta(minutes=15)  # by then what fell due before 21:00 is read, or its repetitions are over
MOST_WAIT_S = 900.0  # the clock is looked at again at least so often: it may be set
UNKNOWN_S = 60.0  # between two looks at a clock that is not proven yet
OFF_CYCLE_REACH = timedelta(days=21)  # a request of so long ago can become overdue today: 5 business days and holidays
MOST_LATE = 31  # days whose report is made up for after a longer absence

_log = logging.getLogger(__name__)


class SharePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """`percent` to two places, rounded down; left out where nothing was expected."""

    received: int
    expected: int
    percent: str | None = None


class MissedPart(msgspec.Struct, frozen=True, omit_defaults=True):
    reason: str
    count: int
    meters: tuple[str, ...] = ()  # the first of them by name


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was expected from 21:00 to 21:00 local, and what of it the MDSP had when the report was made.

    `timeliness` and `off_cycle`: `received` in time, of those `expected` to be by now.
    """

    schema: str
    report_id: str  # the same for the same day, however often it is made
    agent_id: str
    sequence: int  # gap-free per agent; 0 until the spool gives it its place
    reporting_entity: str
    made_at: str
    first_day: str
    last_day: str
    zone: str
    period_begin: str  # reads that fell due after it …
    period_end: str  # … up to it
    meters: SharePart
    accounts: SharePart
    timeliness: SharePart
    off_cycle: SharePart
    deadline: str  # of a day's reads, local
    off_cycle_business_days: int
    exceptions: tuple[MissedPart, ...] = ()
    first_cycle: int = 0  # expected reads left out: the account is in its first billing cycle
    meters_without_account: int = 0


def report_of(found: Figures, *, agent_id: str, made_at: datetime, reporting_entity: str | None = None) -> Report:
    """Return the figures as a document without its place in the stream."""
    period = found.period
    return Report(
        schema=SCHEMA,
        report_id=str(uuid5(NAMESPACE_URL, f"mrsp:{agent_id}/reports/{period.first}/{period.last}")),
        agent_id=agent_id,
        sequence=0,
        reporting_entity=reporting_entity or agent_id,
        made_at=utc_text(made_at),
        first_day=period.first.isoformat(),
        last_day=period.last.isoformat(),
        zone=str(period.zone),
        period_begin=utc_text(period.begin),
        period_end=utc_text(period.end),
        meters=_part(found.meters),
        accounts=_part(found.accounts),
        timeliness=_part(found.timeliness),
        off_cycle=_part(found.off_cycle),
        deadline=EVENING.isoformat("minutes"),
        off_cycle_business_days=OFF_CYCLE_DAYS,
        exceptions=tuple(MissedPart(one.reason, one.count, one.meters) for one in found.missed),
        first_cycle=found.first_cycle,
        meters_without_account=found.without_account,
    )


def figures_of(
    ledger: Ledger, period: Period, now: datetime, acknowledged: Mapping[str, datetime] | None = None
) -> Figures:
    """Return the figures of `period` by the ledger. Reads its files; raises `LocalTrouble` if they cannot be read.

    `acknowledged`: what the spool knows and the ledger may not yet.
    """
    entries = ledger.entries(period.begin - OFF_CYCLE_REACH, min(period.end, now))
    return figures(_with_acknowledged(entries, acknowledged or {}), period, now)


async def make_report(
    ledger: Ledger, spool: Spool, day: date, zone: tzinfo, now: datetime, *, reporting_entity: str | None = None
) -> Report:
    """Put the report of one reporting day into the spool, once, and note it in the ledger. Raises `LocalTrouble`."""
    await ledger.note_acknowledged(spool)
    found = await asyncio.to_thread(figures_of, ledger, Period(day, day, zone), now)
    report = report_of(found, agent_id=spool.agent_id, made_at=now, reporting_entity=reporting_entity)

    def place(sequence: int) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(report, sequence=sequence))

    try:
        entry = await spool.add("report", report.report_id, place)
    except AlreadySpooled:
        _log.info("the performance report of %s was made before", day)
    else:
        report = msgspec.structs.replace(report, sequence=entry.sequence)
        _log.info("performance report %d: %s", entry.sequence, summary(report))
    await ledger.reported(day, now)
    return report


async def daily_report(
    ledger: Ledger,
    spool: Spool,
    now: Callable[[], datetime | None],
    zone: tzinfo,
    *,
    reporting_entity: str | None = None,
) -> None:
    """Report each day at 21:15 local, until cancelled; days that passed while the agent was down are made up for.

    Also keeps the ledger up to date with what the MDSP acknowledged. Trouble with the disk is logged, and tried again.
    `now` gives None as long as the time is not known: a day is not reported by a clock that may be off by years.
    """
    while True:
        if (at := now()) is None:
            await asyncio.sleep(UNKNOWN_S)
            continue
        try:
            await ledger.note_acknowledged(spool)
            for day in await asyncio.to_thread(lambda moment: list(_due_days(ledger, moment, zone)), at):
                await make_report(ledger, spool, day, zone, at, reporting_entity=reporting_entity)
        except LocalTrouble as error:
            _log.error("the performance report cannot be made yet: %s", error)
        until = (_next_report(at, zone) - at).total_seconds()
        await asyncio.sleep(min(until, MOST_WAIT_S))


def summary(report: Report) -> str:
    """Return the figures of a report in one line."""
    meters = f"{report.meters.received} of {report.meters.expected} reads received"
    percent = f" ({report.meters.percent} %)" if report.meters.percent else ""
    return f"{report.first_day}: {meters}{percent}, {report.timeliness.received} by {report.deadline}"


def _due_days(ledger: Ledger, now: datetime, zone: tzinfo) -> Iterator[date]:
    """Yield the days that have no report yet, from the first day of the ledger or after the last report."""
    last, first = ledger.last_reported(), ledger.first_day()
    if first is None:
        return
    newest = reporting_day(now - AFTER_EVENING, zone) - timedelta(days=1)
    day = max(first if last is None else last + timedelta(days=1), newest - timedelta(days=MOST_LATE - 1))
    while day <= newest:
        yield day
        day += timedelta(days=1)


def _next_report(now: datetime, zone: tzinfo) -> datetime:
    return evening_of(reporting_day(now - AFTER_EVENING, zone), zone) + AFTER_EVENING + timedelta(microseconds=1)


def _with_acknowledged(entries: Iterable[Entry], known: Mapping[str, datetime]) -> Iterator[Entry]:
    for entry in entries:
        at = known.get(entry.reading_id or "") if entry.acknowledged_at is None else None
        yield entry if at is None else replace(entry, acknowledged_at=at)


def _part(share: Share) -> SharePart:
    return SharePart(share.part, share.whole, None if share.percent is None else f"{share.percent:f}")


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON-able keys and values, without the place in the stream that only the spool gives."""
    tree: dict[str, Any] = msgspec.to_builtins(report)
    if not report.sequence:
        del tree["sequence"]
    return tree
