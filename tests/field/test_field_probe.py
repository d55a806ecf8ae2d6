"""Reads by probe from a simulated meter on a real pseudo-terminal: live, cancelled, broken, asked, kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.audit_verify import verify
from agent.box import audit_file_of
from agent.errors import UsageError
from agent.field import job
from agent.field.desk import JobView, NoSuchJob, NotAsked
from drivers.person import Answer
from drivers.psem.states import State
from metersim.meter import RunningMeter, running_meter
from tests.field.field_kit import House, opened_house, over, probe, until, wants_answer

NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)


def state_of(meter: RunningMeter) -> State:
    return meter.line._session.state


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(tmp_path) as found:
        yield found


async def test_a_read_is_shown_live_and_is_in_the_spool_when_it_is_done(house: House) -> None:
    async with running_meter("residential-tou", now=NOW, rate=0) as meter:
        view = await house.desk.start(probe(meter.address, stop_id="s-1"), by="ann")
        assert (view.state, view.by, view.stop_id) == ("waiting_for_line", "ann", "s-1")
        seen = [one async for one in house.desk.watch(view.job_id)]
        truth = meter.truth()
    states = list(dict.fromkeys(one.state for one in seen))
    assert states[-3:] == ["reading", "checking", "done"]
    assert [one.version for one in seen] == sorted({one.version for one in seen})
    assert max(one.progress.bytes_on_line for one in seen) > 1000
    last = seen[-1]
    reading = last.reading()
    assert reading is not None
    assert reading == await house.stored(last)
    assert (last.sequence, last.reading_id) == (1, reading.reading_id)
    assert sorted(r.value or "" for r in reading.registers) == sorted(str(r.value) for r in truth.registers)
    assert house.routes.told == [("s-1", "ann", reading.reading_id, "interrogated", last.failed_checks)]
    assert house.left == []
    assert last.checks[0].outcome in {"fail", "verified", "pass"}
    assert all(check.title for check in last.checks)


async def test_who_read_what_is_in_the_audit_log(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        last = await over(house.desk, await house.desk.start(probe(meter.address), by="ann"))
    path = audit_file_of(house.config)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["session_begun", "session"]
    assert "for ann at the console" in lines[0]["by"]
    assert lines[1]["reading_id"] == last.reading_id
    assert verify(path).broken == ""


async def test_cancelled_in_mid_read_leaves_the_meter_logged_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "TOLD_EVERY_S", 0.0)
    async with running_meter("residential-tou", now=NOW, rate=0) as meter:
        view = await house.desk.start(probe(meter.address), by="ann")
        await until(house.desk, view, lambda one: one.progress.stage == "ST64" and one.progress.done > 0)
        assert state_of(meter) is State.SESSION
        view = await house.desk.cancel(view.job_id)
        assert (view.state, view.document) == ("cancelled", None)
        assert state_of(meter) is State.BASE
        quick = probe(meter.address, registers_only=True)
        again = await over(house.desk, await house.desk.start(quick, by="ann"))
    assert again.state == "done"
    assert await house.desk.cancel(again.job_id) == again
    assert await house.readings() == [again.reading_id]


async def test_a_line_that_breaks_in_mid_read_keeps_the_whole_part(house: House) -> None:
    async with running_meter("profile-35d", now=NOW, rate=0, faults=["drop_after=6000"]) as meter:
        last = await over(house.desk, await house.desk.start(probe(meter.address), by="ann"))
    assert last.state == "done"
    assert last.error is not None
    reading = last.reading()
    assert reading is not None
    assert reading.registers
    assert await house.stored(last) == reading
    assert "table_data" in last.failed_checks


async def test_a_line_that_is_not_there_is_an_error_with_advice(house: House) -> None:
    view = await house.desk.start(probe("tcp://127.0.0.1:1", stop_id="s", requested_at=NOW), by="ann")
    with pytest.raises(UsageError, match="read by ann already"):
        await house.desk.start(probe("tcp://127.0.0.1:1", stop_id="s"), by="bob")
    last = await over(house.desk, view)
    assert (last.state, last.reading_id) == ("failed", None)
    assert last.error is not None
    assert last.error.message
    assert house.routes.told == []
    [entry] = house.keeper.ledger.entries(NOW - timedelta(days=1), NOW)
    assert (entry.attempts, entry.reason) == (1, "no_connection")


# -- the nameplate


async def test_the_nameplate_can_be_answered_while_the_meter_is_read(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        view = await house.desk.start(probe(meter.address, expected_meter_id="M-1"), by="ann")
        view = await until(house.desk, view, lambda one: one.asked is not None)
        assert view.state == "reading"
        assert view.asked is not None
        house.desk.answer(view.job_id, view.asked.number, Answer("M-1"))
        with pytest.raises(NotAsked):
            house.desk.answer(view.job_id, view.asked.number, Answer("M-2"))
        seen = [one async for one in house.desk.watch(view.job_id)]
    assert "asking" not in {one.state for one in seen}
    reading = seen[-1].reading()
    assert reading is not None
    assert reading.meter.nameplate_id == "M-1"


async def test_another_number_is_looked_up_again_and_the_line_is_free_meanwhile(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        first = await house.desk.start(probe(meter.address, expected_meter_id="M-1"), by="ann")
        view = await until(house.desk, first, wants_answer)
        assert view.asked is not None
        house.desk.answer(view.job_id, view.asked.number, Answer("M-7"))
        view = await until(house.desk, first, lambda one: one.asked is not None and one.asked.question.again)
        assert "M-7" not in str(view.asked)
        other = await over(house.desk, await house.desk.start(probe(meter.address), by="ann"))
        assert other.state == "done"
        assert house.desk.job(first.job_id).state == "asking"
        assert view.asked is not None
        house.desk.answer(view.job_id, view.asked.number, Answer("M-8"))
        last = await over(house.desk, view)
    assert "meter_id_external" in last.failed_checks


async def test_without_an_answer_the_job_ends_and_the_reading_is_kept(tmp_path: Path) -> None:
    async with opened_house(tmp_path, patience_s=0.01) as house, running_meter("minimal", now=NOW, rate=0) as meter:
        last = await over(house.desk, await house.desk.start(probe(meter.address, expected_meter_id="M-1"), by="ann"))
        assert (last.state, last.asked) == ("done", None)
        assert (await house.stored(last)).meter.nameplate_id is None


async def test_breaking_off_while_the_nameplate_is_asked_keeps_the_reading(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        view = await house.desk.start(probe(meter.address, expected_meter_id="M-1"), by="ann")
        await until(house.desk, view, wants_answer)
        last = await house.desk.cancel(view.job_id)
        assert last.state == "done"
        view = await house.desk.start(probe(meter.address, expected_meter_id="M-1"), by="ann")
        await until(house.desk, view, wants_answer)
        await house.desk.close()
        assert house.desk.job(view.job_id).state == "done"
    assert len(await house.readings()) == 2
    with pytest.raises(UsageError, match="stopping"):
        await house.desk.start(probe("/dev/null"), by="ann")


# -- lines


async def test_one_line_carries_one_job_at_a_time(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        first = await house.desk.start(probe(meter.address), by="ann")
        second = await house.desk.start(probe(f"serial://{meter.address.removeprefix('serial://')}"), by="bob")
        waiting = house.desk.watch(second.job_id)
        assert (await anext(waiting)).state == "waiting_for_line"
        assert (await over(house.desk, first)).state == "done"
        states = [view.state async for view in waiting]
        ends = [house.desk.job(one.job_id).ended_at for one in (first, second)]
    assert states[-1] == "done"
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0] <= ends[1]


async def test_a_job_that_waits_for_its_line_can_be_cancelled(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter:
        first = await house.desk.start(probe(meter.address), by="ann")
        second = await house.desk.start(probe(meter.address), by="bob")
        assert (await house.desk.cancel(second.job_id)).state == "cancelled"
        assert (await over(house.desk, first)).state == "done"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no probe is chosen"),
        ("modem://bank?dial=5551234", "no line of a probe"),
        ("visual://?reading=1", "no line of a probe"),
        ("smoke://signal", "no driver"),
        ("serial://", "names no device"),
    ],
)
async def test_what_is_no_probe_is_refused_at_once(house: House, url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        await house.desk.start(probe(url), by="ann")
    assert house.desk.jobs() == ()
    with pytest.raises(NoSuchJob):
        house.desk.watch("nobody")


# -- watchers


async def test_fifty_watchers_of_a_read_see_its_end_and_a_slow_one_holds_nothing_up(house: House) -> None:
    async def watched(view: JobView) -> list[JobView]:
        return [one async for one in house.desk.watch(view.job_id)]

    async with running_meter("minimal", now=NOW, rate=0) as meter:
        view = await house.desk.start(probe(meter.address), by="ann")
        slow = house.desk.watch(view.job_id)
        await anext(slow)
        gone = house.desk.watch(view.job_id)
        await anext(gone)
        await gone.aclose()
        every = await asyncio.gather(*(watched(view) for _ in range(50)))
    last = every[0][-1]
    assert last.state == "done"
    assert all(seen[-1] == last for seen in every)
    assert all(seen[-1].document is last.document for seen in every)
    assert [one async for one in slow] == [last]


async def test_changes_of_every_job_come_in_one_stream(house: House) -> None:
    async with running_meter("minimal", now=NOW, rate=0) as meter, running_meter("minimal", now=NOW, rate=0) as other:
        changes = house.desk.changes()
        jobs = {(await house.desk.start(probe(one.address), by="ann")).job_id for one in (meter, other)}
        ended: set[str] = set()
        async for view in changes:
            ended |= {view.job_id} if view.ended else set()
            if ended == jobs:
                break
        await changes.aclose()
    assert {view.job_id for view in house.desk.jobs()} == jobs
    assert all(view.state == "done" for view in house.desk.jobs())
