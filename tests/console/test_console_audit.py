"""Who saw and did what: one line each, a repeated look once an hour, nothing shown that cannot be set down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.audit import AuditLog
from agent.audit_verify import verify
from agent.console.audit import AGAIN_S, MOST_REMEMBERED, AccessLog
from agent.console.person import Person
from agent.errors import LocalTrouble
from tests.console.console_kit import NOW

ANN = Person("ann", "reader", "a1")


class Box:
    """An audit log and a clock that is turned by hand."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "audit.jsonl"
        self.seconds = 0.0
        self.access = AccessLog(lambda: AuditLog(self.path, lambda: NOW), lambda: self.seconds)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


async def test_a_look_says_who_at_what_in_which_session(box: Box) -> None:
    await box.access.saw(ANN, "stop", "s1")
    line = box.lines()[0]
    assert {name: line[name] for name in ("event", "by", "did", "what", "which", "session")} == {
        "event": "console", "by": "ann", "did": "saw", "what": "stop", "which": "s1", "session": "a1",
    }  # fmt: skip


async def test_looking_again_is_set_down_once_an_hour_and_by_another_session_at_once(box: Box) -> None:
    for _ in range(5):
        await box.access.saw(ANN, "stop", "s1")
    await box.access.saw(Person("bob", "reader", "b1"), "stop", "s1")
    await box.access.saw(ANN, "stop", "s2")
    assert len(box.lines()) == 3
    box.seconds = AGAIN_S
    await box.access.saw(ANN, "stop", "s1")
    assert len(box.lines()) == 4


async def test_what_was_done_is_always_set_down_and_its_details_are_cut_and_plain(box: Box) -> None:
    for _ in range(2):
        await box.access.did(ANN, "accept", "stop", "s1", reason="new\nmeter" + "x" * 10_000)
    lines = box.lines()
    assert len(lines) == 2
    reason = lines[0]["reason"]
    assert isinstance(reason, str)
    assert reason.startswith("new\\nmeter")
    assert len(reason) < 600


async def test_what_cannot_be_set_down_is_said(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    box = Box(tmp_path)
    with pytest.raises(LocalTrouble):
        await box.access.saw(ANN, "stop", "s1")
    with pytest.raises(LocalTrouble):  # a look that was not set down is not remembered either
        await box.access.saw(ANN, "stop", "s1")


async def test_memory_is_bounded(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.console.audit.MOST_REMEMBERED", 3)
    for count in range(5):
        await box.access.saw(ANN, "stop", f"s{count}")
    assert len(box.access._seen) == 3
    assert MOST_REMEMBERED > 1_000


async def test_lines_are_on_the_disk_when_the_job_ends_and_the_chain_holds(box: Box) -> None:
    job = asyncio.create_task(box.access.run())
    await asyncio.gather(*(box.access.did(ANN, "note", "stop", f"s{count}") for count in range(20)))
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert not box.access._unsynced.is_set()
    assert len(box.lines()) == 20
    assert not verify(box.path).broken
