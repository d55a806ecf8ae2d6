"""A line for somebody who stands at the meter: visits make room, one after the other, and nothing is left held."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.scheduling import scheduler as module
from tests.scheduling.scheduling_kit import asked_for, standing
from tests.scheduling.test_scheduling_scheduler import Town, running, settled, until

LINE = "line m"
NOT_DUE = "monthly on day 20 at 12:00"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)


async def test_a_visit_that_is_due_waits_for_who_has_the_line(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("m", NOT_DUE), standing("other", NOT_DUE)) as schedule:
        async with schedule.borrow(LINE):
            await schedule.ask(asked_for("m"))
            await schedule.ask(asked_for("other", "t-2"))
            await until(town, lambda: bool(town.visits))
            assert [meter for meter, _due in town.visits] == ["other"]
        await until(town, lambda: len(town.visits) == 2)
        await settled(tmp_path, 2)


async def test_who_stands_at_the_meter_goes_before_the_visits_that_wait(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event())
    async with running(tmp_path, town, standing("m", NOT_DUE)) as schedule:
        await schedule.ask(asked_for("m"))
        await until(town, lambda: bool(town.visits))
        await schedule.ask(asked_for("m", "t-2"))
        had = asyncio.Event()

        async def person() -> int:
            async with schedule.borrow(LINE):
                had.set()
                return len(town.visits)

        at_the_meter = asyncio.create_task(person())
        await asyncio.sleep(0)
        assert not had.is_set()
        assert town.hold is not None
        town.hold.set()
        assert await at_the_meter == 1
        await until(town, lambda: len(town.visits) == 2)
        await settled(tmp_path, 2)


async def test_who_gives_up_waiting_holds_nothing(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event())
    async with running(tmp_path, town, standing("m", NOT_DUE)) as schedule:
        await schedule.ask(asked_for("m"))
        await until(town, lambda: bool(town.visits))
        leaving = asyncio.create_task(schedule.borrow(LINE).__aenter__())
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert town.hold is not None
        town.hold.set()
        await settled(tmp_path, 1)
        async with schedule.borrow(LINE):
            assert len(town.visits) == 1
        await schedule.ask(asked_for("m", "t-2"))
        await settled(tmp_path, 2)
