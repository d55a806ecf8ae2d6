"""Inspections from the first answer to the report: drafts outlive the box's battery, what is filed is reported once.

    path = config.state_directory / INSPECTIONS_FILE
    async with await InspectionDesk.open(path, spool, settings.anomalies, zone=settings.clock.zone) as desk:
        draft = await desk.begin(subject_of(order, stop_id, hazards), "ann")
        draft = await desk.save(draft.inspection_id, "ann", Changes(marks={"animals": Mark("found")}))
        filed = await desk.file(draft.inspection_id, "ann", version=draft.version)

A crash at any instant loses no answer that was kept and no report of what was filed, and makes no report twice: the
reports are set down with the inspection, in one step, and then carried into the spool, at the next start if need be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from agent.anomalies import AnomalySettings
from agent.anomaly import Anomaly
from agent.errors import LocalTrouble
from agent.follow_up import site_zone, store_report
from agent.inspections.checklist import Checklist, by_code, checklists
from agent.inspections.draft import begun, changed, check_complete
from agent.inspections.inspection import Changes, Inspection, MadeSafe, Subject
from agent.inspections.report import reports
from agent.inspections.store import Filing, InspectionStore
from agent.routes.safe_text import checked
from agent.spool import Spool
from agent.state_book import StateBook, opened

STORE_AGAIN_S = 30.0  # after the spool refused a report
PRUNE_EVERY_S = 86_400.0
LONGEST_REMARK = 500

_log = logging.getLogger(__name__)


class NotReported(LocalTrouble):
    """The inspection is filed, and the spool does not have its reports yet: they are owed, and tried again."""


class InspectionDesk:
    """The inspections of one agent. Every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(
        self,
        book: StateBook[InspectionStore],
        spool: Spool,
        settings: AnomalySettings | None = None,
        *,
        zone: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        again_s: float = STORE_AGAIN_S,
    ) -> None:
        """`zone`: the box's, for sites that have none; without it days are those of UTC."""
        self.lists: tuple[Checklist, ...] = checklists()  # those on safety first
        self._book = book
        self._spool = spool
        self._settings = settings or AnomalySettings()
        self._zone = zone
        self._now = now
        self._again_s = again_s
        self._filing: set[asyncio.Task[Inspection]] = set()
        self._owing = asyncio.Event()
        self._delivering = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        path: Path,
        spool: Spool,
        settings: AnomalySettings | None = None,
        *,
        zone: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the file at `path`, made if missing. Raises `LocalTrouble`."""
        book = StateBook(*await opened("inspections", lambda: InspectionStore(path, create=True)))
        return cls(book, spool, settings, zone=zone, now=now)

    async def begin(self, subject: Subject, by: str) -> Inspection:
        """Return this person's draft at this site, or begin one. Raises `UsageError` if there are too many drafts."""
        return await self._book.call(self._book.store.begin, begun(subject, by, self._spool.agent_id, self._now()))

    async def inspection(self, inspection_id: str) -> Inspection:
        """Return a draft or a filed inspection. Raises `NotThere`."""
        return await self._book.call(self._book.store.find, inspection_id)

    async def drafts(self, by: str) -> tuple[Inspection, ...]:
        """Return what this person has begun and not filed, newest first."""
        return tuple(await self._book.call(self._book.store.drafts, by))

    async def of_stop(self, stop_id: str) -> tuple[Inspection, ...]:
        """Return the filed inspections of one stop, newest first."""
        return tuple(await self._book.call(self._book.store.of_stop, stop_id))

    async def unsafe(self) -> tuple[Inspection, ...]:
        """Return the filed inspections with an immediate threat that nobody has made safe yet, oldest first."""
        return tuple(await self._book.call(self._book.store.unsafe))

    async def save(self, inspection_id: str, by: str, changes: Changes, *, version: int | None = None) -> Inspection:
        """Keep answers of a draft durably; return it as it is now.

        `version`: of the draft that the page showed; None: single answers, kept whatever else has changed meanwhile.
        Raises `NotThere`, `Conflict` (changed elsewhere, or filed), `UsageError` for what no item has or allows.
        """
        at = self._now()
        change = self._book.store.change
        return await self._book.call(
            change, inspection_id, by, version, lambda draft: changed(draft, changes, self.lists, at)
        )

    async def discard(self, inspection_id: str, by: str) -> None:
        """Throw a draft away. Raises `NotThere`, and `Conflict` for one that was filed."""
        await self._book.call(self._book.store.discard, inspection_id, by)

    async def file(self, inspection_id: str, by: str, *, version: int | None = None) -> Inspection:
        """File a draft: before this returns it is final, and every report of it is in the spool.

        Goes on where the caller is cancelled. One that is filed already is returned as it is. Raises `NotThere`,
        `Conflict`, `NotComplete`, and `NotReported` where the spool does not take a report: then it is filed all the
        same, and filing it again, the next start, or `run` try the rest.
        """
        task = asyncio.create_task(self._file(inspection_id, by, version))
        self._filing.add(task)
        task.add_done_callback(self._filed)
        return await asyncio.shield(task)

    async def made_safe(self, inspection_id: str, by: str, remark: str) -> Inspection:
        """Set down that the immediate threat of a filed inspection is gone, and how. What was said first stays.

        Raises `NotThere`, `UsageError`.
        """
        words = checked(remark, "how the site was made safe", LONGEST_REMARK, lines=True)
        return await self._book.call(self._book.store.made_safe, inspection_id, MadeSafe(by, self._now(), words))

    async def catch_up(self) -> int:
        """Store the reports that a crash or a full disk left; return how many are owed still."""
        owed = await self._book.call(self._book.store.owed)
        return len(owed) - await self._delivered(owed) if owed else 0

    async def run(self) -> None:
        """Catch up now, and again while reports are owed; forget what is very old. Until it is cancelled."""
        while True:
            self._owing.clear()
            if await self._kept_up():
                await _set_within(self._owing, PRUNE_EVERY_S)
            else:
                await asyncio.sleep(self._again_s)

    async def close(self) -> None:
        """Close the file; what is being filed ends first."""
        await asyncio.gather(*self._filing, return_exceptions=True)
        await self._book.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.close())

    async def _kept_up(self) -> bool:
        """Carry out what is due; return whether nothing is left."""
        try:
            owed = await self.catch_up()
            await self._book.call(self._book.store.prune, self._now())
        except LocalTrouble as error:
            _log.error("%s; it is tried again in %g s", error, self._again_s)
            return False
        return owed == 0

    async def _file(self, inspection_id: str, by: str, version: int | None) -> Inspection:
        at = self._now()
        store = self._book.store
        filed = await self._book.call(
            store.file, inspection_id, by, version, lambda draft, earlier: self._final(draft, at, earlier)
        )
        owed = await self._book.call(store.owed, inspection_id)
        if (left := len(owed) - await self._delivered(owed)) > 0:
            self._owing.set()
            advice = "nothing has to be typed again; `mrsp spool status` says what is wrong"
            raise NotReported(f"the inspection is filed, but {left} of its reports cannot be sent yet", advice=advice)
        return filed

    def _filed(self, task: asyncio.Task[Inspection]) -> None:
        self._filing.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), NotReported):
            _log.error("%s", error)  # also where the person has gone meanwhile

    def _final(self, draft: Inspection, at: datetime, earlier: Mapping[str, str]) -> Filing:
        """Return a draft as it is filed. Called on the store's thread: counting business days takes its time."""
        check_complete(draft, self.lists)
        items = by_code(self.lists)
        known = {code: mark for code, mark in draft.marks.items() if code in items}
        final = msgspec.structs.replace(
            draft,
            filed_at=at,
            marks=known,
            texts={code: items[code][1].text for code in known},
            unanswered=tuple(code for code in items if code not in known),
        )
        found = reports(final, self.lists, self._settings, site_zone(draft.subject.site, self._zone), earlier)
        return Filing(msgspec.structs.replace(final, anomalies=tuple(one.anomaly_id for one in found)), found)

    async def _delivered(self, owed: list[Anomaly]) -> int:
        """Put reports into the spool, one after the other; return how many it took."""
        taken = 0
        async with self._delivering:
            for report in owed:
                try:
                    await store_report(report, self._spool)
                    await self._book.call(self._book.store.stored, report.anomaly_id)
                except LocalTrouble as error:
                    _log.error("anomaly %s of an inspection cannot be stored: %s", report.anomaly, error)
                else:
                    taken += 1
        return taken


async def _set_within(event: asyncio.Event, wait_s: float) -> None:
    """Return as soon as `event` is set, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()
