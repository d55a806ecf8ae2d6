"""Correcting a meter's clock, over virtual lines in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from agent.errors import LocalTrouble
from drivers.data import ClockChange
from drivers.errors import LineLost
from drivers.psem.clock_setting import set_clock
from drivers.psem.codes import ResponseCode
from tests.procedures.procedure_kit import NETWORK, NOW, World, corrected, shortened, visit
from tests.psem.lines import losing, untouched


def set_to(change: ClockChange | None) -> ClockChange:
    assert change is not None
    assert change.outcome == "set", change.reason
    return change


@pytest.mark.parametrize("offset", ["-47.4", "37", "-3", "59.999"])
@pytest.mark.parametrize("baud", [300, 9600, 57600])
def test_the_clock_is_right_to_some_milliseconds_after_one_write(offset: str, baud: int) -> None:
    world, change = corrected("residential-tou", f"clock_offset={offset}", baud=baud)
    done = set_to(change)
    assert len(world.written) == 1
    assert abs(world.off_s) < 0.001 + 4 * 10 / baud  # half of what turn-around times take cannot be told from latency
    assert done.after is not None
    assert done.before.meter_time < done.after.meter_time or float(offset) > 0
    assert world.notebook.outcomes == ["done"]
    kind, write, _, _ = world.notebook.lines[0]
    assert (kind, write.table, write.what) == ("before", "ST07", "SP10 set date and time")
    assert write.octets == world.written[0]
    assert write.meter_id == world.meter.meter_id
    assert "SP10" in write.what
    assert "interval" in write.summary


def test_what_was_read_before_stays_as_it_was() -> None:
    seen: list[object] = []

    def remember(world: World) -> None:
        seen.extend([world.collector.collection.clock, dict(world.collector.collection.octets)])

    world, change = corrected("residential-tou", "clock_offset=40", prepare=remember)
    set_to(change)
    assert world.collector.collection.clock == seen[0]
    octets = world.collector.collection.octets
    assert {name: octets[name] for name in seen[1]} == seen[1]  # type: ignore[attr-defined]


def test_the_latency_of_a_network_is_made_up_for() -> None:
    def slow(world: World) -> None:
        world.line.there.late = world.line.back.late = lambda: 0.7

    world, change = corrected("residential-tou", "clock_offset=-40", prepare=slow, baud=0, options=NETWORK)
    set_to(change)
    assert abs(world.off_s) < 0.05


def test_an_error_that_is_small_enough_is_left() -> None:
    world, change = corrected("residential-tou", "clock_offset=20", order={"over": "30"})
    assert change is not None
    assert (change.outcome, world.written, world.notebook.lines) == ("left", [], [])
    assert "not more than 30 s" in change.reason


def test_an_error_that_the_line_cannot_tell_from_right_is_left() -> None:
    world, change = corrected("residential-tou", "clock_offset=0.4")
    assert change is not None
    assert (change.outcome, world.written) == ("left", [])


def test_an_error_that_is_too_large_is_refused() -> None:
    world, change = corrected("residential-tou", "clock_offset=601")
    assert change is not None
    assert (change.outcome, world.written, world.notebook.lines) == ("refused", [], [])
    assert "more than the 600 s" in change.reason


def test_an_error_that_no_interval_holds_is_refused() -> None:
    world, change = corrected("residential-tou", "clock_offset=900", order={"most": "3600"})
    assert change is not None
    assert (change.outcome, world.written) == ("refused", [])
    assert "inside one interval" in change.reason


@pytest.mark.parametrize("offset", ["100", "-100"])
@pytest.mark.parametrize("minute", [13, 14, 15, 16])
@pytest.mark.parametrize("second", [0, 20, 58])
def test_no_boundary_is_stepped_over(offset: str, minute: int, second: int) -> None:
    """The demand and profile intervals end at :15; whatever the moment, the correction happens inside one."""
    now = NOW.replace(minute=minute, second=second)
    world, change = corrected("residential-tou", f"clock_offset={offset}", now=now)
    done = set_to(change)
    ((at, step),) = world.meter.clock.steps
    before, after = (world.meter.clock.shows(moment) // 900_000_000 for moment in (at - 1, at))
    assert before == after, (at, step)
    how = "longer" if float(offset) > 0 else "shorter"
    assert done.intervals
    assert all(f"s {how} than the others" in text for text in done.intervals)
    end = datetime.fromtimestamp((after + 1) * 900, UTC)
    assert f"{end:%Y-%m-%dT%H:%M:%SZ}" in done.intervals[0]


def test_midnight_and_the_change_of_daylight_saving_are_waited_for() -> None:
    for now in (datetime(2026, 11, 21, 4, 59, 55, tzinfo=UTC), datetime(2026, 11, 1, 5, 59, 55, tzinfo=UTC)):
        world, change = corrected("residential-tou", "clock_offset=-50", now=now)
        set_to(change)
        ((at, _),) = world.meter.clock.steps
        assert at >= int((now + timedelta(seconds=50)).timestamp()) * 1_000_000
        assert abs(world.off_s) < 0.02


@pytest.mark.parametrize("shows", ["utc", "standard", "local", "unqualified"])
@pytest.mark.parametrize("time_format", [1, 2, 3, 4])
@pytest.mark.parametrize("summer", [False, True])
def test_every_time_format_and_qualifier(shows: str, time_format: int, summer: bool) -> None:
    plain = shortened("residential-tou")
    assert plain.clock is not None
    scenario = msgspec.structs.replace(
        plain,
        clock=msgspec.structs.replace(plain.clock, shows=shows),
        layout=msgspec.structs.replace(plain.layout, time_format=time_format, data_order="msb"),
    )
    now = datetime(2026, 7, 4, 3, 2, 1, tzinfo=UTC) if summer else NOW
    world, change = corrected(scenario, "clock_offset=-75", now=now)
    set_to(change)
    assert abs(world.off_s) < 0.02


def test_in_the_repeated_hour_the_right_pass_is_set() -> None:
    for hour in (5, 6):  # 01:07 EDT, then 01:07 EST
        now = datetime(2026, 11, 1, hour, 7, 0, tzinfo=UTC)
        world, change = corrected("residential-tou", "clock_offset=-30", now=now)
        set_to(change)
        assert abs(world.off_s) < 0.02


def test_a_meter_without_the_procedure_is_not_written_to() -> None:
    def without(world: World) -> None:
        context = world.collector.context
        st00 = replace(context.st00, std_proc_used=context.st00.std_proc_used - {10})
        world.collector.context = context.with_table(st00)

    world, change = corrected("residential-tou", "clock_offset=30", prepare=without)
    assert change is not None
    assert (change.outcome, world.written, world.notebook.lines) == ("refused", [], [])
    assert "STD_PROC_USED" in change.reason


def test_a_user_without_the_right_fails_with_the_meters_words() -> None:
    def demote(world: World) -> None:
        world.application._level = 1

    world, change = corrected("residential-tou", "clock_offset=30", prepare=demote)
    assert change is not None
    assert change.outcome == "failed"
    assert "insufficient security clearance" in change.reason
    assert world.notebook.outcomes == ["refused"]


@pytest.mark.parametrize("result", [2, 3, 4, 5, 6, 99])
def test_results_of_the_procedure_fail_in_words(result: int) -> None:
    world, change = corrected("residential-tou", "clock_offset=30", f"proc-refuse=10:{result}")
    assert change is not None
    assert change.outcome == "failed"
    assert f"{result}" in change.reason
    assert (len(world.written), world.notebook.outcomes) == (1, ["refused"])


def test_a_clock_that_does_not_move_is_a_failure() -> None:
    world, change = corrected("residential-tou", "clock_offset=30", "clock-stuck")
    assert change is not None
    assert change.outcome == "failed"
    assert "as before" in change.reason
    assert change.after is not None
    assert world.notebook.outcomes == ["failed"]


def test_a_slow_meter_is_polled() -> None:
    world, change = corrected("residential-tou", "clock_offset=30", "proc-slow=5")
    set_to(change)
    assert len(world.written) == 1


def test_a_meter_that_is_never_done_is_believed_by_its_clock() -> None:
    world, change = corrected("residential-tou", "clock_offset=30", "proc-slow=1000")
    set_to(change)
    assert (len(world.written), world.notebook.outcomes) == (1, ["done"])


def test_a_busy_meter_gets_a_fresh_time() -> None:
    """What was planned for a moment is not sent at another."""
    busy = [ResponseCode.BSY, ResponseCode.ISSS]

    def make_busy(world: World) -> None:
        inner = world.application.write_table

        def write(table: int, offset: int | None, data: bytes) -> ResponseCode:
            if busy:
                world.written.append(data)
                return busy.pop(0)
            return inner(table, offset, data)

        world.application.write_table = write  # type: ignore[method-assign]

    world, change = corrected("residential-tou", "clock_offset=30", prepare=make_busy)
    set_to(change)
    assert len(world.written) == len(set(world.written)) == 3
    assert abs(world.off_s) < 0.02
    assert world.notebook.outcomes == ["refused", "refused", "done"]


def test_a_lost_answer_is_looked_up_and_nothing_is_written_twice() -> None:
    def lose_the_answer(world: World) -> None:
        inner = world.application.write_table

        def write(table: int, offset: int | None, data: bytes) -> object:
            world.line.back.damage = losing(1.0, 0)
            world.line.loop.call_later(3.0, setattr, world.line.back, "damage", untouched)
            return inner(table, offset, data)

        world.application.write_table = write  # type: ignore[method-assign, assignment]

    world, change = corrected("residential-tou", "clock_offset=30", prepare=lose_the_answer)
    set_to(change)
    assert (len(world.written), world.notebook.outcomes) == (1, ["done"])


def test_a_request_that_never_arrived_leaves_the_clock_as_it_was() -> None:
    def lose_the_request(world: World) -> None:
        def deafen() -> None:
            world.line.deaf = True
            world.line.loop.call_later(3.0, setattr, world.line, "deaf", False)

        world.notebook.on_before = deafen

    world, change = corrected("residential-tou", "clock_offset=30", prepare=lose_the_request)
    assert change is not None
    assert change.outcome == "failed"
    assert "as before" in change.reason
    assert (world.written, world.notebook.outcomes) == ([], ["failed"])


def test_a_line_that_is_lost_leaves_it_unknown() -> None:
    def pull(world: World) -> None:
        inner = world.application.write_table

        def write(table: int, offset: int | None, data: bytes) -> object:
            world.line.pull_the_plug()
            return inner(table, offset, data)

        world.application.write_table = write  # type: ignore[method-assign, assignment]

    world, change = corrected("residential-tou", "clock_offset=30", prepare=pull)
    assert change is not None
    assert change.outcome == "unknown"
    assert (len(world.written), world.notebook.outcomes) == (1, ["unknown"])


@pytest.mark.parametrize("trouble", [LocalTrouble("the disk is full"), OSError(28, "No space left on device")])
def test_what_cannot_be_set_down_is_not_sent(trouble: Exception) -> None:
    def fill(world: World) -> None:
        world.notebook.full = trouble

    world, change = corrected("residential-tou", "clock_offset=30", prepare=fill)
    assert change is not None
    assert (change.outcome, world.written) == ("refused", [])
    assert "journal" in change.reason


def test_a_journal_that_fails_afterwards_is_told_of() -> None:
    def fill(world: World) -> None:
        world.notebook.full_after = LocalTrouble("the disk is full")

    _, change = corrected("residential-tou", "clock_offset=30", prepare=fill)
    assert "could not take down the outcome" in set_to(change).reason


def test_a_slow_disk_makes_another_plan() -> None:
    """The journal took so long that the moment was missed: nothing is sent, and the next plan leaves more time."""
    stalls = [2.5, 2.5]

    def stall(world: World) -> None:
        def wait() -> None:
            if stalls:
                world.line.loop.virtual.now += stalls.pop()  # type: ignore[attr-defined]

        world.notebook.on_before = wait

    world, change = corrected("residential-tou", "clock_offset=30", prepare=stall)
    set_to(change)
    assert len(world.written) == 1
    assert world.notebook.outcomes[:1] == ["failed"]
    assert world.notebook.outcomes[-1] == "done"
    assert abs(world.off_s) < 0.2


def test_a_meter_that_has_only_st55() -> None:
    def only(world: World) -> None:
        context = world.collector.context
        tables = {number: table for number, table in context.tables.items() if number != 52}
        world.collector.context = type(context)(context.quirks, tables)

    async def look55(world: World) -> None:
        await world.collector.table(55)

    found: list[ClockChange | None] = []

    async def story(world: World) -> None:
        await look55(world)
        only(world)
        found.append(await set_clock(world.client, world.collector, world.task(world.order())))

    world = visit(story, "residential-tou", "clock_offset=30")
    set_to(found[0])
    assert abs(world.off_s) < 0.02


def test_a_meter_without_a_clock_gives_a_problem_and_no_change() -> None:
    world, change = corrected("minimal")
    if world.meter.scenario.clock is None:
        assert change is None
        assert any(problem.what == "clock correction" for problem in world.collector.collection.problems)


def test_without_an_order_nothing_happens() -> None:

    async def story(world: World) -> None:
        assert await set_clock(world.client, world.collector, world.task()) is None

    assert visit(story, "residential-tou", "clock_offset=30").written == []


def test_a_line_that_breaks_before_the_write_raises() -> None:
    def pull(world: World) -> None:
        world.line.pull_the_plug()

    with pytest.raises(LineLost):
        corrected("residential-tou", "clock_offset=30", prepare=pull)


def test_the_sizes_of_the_leave_are_decimals() -> None:
    _, change = corrected("residential-tou", "clock_offset=30", order={"over": "28.9999", "most": "30.9"})
    assert set_to(change).before.resolution_s == Decimal(1)
