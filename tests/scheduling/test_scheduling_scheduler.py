"""The schedule at work: real files, real threads, a clock that the test moves; stopped and started again at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import LocalTrouble, UsageError
from agent.scheduling import scheduler as module
from agent.scheduling.agenda import Limits
from agent.scheduling.book import ScheduleBook
from agent.scheduling.reads import GivenUp, Read, Standing
from agent.scheduling.retry import Failure
from agent.scheduling.scheduler import Came, Moment, Scheduler
from agent.scheduling.store import SCHEDULE_FILE, Row, ScheduleStore
from tests.scheduling.scheduling_kit import BEGIN, REFUSED, SILENT, asked_for, seeded, standing, utc

DUE = utc(2026, 3, 6, 7, 15)
STEP = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Town:
    """The agent as the schedule sees it. Every look at the clock moves it on."""

    at: datetime = BEGIN
    known: bool = True
    results: list[str | Failure] = field(default_factory=list)  # of the visits to come; then readings
    spool: set[str] = field(default_factory=set)
    visits: list[tuple[str, datetime]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None  # visits wait for it before their reading is stored
    error_ns: int = 0  # of the box's clock while the time is not known

    def now(self) -> Moment:
        self.at += STEP
        boottime_ns = (self.at - BEGIN) // timedelta(microseconds=1) * 1_000
        shown = self.at if self.known else self.at - timedelta(microseconds=self.error_ns // 1_000)
        return Moment(shown, self.known, boottime_ns, lambda ns: BEGIN + timedelta(microseconds=ns // 1_000))

    async def attend(self, read: Read, came: Callable[[Read, str, bool], Awaitable[None]]) -> str | Failure:
        self.visits.append((read.meter, read.due))
        result = self.results.pop(0) if self.results else f"r-{len(self.visits)}"
        self.happened.set()
        if isinstance(result, str):
            await came(read, result, True)
            self.spool.add(result)
        if self.hold is not None:
            await self.hold.wait()
        return result

    async def stored(self, reading_ids: Iterable[str]) -> set[str]:
        return self.spool & set(reading_ids)

    async def asked(self, read: Read) -> None:
        self.requests.append(read.request.request_id if read.request else "")

    async def given_up(self, given_up: GivenUp) -> None:
        self.told.append((given_up.read.meter, given_up.reason))
        self.happened.set()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)


@asynccontextmanager
async def running(path: Path, town: Town, *standings: Standing) -> AsyncIterator[Scheduler]:
    """Run the schedule of some meters; cancelled at the end, as the service does."""
    async with await ScheduleBook.open(path / SCHEDULE_FILE) as book:
        schedule = Scheduler(standings, Limits(spread=timedelta()), book, town, seeded())
        task = asyncio.create_task(schedule.run())
        try:
            yield schedule
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(town: Town, condition: Callable[[], bool]) -> None:
    while not condition():
        town.happened.clear()
        await town.happened.wait()


def rows(path: Path) -> list[Row]:
    store = ScheduleStore(path / SCHEDULE_FILE, create=False)
    try:
        return store.rows(BEGIN)
    finally:
        store.close()


async def turns_until(condition: Callable[[], bool]) -> None:
    """Let the others run until it is so: what happens on the schedule's own thread has no event."""
    while not condition():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)


async def settled(path: Path, count: int, state: str = "done") -> None:
    await turns_until(lambda: sum(row.state == state for row in rows(path)) >= count)


async def test_meters_are_read_when_they_are_due_and_a_restart_repeats_nothing(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("a"), standing("b", "daily at 12:00")):
        await settled(tmp_path, 2)
    assert town.visits == [("a", DUE), ("b", utc(2026, 3, 6, 19))]
    async with running(tmp_path, town, standing("a"), standing("b", "daily at 12:00")):
        await until(town, lambda: len(town.visits) == 4)
    assert [due for _meter, due in town.visits[2:]] == [DUE + timedelta(days=1), utc(2026, 3, 7, 19)]


