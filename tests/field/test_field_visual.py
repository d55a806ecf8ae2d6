"""Readings that a person types: looked up again without showing the first, kept, and taken up after a crash."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent.errors import LocalTrouble, UsageError
from agent.field import carrying, keeper
from agent.field import desk as module
from agent.field.photos import PHOTOS, Photos
from agent.history import History, PastPeriod, PastRegister
from agent.keeping import keep_for_sure
from agent.scheduling.scheduler import Moment
from agent.spool import SpoolFull
from drivers.person import Answer
from drivers.visual.entry import ShownRegister
from tests.field.field_kit import House, opened_house, over, running, typed, until, wants_answer

AT = datetime(2024, 3, 20, 15, 44, 30, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def history(value: int, *, now: datetime | None = None) -> History:
    """Return what a house has on record that used ten a day, up to a reading 30 days ago."""
    now = now or datetime.now(UTC)
    last = now - timedelta(days=30)
    return History(
        registers=(PastRegister(quantity="kWh", value=value, at=last),),  # type: ignore[arg-type]
        periods=(PastPeriod(start=last - timedelta(days=30), end=last, usage=300),),  # type: ignore[arg-type]
    )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(tmp_path) as found:
        yield found


async def test_what_was_typed_is_in_the_spool_when_it_is_done(house: House) -> None:
    photo = await Photos(house.config.state_directory / PHOTOS).keep(BytesIO(JPEG))
    entry = {"nameplate_id": "77", "photos": (photo.name,), "remark": "the cover rattles"}
    last = await over(house.desk, await house.desk.start(typed("012345", stop_id="s-1", entry=entry), by="ann"))
    assert (last.state, last.sequence, last.way) == ("done", 1, "visual")
    reading = await house.stored(last)
    assert (reading.method, reading.read_by, reading.meter.meter_id) == ("manual", "ann", "77")
    assert [register.raw for register in reading.registers] == ["012345"]
    assert reading.photos == (f"{photo.name} sha256:{photo.sha256}",)
    assert [problem.what for problem in reading.problems or ()] == ["remark"]
    assert house.routes.told == [("s-1", "ann", reading.reading_id, "keyed", last.failed_checks)]
    assert house.left == []


async def test_a_doubt_is_looked_up_again_without_a_word_of_either_value(house: House) -> None:
    work = typed("012999", history=history(12_000))
    view = await until(house.desk, await house.desk.start(work, by="ann"), wants_answer)
    assert view.asked is not None
    question = view.asked.question
    assert (question.topic, question.again) == ("register", True)
    assert not any(figure in f"{question.text}{question.because}" for figure in ("012999", "12999", "12000", "12300"))
    house.desk.answer(view.job_id, view.asked.number, Answer("012310"))
    last = await over(house.desk, view)
    assert "high_low_usage" not in last.failed_checks
    stored = await house.stored(last)
    assert stored.verification is not None
    assert [stored.registers[0].raw, stored.verification.looks[0].registers[0].raw] == ["012999", "012310"]


async def test_the_result_tells_nothing_of_the_record_and_the_document_everything(house: House) -> None:
    view = await house.desk.start(typed("011111", history=history(98_760)), by="ann")
    view = await until(house.desk, view, wants_answer)
    assert view.asked is not None
    house.desk.answer(view.job_id, view.asked.number, Answer("011111"))
    last = await over(house.desk, view)
    [found] = [check for check in last.checks if check.check == "register_advance"]
    assert (found.outcome, found.advice != "") == ("verified", False)
    assert "lower than an earlier reading" in found.says
    assert last.document is not None
    assert "98760" not in last.document.decode() + str(last.checks)
    assert "98760" in str((await house.stored(last)).checks)


async def test_nobody_answers_and_the_first_entry_stands_unconfirmed(tmp_path: Path) -> None:
    async with opened_house(tmp_path, patience_s=0.01) as house:
        last = await over(house.desk, await house.desk.start(typed("012999", history=history(12_000)), by="ann"))
        assert (last.state, last.failed_checks) == ("done", ("high_low_usage",))
        assert (await house.stored(last)).verification is None


async def test_what_is_broken_off_is_gone(house: House) -> None:
    view = await until(
        house.desk, await house.desk.start(typed("012999", history=history(12_000)), by="ann"), wants_answer
    )
    assert len(house.left) == 2
    assert (await house.desk.cancel(view.job_id)).state == "cancelled"
    assert (house.left, await house.readings()) == ([], [])


async def test_no_reading_for_a_reason_is_told_with_it(house: House) -> None:
    view = await house.desk.start(typed(entry={"trouble": ("dog", "locked")}), by="ann")
    last = await over(house.desk, view)
    assert last.state == "failed"
    assert last.error is not None
    assert last.error.trouble == ("dog", "locked")
    assert "a dog guards the place" in last.error.message
    assert house.left == []


@pytest.mark.parametrize("entry", [{}, {"photos": ("../../etc/passwd",), "trouble": ("dog",)}])
async def test_what_makes_no_sense_is_refused_at_once(house: House, entry: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError):
        await house.desk.start(typed(entry=entry), by="ann")
    assert (house.desk.jobs(), house.left) == ((), [])


async def test_where_the_disk_refuses_what_was_typed_no_job_begins(house: House) -> None:
    (house.config.state_directory / "field").write_text("a file where the directory should be")
    with pytest.raises(LocalTrouble):
        await house.desk.start(typed("1"), by="ann")
    assert house.desk.jobs() == ()


async def test_a_stop_that_cannot_be_settled_costs_no_reading(tmp_path: Path) -> None:
    async with opened_house(tmp_path) as house:
        house.routes.refusal = UsageError("there is no such stop")
        last = await over(house.desk, await house.desk.start(typed("1", stop_id="s-1"), by="ann"))
        assert (last.state, last.stop_error) == ("done", "there is no such stop")
        assert house.left == []
        house.routes.refusal = LocalTrouble("the disk is full")
        last = await over(house.desk, await house.desk.start(typed("1", stop_id="s-2"), by="ann"))
        assert last.stop_error == "the disk is full"
    async with opened_house(tmp_path) as later:
        await running(later.desk)
        assert later.routes.told == [("s-2", "ann", last.reading_id, "keyed", last.failed_checks)]
        assert later.left == []


async def test_an_order_for_a_probe_can_be_read_by_eye(house: House) -> None:
    work = typed("1", password_file="gone.password", set_clock=True, profile="no such family")  # noqa: S106
    assert (await over(house.desk, await house.desk.start(work, by="ann"))).state == "done"


async def test_trouble_of_the_box_costs_nothing_that_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_spool: object) -> None:
        raise SpoolFull("the spool is full")

    async with opened_house(tmp_path) as house:
        with monkeypatch.context() as patched:
            patched.setattr(carrying, "refuse_if_full", full)
            other = await over(house.desk, await house.desk.start(typed("7"), by="bob"))
            last = await over(house.desk, await house.desk.start(typed("1", stop_id="s-1"), by="ann"))
            assert (other.state, last.state) == ("failed", "failed")
            last = await over(house.desk, await house.desk.start(typed("2", stop_id="s-1"), by="ann"))
        assert house.left == sorted(f"{view.job_id}{end}" for view in (other, last) for end in (".json", ".entry.json"))
    async with opened_house(tmp_path) as house:
        await running(house.desk)
        assert sorted([view.by for view in house.desk.jobs()]) == ["ann", "bob"]
        assert [told[:2] for told in house.routes.told] == [("s-1", "ann")]
        stored = [await house.stored(view) for view in house.desk.jobs()]
        assert sorted(reading.registers[0].raw for reading in stored) == ["2", "7"]
        assert house.left == []


async def test_what_is_taken_up_is_not_thrown_away_for_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    async with opened_house(tmp_path) as house:
        view = await house.desk.start(typed("012999", rule_set="gone"), by="ann")
        assert (await over(house.desk, view)).state == "failed"
        assert house.left == []
        work = typed("012999", history=history(12_000))
        await until(house.desk, await house.desk.start(work, by="ann"), wants_answer)
    files = (tmp_path / "state" / "field" / "works").glob("*.json")
    [file] = [path for path in files if not path.name.endswith(".entry.json")]
    file.write_text(file.read_text().replace('"clock_check"', '"rule_set":"gone","clock_check"'))
    async with opened_house(tmp_path) as house:
        await running(house.desk)
        assert [view.state for view in house.desk.jobs()] == ["failed"]
        assert len(house.left) == 2


async def test_the_desk_says_at_once_what_is_odd(house: House) -> None:
    order = typed(history=history(12_000)).order
    assert await house.desk.looks_odd(order, [ShownRegister(shown="012300")]) == ()
    [odd] = await house.desk.looks_odd(order, [ShownRegister(shown="012000")])
    assert (odd.kind, odd.serious) == ("zero", True)
    assert house.left == []


# -- crashes


async def test_a_question_open_at_the_end_is_asked_again_by_the_next_life(tmp_path: Path) -> None:
    begun = AT - timedelta(hours=3)
    async with opened_house(tmp_path, now=lambda: Moment(begun, known=True, boottime_ns=0)) as house:
        work = typed("012999", stop_id="s-1", history=history(12_000, now=AT))
        view = await until(house.desk, await house.desk.start(work, by="ann"), wants_answer)
        await house.desk.close()
        assert house.desk.job(view.job_id).state == "cancelled"
        assert await house.readings() == []
    async with opened_house(tmp_path, now=lambda: Moment(AT, known=True, boottime_ns=0)) as house:
        task = asyncio.create_task(house.desk.run())
        await house.desk.caught_up.wait()
        view = await until(house.desk, house.desk.job(view.job_id), wants_answer)
        assert (view.by, view.stop_id) == ("ann", "s-1")
        assert view.asked is not None
        house.desk.answer(view.job_id, view.asked.number, Answer("012310"))
        last = await over(house.desk, view)
        assert (await house.stored(last)).read_finished_at == "2024-03-20T12:44:30Z"
        assert (house.left, len(await house.readings())) == ([], 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_was_typed_at_an_unknown_time_says_so_when_it_is_taken_up(tmp_path: Path) -> None:
    async with opened_house(tmp_path, now=lambda: Moment(AT, known=False, boottime_ns=0)) as house:
        work = typed("012999", history=history(12_000), entry={"remark": "dusty"})
        await until(house.desk, await house.desk.start(work, by="ann"), wants_answer)
    async with opened_house(tmp_path, patience_s=0.01) as house:
        await running(house.desk)
        [reading_id] = await house.readings()
        [job] = house.desk.jobs()
        reading = await house.stored(job)
    assert reading.reading_id == reading_id
    [remark] = [problem.reason for problem in reading.problems or () if problem.what == "remark"]
    assert remark.startswith("dusty; typed at a time that is not known")


async def test_what_is_on_its_way_into_the_spool_gets_there_whoever_breaks_off(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **more: Any) -> Any:
        waits.set()
        await goes_on.wait()
        return await keep_for_sure(*arguments, **more)

    monkeypatch.setattr(keeper, "keep_for_sure", slow)
    view = await house.desk.start(typed("1"), by="ann")
    await waits.wait()
    assert house.desk.job(view.job_id).state == "checking"
    breaking, closing = asyncio.create_task(house.desk.cancel(view.job_id)), asyncio.create_task(house.desk.close())
    await asyncio.sleep(0)
    goes_on.set()
    assert (await breaking).state == "done"
    await closing
    assert len(await house.readings()) == 1


async def test_a_disk_that_takes_nothing_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    async def never(*_arguments: Any, **_more: Any) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "ENDING_S", 0.01)
    async with opened_house(tmp_path) as house:
        with monkeypatch.context() as patched:
            patched.setattr(keeper, "keep_for_sure", never)
            view = await house.desk.start(typed("1"), by="ann")
            await waits.wait()
            await house.desk.close()
        assert house.desk.job(view.job_id).state == "cancelled"
        assert len(house.left) == 3
    async with opened_house(tmp_path) as house:
        await running(house.desk)
        assert (len(await house.readings()), house.left) == (1, [])


# -- bounds


async def test_the_list_of_jobs_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENDED", 3)
    ended = [await over(house.desk, await house.desk.start(typed(str(number)), by="ann")) for number in range(6)]
    assert [view.job_id for view in house.desk.jobs()] == [view.job_id for view in reversed(ended[-4:])]
    monkeypatch.setattr(module, "MOST_DOCUMENTS", 1)
    last = await over(house.desk, await house.desk.start(typed("7"), by="ann"))
    assert len(house.desk.jobs()) == 2
    assert house.desk.job(last.job_id).document == last.document


async def test_as_many_jobs_as_may_go_on_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNNING", 1)
    odd = replace(typed("012999", history=history(12_000)), stop_id="s-1")
    view = await until(house.desk, await house.desk.start(odd, by="ann"), wants_answer)
    with pytest.raises(module.TooManyJobs, match="1 jobs go on already"):
        await house.desk.start(typed("1"), by="bob")
    await house.desk.cancel(view.job_id)
    assert (await over(house.desk, await house.desk.start(typed("1"), by="bob"))).state == "done"


async def test_a_file_of_works_that_somebody_broke_is_left_alone(house: House) -> None:
    works = house.config.state_directory / "field" / "works"
    works.mkdir(parents=True)
    (works / "broken.json").write_text("{")
    os.mkfifo(works / "pipe.txt")
    (works / "more.json").write_text(json.dumps({"job_id": "../../x", "by": "eve"}))
    await running(house.desk)
    assert house.desk.jobs() == ()
    assert (works / "broken.json").exists()
