"""The audit log: a chain that shows every change, survives power cuts and is written by several processes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audit import AuditLog
from agent.audit_files import older_files
from agent.audit_verify import entries, verify
from agent.cli.audit import writes_of
from agent.cli.main import COMMANDS, Entry, main
from agent.errors import LocalTrouble
from drivers.writes import MeterWrite

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WRITE = MeterWrite("/dev/ttyUSB0", "10012345", "SP09 remote reset", "ST07", b"\x09\x00\x01\x01", "demand_reset")


def opened(path: Path, **changes: Any) -> AuditLog:
    return AuditLog(path, lambda: AT, **changes)


def filled(path: Path, count: int = 5, **changes: Any) -> AuditLog:
    log = opened(path, **changes)
    journal = log.journal(authorized_by="A. Smith", reason="order 4711")
    for _ in range(count):
        journal.before(WRITE)
        journal.after(WRITE, "done", "the meter says done")
    return log


def test_lines_say_who_why_what_and_what_became_of_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    log = filled(path, 1)
    before, after = (json.loads(line) for line in path.read_text().splitlines())
    assert before == {
        "seq": 1, "prev": "0" * 64, "at": "2026-11-21T12:00:00Z", "event": "before", "url": "/dev/ttyUSB0",
        "meter_id": "10012345", "what": "SP09 remote reset", "table": "ST07", "octets": "09000101",
        "summary": "demand_reset", "authorized_by": "A. Smith", "reason": "order 4711",
    }  # fmt: skip
    assert (after["event"], after["of"], after["outcome"], after["detail"]) == (
        "after",
        1,
        "done",
        "the meter says done",
    )
    assert after["prev"] == hashlib.sha256(path.read_bytes().splitlines(keepends=True)[0]).hexdigest()
    assert log.head == hashlib.sha256(path.read_bytes().splitlines(keepends=True)[1]).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(path).broken == ""


def test_a_line_is_on_the_disk_before_the_write_may_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            done.append(name)
            return call(*arguments)

        return noting

    for name in ("write", "fsync"):
        monkeypatch.setattr(f"agent.audit.os.{name}", noted(name, getattr(os, name)))
    log = opened(tmp_path / "audit.jsonl")
    done.clear()
    log.journal(authorized_by="A", reason="B").before(WRITE)
    assert done == ["write", "fsync"]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    log = filled(path, 2)
    whole, write = path.read_bytes(), os.write
    monkeypatch.setattr("agent.audit.os.write", lambda descriptor, line: write(descriptor, line[:40]))
    with pytest.raises(LocalTrouble, match="No space left"):
        log.append("before", {})
    assert path.read_bytes() == whole
    monkeypatch.undo()
    log.append("before", {})
    assert verify(path).lines == 5


def test_a_torn_last_line_is_cut_off_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    found = verify(path)
    assert (found.broken, found.torn, found.lines) == ("", 50, 4)
    opened(path)
    last = entries(path)[-1]
    assert (last["event"], last["octets"], last["seq"]) == ("repaired", 50, 5)
    assert path.read_bytes().startswith(whole)
    assert verify(path).torn == 0


def changed(line: bytes) -> bytes:
    return line.replace(b"A. Smith", b"B. Smith") if b"A. Smith" in line else line.replace(b"done", b"none", 1)


@pytest.mark.parametrize("index", range(9))
def test_a_changed_line_is_found_at_the_next_one(tmp_path: Path, index: int) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[index] = changed(lines[index])
    path.write_bytes(b"".join(lines))
    assert f"line {index + 2} " in verify(path).broken
    assert len(entries(path)) == index + 1
    with pytest.raises(LocalTrouble, match=f"line {index + 2} does not name"):
        opened(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_tampering_but_cutting_the_end_off_is_missed(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "audit.jsonl"
    path.unlink(missing_ok=True)
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    i, j = sorted((data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))))
    kind = data.draw(st.sampled_from(["take out", "double", "swap", "flip"]))
    match kind:
        case "take out" if i < 9:
            del lines[i]
        case "double":
            lines.insert(j, lines[i])
        case "swap" if i != j:
            lines[i], lines[j] = lines[j], lines[i]
        case "flip" if i < 9:
            at = data.draw(st.integers(0, len(lines[i]) - 2))
            lines[i] = lines[i][:at] + bytes([lines[i][at] ^ data.draw(st.integers(1, 255))]) + lines[i][at + 1 :]
        case _:
            return
    path.write_bytes(b"".join(lines))
    assert verify(path).broken


def test_what_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path, 1)
    path.chmod(0o640)
    with pytest.raises(LocalTrouble, match="open to others"):
        opened(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(mode=0o600)
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalTrouble):
        opened(tmp_path / "audit.jsonl")


def test_a_long_log_goes_on_in_another_file_and_the_chain_with_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path, 30, most_octets=3000)
    older = older_files(path)
    assert len(older) > 3
    assert [file.name for file in older] == [f"audit.jsonl.{n:06}" for n in range(1, len(older) + 1)]
    found = verify(path)
    assert (found.broken, found.first_seq, found.files) == ("", 1, len(older) + 1)
    assert [entry["seq"] for entry in entries(path)] == list(range(1, found.lines + 1))
    filled(path, 1)  # opened anew
    assert verify(path).broken == ""
    older[1].unlink()
    assert "audit.jsonl.000003, line 1 does not name" in verify(path).broken


def test_the_oldest_files_are_dropped_and_a_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path, 60, most_octets=3000, most_files=3)
    assert len(older_files(path)) == 3
    found = verify(path)
    assert found.broken == ""
    assert found.first_seq > 1
    older_files(path)[0].unlink()  # not by the log itself
    assert "no line says that they were dropped" in verify(path).broken


def test_a_power_cut_while_files_change_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    filled(path, 3)
    path.rename(path.with_name("audit.jsonl.000001"))
    filled(path, 1)
    assert (verify(path).broken, verify(path).lines) == ("", 8)


def victim(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("audit_victim.py")), str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})  # noqa: PTH109


def test_two_processes_append_to_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with victim(path, "one", 60) as one, victim(path, "two", 60) as two:
        assert one.communicate(timeout=50) is not None
        assert two.communicate(timeout=50) is not None
    assert (one.returncode, two.returncode) == (0, 0)
    assert verify(path).broken == ""
    writes = writes_of(entries(path))
    assert sorted(write["meter_id"] for write in writes) == ["one"] * 60 + ["two"] * 60
    assert {write["outcome"] for write in writes} == {"done"}
    assert {file.name for file in tmp_path.iterdir()} >= {"audit.jsonl", "audit.jsonl.000001"}


@pytest.mark.parametrize("after", [1, 7, 30])
def test_killed_between_before_and_after(tmp_path: Path, after: int) -> None:
    """What it had said is in the log, whole; what became of it is not, and the list says so."""
    path = tmp_path / "audit.jsonl"
    with victim(path, "one", -1) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(after)]
        process.send_signal(signal.SIGKILL)
    filled(path, 1)
    assert verify(path).broken == ""
    writes = writes_of(entries(path))
    assert len(writes) >= after + 1
    assert said == list(range(1, after + 1))
    assert [write["outcome"] for write in writes[:after]] == ["not recorded"] * after
    assert writes[-1]["outcome"] == "done"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "audit", Entry("audit", "", ""))
    path = tmp_path / "audit.jsonl"
    filled(path, 2)
    assert main(["audit", "verify", "--audit-log", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    assert main(["audit", "list", "--audit-log", str(path)]) == 0
    assert "A. Smith" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b"4711", b"4712", 1))
    assert main(["audit", "verify", "--audit-log", str(path)]) == 6
    assert "does NOT hold: audit.jsonl, line 2" in capsys.readouterr().out
    assert main(["audit", "verify", "--audit-log", str(tmp_path / "none")]) == 6
    assert main(["audit", "verify"]) == 2