async def test_failures_are_counted_over_restarts_and_given_up_with_their_reason(tmp_path: Path) -> None:
    town = Town(results=[SILENT, SILENT, REFUSED])
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1, "waiting")
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1, "given_up")
    (row,) = rows(tmp_path)
    assert (row.attempts, row.why, row.reason) == (3, "no_retry", "refused")
    assert town.told == [("a", "refused")]


async def test_a_stop_after_the_reading_is_stored_and_before_that_is_set_down_repeats_nothing(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event())
    async with running(tmp_path, town, standing("a")):
        await until(town, lambda: len(town.visits) == 1)
        await turns_until(lambda: bool(town.spool))
    assert [row.state for row in rows(tmp_path)] == ["came"]
    town.hold = None
    async with running(tmp_path, town, standing("a")):
        await until(town, lambda: len(town.visits) == 2)
    assert town.visits == [("a", DUE), ("a", DUE + timedelta(days=1))]


async def test_a_stop_before_the_reading_is_stored_reads_again(tmp_path: Path) -> None:
    town = Town(hold=asyncio.Event(), results=[SILENT])
    async with running(tmp_path, town, standing("a")):
        await until(town, lambda: len(town.visits) == 1)
    assert [row.state for row in rows(tmp_path)] == ["visiting"]
    town.hold = None
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    assert town.visits == [("a", DUE), ("a", DUE)]
    assert [row.attempts for row in rows(tmp_path)] == [2]


async def test_days_without_power_are_missed_and_the_newest_is_read(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    town.at = DUE + timedelta(days=5, hours=3)
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 2)
    assert town.visits[1] == ("a", utc(2026, 3, 11, 6, 15))
    missed = [row for row in rows(tmp_path) if row.state == "missed"]
    assert [(row.missed, row.first_due) for row in missed] == [(4, DUE + timedelta(days=1))]


async def test_a_request_is_read_first_and_once_whoever_repeats_it(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("a")) as schedule:
        first = await schedule.request(asked_for("a", "t-1"))
        again = await schedule.request(asked_for("a", "t-1", at=BEGIN + HOUR))
        assert first == again
        await settled(tmp_path, 1)
        await schedule.request(asked_for("a", "t-1"))
        with pytest.raises(UsageError, match="no meter 'x' is read here"):
            await schedule.request(asked_for("x", "t-2"))
        await settled(tmp_path, 2)
    assert [meter for meter, _due in town.visits] == ["a", "a"]
    assert town.visits[0][1] == first.requested_at == BEGIN + timedelta(microseconds=1)
    assert town.requests == ["t-1"]


async def test_a_request_of_another_process_is_taken_up_and_outlives_restarts(tmp_path: Path) -> None:
    town = Town(results=[SILENT])
    async with running(tmp_path, town, standing("a")):
        store = ScheduleStore(tmp_path / SCHEDULE_FILE, create=False)
        store.ask(asked_for("a", "t-9"))
        store.close()
        await settled(tmp_path, 1, "waiting")
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    assert [(row.request_id, row.attempts) for row in rows(tmp_path) if row.request_id] == [("t-9", 2)]


async def test_a_call_that_comes_in_is_the_read_that_is_due_and_nothing_is_read_again(tmp_path: Path) -> None:
    town = Town()
    calling = replace(standing("a"), waits=HOUR)
    counted: list[bool] = []

    async def attend(read: Read | None, came: Came) -> str:
        counted.append(read is not None)
        if read is not None:
            await came(read, "r-called", True)
        return "r-called"

    async with running(tmp_path, town, calling) as schedule:
        await turns_until(lambda: town.at > DUE - HOUR)
        assert await schedule.call_came("a", DUE, attend) == "r-called"
        assert await schedule.call_came("a", DUE, attend) == "r-called"
        await until(town, lambda: len(town.visits) == 1)
    assert counted == [True, False]
    assert town.visits == [("a", DUE + timedelta(days=1))]
    assert [(row.state, row.reading_id) for row in rows(tmp_path) if row.due == DUE] == [("done", "r-called")]


