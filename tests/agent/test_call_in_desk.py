"""Meters that call: recognised, read, told when to call next, hung up on; strangers get nothing."""

# ruff: noqa: ARG002 - stand-ins for what takes more

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.call_in import CallDesk, Caller, Visitor, attend
from agent.call_in_book import Booked, CallBook
from agent.errors import LocalTrouble
from agent.order import Order
from agent.reading import ClockPart, MeterPart, Reading
from agent.scheduling.cycle import Grid
from drivers.data import Identity
from drivers.errors import LineLost, MeterSilent, MrspError
from drivers.psem.next_call import NextCall
from drivers.psem.procedure import NotWritten
from drivers.transport.base import Transport

DUE = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
NEXT = DUE + timedelta(days=1)
NIGHTLY = Grid(timedelta(days=1), timedelta(hours=2, minutes=30))


class Line:
    """A line that can only be closed."""

    name = "line"
    baud = 2400
    caller = "5550100"

    def __init__(self) -> None:
        self.closed = 0

    async def read(self) -> bytes:
        raise LineLost("nothing is read here")

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        raise LineLost("nothing is written here")

    def discard_input(self) -> int:
        return 0

    async def set_baud(self, baud: int) -> None: ...

    async def close(self) -> None:
        self.closed += 1


@dataclass
class World:
    """What the desk is given: whoever calls, what reading brings, what telling brings, the time."""

    directory: Path
    identity: Identity | MrspError = field(default_factory=lambda: Identity("87654321"))
    trouble: Exception | None = None
    told: NextCall | MrspError | None = None
    now: datetime | None = DUE
    may_tell: bool = True
    number: str = ""
    visitors: list[Visitor] = field(default_factory=list)
    tellings: list[datetime] = field(default_factory=list)
    during: Callable[[], Awaitable[None]] | None = None
    lines: list[Line] = field(default_factory=list)

    def desk(self) -> CallDesk:
        order = Order(url="modem://town?dial=5550100", expected_meter_id="87654321", order_id="o-1")
        other = Order(url="modem://town?dial=5550101", expected_meter_id="M-1")
        callers = [
            Caller("house", order, NIGHTLY, self.number, self.may_tell),
            Caller("shed", other, NIGHTLY),
        ]
        book = CallBook(self.directory / "call_in.json")
        return CallDesk(callers, book, self._identify, self._read, self._tell, lambda: self.now)

    async def _identify(self, line: Transport) -> Identity:
        if isinstance(self.identity, MrspError):
            raise self.identity
        return self.identity

    async def _read(self, visitor: Visitor) -> Reading:
        self.visitors.append(visitor)
        if self.during is not None:
            await self.during()
        if self.trouble is not None:
            raise self.trouble
        return Reading(
            schema="mrsp.reading/1",
            reading_id="r-1",
            agent_id="gw-1",
            sequence=1,
            purpose=visitor.order.purpose,
            method="modem",
            meter=MeterPart(),
            clock=ClockPart(agent_source="none", corrected=False),
            registers=(),
            interval_blocks=(),
            events=(),
            checks=(),
            quality="raw",
        )

    async def _tell(self, visitor: Visitor, at: datetime) -> NextCall:
        assert isinstance(visitor.line, Line)
        assert not visitor.line.closed
        self.tellings.append(at)
        if isinstance(self.told, MrspError):
            raise self.told
        return self.told or NextCall(at, "done", "read back as written")

    async def call(self, desk: CallDesk, number: str = "") -> str:
        self.lines.append(Line())
        taken = await desk.take(self.lines[-1], number)
        assert self.lines[-1].closed == 1
        return taken.end


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_meter_that_calls_is_read_and_told_when_to_call_next(world: World) -> None:
    desk = world.desk()
    assert await world.call(desk) == "read"
    (visitor,) = world.visitors
    assert (visitor.caller.name, visitor.order.order_id, visitor.order.purpose) == ("house", "o-1", "cycle")
    assert visitor.due == DUE
    assert world.tellings == [NEXT]
    assert world.desk().book.of("house") == Booked(NEXT, told=True)  # on the disk


async def test_a_call_too_early_is_an_alarm_and_leaves_the_scheduled_one(world: World) -> None:
    desk = world.desk()
    await world.call(desk)
    world.now = DUE + timedelta(hours=5)
    assert await world.call(desk) == "alarm read"
    visitor = world.visitors[-1]
    assert (visitor.order.purpose, visitor.order.requested_at, visitor.due) == ("special", world.now, None)
    assert desk.book.of("house") == Booked(NEXT, told=True)
    assert world.tellings == [NEXT]  # it knows
    world.now = NEXT - timedelta(hours=1)
    assert await world.call(desk) == "read"
    assert world.visitors[-1].due == NEXT


async def test_an_alarm_call_tells_a_meter_what_it_was_not_told(world: World) -> None:
    world.told = NotWritten("the profile does not say how")
    desk = world.desk()
    await world.call(desk)
    assert desk.book.of("house") == Booked(NEXT)
    world.now, world.told = DUE + timedelta(hours=5), None
    assert await world.call(desk) == "alarm read"
    assert world.tellings == [NEXT, NEXT]
    assert desk.book.of("house") == Booked(NEXT, told=True)


