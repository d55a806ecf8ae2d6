"""A visit of the service: what is set down when, so that nothing is lost or doubled; and whom a give-up is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import attending as module
from agent.attending import Attendant, order_of
from agent.box import configured_box, records_of, untimed_of
from agent.clock.boot import BootStamp
from agent.clock.untimed import UntimedReading
from agent.config import load_config
from agent.errors import LocalTrouble
from agent.figures import Period, figures
from agent.follow_up import FollowUp
from agent.keys import create_device_key
from agent.ledger import Ledger
from agent.order import Order
from agent.scheduling.reads import GivenUp, Read
from agent.scheduling.retry import Failure
from agent.scheduling.scheduler import Moment
from agent.seal import Sealer
from agent.spool import Spool
from agent.together import together
from agent.visit import Outcome
from drivers.errors import LineLost, MeterSilent
from tests.anomalies.anomalies_kit import check, reading, reports, visited
from tests.clock.clock_kit import VirtualClock
from tests.scheduling.scheduling_kit import BEGIN, DENVER, SILENT, asked_for, standing, utc

DUE = utc(2026, 3, 6, 7, 15)
CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
[[meters]]
name = "m"
url = "tcp://10.0.0.5:4001"
expected_meter_id = "100"
cycle = "daily at 00:15"
site = { zone = "America/Denver", account_id = "A-7" }
"""


@dataclass
class Place:
    attendant: Attendant
    spool: Spool
    ledger: Ledger
    steps: list[str] = field(default_factory=list)

    async def came(self, _read: Read, reading_id: str, whole: bool) -> None:
        stored = await self.spool.has(reading_id)
        self.steps.append(f"{reading_id} came {'whole' if whole else 'in part'}, {'after' if stored else 'before'}")

    async def attend(self, read: Read) -> str | Failure:
        return await self.attendant.attend(read, self.came)


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    config = load_config(tmp_path / "mrsp.toml")
    records, ledger = records_of(config), Ledger(config.state_directory / "ledger")
    box = configured_box(config, VirtualClock(), records=records)
    config.state_directory.mkdir()
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(config.spool_file, agent_id="gw-1", sealer=Sealer(key)) as spool:
        follower = FollowUp(records, spool)
        orders = {meter.name: order_of(config, meter) for meter in config.settings.meters}
        attendant = Attendant(
            config, orders, box, spool, follower, ledger, lambda: Moment(DUE, known=True, boottime_ns=0)
        )
        yield Place(attendant, spool, ledger)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(tmp_path) as found:
        yield found


def due_read(ends_by: datetime | None = None) -> Read:
    one = standing()
    read = Read(one, DUE, one.deadline_of(DUE), one.until(DUE, DUE), 12, attempts=1, line="line m")
    read.ends_by = ends_by
    return read


def brings(monkeypatch: pytest.MonkeyPatch, what: Outcome | Exception) -> list[dict[str, Any]]:
    """Let every visit end with `what`; return how they were called."""
    calls: list[dict[str, Any]] = []

    async def visit(order: Order, box: object, **more: Any) -> Outcome:
        calls.append({"order": order, "box": box, **more})
        if isinstance(what, Exception):
            raise what
        return what

    monkeypatch.setattr(module, "visit", visit)
    return calls


async def entries(place: Place) -> list[tuple[str, str | None, int]]:
    found = place.ledger.entries(DUE - timedelta(hours=1), DUE + timedelta(hours=1))
    return [(entry.reason, entry.reading_id, entry.attempts) for entry in found]


async def expected(place: Place) -> None:
    from agent.ledger import roster_of

    settings = place.attendant.config.settings
    await place.ledger.begin(roster_of(settings.meters, {one.meter: one.cycle for one in settings.standings()}), BEGIN)


async def test_the_schedule_knows_of_a_reading_before_the_spool_has_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await expected(place)
    calls = brings(monkeypatch, visited(check("meter_clock", "pass")))
    read = due_read()
    assert await place.attend(read) == "r-1"
    assert place.steps == ["r-1 came whole, before"]
    assert await place.attendant.stored(["r-1", "r-2"]) == {"r-1"}
    assert (await entries(place))[0][1:] == ("r-1", 1)
    assert read.brought
    assert calls[0]["via"] == "tcp://10.0.0.5:4001"


async def test_a_reading_in_part_is_kept_and_the_meter_is_to_be_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = visited()
    brings(monkeypatch, Outcome(whole.reading, LineLost("the line went away"), None))
    result = await place.attend(due_read())
    assert isinstance(result, Failure)
    assert (result.reason, result.retry) == ("line_lost", True)
    assert place.steps == ["r-1 came in part, before"]
    assert await place.spool.has("r-1")