async def test_a_meter_that_left_the_configuration_is_given_up(tmp_path: Path) -> None:
    town = Town(results=[SILENT])
    async with running(tmp_path, town, standing("a")) as schedule:
        await settled(tmp_path, 1, "waiting")
        await schedule.request(asked_for("a", "t-1"))
    async with running(tmp_path, town, standing("b", "daily at 12:00")):
        await settled(tmp_path, 1)
    assert {(row.meter, row.why) for row in rows(tmp_path) if row.state == "given_up"} == {("a", "not_configured")}


async def test_while_the_time_is_not_known_nothing_is_set_down_and_nothing_is_read_again_after(tmp_path: Path) -> None:
    days = timedelta(days=400)
    town = Town(known=False, error_ns=days // timedelta(microseconds=1) * 1_000)
    meters = standing("a"), standing("b", "daily at 23:00")
    async with running(tmp_path, town, *meters):
        await until(town, lambda: len(town.visits) == 1)  # by a clock that is 400 days slow
        assert rows(tmp_path) == []
        assert town.visits[0][1] < BEGIN - timedelta(days=390)
        town.known = True
        await until(town, lambda: len(town.visits) == 3)
    dues = [due for _meter, due in town.visits[1:]]
    assert all(due > BEGIN for due in dues)
    assert len(set(dues)) == 2


async def test_a_meter_that_was_read_before_the_time_was_known_counts_for_what_was_due(tmp_path: Path) -> None:
    town = Town()
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    town.at, town.known = DUE + timedelta(days=2, hours=1), False
    town.error_ns = 9 * 3_600 * 10**9  # it shows 16:15 when it is 01:15
    grid = standing("a", "daily at 00:15, 16:30")
    async with running(tmp_path, town, grid):
        await until(town, lambda: len(town.visits) == 2)
        await turns_until(lambda: town.spool == {"r-1", "r-2"})
        for _ in range(20):
            await asyncio.sleep(0)
        town.known = True
        await settled(tmp_path, 2)
    assert len(town.visits) == 2
    counted = [row for row in rows(tmp_path) if row.reading_id == "r-2"]
    assert [row.state for row in counted] == ["done"]


async def test_due_times_that_a_clock_ran_ahead_to_fall_due_again(tmp_path: Path) -> None:
    town = Town(at=BEGIN + timedelta(days=2_000))
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    town.at = BEGIN
    async with running(tmp_path, town, standing("a")):
        await until(town, lambda: len(town.visits) == 2)
    assert town.visits[1] == ("a", DUE)


async def test_a_disk_that_refuses_makes_the_schedule_wait_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WRITE_AGAIN_S", 0.0)
    refusals, settle = ["full"] * 3, ScheduleStore.settle

    def grudging(store: ScheduleStore, *arguments: object) -> None:
        if refusals:
            raise LocalTrouble(f"the disk is {refusals.pop()}")
        settle(store, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ScheduleStore, "settle", grudging)
    town = Town()
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    assert caplog.text.count("the schedule waits, and tries again") == 3
    assert len(town.visits) == 1


async def test_a_damaged_file_is_put_aside_and_costs_no_read(tmp_path: Path) -> None:
    (tmp_path / SCHEDULE_FILE).touch(mode=0o600)
    (tmp_path / SCHEDULE_FILE).write_bytes(b"this is no database at all" * 100)
    town = Town()
    async with running(tmp_path, town, standing("a")):
        await settled(tmp_path, 1)
    assert (tmp_path / f"{SCHEDULE_FILE}.damaged").exists()


def test_what_is_long_settled_is_let_go_but_for_the_newest_of_each_meter(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / SCHEDULE_FILE, create=True)
    for day in range(6):
        for meter in ("a", "b"):
            store.note_done(meter, DUE + timedelta(days=day), DUE + timedelta(days=day), f"{meter}{day}")
    store.prune(DUE + timedelta(days=30))
    assert [(row.meter, row.reading_id) for row in store.rows(BEGIN)] == [("a", "a5"), ("b", "b5")]
    store.close()


def test_a_file_open_to_others_or_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / SCHEDULE_FILE
    with pytest.raises(LocalTrouble, match="there is no schedule"):
        ScheduleStore(path, create=False)
    ScheduleStore(path, create=True).close()
    path.chmod(0o644)
    with pytest.raises(LocalTrouble, match="open to other users"):
        ScheduleStore(path, create=False)
