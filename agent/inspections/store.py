"""What is kept of inspections, durably: each call is one step, so that a crash between two loses and doubles nothing.

    begin, change     a draft: each save outlives the process and the box's battery
    file              it is final, and its reports are owed
    stored            the spool has a report

A report is composed once, with its id, and goes into the spool under that id, which the spool takes once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import msgspec

from agent.anomaly import Anomaly
from agent.errors import UsageError
from agent.inspections.errors import Conflict, NotThere
from agent.inspections.inspection import Inspection, MadeSafe
from agent.state_database import StateDatabase, StateFile

INSPECTIONS_FILE = "inspections.sqlite"  # in the state directory
KEEP_DRAFT = timedelta(days=90)  # that nobody touches
KEEP_FILED = timedelta(days=800)  # two years, and the time to ask about the second
MOST_DRAFTS = 1_000
MOST_LISTED = 200

_FILE = StateFile(
    called="the inspections in",
    absent="there are no inspections",
    lost="drafts are to be made anew; what was reported of filed ones is in the spool",
    schemas=files("agent.inspections") / "schemas",
)
_KEPT = "SELECT inspection.body, made_safe.body FROM inspection LEFT JOIN made_safe USING (inspection_id)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filing:
    """An inspection as it is filed, with all that it has to report."""

    inspection: Inspection
    reports: tuple[Anomaly, ...]


class InspectionStore:
    """The file. Used by one thread; every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._database = StateDatabase(_FILE, path, create=create)

    def begin(self, new: Inspection) -> Inspection:
        """Return the draft that its person has at this site, or keep this new one. Raises `UsageError` if full."""
        stop_id, place = new.subject.stop_id, new.subject.place
        where, value = ("stop_id = ?", stop_id) if stop_id is not None else ("stop_id IS NULL AND place = ?", place)
        with self._database.transaction("write") as db:
            query = f"{_KEPT} WHERE filed_at IS NULL AND person = ? AND {where}"
            if (found := db.execute(query, (new.by, value)).fetchone()) is not None:
                return _inspection(*found)
            (drafts,) = db.execute("SELECT count(*) FROM inspection WHERE filed_at IS NULL").fetchone()
            if drafts >= MOST_DRAFTS:
                raise UsageError(f"there are {MOST_DRAFTS:,} drafts of inspections", advice="file or discard some")
            db.execute(
                "INSERT INTO inspection VALUES (NULL, ?, ?, ?, ?, ?, NULL, ?, ?)",
                (new.inspection_id, new.by, stop_id, place, _seconds(new.changed_at), new.threat, _body(new)),
            )
        return new

    def find(self, inspection_id: str) -> Inspection:
        """Return a draft or a filed inspection. Raises `NotThere`."""
        with self._database.reading("read") as db:
            return _find(db, inspection_id)

    def change(
        self, inspection_id: str, by: str, version: int | None, change: Callable[[Inspection], Inspection]
    ) -> Inspection:
        """Keep what `change` makes of a draft. Raises `NotThere`, `Conflict`, and what `change` raises."""
        with self._database.transaction("write") as db:
            new = change(_draft(db, inspection_id, by, version))
            self._replace(db, new, None)
        return new

    def discard(self, inspection_id: str, by: str) -> None:
        """Forget a draft. Raises `NotThere`, and `Conflict` for one that was filed."""
        with self._database.transaction("write") as db:
            _draft(db, inspection_id, by, None)
            db.execute("DELETE FROM inspection WHERE inspection_id = ?", (inspection_id,))

    def file(
        self,
        inspection_id: str,
        by: str,
        version: int | None,
        make: Callable[[Inspection, Mapping[str, str]], Filing],
    ) -> Inspection:
        """Make a draft final, its reports owed; return it. One that is filed is returned as it is.

        `make` is given the draft and, by finding, the reports of the last inspection of the same place. Raises
        `NotThere`, `Conflict`, and what `make` raises.
        """
        with self._database.transaction("write") as db:
            present = _find(db, inspection_id)
            if present.by == by and present.filed_at is not None:
                return present
            draft = _draft(db, inspection_id, by, version)
            filing = make(draft, _reported_last(db, draft))
            for report in filing.reports:
                row = (report.anomaly_id, inspection_id, report.anomaly, msgspec.json.encode(report))
                db.execute("INSERT INTO report VALUES (NULL, ?, ?, ?, ?, 0)", row)
            self._replace(db, filing.inspection, filing.inspection.filed_at)
        return filing.inspection

    def owed(self, inspection_id: str | None = None) -> list[Anomaly]:
        """Return the reports, of one inspection or of all, that the spool is not known to have; most urgent first."""
        query = "SELECT body FROM report WHERE stored = 0 AND inspection_id = ifnull(?, inspection_id) ORDER BY number"
        with self._database.reading("read") as db:
            found = [msgspec.json.decode(body, type=Anomaly) for (body,) in db.execute(query, (inspection_id,))]
        return sorted(found, key=lambda one: (not one.immediate_threat, not one.safety_related))

    def stored(self, anomaly_id: str) -> None:
        """The spool has a report."""
        with self._database.transaction("write") as db:
            db.execute("UPDATE report SET stored = 1 WHERE anomaly_id = ?", (anomaly_id,))

    def made_safe(self, inspection_id: str, said: MadeSafe) -> Inspection:
        """Set down that a threat is gone; what was said first stays. Raises `NotThere`, `UsageError` without one."""
        with self._database.transaction("write") as db:
            inspection = _find(db, inspection_id)
            if inspection.filed_at is None or not inspection.threat:
                raise UsageError("this inspection was not filed with an immediate threat", advice="load the page anew")
            db.execute(
                "INSERT INTO made_safe VALUES (?, ?) ON CONFLICT DO NOTHING", (inspection_id, msgspec.json.encode(said))
            )
            return _find(db, inspection_id)

    def drafts(self, by: str) -> list[Inspection]:
        """Return what a person has begun and not filed, newest first."""
        return self._listed("filed_at IS NULL AND person = ? ORDER BY number DESC", by)

    def of_stop(self, stop_id: str) -> list[Inspection]:
        """Return the filed inspections of a stop, newest first."""
        return self._listed("filed_at IS NOT NULL AND stop_id = ? ORDER BY filed_at DESC, number DESC", stop_id)

    def unsafe(self) -> list[Inspection]:
        """Return the filed inspections whose immediate threat nobody has made safe, oldest first."""
        return self._listed("filed_at IS NOT NULL AND threat = 1 AND made_safe.body IS NULL ORDER BY filed_at, number")

    def prune(self, now: datetime) -> None:
        """Forget drafts that were left for long, and filed inspections that are very old and owe nothing."""
        with self._database.transaction("prune") as db:
            db.execute(
                "DELETE FROM inspection WHERE (filed_at IS NULL AND changed_at < ?) OR (filed_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM report WHERE report.inspection_id = inspection.inspection_id AND stored = 0))",
                (_seconds(now - KEEP_DRAFT), _seconds(now - KEEP_FILED)),
            )

    def close(self) -> None:
        self._database.close()

    def _replace(self, db: sqlite3.Connection, new: Inspection, filed_at: datetime | None) -> None:
        filed = None if filed_at is None else _seconds(filed_at)
        db.execute(
            "UPDATE inspection SET changed_at = ?, filed_at = ?, threat = ?, body = ? WHERE inspection_id = ?",
            (_seconds(new.changed_at), filed, new.threat, _body(new), new.inspection_id),
        )

    def _listed(self, which: str, *values: str) -> list[Inspection]:
        with self._database.reading("read") as db:
            return [_inspection(*row) for row in db.execute(f"{_KEPT} WHERE {which} LIMIT {MOST_LISTED}", values)]