async def test_a_reading_whose_time_is_not_known_is_held(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp, untimed = BootStamp("boot-1", 1), reading()
    outcome = Outcome(untimed, None, None, untimed=UntimedReading(stamp, stamp, untimed))
    brings(monkeypatch, outcome)
    assert await place.attend(due_read()) == "r-1"
    assert not await place.spool.has("r-1")
    assert len(untimed_of(place.attendant.config).waiting()) == 1
    assert await place.attendant.stored(["r-1"]) == {"r-1"}


@pytest.mark.parametrize(
    ("error", "reason", "retry"),
    [
        (MeterSilent("nothing"), "silent", True),
        (LocalTrouble("full"), "local_trouble", True),
        (KeyError(), "other", False),
    ],
)
async def test_what_goes_wrong_is_a_failure_with_a_reason(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
    retry: bool,
) -> None:
    await expected(place)
    brings(monkeypatch, error)
    result = await place.attend(due_read())
    assert isinstance(result, Failure)
    assert (result.reason, result.retry) == (reason, retry)
    assert await entries(place) == [(reason, None, 1)]
    assert place.steps == []


async def test_a_visit_whose_time_is_over_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    async def endless(*_arguments: object, **_more: object) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()  # logged off
        raise AssertionError

    monkeypatch.setattr(module, "visit", endless)
    monkeypatch.setattr(module, "LEAST_S", 0.0)
    result = await place.attend(due_read(ends_by=DUE))
    assert isinstance(result, Failure)
    assert (result.reason, result.retry) == ("too_long", True)
    assert left.is_set()


async def test_a_give_up_becomes_a_report_once_until_the_meter_is_reached(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await expected(place)
    read = due_read()
    read.failure = SILENT
    for _ in range(2):  # the second time after a crash
        await place.attendant.given_up(GivenUp(read, DUE, "tries"))
    (report,) = await reports(place.spool)
    assert (report["anomaly"], report["meter_id"], report["account_id"]) == ("meter_not_reached", "100", "A-7")
    assert report["safety_related"] is False
    assert "nothing answered; it was tried as often as it may be" in report["description"]
    assert report["due_by"] == "2026-03-10T05:59:59Z"  # the end of Monday in Denver
    assert await entries(place) == [("silent", None, 0)]
    brings(monkeypatch, visited(check("meter_clock", "pass")))
    assert await place.attend(due_read()) == "r-1"
    await place.attendant.given_up(GivenUp(read, DUE, "deadline"))
    assert len(await reports(place.spool)) == 2


async def test_what_is_this_box_s_own_trouble_calls_nobody_to_the_meter(place: Place) -> None:
    read = due_read()
    read.failure = Failure("clock", "the clock is not proven", retry=True, about="box")
    await place.attendant.given_up(GivenUp(read, DUE, "deadline"))
    partly = due_read()
    partly.failure, partly.brought = SILENT, True
    await place.attendant.given_up(GivenUp(partly, DUE, "deadline"))
    assert await reports(place.spool) == []


async def test_a_request_is_expected_by_the_ledger_and_read_by_its_own_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked_for()
    read = Read(standing(), request.requested_at, request.deadline, request.deadline, 60, request)
    await place.attendant.asked(read)
    calls = brings(monkeypatch, visited())
    assert await place.attend(read) == "r-1"
    assert calls[0]["order"].purpose == "final"
    assert calls[0]["box"].asked_by == request.requested_by
    day = BEGIN.astimezone(DENVER).date()
    period = Period(day, day, DENVER)
    found = figures(place.ledger.entries(period.begin, period.end), period, utc(2026, 3, 7, 4))
    assert (found.off_cycle.part, found.off_cycle.whole) in {(0, 0), (1, 1)}
    (entry,) = place.ledger.entries(BEGIN - timedelta(hours=1), BEGIN + timedelta(hours=1))
    assert (entry.purpose, entry.reading_id, entry.attempts) == ("final", "r-1", 1)


async def test_jobs_end_with_the_first_that_fails_and_hear_a_cancellation_all_the_same() -> None:
    ended: list[str] = []

    async def job(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def failing() -> None:
        raise LocalTrouble("the disk is gone")

    with pytest.raises(LocalTrouble, match="the disk is gone"):
        await together([("a", job("a")), ("b", failing()), ("c", job("c"))])
    assert sorted(ended) == ["a", "c"]

    async def failing_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LocalTrouble("and that too") from None

    task = asyncio.create_task(together([("a", job("a")), ("b", failing_when_cancelled())]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
