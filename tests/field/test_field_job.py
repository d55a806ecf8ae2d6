"""What watchers of a job cost, and what a person is asked in it."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import UTC, datetime

import pytest

from agent.field.asking import LEFT, UNANSWERED, AskedPerson
from agent.field.bell import Bell
from agent.field.desk import _watched
from agent.field.job import BUG, Clocks, Job, error_view
from agent.field.task import Task
from agent.order import Order
from drivers.base import Progress
from drivers.person import Answer, Question
from drivers.visual.trouble import NotRead

AT = datetime(2026, 3, 20, tzinfo=UTC)
NAMEPLATE = Question("nameplate", "what is on the nameplate?")
LOOK = Question("register", "what is shown?", again=True)


def job(desk_bell: Bell | None = None) -> Job:
    task = Task("job-1", "probe", Order("serial:x"), "ann", "/dev/null", "null")
    return Job(task, Clocks(lambda: AT, lambda: 0), desk_bell or Bell(), 300)


async def test_progress_that_nobody_reads_costs_no_memory() -> None:
    one = job()
    watchers = [_watched(one) for _ in range(50)]
    waiting = [asyncio.ensure_future(anext(watcher)) for watcher in watchers]
    await asyncio.gather(*waiting)
    waiting = [asyncio.ensure_future(anext(watcher)) for watcher in watchers]
    await asyncio.sleep(0)
    for k in range(100):
        one.progressed(Progress("ST64", k, 10**6))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for k in range(20_000):
        one.progressed(Progress("ST64", k, 10**6))
        if k % 100 == 0:
            one.changed()
            await asyncio.sleep(0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000
    one.cancelled()
    assert len({view.version for view in await asyncio.gather(*waiting)}) == 1
    assert {view.state for view in await asyncio.gather(*map(anext, watchers))} == {"cancelled"}


async def test_progress_is_told_now_and_then_and_the_last_of_it_for_sure() -> None:
    one = job()
    one.changed()
    version = one.version
    for k in range(100):
        one.progressed(Progress("ST64", k, 100))
    assert one.version == version
    await one.bell.after(one.bell.count)
    assert one.view().progress.done == 99
    one.progressed(Progress("ST64", 100, 100))
    one.cancelled()
    ended = one.version
    await asyncio.sleep(0)
    assert one.version == ended


async def test_who_was_busy_hears_the_bell_once() -> None:
    bell = Bell()
    bell.ring()
    assert [bell.ring(), await bell.after(0), await bell.after(1)] == [2, 2, 2]
    waiting = asyncio.ensure_future(bell.after(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    bell.ring()
    assert await waiting == 3


def test_an_error_that_is_not_ours_is_not_shown() -> None:
    assert error_view(KeyError("secret")).message == BUG
    told = error_view(NotRead("not read", trouble=("dog",), advice="send somebody"))
    assert (told.message, told.advice, told.trouble) == ("not read", "send somebody", ("dog",))


# -- questions


def person(patience_s: float = 300) -> AskedPerson:
    return AskedPerson(patience_s, lambda: None)


async def test_an_answer_is_taken_for_its_own_question_only() -> None:
    one = person()
    asking = asyncio.ensure_future(one.ask(LOOK))
    await asyncio.sleep(0)
    assert one.asked is not None
    assert one.waited_for
    assert not one.answer(one.asked.number + 1, Answer("1"))
    assert one.answer(one.asked.number, Answer("2"))
    assert [one.asked, one.waited_for] == [None, False]
    assert await asking == Answer("2")
    assert not one.answer(1, Answer("3"))


async def test_who_answers_early_is_not_asked_later() -> None:
    one = person()
    one.expect(NAMEPLATE)
    assert one.asked is not None
    assert one.answer(one.asked.number, Answer("77"))
    assert await one.ask(NAMEPLATE) == Answer("77")


async def test_an_early_question_comes_back_after_another_one() -> None:
    one = person()
    one.expect(NAMEPLATE)
    first = asyncio.ensure_future(one.ask(LOOK))
    await asyncio.sleep(0)
    assert one.asked is not None
    assert one.asked.question == LOOK
    one.answer(one.asked.number, Answer("1"))
    await first
    second = asyncio.ensure_future(one.ask(NAMEPLATE))
    await asyncio.sleep(0)
    assert one.asked is not None
    assert (one.asked.number, one.asked.question) == (1, NAMEPLATE)
    one.answer(1, Answer("77"))
    assert await second == Answer("77")


async def test_who_does_not_answer_is_not_asked_again() -> None:
    one = person(patience_s=0.001)
    assert await one.ask(LOOK) == Answer(None, UNANSWERED)
    assert await one.ask(LOOK) == Answer(None, UNANSWERED)
    assert one.asked is None


@pytest.mark.parametrize("early", [False, True])
async def test_who_leaves_answers_nothing(early: bool) -> None:
    one = person()
    if early:
        one.expect(NAMEPLATE)
        one.leave()
        assert await one.ask(NAMEPLATE) == Answer(None, LEFT)
        return
    asking = asyncio.ensure_future(one.ask(LOOK))
    await asyncio.sleep(0)
    one.leave()
    assert await asking == Answer(None, LEFT)


async def test_a_question_ends_with_its_visit() -> None:
    one = person()
    asking = asyncio.ensure_future(one.ask(LOOK))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert one.asked is None
