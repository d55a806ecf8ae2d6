"""Running procedures on a simulated meter: written once, answered by sequence number, confirmed by the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agent.errors import LocalTrouble
from drivers.c1219.decade0 import ModeStatus
from drivers.c1219.decade7 import EventLog
from drivers.c1219.procedure_catalogue import ACTIONS, action_named
from drivers.errors import UsageError
from drivers.psem.codes import ResponseCode
from drivers.psem.options import PsemOptions
from drivers.psem.procedure import NotWritten
from drivers.psem.run_procedure import Run, RunReport, run_action
from metersim.meter.scenario import Log, Scenario, Status
from tests.procedures.procedure_kit import World, shortened, visit
from tests.psem.lines import doubling, losing, untouched

Prepare = Callable[[World], None]


def scenario() -> Scenario:
    """A meter that has everything: registers, demands, self reads, a profile, both logs, flags."""
    plain = shortened("residential-tou")
    return msgspec.structs.replace(
        plain,
        registers=msgspec.structs.replace(plain.registers, self_reads=4),
        log=Log(entries=20, history_entries=10),
        status=Status(flags=("low_battery", "clock_error"), manufacturer="05"),
    )


def ran(
    name: str,
    *faults: str,
    given: dict[str, str] | None = None,
    prepare: Prepare = lambda _world: None,
    dangerous: bool = False,
) -> tuple[World, RunReport]:
    found: list[RunReport] = []

    async def story(world: World) -> None:
        prepare(world)
        run = Run(action_named(name), given or {}, dangerous=dangerous)
        found.append(await run_action(world.client, world.collector, world.task(world.order()), run, world.notebook))

    return visit(story, scenario(), *faults), found[0]


@pytest.mark.parametrize(
    ("name", "given", "effect"),
    [
        ("demand_reset", {}, "demand resets (ST23): 5, now 6"),
        ("self_read", {}, "newest self read (ST26): number 154, now 155"),
        ("end_device_mode", {"mode": "test"}, "mode (ST03): now metering and test"),
        ("end_device_mode", {"mode": "meter_shop"}, "mode (ST03): now metering and meter_shop"),
        ("end_device_mode", {"mode": "metering"}, "mode (ST03): now metering"),
        ("clear_status_flags", {}, "standard flags (ST03): none"),
        ("clear_manufacturer_flags", {}, "manufacturer flags (ST03): none"),
        ("update_last_read", {"list": "events", "entries": "1"}, "unread entries of list 1"),
        ("update_last_read", {"list": "profile_1", "entries": "2"}, "unread entries of list 3: 3, now 1"),
        ("update_last_read", {"list": "self_reads", "entries": "4"}, "unread entries of list 2: 4, now 0"),
        ("update_last_read", {"list": "history", "entries": "1"}, "unread entries of list 7"),
        ("reset_list_pointers", {"list": "profile_1"}, "list 3: 3 entries, now 0"),
        ("reset_list_pointers", {"list": "self_reads"}, "list 2: 4 entries, now 0"),
        ("reset_list_pointers", {"list": "all"}, "list 1:"),
        ("warm_start", {}, ""),
    ],
)
def test_procedures_do_what_they_say(name: str, given: dict[str, str], effect: str) -> None:
    world, report = ran(name, dangerous=True, given=given)
    assert (report.outcome, report.code, report.meter_id) == ("done", 0, world.meter.meter_id), report
    assert report.effect.startswith(effect), report.effect
    assert len(world.written) == 1
    (before, write, _, _), (after, same, outcome, detail) = world.notebook.lines
    assert (before, after, outcome) == ("before", "after", "done")
    assert write == same
    assert write.octets == world.written[0]
    assert effect in detail
    assert write.what == report.title == action_named(name).title


def test_events_of_what_was_done() -> None:
    codes = {}
    asked: dict[str, dict[str, str]] = {
        "self_read": {},
        "demand_reset": {},
        "end_device_mode": {"mode": "test"},
        "update_last_read": {"list": "events", "entries": "1"},
    }
    for name, given in asked.items():
        world, _ = ran(name, given=given)
        log = world.application.image._live[76](world.true_us())
        assert isinstance(log, EventLog)
        held = {entry.sequence: entry.code for entry in log.entries if entry.sequence}
        codes[name] = held[max(held)]
    assert codes == {"self_read": 21, "demand_reset": 20, "end_device_mode": 32, "update_last_read": 15}


def test_intervals_are_recorded_as_test_data_until_metering_goes_on() -> None:
    async def story(world: World) -> None:
        for mode in ("test", "metering"):
            run = Run(action_named("end_device_mode"), {"mode": mode})
            report = await run_action(world.client, world.collector, world.task(), run, world.notebook)
            assert report.outcome == "done"
            await world.client.pause(1800)
        assert await world.collector.table(3)
        assert not world.collector.context.need(ModeStatus).test

    world = visit(story, scenario())
    blocks = world.meter.memories[1].blocks(world.meter.now(world.true_us()), world.meter.clock)
    flags = [interval.test for block in blocks for interval in block.intervals][-5:]
    assert flags == [False, True, True, True, False]


@pytest.mark.parametrize("faults", [("proc-slow=7",), ("dnr=2",), ("busy=4",)])
def test_slow_and_busy_meters_are_waited_for(faults: tuple[str, ...]) -> None:
    world, report = ran("demand_reset", *faults)
    assert (report.outcome, len(world.written)) == ("done", 1)


@pytest.mark.parametrize(
    ("result", "words"), [(2, "invalid"), (5, "authority"), (6, "unknown procedure"), (200, "200")]
)
def test_results_in_words(result: int, words: str) -> None:
    world, report = ran("demand_reset", f"proc-refuse=9:{result}")
    assert (report.outcome, report.code) == ("refused", result)
    assert words in report.reason
    assert world.notebook.outcomes == ["refused"]


def test_a_level_that_may_not_write() -> None:
    def demote(world: World) -> None:
        world.application._level = 1

    world, report = ran("demand_reset", prepare=demote)
    assert report.outcome == "refused"
    assert "insufficient security clearance" in report.reason
    assert world.notebook.outcomes == ["refused"]


def on_write(world: World, action: Callable[[], None], *, then: bool = True) -> None:
    """Do something at the moment at which the meter is written to; `then` let the meter have the write."""
    inner = world.application.write_table

    def write(table: int, offset: int | None, data: bytes) -> Any:
        action()
        return inner(table, offset, data) if then else ResponseCode.OK

    world.application.write_table = write  # type: ignore[method-assign]


def silence(world: World, seconds: float) -> None:
    world.line.back.damage = losing(1.0, 0)
    world.line.loop.call_later(seconds, setattr, world.line.back, "damage", untouched)


@pytest.mark.parametrize("seconds", [1.0, 7.0, 25.0])
def test_a_lost_answer_is_found_by_its_sequence_number(seconds: float) -> None:
    world, report = ran("demand_reset", prepare=lambda world: on_write(world, lambda: silence(world, seconds)))
    assert (report.outcome, len(world.written)) == ("done", 1), report
    assert "now 6" in report.effect


def test_an_answer_that_never_comes_leaves_it_unknown() -> None:
    world, report = ran("warm_start", prepare=lambda world: on_write(world, lambda: silence(world, 500.0)))
    assert (report.outcome, len(world.written)) == ("unknown", 1)
    assert "before it is done again" in report.reason
    assert world.notebook.outcomes == ["unknown"]


def test_an_answer_of_somebody_else_is_not_taken_for_ours() -> None:
    """ST07 was acknowledged, but ST08 goes on to show an older run of the same procedure."""

    async def story(world: World) -> None:
        run = Run(action_named("clear_status_flags"))
        first = await run_action(world.client, world.collector, world.task(), run, world.notebook)
        assert first.outcome == "done"
        on_write(world, lambda: None, then=False)
        found.append(
            await run_action(
                world.client, world.collector, world.task(), Run(action_named("warm_start")), world.notebook
            )
        )

    found: list[RunReport] = []
    visit(story, scenario())
    assert found[0].outcome == "unknown"
    assert "something else" in found[0].reason


def test_done_that_no_table_shows_is_a_failure() -> None:
    def pretend(world: World) -> None:
        world.meter.reset_demand = lambda *_: None  # type: ignore[method-assign]

    world, report = ran("demand_reset", prepare=pretend)
    assert report.outcome == "failed"
    assert "its tables do not show it" in report.reason
    assert world.notebook.outcomes == ["failed"]


def test_a_line_that_is_lost_while_reading_back() -> None:
    def prepare(world: World) -> None:
        inner = world.application.read_table
        seen: list[int] = []

        def read(table: int, offset: int | None, count: int | None) -> Any:
            seen.append(table)
            if table == 8 and seen.count(8) > 1:
                world.line.loop.call_later(0.2, world.line.pull_the_plug)
            return inner(table, offset, count)

        world.application.read_table = read  # type: ignore[method-assign]

    world, report = ran("demand_reset", prepare=prepare)
    assert report.outcome == "done"
    assert "not read back" in report.effect
    assert len(world.written) == 1


def test_a_meter_that_toggles_nothing_gets_one_packet() -> None:
    """Its link layer would take a packet that is sent again for a second demand reset."""

    async def story(world: World) -> None:
        on_write(world, lambda: silence(world, 3.0))
        run = Run(action_named("demand_reset"))
        found.append(await run_action(world.client, world.collector, world.task(), run, world.notebook))

    found: list[RunReport] = []
    world = visit(story, scenario(), options=PsemOptions(toggles=False))
    assert (found[0].outcome, len(world.written)) == ("done", 1)


@pytest.mark.parametrize("seed", range(8))
def test_on_bad_lines_it_is_written_once_or_not_at_all(seed: int) -> None:
    def spoil(world: World) -> None:
        world.line.there.damage = losing(0.01, seed) if seed % 2 else doubling(0.3, seed)
        world.line.back.damage = losing(0.01, seed + 100)

    world, report = ran("demand_reset", prepare=spoil)
    assert len(world.written) <= 1
    assert report.outcome == "done" if world.written else report.outcome in {"unknown", "failed"}


def test_what_cannot_be_set_down_is_not_sent() -> None:
    worlds: list[World] = []

    def fill(world: World) -> None:
        worlds.append(world)
        world.notebook.full = LocalTrouble("the disk is full")

    with pytest.raises(LocalTrouble):
        ran("demand_reset", prepare=fill)
    assert worlds[0].written == []


def test_a_run_that_is_cancelled_is_unknown_in_the_journal() -> None:
    async def story(world: World) -> None:
        written = asyncio.Event()

        def falls_silent() -> None:
            silence(world, 100.0)
            written.set()

        on_write(world, falls_silent)
        run = Run(action_named("demand_reset"))
        task = asyncio.create_task(run_action(world.client, world.collector, world.task(), run, world.notebook))
        await written.wait()
        assert len(world.written) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.line.back.damage = untouched

    world = visit(story, scenario())
    assert world.notebook.outcomes == ["unknown"]


@pytest.mark.parametrize(
    ("name", "given", "dangerous", "says"),
    [
        ("cold_start", {}, False, "--dangerous"),
        ("clear_data", {}, False, "--dangerous"),
        ("end_device_mode", {"mode": "factory"}, False, "--dangerous"),
        ("reset_list_pointers", {"list": "all"}, False, "--dangerous"),
        ("demand_reset", {"now": "yes"}, False, "takes no parameter"),
        ("end_device_mode", {}, False, "needs mode"),
        ("end_device_mode", {"mode": "off"}, False, "metering or test"),
        ("update_last_read", {"list": "events", "entries": "65536"}, False, "0 to 65535"),
        ("update_last_read", {"list": "8", "entries": "1"}, False, "is not allowed"),
        ("activate_specific_pending", {"event": "xyz"}, False, "hexadecimal"),
        ("set_clock", {"to": "noon"}, False, "no parameters"),
    ],
)
def test_what_may_not_be_run_like_this(name: str, given: dict[str, str], dangerous: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ran(name, dangerous=dangerous, given=given)


@pytest.mark.parametrize("name", ["log_in", "log_out", "set_precise_clock", "make_coffee", ""])
def test_what_is_never_offered(name: str) -> None:
    with pytest.raises(UsageError, match="there is no procedure"):
        action_named(name)


@pytest.mark.parametrize("name", ["clear_data", "cold_start", "execute_diagnostics", "immediate_call"])
def test_what_the_meter_does_not_have_is_not_written(name: str) -> None:
    given = {parameter.name: "1" for parameter in ACTIONS[name].takes}
    with pytest.raises(NotWritten, match="does not have") as caught:
        ran(name, dangerous=True, given=given)
    assert caught.value.exit_code == 4


def test_parameters_that_the_meter_has_no_room_for_are_not_written() -> None:
    def narrow(world: World) -> None:
        st00 = replace(world.collector.context.st00, max_proc_parm_length=2)
        world.collector.context = world.collector.context.with_table(st00)

    with pytest.raises(NotWritten, match="the meter takes 2"):
        ran("update_last_read", prepare=narrow, given={"list": "events", "entries": "1"})


@pytest.mark.parametrize("expected", ["87654321", "0087654321", ""])
def test_the_expected_meter(expected: str) -> None:
    async def story(world: World) -> None:
        run = Run(action_named("demand_reset"), expected_meter_id=expected)
        report = await run_action(world.client, world.collector, world.task(), run, world.notebook)
        assert report.outcome == "done"

    visit(story, scenario())


def test_another_meter_is_not_written_to() -> None:
    async def story(world: World) -> None:
        run = Run(action_named("demand_reset"), expected_meter_id="87654320")
        with pytest.raises(NotWritten, match="is 87654321, not 87654320"):
            await run_action(world.client, world.collector, world.task(), run, world.notebook)
        assert (world.written, world.notebook.lines) == ([], [])

    visit(story, scenario())


def test_the_clock_by_name() -> None:
    world, report = ran("set_clock", "clock_offset=44")
    assert report.outcome == "done"
    assert report.clock is not None
    assert report.clock.outcome == "set"
    assert abs(world.off_s) < 0.02
