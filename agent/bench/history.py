"""What was found of each meter, and how it was left: every test, kept in the state directory.

A test is in here before its report goes into the spool, and is marked when the spool has it: a crash between the two,
or a full disk, loses no report, and the spool takes each once.
"""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from agent.bench.report.document import MeterTest, Result, decoded
from agent.errors import LocalTrouble
from agent.state_database import StateDatabase, StateFile

TESTS_FILE = "meter_tests.sqlite"  # in the state directory
MOST_SHOWN = 1_000

_FILE = StateFile(
    called="the meter tests in",
    absent="no meter was tested here",
    lost="what was found of meters before is only in the reports that were sent",
    schemas=files("agent.bench") / "schemas",
)


class MeterTests:
    """The file. Used by one thread; every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._database = StateDatabase(_FILE, path, create=create)

    def add(self, report: MeterTest) -> None:
        """Keep a test for ever, its report owed to the spool."""
        row = (report.report_id, report.meter_id, _seconds(report), report.stage, report.outcome)
        with self._database.transaction("write") as db:
            db.execute(
                "INSERT INTO test (report_id, meter_id, finished_at, stage, outcome, body) VALUES (?, ?, ?, ?, ?, ?)",
                (*row, msgspec.json.encode(report)),
            )

    def stored(self, report: MeterTest) -> None:
        """Note that the spool has a report, and its place there."""
        with self._database.transaction("write") as db:
            db.execute(
                "UPDATE test SET stored = 1, body = ? WHERE report_id = ?",
                (msgspec.json.encode(report), report.report_id),
            )

    def owed(self) -> list[MeterTest]:
        """Return the reports that the spool is not known to have, the oldest first."""
        with self._database.reading("read") as db:
            rows = db.execute("SELECT body FROM test WHERE stored = 0 ORDER BY number").fetchall()
        return [_report(body) for (body,) in rows]

    def of(self, meter_id: str) -> list[MeterTest]:
        """Return the tests of a meter, the newest first."""
        query = "SELECT body FROM test WHERE meter_id = ? ORDER BY number DESC LIMIT ?"
        with self._database.reading("read") as db:
            rows = db.execute(query, (meter_id, MOST_SHOWN)).fetchall()
        return [_report(body) for (body,) in rows]

    def report(self, report_id: str) -> MeterTest | None:
        """Return one test."""
        with self._database.reading("read") as db:
            row = db.execute("SELECT body FROM test WHERE report_id = ?", (report_id,)).fetchone()
        return None if row is None else _report(row[0])

    def found_last(self, meter_id: str) -> Result | None:
        """Return what was found of a meter, which an as-left test now belongs to, with the report it was given in.

        That is the newest test if it was as found; and what stands in it if it was as left and the meter did not pass:
        then it is worked on again.
        """
        newest = next(iter(self.of(meter_id)), None)
        if newest is None or newest.as_found is None:
            return None
        if newest.stage == "as_found":
            return msgspec.structs.replace(newest.as_found, report_id=newest.report_id)
        return newest.as_found if newest.stage == "as_left" and newest.outcome != "pass" else None

    def close(self) -> None:
        self._database.close()


def _report(body: bytes) -> MeterTest:
    try:
        return decoded(body)
    except msgspec.DecodeError as error:
        raise LocalTrouble(f"a meter test on record cannot be read: {error}") from error


def _seconds(report: MeterTest) -> int:
    return int(datetime.fromisoformat(report.made_at).timestamp())