def _find(db: sqlite3.Connection, inspection_id: str) -> Inspection:
    found = db.execute(f"{_KEPT} WHERE inspection_id = ?", (inspection_id,)).fetchone()
    if found is None:
        raise NotThere("there is no such inspection", advice="it was discarded, or begun on another box")
    return _inspection(*found)


def _draft(db: sqlite3.Connection, inspection_id: str, by: str, version: int | None) -> Inspection:
    """Return a draft that may be changed now."""
    draft = _find(db, inspection_id)
    if draft.by != by:
        raise NotThere(f"this inspection is {draft.by}'s", advice="begin one of your own")
    if draft.filed_at is not None:
        raise Conflict("this inspection is filed: it does not change any more", advice="begin a new one")
    if version not in {None, draft.version}:
        when = f"{draft.changed_at:%H:%M:%S} UTC"
        raise Conflict(f"this draft was changed elsewhere at {when}", advice="load the page anew, and look at it")
    return draft


def _reported_last(db: sqlite3.Connection, draft: Inspection) -> dict[str, str]:
    """Return, by finding, the reports of the last inspection that was filed of the same place."""
    query = (
        "SELECT finding, anomaly_id FROM report WHERE inspection_id = (SELECT inspection_id FROM inspection"
        " WHERE filed_at IS NOT NULL AND place = ? ORDER BY filed_at DESC, number DESC LIMIT 1) ORDER BY number DESC"
    )
    return dict(db.execute(query, (draft.subject.place,)))


def _inspection(body: bytes, made_safe: bytes | None) -> Inspection:
    inspection = msgspec.json.decode(body, type=Inspection)
    if made_safe is None:
        return inspection
    return msgspec.structs.replace(inspection, made_safe=msgspec.json.decode(made_safe, type=MadeSafe))


def _body(inspection: Inspection) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(inspection, made_safe=None))


def _seconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)
