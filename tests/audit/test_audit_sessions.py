"""Sessions in the audit log: begun and ended, whatever becomes of them, and readable as one list with the writes."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.audit import MOST_UNSYNCED, AuditLog
from agent.audit_files import older_files, pack_older
from agent.audit_sessions import SessionLog, session_of, who
from agent.audit_verify import entries, verify
from agent.cli.audit import Listed
from agent.cli.main import main
from agent.errors import ClockForbids, LocalTrouble
from agent.order import Order
from agent.reading import (
    BlockPart,
    CheckResult,
    ClockPart,
    EventPart,
    MeterPart,
    Provenance,
    Reading,
    RecordingPart,
    RegisterPart,
)
from drivers.errors import LineLost, MeterRefused
from drivers.writes import MeterWrite

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ORDER = Order(url="/dev/ttyUSB0", order_id="4711", purpose="final", expected_meter_id="10012345", password_file="p")  # noqa: S106


def reading(**changes: Any) -> Reading:
    place = Provenance("ST23", 4, 6)
    register = RegisterPart(
        "Wh", "delivered", "cumulative", 0, "current", "present", "123", "Wh", "1", provenance=place
    )
    block = BlockPart(
        1, "Wh", "delivered", "Wh", 900, "2026-11-21T00:15:00Z", (1, 2, 3), "1", ("1", "2", "3"), ((), (), ()),
        provenance=Provenance("ST64", 0, 12),
    )  # fmt: skip
    whole: dict[str, Any] = {
        "schema": "mrsp.reading/1",
        "reading_id": "r-1",
        "agent_id": "gw-1",
        "sequence": 7,
        "purpose": "final",
        "method": "optical",
        "read_started_at": "2026-11-21T12:00:00Z",
        "read_finished_at": "2026-11-21T12:00:09Z",
        "meter": MeterPart(meter_id="10012345", serial_number="S\x1b[2J1", profile="generic-c1219"),
        "clock": ClockPart("chrony", corrected=True, correction="set"),
        "registers": (register, register),
        "interval_blocks": (block,),
        "events": (EventPart(1, "primary power down", log="ST76"),),
        "checks": (
            CheckResult("tou_sum", "fail", "ubp-2000", "2.1"),
            CheckResult("meter_clock", "pass", "ubp-2000", "2.2"),
        ),
        "quality": "failed",
        "recording": RecordingPart("ab" * 32, 4000),
    }
    return Reading(**{**whole, **changes})


def sessions(path: Path, **options: Any) -> SessionLog:
    return SessionLog(lambda: AuditLog(path, lambda: AT), by="mrsp read as reader", **options)


async def test_a_session_says_who_why_what_was_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, lambda: AT)
    async with sessions(path, came="schedule").session(ORDER, via="modem:///dev/ttyS1?dial=5550100") as session:
        journal = log.journal(authorized_by="order 4711", reason="set_clock", session=session.number)
        write = MeterWrite("/dev/ttyUSB0", "10012345", "SP10 set date and time", "ST07", b"\x0a\x00", "set by 4 s")
        journal.before(write)
        journal.after(write, "done", "")
        session.took(reading())
    begun, before, _after, ended = entries(path)
    assert begun == {
        "seq": 1, "prev": "0" * 64, "at": "2026-11-21T12:00:00Z", "event": "session_begun",
        "url": "modem:///dev/ttyS1?dial=5550100", "order_id": "4711", "purpose": "final",
        "expected_meter_id": "10012345", "password": True, "asked": "registers, profile and logs", "came": "schedule",
        "by": "mrsp read as reader",
    }  # fmt: skip
    assert before["session"] == begun["seq"] == ended["of"] == 1
    del ended["prev"]
    assert ended == {
        "seq": 4, "at": "2026-11-21T12:00:00Z", "event": "session", "of": 1, "result": "read", "meter_id": "10012345",
        "serial_number": "S\\x1b[2J1", "reading_id": "r-1", "method": "optical", "profile": "generic-c1219",
        "started_at": "2026-11-21T12:00:00Z", "finished_at": "2026-11-21T12:00:09Z", "registers": 2, "intervals": 3,
        "channels": 1, "events": 1, "tables": ["ST23", "ST64", "ST76"], "checks_failed": ["tou_sum"],
        "clock_correction": "set", "recording": "ab" * 32,
    }  # fmt: skip
    assert verify(path).broken == ""


@pytest.mark.parametrize(
    ("error", "result", "said"),
    [
        (LineLost("the probe was unplugged"), "failed", "LineLost: the probe was unplugged"),
        (MeterRefused("the meter refused Security", code=5), "refused", "MeterRefused: the meter refused Security"),
        (ClockForbids("no proof"), "not visited", "ClockForbids: no proof"),
        (ValueError("s3cret"), "failed", "ValueError"),
        (asyncio.CancelledError(), "cancelled", "CancelledError"),
    ],
)
async def test_a_session_that_fails_is_there_too(tmp_path: Path, error: BaseException, result: str, said: str) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(type(error)):
        async with sessions(path).session(ORDER):
            raise error
    ended = entries(path)[-1]
    assert (ended["event"], ended["of"], ended["result"], ended["error"]) == ("session", 1, result, said)


@pytest.mark.parametrize(
    ("order", "called", "came"),
    [
        (ORDER, False, "schedule"),
        (ORDER, True, "call"),
        (Order(url="/dev/ttyUSB0", requested_at=AT, purpose="special"), False, "request"),
    ],
)
async def test_what_brought_a_session_about(tmp_path: Path, order: Order, called: bool, came: str) -> None:
    path = tmp_path / "audit.jsonl"
    async with session_of(sessions(path, came="schedule"), order, called=called):
        pass
    begun, ended = entries(path)
    assert (begun["came"], ended["result"]) == (came, "failed")  # nothing was read


async def test_who_asked_for_a_session_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "audit.jsonl"
    async with session_of(sessions(path), ORDER, asked_by="A. Smith\x1b[2J"):
        pass
    assert entries(path)[0]["asked_by"] == "A. Smith\\x1b[2J"
    assert main(["audit", "list", "--audit-log", str(path)]) == 0
    assert "final, for A. Smith\\x1b[2J, 4711" in capsys.readouterr().out


async def test_without_a_log_a_session_is_nothing() -> None:
    async with session_of(None, ORDER) as session:
        session.took(reading())
    assert session.number == 0


async def test_what_was_whole_of_a_broken_session_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with sessions(path).session(ORDER) as session:
        session.took(reading(), LineLost("gone"))
    ended = entries(path)[-1]
    assert (ended["result"], ended["registers"], ended["error"]) == ("in part", 2, "LineLost: gone")


async def test_without_the_log_no_meter_is_visited(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    begun = False
    with pytest.raises(LocalTrouble, match="no meter is visited"):
        async with sessions(tmp_path / "state" / "audit.jsonl").session(ORDER):
            begun = True
    assert not begun


async def test_a_reading_is_not_lost_to_a_log_that_breaks_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    write = os.write
    async with sessions(path).session(ORDER) as session:
        session.took(reading())
        monkeypatch.setattr("agent.audit.os.write", lambda descriptor, line: write(descriptor, line[:30]))
    assert "the end of session 1 is not in the audit log" in caplog.text
    monkeypatch.undo()
    assert [line["event"] for line in entries(path)] == ["session_begun"]


async def test_lines_reach_the_disk_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    happened = asyncio.Event()
    loop = asyncio.get_running_loop()
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(descriptor)
        loop.call_soon_threadsafe(happened.set)

    log = sessions(tmp_path / "audit.jsonl", group_s=0.001)
    async with log.session(ORDER):  # makes the file, and syncs the directory
        pass
    monkeypatch.setattr("agent.audit.os.fsync", counted)
    for _ in range(MOST_UNSYNCED // 2 - 2):
        async with log.session(ORDER):
            pass
    assert synced == []
    running = asyncio.create_task(log.run())
    await happened.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(synced) == 1


async def test_not_more_than_so_many_lines_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", lambda: AT)
    synced: list[int] = []
    monkeypatch.setattr("agent.audit.os.fsync", synced.append)
    for _ in range(MOST_UNSYNCED - 1):
        log.append("session", {}, durable=False)
    assert synced == []
    log.append("session", {}, durable=False)
    assert len(synced) == 1


async def test_sessions_at_once_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = SessionLog(lambda: AuditLog(path, lambda: AT, most_octets=4000), by="mrsp run as mrsp", group_s=60)

    async def one(number: int) -> None:
        async with log.session(Order(url=f"/dev/ttyUSB{number}")) as session:
            session.took(reading(reading_id=f"r-{number}"))

    await asyncio.gather(*(one(number) for number in range(20)))
    assert verify(path).broken == ""
    assert len(older_files(path)) > 1
    listed = Listed("session")
    for line in entries(path):
        listed.take(line)
    assert {row["url"].removeprefix("/dev/ttyUSB") for row in listed.rows()} == {str(n) for n in range(20)}
    assert all(row["reading_id"] == f"r-{row['url'].removeprefix('/dev/ttyUSB')}" for row in listed.rows())


def grown(path: Path, count: int = 40, **limits: int) -> AuditLog:
    log = AuditLog(path, lambda: AT, **limits)
    for number in range(count):
        log.append("session", {"of": number, "result": "read", "text": "x" * 200}, durable=False)
    return log


def test_older_files_are_compressed_and_the_chain_goes_through_them(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = grown(path, most_octets=3000)
    whole = entries(path)
    log.sync()
    assert [file.name for file in older_files(path)] == [
        f"audit.jsonl.{n:06}.gz" for n in range(1, len(older_files(path)) + 1)
    ]
    assert verify(path).broken == ""
    assert entries(path) == whole
    grown(path, 20, most_octets=3000).sync()
    assert verify(path).lines > len(whole)
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def test_a_power_cut_while_a_file_is_compressed_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    grown(path, most_octets=3000)
    whole, plain = entries(path), older_files(path)[0]
    kept = plain.read_bytes()
    pack_older(path)
    plain.write_bytes(kept)  # the name of the plain file had not gone yet
    assert older_files(path)[0] == plain
    assert entries(path) == whole
    assert pack_older(path) == 1
    assert not plain.exists()


def test_compressed_files_are_dropped_in_their_turn(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(4):
        grown(path, most_octets=3000, most_files=3).sync()
    assert len(older_files(path)) == 3
    assert verify(path).broken == ""
    assert verify(path).first_seq > 1


@pytest.mark.parametrize("damage", ["cut", "flip", "bomb"])
def test_a_damaged_compressed_file_is_found(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "audit.jsonl"
    grown(path, most_octets=3000).sync()
    file = older_files(path)[1]
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:-20])
    elif damage == "flip":
        file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    else:
        import gzip

        file.write_bytes(gzip.compress(bytes(70_000_000)))
    with pytest.raises(LocalTrouble, match=r"damaged|larger than any"):
        verify(path)


def test_a_broken_log_is_put_aside_and_the_next_one_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.jsonl"
    grown(path, most_octets=3000)
    path.write_bytes(path.read_bytes().replace(b"x" * 200, b"y" * 200, 1))
    broken = path.read_bytes()
    with pytest.raises(LocalTrouble, match="is broken"):
        AuditLog(path, lambda: AT)
    log = AuditLog.mended(path, lambda: AT)
    assert "a new file begins" in caplog.text
    log.append("session", {})
    found = verify(path)
    assert (found.broken, len(found.set_aside)) == ("", 1)
    assert (tmp_path / found.set_aside[0]).read_bytes() == broken
    AuditLog.mended(path, lambda: AT).append("session", {})
    assert verify(path).set_aside == found.set_aside


def lines(path: Path, at: list[str]) -> None:
    moments = iter(at)
    log = AuditLog(path, lambda: datetime.fromisoformat(next(moments)))
    log.append("session_begun", {"url": "a", "expected_meter_id": "1", "by": "mrsp"})
    log.append("session", {"of": 1, "meter_id": "1", "result": "read"})
    log.append("before", {"meter_id": "2\x1b[2J", "what": "SP09", "authorized_by": "A. Smith"})
    log.append("session_begun", {"url": "b", "expected_meter_id": "2"})
    log.append("repaired", {"octets": 3})


def test_the_list_is_filtered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "audit.jsonl"
    lines(path, [f"2026-11-2{day}T00:00:00+00:00" for day in (1, 1, 2, 3, 4)])

    def listed(*options: str) -> list[int]:
        assert main(["audit", "list", "--audit-log", str(path), "--json", *options]) == 0
        return [row["seq"] for row in json.loads(capsys.readouterr().out)]

    assert listed() == [1, 3, 4, 5]
    assert listed("--kind", "session") == [1, 4]
    assert listed("--kind", "write") == [3]
    assert listed("--kind", "log") == [5]
    assert listed("--meter", "1") == [1]
    assert listed("--meter", "2") == [4]
    assert listed("--since", "2026-11-22T00:00:00Z") == [3, 4, 5]
    assert main(["audit", "list", "--audit-log", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "not recorded" in shown
    assert "\x1b" not in shown  # what a meter says never reaches the terminal raw
    with pytest.raises(SystemExit):
        main(["audit", "list", "--audit-log", str(path), "--since", "2026-11-22"])


def test_an_old_log_of_writes_alone_stays_valid(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, lambda: AT)
    write = MeterWrite("u", "1", "SP09", "ST07", b"\x09", "demand_reset")
    log.journal(authorized_by="A", reason="B").before(write)
    assert "session" not in entries(path)[0]
    assert verify(path).broken == ""


def test_who_names_program_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice\x1b")
    assert who("mrsp read").startswith("mrsp read as ")
    assert who("mrsp read").endswith(r", by sudo of alice\x1b")
    monkeypatch.delenv("SUDO_USER")
    assert "sudo" not in who("mrsp read")
