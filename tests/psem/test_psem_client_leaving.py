"""How the client leaves the meter: after errors, cancelled, without an answer; and how soon it comes back."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from drivers.errors import LineLost
from drivers.psem import PsemClient, PsemOptions, ResponseCode, State, Timing
from drivers.psem.meter import MeterLimits
from drivers.psem.replies import AnswerUnusable
from drivers.psem.services import Identify, Logon
from tests.psem.lines import LEFT, LONG, Direction, Line, Tables, clock, nothing, run, visit
from tests.soak.virtual_loop import rest


class Stop(Exception):
    pass


def test_an_error_inside_leaves_the_meter_logged_off_and_is_not_masked() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        await client.read_table(1)
        raise Stop

    with pytest.raises(Stop):
        visit(story)


async def cancelled_at(line: Line, client: PsemClient, seconds: float, times: int = 1) -> None:
    async def work() -> None:
        async with client.session():
            while True:
                await client.read_table(64)

    task = asyncio.create_task(work())
    await rest(seconds)
    for _ in range(times):
        task.cancel()
        await rest(0.2)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("seconds", [0.005, 0.011, 0.02, 0.03, 0.05, 0.1, 0.2, 0.9, 1.3, 2.17, 3.0, 9.9])
@pytest.mark.parametrize("times", [1, 3])
def test_cancellation_at_any_time_leaves_the_meter_in_base(seconds: float, times: int) -> None:
    async def main() -> Line:
        line = Line(Tables({64: LONG}))
        client = PsemClient(line, clock=clock)
        began = clock()
        await cancelled_at(line, client, seconds, times)
        assert clock() - began < seconds + 8
        await line.delivered()
        assert line.meter.state is State.BASE
        assert line.meter.statistics.packets_received
        return line

    line = run(main())
    assert line.requests()[-1] == "Terminate"


def test_an_answer_unheard_when_cancelled_does_not_make_the_next_look_like_a_duplicate() -> None:
    work: list[asyncio.Task[None]] = []

    class Cancelling(Tables):
        def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
            work[0].cancel()
            return super().read_table(table, offset, count)

    async def read(line: Line) -> None:
        async with PsemClient(line, clock=clock).session() as client:
            await client.read_table(1)

    async def main() -> tuple[Line, float]:
        line = Line(Cancelling({1: b"first"}))
        began = clock()
        work.append(asyncio.create_task(read(line)))
        with pytest.raises(asyncio.CancelledError):
            await work[0]
        return line, clock() - began

    line, took = run(main())
    assert line.requests()[-2:] == LEFT
    assert took < 3


def test_a_deadline_around_a_session_ends_as_one() -> None:
    async def main() -> Line:
        line = Line(Tables({64: LONG}))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3), PsemClient(line, clock=clock).session() as client:
                await client.read_table(64)
        return line

    assert run(main()).requests()[-2:] == LEFT


@pytest.mark.parametrize(("response_s", "most_s"), [(2.0, 8.0), (30.0, 16.0)])
def test_leaving_a_dead_meter_takes_bounded_time(response_s: float, most_s: float) -> None:
    async def main() -> float:
        line = Line(Tables({1: b"first"}))
        options = PsemOptions(timing=Timing(response_s=response_s))
        async with PsemClient(line, options, clock=clock).session() as client:
            await client.read_table(1)
            line.mute = True
            began = clock()
        return clock() - began

    assert run(main()) <= most_s + 0.1


def test_a_lost_line_is_reported_and_leaving_it_is_quiet() -> None:
    async def main() -> None:
        line = Line(Tables({64: LONG}))
        line.loop.call_later(1, line.pull_the_plug)
        with pytest.raises(LineLost):
            async with PsemClient(line, clock=clock).session() as client:
                await client.read_table(64)

    run(main())


def test_a_meter_that_does_not_know_logoff_is_terminated_all_the_same() -> None:
    line = visit(nothing, limits=MeterLimits(refused=frozenset({0x52})))
    assert line.requests()[-2:] == ["NoneType", "Terminate"]


def test_after_a_broken_session_the_next_identify_waits() -> None:
    async def main() -> list[float]:
        line = Line(Tables({1: b"first"}))
        client = PsemClient(line, clock=clock)
        async with client.session():
            line.mute = True
        broke = clock()
        line.mute = False
        async with client.session():
            assert await client.read_table(1) == b"first"
        return [at - broke for at in line.identified_at()[1:]]

    (after,) = run(main())
    assert after >= 6


def test_the_meter_is_never_hammered_with_identify() -> None:
    """A meter that dies in every session: fresh sessions are few, and far apart unless it agreed to the end."""

    async def main() -> Line:
        line = Line(Tables({1: b"first"}))
        honest = line.meter._tables

        def die(request: object) -> bytes | ResponseCode:
            line.meter.power_fail()
            line.mute = True
            line.loop.call_later(9, setattr, line, "mute", False)
            return honest(request)  # type: ignore[arg-type]

        line.meter._tables = die  # type: ignore[method-assign]
        with pytest.raises(AnswerUnusable, match="asked in 3 sessions"):
            async with PsemClient(line, clock=clock).session() as client:
                await client.read_table(1)
        return line

    at = run(main()).identified_at()
    assert 2 <= len(at) <= 6
    assert all(later - sooner > 7 for sooner, later in itertools.pairwise(at))


def test_timers_of_a_profile_reach_the_link() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        began = clock()
        await client.read_table(1)
        assert clock() - began > 0.12

    visit(story, options=PsemOptions(timing=Timing(turnaround_s=0.06)))


def test_a_meter_slow_to_answer_is_asked_again_and_answers_once() -> None:
    async def main() -> Line:
        line = Line(Tables({1: b"first"}), back=Direction(late=iter([0.0] * 6 + [2.5] + [0.0] * 99).__next__))
        async with PsemClient(line, clock=clock).session() as client:
            assert await client.read_table(1) == b"first"
            assert await client.read_table(1) == b"first"
        return line

    line = run(main())
    assert (Identify(), ResponseCode.OK) in line.served()
    assert isinstance(line.served()[2][0], Logon)
