"""What the agent keeps of each meter between two visits: hints for the line, pointers, and what was found and reported.

A record that is lost or cannot be read costs a full read and a report made twice, never a value.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec

from agent.anomalies.state import Watch
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.history import Before
from agent.meter_versions import MeterVersions
from agent.order import Order
from agent.reading import Reading
from drivers.memory import MeterMemory

_log = logging.getLogger(__name__)

MOST_RECORDS = 20_000  # meters; the records untouched for longest go first
MOST_OCTETS = 262_144  # of one record: a log entry of each log and one interval of each channel fit many times over


class RefusedPassword(msgspec.Struct, frozen=True):
    """A password that the meter refused, by what changes when it does (`agent.held_password`)."""

    file: str  # that it came from
    at: datetime
    salt: str
    mark: str
    code: int  # the meter's answer


class MeterRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One meter. `memory` and `last_read_at` are of the last visit that went to its end and is in the spool."""

    key: str
    last_read_at: datetime | None = None
    memory: MeterMemory | None = None
    clock_failures: int = 0  # visits in a row whose `meter_clock` failed, or whose correction did
    watch: Watch = Watch()
    before: Before | None = None  # the last good read, that the next one is compared with
    refused: tuple[RefusedPassword, ...] = ()  # not to be shown again by themselves, one of each file


def record_key(order: Order) -> str:
    """Return what an order's meter is filed under: the identification on record, else its line."""
    return f"id {order.expected_meter_id}" if order.expected_meter_id else f"url {order.url}"


def advanced(
    record: MeterRecord, reading: Reading, memory: MeterMemory | None, before: Before | None = None
) -> MeterRecord:
    """Return the record after a visit whose `reading` is in the spool.

    `before`: what the next visit is to be compared with; None leaves that of this meter as it was.
    `memory`: what the visit learnt; None for one that ended early, which leaves time and pointers where they were, as
    does one whose time is not known.
    Failures of the clock are counted for one meter only: another one on the same line starts from nothing.
    """
    same = record.memory is None or reading.meter.meter_id in {None, record.memory.meter_id}
    failures = record.clock_failures if same else 0
    outcomes = {check.outcome for check in reading.checks if check.check == "meter_clock"}
    if "fail" in outcomes or reading.clock.correction in {"failed", "unknown"}:
        failures += 1
    elif outcomes - {"skipped"}:
        failures = 0
    if memory is None or not reading.read_finished_at:
        return msgspec.structs.replace(record, clock_failures=failures)
    read_at = datetime.fromisoformat(reading.read_finished_at)
    kept = before or (record.before if same else None)
    return msgspec.structs.replace(record, last_read_at=read_at, memory=memory, clock_failures=failures, before=kept)


class MeterRecords:
    """A directory with one small file a meter. What the disk refuses is held in memory until it takes it again."""

    def __init__(self, directory: Path, *, most: int = MOST_RECORDS) -> None:
        self._directory = directory
        self._most = most
        self._unwritten: dict[str, MeterRecord] = {}
        self.versions = MeterVersions(directory / "versions")  # how each meter was set up, for good

    def of(self, order: Order) -> MeterRecord:
        """Return the record of the order's meter; an empty one if there is none that can be read."""
        key = record_key(order)
        if (held := self._unwritten.get(key)) is not None:
            return held
        path = self._path(key)
        try:
            record = _decoded(_content(path))
        except FileNotFoundError:
            return MeterRecord(key)
        except (OSError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
            _log.warning("%s: the record of %s cannot be read (%s): its next read is a full one", path, key, error)
            return MeterRecord(key)
        return record if record.key == key else MeterRecord(key)

    def keep(self, record: MeterRecord) -> bool:
        """Store `record` durably; return whether it is on the disk. Trouble with that is logged only.

        An older file stays where it is, as it does when the power fails before this: a later visit starts from there.
        """
        path = self._path(record.key)
        try:
            write_durably(path, msgspec.json.encode(record))
            self._unwritten.pop(record.key, None)
            self._forget_oldest()
        except (LocalTrouble, OSError) as error:
            _log.warning("the record of %s cannot be kept: %s; it is held in memory", record.key, error)
            self._unwritten[record.key] = record
            return False
        return True

    def owing(self) -> Iterator[MeterRecord]:
        """Yield the records of meters with reports that did not reach the spool, or may not have."""
        for path in self._directory.glob("*.json"):
            try:
                content = _content(path)
                record = _decoded(content) if _owes(content) else None
            except (OSError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
                _log.warning("%s: this record of a meter cannot be read: %s", path, error)
                continue
            if record is not None and record.key not in self._unwritten:
                yield record
        yield from [record for record in self._unwritten.values() if record.watch.owed or record.watch.intent]

    def _path(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _forget_oldest(self) -> None:
        files = list(self._directory.glob("*.json"))
        beyond = len(files) - self._most
        if beyond > 0:
            files.sort(key=lambda file: file.stat().st_mtime_ns)
            for file in islice((file for file in files if not _owes(_content(file))), beyond):
                file.unlink(missing_ok=True)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_OCTETS)  # one that is too long is cut, and no JSON any more


def _decoded(content: bytes) -> MeterRecord:
    return msgspec.json.decode(content, type=MeterRecord)


def _owes(content: bytes) -> bool:
    return b'"owed":[{' in content or b'"intent":{' in content
