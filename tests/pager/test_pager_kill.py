"""Killed at any stage, a visit loses no reply and pages nobody twice; the next visit brings the reading home."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.errors import MeterSilent
from drivers.pager.driver import PagerDriver
from drivers.pager.jobs_store import JobStore
from tests.pager.carrier import FAST, carrier

STAGES = [
    "before begin",
    "after submit",
    "before advance",
    "after advance",
    "before poll",
    "after poll",
    "before receive_poll",
    "after receive_poll",
    "before polled",
    "after polled",
    "before mark_taken",
    "after mark_taken",
]
PROGRAM = str(Path(__file__).with_name("killed_visit.py"))


async def killed(url: str, keep: Path, stage: str) -> None:
    options = "&".join(f"{name}={value}" for name, value in FAST.items())
    process = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, f"{url}&{options}", str(keep), stage)
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_at_any_stage(tmp_path: Path, stage: str) -> None:
    async with carrier() as one:
        await killed(one.task(tmp_path).url, tmp_path, stage)
        data = await PagerDriver().read(one.task(tmp_path))
        assert data.registers[0].value == Decimal("45678.9")
        assert len(one.gateway.submitted) == 1
        assert one.gateway.refused == []


@pytest.mark.parametrize("stage", ["after begin", "before submit"])
async def test_killed_between_the_store_and_the_post(tmp_path: Path, stage: str) -> None:
    """Nobody can know that nothing was sent: the page's time has to pass first."""
    async with carrier() as one:
        await killed(one.task(tmp_path).url, tmp_path, stage)
        with pytest.raises(MeterSilent, match="may have been sent"):
            await PagerDriver().read(one.task(tmp_path, {"wait_s": "0.2"}))
        assert one.gateway.submitted == []
        store = JobStore(tmp_path)
        for job in store.jobs():
            assert store.find(job.message_id, job.expires_at).state == "expired"
        store.close()
        data = await PagerDriver().read(one.task(tmp_path, {"meter_spacing_s": "0"}))
        assert data.registers[0].value == Decimal("45678.9")
        assert len(one.gateway.submitted) == 1


STORING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from drivers.pager.jobs import JobStore, Limits, Page
from drivers.pager.wctp_values import *
store = JobStore(Path(sys.argv[1]))
for k in range(100_000):
    now = datetime.now(UTC)
    page = Page("c", "s", f"p{k}", "f", "READ", 600, 60)
    job, _ = store.begin(page, Limits(carrier_per_hour=1_000_000), now)
    header = ResponseHeader(Originator(f"p{k}"), MessageControl("x"), Recipient("s"), job.message_id)
    store.receive_poll("c", "s", [Message(str(k), MessageReply(header, Alphanumeric(f"reply {k}")))], now)
    print(job.message_id, flush=True)
"""


@pytest.mark.parametrize("after", [1, 5, 17, 60])
def test_what_the_store_has_confirmed_survives_a_kill(tmp_path: Path, after: int) -> None:
    confirmed: list[str] = []
    with subprocess.Popen([sys.executable, "-c", STORING, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            confirmed.append(line.strip())
            if len(confirmed) == after:
                process.kill()
                break
        confirmed += [line.strip() for line in process.stdout if line.endswith("\n")]
    store = JobStore(tmp_path)
    now = datetime.now(UTC)
    for k, message_id in enumerate(confirmed):
        reply = store.find(message_id, now).reply
        assert reply is not None
        assert reply.text() == f"reply {k}"
    assert {number for number, _ in store.unacknowledged("c", "s")} >= {str(k) for k in range(len(confirmed))}
    assert all(job.state in ("created", "answered") for job in store.jobs())
    store.close()
    with sqlite3.connect(tmp_path / "pager.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