@pytest.mark.parametrize("outcome", ["failed", "unknown", "refused"])
async def test_a_time_that_the_meter_does_not_confirm_is_said_so(
    world: World, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.told = NextCall(NEXT, outcome, "read back it is 00")  # type: ignore[arg-type]
    desk = world.desk()
    assert await world.call(desk) == "read"
    assert desk.book.of("house") == Booked(NEXT)
    assert "read back it is 00" in caplog.text


async def test_without_leave_nothing_is_written(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.may_tell = False
    with caplog.at_level(logging.INFO):
        assert await world.call(world.desk()) == "read"
    assert world.tellings == []
    assert "no order gives leave" in caplog.text


async def test_a_stranger_gets_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.identity = Identity("99999999", manufacturer="EVIL\x1b[2J")
    assert await world.call(world.desk(), "5559999") == "unknown"
    assert world.visitors == []
    assert "99999999" in caplog.text
    assert "5559999" in caplog.text
    assert "\x1b" not in caplog.text


async def test_nobody_at_the_other_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.identity = MeterSilent("no answer to Identify")
    assert await world.call(world.desk()) == "nobody"
    assert "no answer to Identify" in caplog.text


async def test_a_meter_that_says_no_id_is_no_configured_one(world: World) -> None:
    world.identity = Identity("")
    assert await world.call(world.desk()) == "unknown"


@pytest.mark.parametrize(
    ("told", "end"),
    [("", "read"), ("303-555-0100", "read"), ("+1 303 555 0100", "read"), ("3035550199", "unknown")],
)
async def test_the_number_counts_where_it_is_on_record(world: World, told: str, end: str) -> None:
    world.number = "(303) 555-0100"
    assert await world.call(world.desk(), told) == end


async def test_leading_zeros_of_an_id_are_padding(world: World) -> None:
    world.identity = Identity("7654321")
    assert await world.call(world.desk()) == "unknown"
    desk = world.desk()
    order = Order(url="modem://town?dial=1", expected_meter_id="0007654321")
    desk.callers = [Caller("padded", order, NIGHTLY)]
    assert await world.call(desk) == "read"


async def test_a_read_that_fails_uses_nothing_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.trouble = LineLost("the carrier is lost")
    desk = world.desk()
    assert await world.call(desk) == "failed"
    assert desk.book.of("house") is None
    assert "the carrier is lost" in caplog.text
    assert world.tellings == []


async def test_an_error_of_ours_does_not_end_the_waiting(world: World) -> None:
    world.trouble = ZeroDivisionError()
    desk = world.desk()
    assert await world.call(desk) == "failed"
    world.trouble = None
    assert await world.call(desk) == "read"
    assert desk.ends == {"failed": 1, "read": 1}


async def test_a_cancelled_call_is_hung_up(world: World) -> None:
    began, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        began.set()
        await never.wait()

    world.during = hang
    desk = world.desk()
    line = Line()
    taking = asyncio.create_task(desk.take(line))
    await began.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert line.closed == 1
    world.during = None
    assert await world.call(desk) == "read"  # and the meter is not taken for busy


async def test_a_meter_calls_on_two_lines_at_once(world: World) -> None:
    desk = world.desk()
    second: list[str] = []

    async def again() -> None:
        world.during = None
        second.append(await world.call(desk))

    world.during = again
    first = Line()
    assert (await desk.take(first)).end == "read"
    assert second == ["unknown"]


async def test_while_the_time_is_not_known_it_is_read_and_not_judged(world: World) -> None:
    world.now = None
    desk = world.desk()
    assert await world.call(desk) == "read"
    assert world.visitors[0].order.purpose == "cycle"
    assert desk.book.of("house") is None
    assert world.tellings == []


async def test_a_disk_that_refuses_costs_no_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world.desk()

    def refuse(path: Path, content: bytes) -> None:
        raise LocalTrouble("disk full")

    monkeypatch.setattr("agent.call_in_book.write_durably", refuse)
    assert await world.call(desk) == "read"
    assert world.desk().book.of("house") is None


def test_a_book_that_cannot_be_read_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "call_in.json"
    path.write_bytes(b"\xff\xfenot json")
    book = CallBook(path)
    assert "cannot be read" in caplog.text
    book.note("house", Booked(NEXT))
    assert CallBook(path).of("house") == Booked(NEXT)
    book.keep_only(frozenset({"shed"}))
    assert CallBook(path).of("house") is None


class Modem:
    """Brings what it is given: lines, failures, and in the end None."""

    name = "/dev/ttyS1"

    def __init__(self, *brings: Line | Exception) -> None:
        self.brings = list(brings)

    async def wait_for_call(self, *, rings: int = 1, settle_ms: int = 1000, max_call_s: int = 1800) -> Line | None:
        if not self.brings:
            return None
        found = self.brings.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def test_a_modem_is_attended_until_its_waiting_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("agent.call_in.asyncio.sleep", pause)
    lines = [Line(), Line()]
    modem = Modem(LineLost("unplugged"), LineLost("unplugged"), lines[0], LineLost("unplugged"), lines[1])
    desk = world.desk()
    await attend(modem, desk)
    assert [line.closed for line in lines] == [1, 1]
    assert pauses == [5.0, 10.0, 5.0]
    assert "no calls can be taken on /dev/ttyS1" in caplog.text
