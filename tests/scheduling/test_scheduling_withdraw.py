"""A request that is asked for in the process, and taken back: before its visit, in the middle of it, after it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from agent.ledger_lines import Asked, GivenUp, folded
from agent.scheduling import scheduler as module
from agent.scheduling.agenda import Agenda, Limits
from agent.scheduling.reads import Stage
from tests.scheduling.scheduling_kit import BEGIN, asked_for, seeded, standing
from tests.scheduling.test_scheduling_scheduler import Town, running, settled, until

WINDOW = "01:00-02:00"  # Denver; closed for hours when the tests begin


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)


async def test_a_request_is_taken_up_at_once_and_its_row_tells_what_became_of_it(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("m")) as schedule:
        kept = await schedule.ask(asked_for("m"))
        assert await schedule.ask(asked_for("m")) == kept
        await until(town, lambda: ("m", kept.requested_at) in town.visits)
        await settled(tmp_path, 1)
        row = await schedule.row("m", kept.requested_at)
        assert row is not None
        assert (row.state, row.reading_id, row.request_id) == ("done", "r-1", "t-1")
        assert await schedule.row("m", BEGIN) is None
        assert not await schedule.withdraw("t-1")
        assert not await schedule.withdraw("unknown")
    assert town.requests == ["t-1"]


async def test_what_waits_is_taken_back_for_good(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("m", "monthly on day 20 at 12:00", window=WINDOW)) as schedule:
        kept = await schedule.ask(asked_for("m", days=1))
        assert await schedule.withdraw("t-1")
        row = await schedule.row("m", kept.requested_at)
        assert row is not None
        assert (row.state, row.why) == ("given_up", "cancelled")
        await until(town, lambda: bool(town.told))
        assert not await schedule.withdraw("t-1")
    async with running(tmp_path, town, standing("m", "monthly on day 20 at 12:00", window=WINDOW)) as schedule:
        assert not await schedule.withdraw("t-1")
        row = await schedule.row("m", kept.requested_at)
        assert row is not None
        assert row.state == "given_up"
    assert town.told == [("m", "cancelled")]
    assert town.visits == []


async def test_a_visit_under_way_goes_on(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event())
    async with running(tmp_path, town, standing("m", "monthly on day 20 at 12:00")) as schedule:
        await schedule.ask(asked_for("m"))
        await until(town, lambda: bool(town.visits))
        assert not await schedule.withdraw("t-1")
        assert town.hold is not None
        town.hold.set()
        await settled(tmp_path, 1)


def test_a_read_that_was_taken_back_is_not_missed() -> None:
    asked = Asked("m", BEGIN, "final")
    given_up = GivenUp("m", BEGIN, BEGIN, "cancelled", "cancelled")
    span = BEGIN - timedelta(days=1), BEGIN
    assert len(folded([asked], *span)) == 1
    assert folded([asked, given_up], *span) == ()


def test_the_agenda_lets_go_of_what_waits_for_a_line() -> None:
    agenda = Agenda([standing("m", "monthly on day 20 at 12:00")], Limits(spread=timedelta()), seeded(), BEGIN, {})
    read = agenda.add(asked_for("m"), BEGIN)
    assert read is not None
    agenda.advance(BEGIN)
    assert read.stage is Stage.READY
    assert agenda.withdraw("t-1", BEGIN) is not None
    assert agenda.start(BEGIN) is None
    assert agenda.advance(BEGIN + timedelta(days=9)) == []
    assert agenda.withdraw("t-1", BEGIN) is None
