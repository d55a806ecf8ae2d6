"""The source is off at the end, whatever happened, or everybody knows that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from drivers.instruments import (
    InstrumentError,
    InstrumentRefused,
    OutputNotOn,
    OutputStillOn,
    Source,
    open_source,
    turn_off_now,
)
from metersim.instruments.faults import Faults
from metersim.instruments.serving import RunningBench, running_bench, world_of
from metersim.instruments.source import SourceDevice
from tests.instruments.bench_kit import bench, options, profile

IMPATIENT_S = 0.1


async def live(source: Source) -> None:
    """Set the source and switch it on."""
    await source.set_output(volts=Decimal(240), amps=Decimal(30), frequency_hz=Decimal(60))
    await source.on()


async def test_leaving_turns_it_off() -> None:
    async with running_bench(options()) as served:
        async with open_source(profile("source"), served.source.resource) as source:
            await live(source)
            assert served.world.load.power > 0
        assert served.world.load.power == 0
        assert served.source.heard[-3:] == ["OUTP 0", "*OPC?", "OUTP?"]


async def test_an_error_turns_it_off_and_stays_the_error() -> None:
    async with running_bench(options()) as served:
        with pytest.raises(ZeroDivisionError):
            await _live_and_fail(served)
        assert served.source.heard.count("OUTP 1") == 1
        assert not served.world.output_on


async def _live_and_fail(served: RunningBench) -> None:
    async with open_source(profile("source"), served.source.resource) as source:
        await live(source)
        raise ZeroDivisionError


async def test_cancellation_turns_it_off_also_when_it_comes_twice() -> None:
    async with running_bench(options()) as served:
        on = asyncio.Event()

        async def test() -> None:
            async with open_source(profile("source"), served.source.resource) as source:
                await live(source)
                on.set()
                await asyncio.Event().wait()

        running = asyncio.create_task(test())
        await on.wait()
        assert served.world.output_on
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not served.world.output_on


async def _until_off(served: RunningBench, *, fails: bool) -> None:
    """Go on, leave, and see whether leaving tells that the source may still be on."""
    patient = profile("source", timeout_s=IMPATIENT_S)
    with pytest.raises(OutputStillOn, match="switch the source off by hand") if fails else suppress(InstrumentError):
        async with open_source(patient, served.source.resource) as source:
            await live(source)


@pytest.mark.parametrize("fault", ["latched", "silent=7", "garbage=7", "lost=7"])
async def test_an_output_that_may_be_on_is_told(fault: str) -> None:
    async with running_bench(options(f"source:{fault}")) as served:
        await _until_off(served, fails=True)
        assert served.source.heard.count("OUTP 0") == 2


@pytest.mark.parametrize("number", range(1, 8))
async def test_a_connection_that_is_lost_at_any_answer_leaves_it_off(number: int) -> None:
    async with running_bench(options(f"source:lost_once={number}")) as served:
        await _until_off(served, fails=False)
        assert not served.world.output_on


async def test_a_source_that_cannot_say_when_it_is_done_is_told_again() -> None:
    async with running_bench(options("source:silent_once=7")) as served:
        patient = profile("source", timeout_s=IMPATIENT_S)
        async with open_source(patient, served.source.resource) as source:
            await live(source)
        assert served.source.heard.count("OUTP 0") == 2
        assert not served.world.output_on


async def test_another_connection_turns_it_off_whoever_speaks_to_it() -> None:
    async with bench() as one:
        await live(one.source)
        await asyncio.to_thread(turn_off_now, profile("source"), one.served.source.resource)
        assert not one.served.world.output_on
        assert not await one.source.is_on()


async def test_nobody_there_is_not_off() -> None:
    with pytest.raises(OutputStillOn, match=r"not known.*connection is lost"):
        await asyncio.to_thread(turn_off_now, profile("source"), "TCPIP::127.0.0.1::9::SOCKET")


@dataclass
class Alarm:
    """A timer that goes off when the test says so."""

    seconds: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Alarms:
    """All timers that were set."""

    made: list[Alarm] = field(default_factory=list)

    def later(self, seconds: float, call: Callable[[], None]) -> Alarm:
        self.made.append(Alarm(seconds, call))
        return self.made[-1]


async def test_the_watchdog_of_a_source_turns_it_off_and_locks_it() -> None:
    async with bench() as one:
        alarms = Alarms()
        device = SourceDevice(profile("source"), world_of(options(), one.served.meter), Faults(), alarms.later)
        for command in ("VOLT 240", "CURR 30", "SYST:WDOG 5", "OUTP 1"):
            assert device.hear(command) is None
        assert device.hear("OUTP?") == "1"
        assert [alarm.seconds for alarm in alarms.made] == [5, 5, 5]
        assert [alarm.cancelled for alarm in alarms.made] == [True, True, False]
        alarms.made[-1].call()
        assert device.hear("OUTP?") == "0"
        assert device.hear("OUTP:PROT:TRIP?") == "1"
        device.hear("OUTP 1")
        assert device.hear("SYST:ERR?") == '-221,"Settings conflict; output is locked out"'
        device.hear("OUTP 0")
        device.hear("OUTP 1")
        assert device.hear("OUTP?") == "1"
        device.hear("*RST")
        assert device.hear("OUTP?") == "0"
        assert alarms.made[-1].cancelled


async def test_a_watchdog_is_set_by_the_driver() -> None:
    async with bench() as one:
        await one.source.watch(30)
        assert "SYST:WDOG 30" in one.served.source.heard
        await one.source.watch(0)
        with pytest.raises(InstrumentRefused, match="-222"):
            await one.source.watch(4000)


async def test_a_source_that_lies_about_being_off_is_found_out_by_the_standard() -> None:
    async with bench("source:pretends") as one:
        await one.set()
        with pytest.raises(OutputNotOn):
            await one.source.on()
        assert (await one.standard.watts() or 0) > 7000
        await one.source.off()
        assert await one.standard.watts() == 0
