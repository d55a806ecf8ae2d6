"""A file of the agent's state is private, whole, of a known schema, and gives way to a new one where it is damaged."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent import sqlite_file
from agent.errors import LocalTrouble
from agent.state_database import StateDamaged, StateDatabase, StateFile

FIRST = "-- What was noted.\nCREATE TABLE note (\n    words TEXT NOT NULL -- one; or more\n) STRICT;\n"
SECOND = "ALTER TABLE note ADD COLUMN author TEXT;\nUPDATE note SET author = 'of old; unknown';\n-- That is all.\n"
JUNK = b"this is no database at all" * 100


class Desk:
    """A directory with a file of notes, and its schemas."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state" / "notes.sqlite"
        self.schemas = directory / "schemas"
        self.schemas.mkdir()
        self.describe("001_notes.sql", FIRST)

    def describe(self, name: str, script: str) -> None:
        (self.schemas / name).write_text(script)

    @contextmanager
    def opened(self, *, create: bool = True, through_power_cuts: bool = True) -> Iterator[StateDatabase]:
        kind = StateFile("the notes in", "there are no notes", "they are gone", self.schemas, through_power_cuts)
        with closing(StateDatabase(kind, self.path, create=create)) as database:
            yield database

    @contextmanager
    def other(self) -> Iterator[sqlite3.Connection]:
        """Another process that has the file open."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            yield db

    def beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.02)


def note(database: StateDatabase, words: str) -> None:
    with database.transaction("write") as db:
        db.execute("INSERT INTO note (words) VALUES (?)", (words,))


def notes(database: StateDatabase) -> list[str]:
    with database.reading("read") as db:
        return [str(row[0]) for row in db.execute("SELECT words FROM note ORDER BY rowid")]


def forget(database: StateDatabase, bug: Exception | None) -> None:
    """Delete everything, but go wrong on the way: by `bug`, or by what SQLite refuses."""
    with database.transaction("tidy") as db:
        db.execute("DELETE FROM note")
        if bug is not None:
            raise bug
        db.execute("INSERT INTO note (words) VALUES (NULL)")


def test_the_file_its_journals_and_its_directory_are_for_the_agent_alone(desk: Desk) -> None:
    before = os.umask(0)
    try:
        with desk.opened() as database:
            note(database, "a")
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in desk.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"notes.sqlite": 0o600, "notes.sqlite-wal": 0o600, "notes.sqlite-shm": 0o600}
    assert stat.S_IMODE(desk.path.parent.stat().st_mode) == 0o700


def test_what_was_written_is_there_for_one_who_looks(desk: Desk) -> None:
    with desk.opened() as database:
        note(database, "a")
        with desk.opened(create=False) as looking:
            assert notes(looking) == ["a"]
    with desk.opened(create=False) as looking:
        assert notes(looking) == ["a"]


def test_one_who_looks_makes_nothing(desk: Desk) -> None:
    with (
        pytest.raises(LocalTrouble, match=r"there are no notes at .*notes\.sqlite yet") as caught,
        desk.opened(create=False),
    ):
        pass
    assert "mrsp run" in caught.value.advice
    assert not desk.path.parent.exists()


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("mode", [0o604, 0o620])
def test_a_file_that_is_open_to_others_is_refused(desk: Desk, mode: int, create: bool) -> None:
    with desk.opened():
        pass
    desk.path.chmod(mode)
    with (
        pytest.raises(
            LocalTrouble, match=rf"cannot open the notes in .*open to other users \(mode {mode:04o}\)"
        ) as caught,
        desk.opened(create=create),
    ):
        pass
    assert caught.value.advice == f"chmod 600 {desk.path}"


def test_a_directory_that_cannot_be_made_is_said(desk: Desk) -> None:
    desk.path.parent.write_text("a file")
    with pytest.raises(LocalTrouble, match="cannot open the notes in"), desk.opened():
        pass


def test_a_transaction_is_whole_or_nothing(desk: Desk) -> None:
    with desk.opened() as database:
        note(database, "a")
        with pytest.raises(LookupError, match="a bug"):
            forget(database, LookupError("a bug"))
        with pytest.raises(LocalTrouble, match=r"cannot tidy the notes in .*NOT NULL"):
            forget(database, None)
        assert notes(database) == ["a"]
        note(database, "b")
        assert notes(database) == ["a", "b"]


def test_who_reads_sees_one_state(desk: Desk) -> None:
    with desk.opened() as database, desk.opened() as other, database.reading("read") as db:
        assert db.execute("SELECT count(*) FROM note").fetchone() == (0,)
        note(other, "a")
        assert db.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_that_another_process_has_written_is_seen_and_ones_own_writing_is_not(desk: Desk) -> None:
    with desk.opened() as database, desk.opened() as other:
        before = database.version_seen()
        note(database, "a")
        assert database.version_seen() == before
        note(other, "b")
        assert database.version_seen() != before


@pytest.mark.usefixtures("impatient")
def test_a_file_that_another_process_holds_can_be_looked_into_but_not_changed(desk: Desk) -> None:
    with desk.opened() as database:
        note(database, "a")
    with desk.other() as other:
        other.execute("BEGIN IMMEDIATE")
        with desk.opened(create=False) as database:
            assert notes(database) == ["a"]
            with pytest.raises(LocalTrouble, match=r"cannot write the notes in .*locked") as caught:
                note(database, "b")
    assert "another `mrsp` process" in caught.value.advice
    assert not isinstance(caught.value, StateDamaged)


def test_each_transaction_is_on_the_disk_or_those_that_ask_for_it(desk: Desk) -> None:
    full, normal = 2, 1

    def level(database: StateDatabase, *, through_power_cuts: bool) -> int:
        with database.transaction("write", through_power_cuts=through_power_cuts) as db:
            return int(db.execute("PRAGMA synchronous").fetchone()[0])

    for each, expected in ((True, [full, full, full]), (False, [normal, full, normal])):
        with desk.opened(through_power_cuts=each) as database:
            assert [level(database, through_power_cuts=asked) for asked in (False, True, False)] == expected


def test_a_schema_is_followed_by_those_that_came_after_it_once(desk: Desk) -> None:
    with desk.opened() as database:
        note(database, "a")
    desk.describe("002_authors.sql", SECOND)
    for _ in range(2):
        with desk.opened(create=False) as database, database.reading("read") as db:
            assert db.execute("SELECT * FROM note").fetchall() == [("a", "of old; unknown")]
            assert db.execute("PRAGMA user_version").fetchone() == (2,)


@pytest.mark.parametrize("end", ["INSERT INTO nothing VALUES (1);", "CREATE TABLE unfinished ("])
def test_a_schema_that_does_not_go_through_changes_nothing(desk: Desk, end: str) -> None:
    with desk.opened() as database:
        note(database, "a")
    desk.describe("002_authors.sql", SECOND + end)
    with pytest.raises(LocalTrouble, match="cannot open the notes in"), desk.opened():
        pass
    with desk.other() as db:
        assert db.execute("SELECT * FROM note").fetchall() == [("a",)]
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


@pytest.mark.parametrize("create", [True, False])
def test_a_file_of_a_newer_version_is_refused_and_stays(desk: Desk, create: bool) -> None:
    with desk.opened(), desk.other() as db:
        db.execute("PRAGMA user_version = 9")
    with (
        pytest.raises(LocalTrouble, match=r"cannot open the notes in .* schema 9; this version knows 1") as caught,
        desk.opened(create=create),
    ):
        pass
    assert "newer" in caught.value.advice
    assert not desk.beside(".damaged").exists()


def damage(desk: Desk) -> None:
    desk.path.parent.mkdir(exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        desk.beside(suffix).write_bytes(JUNK + suffix.encode())
        desk.beside(suffix).chmod(0o600)


def test_a_damaged_file_is_put_aside_with_its_journals_and_another_begun(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    damage(desk)
    with desk.opened() as database:
        note(database, "a")
        assert notes(database) == ["a"]
    assert desk.beside(".damaged").read_bytes() == JUNK
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert f"it is now {desk.path}.damaged, and they are gone" in record.getMessage()


def test_one_who_looks_leaves_a_damaged_file_where_it_is(desk: Desk) -> None:
    damage(desk)
    with pytest.raises(StateDamaged, match=r"cannot open the notes in .*not a database"), desk.opened(create=False):
        pass
    assert desk.path.read_bytes() == JUNK
    assert not desk.beside(".damaged").exists()


def test_a_journal_that_a_crash_left_behind_is_not_taken_for_that_of_the_next_file(desk: Desk) -> None:
    with desk.opened() as database:
        note(database, "of the file that was put aside")
        journal = desk.beside("-wal").read_bytes()
    assert b"put aside" in journal
    desk.path.unlink()  # the crash came between this one and its journal
    desk.beside("-wal").write_bytes(journal)
    with desk.opened() as database:
        assert notes(database) == []
        note(database, "a")
    with desk.opened() as database:
        assert notes(database) == ["a"]


def test_a_damaged_file_that_cannot_be_put_aside_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: Path, _target: str) -> None:
        raise PermissionError(13, "Permission denied")

    damage(desk)
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(LocalTrouble, match=r"cannot put the notes in .* aside: Permission denied"), desk.opened():
        pass
    assert desk.path.read_bytes() == JUNK


def test_damage_that_shows_while_at_work_is_told_from_other_trouble(desk: Desk) -> None:
    with desk.opened() as database, database.transaction("write") as db:
        db.executemany("INSERT INTO note VALUES (?)", [(f"{number} " * 50,) for number in range(200)])
    content = bytearray(desk.path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    desk.path.write_bytes(content)
    with desk.opened(create=False) as database, pytest.raises(StateDamaged, match="cannot read the notes in"):
        notes(database)


def test_a_page_that_is_broken_further_on_is_found_when_the_service_opens_the_file(desk: Desk) -> None:
    with desk.opened() as database, database.transaction("write") as db:
        db.executemany("INSERT INTO note (words) VALUES (?)", [("x" * 200,)] * 200)
    octets = bytearray(desk.path.read_bytes())
    page = int.from_bytes(octets[16:18], "big")
    octets[2 * page : 3 * page] = b"\xaa" * page
    desk.path.write_bytes(octets)
    with desk.opened() as database, database.reading("read") as db:
        assert db.execute("SELECT count(*) FROM note").fetchone() == (0,)
    assert desk.beside(".damaged").read_bytes() == octets
