"""The disk is full, or fails, at every single write: said clearly, nothing lost, and it goes on once there is space."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import pytest

from agent import spool_store
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.keys import DeviceKey, create_device_key
from agent.meter_record import MeterRecord, MeterRecords, record_key
from agent.order import Order
from agent.scheduling.reads import Request
from agent.scheduling.store import ScheduleStore
from agent.spool_store import AlreadySpooled
from tests.crash.file_layer import Change, Kind, Refused, file_layer, library
from tests.crash.power_cut import MEMORY
from tests.crash.spool_work import Promises, Step, carry_out, open_store

needs_file_layer = pytest.mark.skipif(library() is None, reason="this Python has SQLite built in")
LIFE: tuple[Step, ...] = (
    ("add", "d1"), ("add", "d3"), ("acknowledge", "d1"), ("add", "d5"), ("reopen", ""), ("acknowledge", "d3"),
    ("add", "d7"), ("acknowledge", "d5"), ("add", "d8"), ("acknowledge", "d7"),
)  # fmt: skip
_T = TypeVar("_T")
IO_ERRORS: dict[Kind, int] = {
    "create": sqlite3.SQLITE_CANTOPEN,
    "write": sqlite3.SQLITE_IOERR_WRITE,
    "truncate": sqlite3.SQLITE_IOERR_TRUNCATE,
    "sync": sqlite3.SQLITE_IOERR_FSYNC,
    "delete": sqlite3.SQLITE_IOERR_DELETE,
}


@dataclass
class BadDisk:
    """From the `first` change on the disk is full; or, if it `fails`, that one change fails."""

    first: int
    fails: bool = False
    half: bool = False  # of the data are written before the disk is full
    seen: int = 0
    refused: int = 0
    healed: bool = False

    def before(self, change: Change) -> Refused | None:
        self.seen += 1
        if self.healed or self.seen < self.first or (self.fails and self.seen > self.first):
            return None
        if self.fails:
            self.refused += 1
            return Refused(IO_ERRORS[change.kind])
        if change.kind not in {"write", "create"}:
            return None
        self.refused += 1
        return Refused(sqlite3.SQLITE_FULL, len(change.data) // 2 if self.half else 0)

    def after(self, _change: Change) -> None:
        """Nothing to note."""


@pytest.fixture
def key(tmp_path: Path) -> DeviceKey:
    return create_device_key(tmp_path / "keys")


def live(directory: Path, key: DeviceKey, disk: BadDisk) -> Promises:
    """Live through `LIFE`; whatever the disk refuses is tried again once it is well. Return what was promised."""
    promises = Promises()
    path = directory / "spool.db"
    store = for_sure(partial(open_store, path, key), disk)
    for step in LIFE:
        if step[0] == "reopen":
            store.close()
            store = for_sure(partial(open_store, path, key), disk)
            continue
        promises.hear("before", *step)
        for_sure(partial(carry_out, store, step), disk)
        promises.hear("after", *step)
    assert promises.broken(store) == []
    store.close()
    return promises


def for_sure(work: Callable[[], _T], disk: BadDisk) -> _T:
    """Do `work`, if need be again: while the disk is full it is refused clearly, and then it is well."""
    for _ in range(2):
        said: LocalTrouble
        try:
            return work()
        except AlreadySpooled:
            pytest.fail("what was refused was stored all the same")
        except LocalTrouble as trouble:
            said = trouble
        assert disk.refused
        assert said.exit_code == 6
        assert "disk" in str(said) or "open" in str(said)
        assert said.advice
    disk.healed = True
    return work()


@needs_file_layer
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["full", "half written", "failing"])
def test_a_disk_that_refuses_any_one_change_costs_nothing(
    key: DeviceKey, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(spool_store, "KEEP_ACKNOWLEDGED", 2)
    refused = 0
    for first in range(1, 1_000):
        disk = BadDisk(first, fails=kind == "failing", half=kind == "half written")
        with TemporaryDirectory(dir=MEMORY) as directory:
            with file_layer(disk):
                promises = live(Path(directory), key, disk)
            store = open_store(Path(directory) / "spool.db", key)  # the next start, on a disk that is well
            assert promises.broken(store) == [], f"{kind} at change {first}"
            store.close()
        refused += disk.refused
        if disk.seen < first:
            break
    assert refused > 40


class NoSpace:
    """Lets the calls that change files fail from the `first` one on, as a full disk does; removing always works."""

    def __init__(self, patch: pytest.MonkeyPatch, first: int, error: int, *, once: bool) -> None:
        self.refused = 0
        self.healed = False
        self._left, self._error, self._once = first, error, once
        for name in ("open", "fsync", "rename", "mkdir", "write"):
            patch.setattr(os, name, self._refusing(getattr(os, name)))
        patch.setattr(os, "fdopen", self._fdopen(os.fdopen))

    def _refuse(self) -> None:
        self._left -= 1
        if not self.healed and (self._left == 0 or (self._left < 0 and not self._once)):
            self.refused += 1
            raise OSError(self._error, os.strerror(self._error))

    def _refusing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def refusing(*arguments: Any, **options: Any) -> Any:
            self._refuse()
            return call(*arguments, **options)

        return refusing

    def _fdopen(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(descriptor: int, *arguments: Any, **options: Any) -> Any:
            file = call(descriptor, *arguments, **options)
            return _FullFile(file, self._refuse)

        return opened


class _FullFile:
    """A file whose content does not fit: half of it is written."""

    def __init__(self, file: Any, refuse: Callable[[], None]) -> None:
        self._file, self._refuse = file, refuse

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        self._file.write(content[: len(content) // 2])
        self._refuse()
        self._file.write(content[len(content) // 2 :])

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return int(self._file.fileno())


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path, error: int, once: bool) -> None:
    path = tmp_path / "fresh" / "file"
    for first in range(1, 100):
        before = path.read_bytes() if path.exists() else None
        with pytest.MonkeyPatch.context() as patch:
            disk = NoSpace(patch, first, error, once=once)
            said = None
            try:
                write_durably(path, b"new %d" % first)
            except LocalTrouble as trouble:
                said = trouble
        assert said is None or (os.strerror(error) in said.message and "free space" in said.advice)
        after = path.read_bytes() if path.exists() else None
        assert after in (before, b"new %d" % first)  # the last sync can fail once the file is whole, and in its place
        assert not [one for one in path.parent.glob(".*") if path.parent.exists()] or disk.refused
        if not disk.refused:
            assert after == b"new %d" % first
            return
    pytest.fail("it never stopped writing")


def test_a_meters_record_is_the_old_or_the_new_one_at_every_write(tmp_path: Path) -> None:
    order = Order(url="serial:///dev/ttyS0", expected_meter_id="87654321")
    records, key = MeterRecords(tmp_path / "meters"), record_key(order)
    assert records.keep(MeterRecord(key))
    for first in range(1, 100):
        before = MeterRecords(tmp_path / "meters").of(order)
        with pytest.MonkeyPatch.context() as patch:
            disk = NoSpace(patch, first, errno.ENOSPC, once=False)
            kept = records.keep(MeterRecord(key, clock_failures=first))
        assert records.of(order).clock_failures == first  # held in memory, if the disk refused it
        found = MeterRecords(tmp_path / "meters").of(order)  # what the next program finds
        assert found in (before, MeterRecord(key, clock_failures=first))
        if kept:
            assert found.clock_failures == first
            assert not disk.refused
            return
    pytest.fail("it never stopped writing")


@needs_file_layer
@pytest.mark.parametrize("kind", ["full", "half written", "failing"])
def test_a_request_for_a_read_is_refused_whole_or_kept_for_good(tmp_path: Path, kind: str) -> None:
    for first in range(1, 1_000):
        disk = BadDisk(first, fails=kind == "failing", half=kind == "half written")
        with TemporaryDirectory(dir=MEMORY) as directory:
            path = Path(directory) / "schedule.sqlite"
            with file_layer(disk):
                store = for_sure(partial(ScheduleStore, path, create=True), disk)
                for number in (1, 2, 3):
                    for_sure(partial(store.ask, request(number)), disk)
                store.close()
            store = ScheduleStore(path, create=False)
            assert [one.request_id for one in store.requests()] == ["q1", "q2", "q3"], f"{kind} at change {first}"
            store.close()
        if disk.seen < first:
            return
    pytest.fail("it never stopped writing")


def request(number: int) -> Request:
    at = datetime(2026, 11, 21, 12, 0, number, 500, tzinfo=UTC)
    order = Order(url="serial:///dev/ttyS0", purpose="special", order_id=f"q{number}", requested_at=at)
    return Request(f"q{number}", "house", "special", at, "ops", at + timedelta(days=5), order)
