"""The dead man's handle, against a simulated source: off when its test is killed, hangs, or ends without a word."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from agent.bench.errors import BenchTrouble
from agent.bench.watchdog import BEAT, DONE, Target, watching
from drivers.instruments import load_instruments, open_source
from tests.bench.bench_kit import PLAN
from tests.bench.simulated_bench import Simulated, simulated_bench, write_config

PROFILES = load_instruments()


def target_of(bench: Simulated, silent_s: float = 10.0) -> Target:
    path = PROFILES.path_of("metersim-source")
    return Target(str(path), bench.running.source.resource, "@py", silent_s)


def live(bench: Simulated) -> bool:
    return bench.running.world.output_on


async def energise(bench: Simulated) -> None:
    """Switch the source on as somebody who then forgets it."""
    bench.running.source.device.hear("OUTP 1")
    await bench.on.wait()
    bench.off.clear()


async def test_a_killed_test_leaves_the_source_off(tmp_path: Path) -> None:
    """`kill -9` of `mrsp bench run` while the load is on: nothing of it is left to turn it off but the watchdog."""
    (tmp_path / "plan.toml").write_text(PLAN)
    async with simulated_bench(real_time=True) as bench:
        config = write_config(tmp_path, bench.settings)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent.cli.main", "bench", "run", str(tmp_path / "plan.toml"),
            "--config", str(config), "--meter-id", "B-0001", "--as", "found", "--no-clock-check",
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        on = asyncio.create_task(bench.on.wait())
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({on, ended}, return_when=asyncio.FIRST_COMPLETED)
        assert process.stderr is not None
        assert live(bench), (await process.stderr.read()).decode()
        bench.off.clear()
        process.kill()
        assert await ended == -signal.SIGKILL
        await bench.off.wait()
        assert not live(bench)
        assert not bench.running.source.device.tripped  # type: ignore[attr-defined]  # it was told, it did not trip
        said = (await process.stderr.read()).decode()  # to its end: the watchdog has gone, too
        assert "was turned off, and says that it is off" in said


Ending = Callable[[asyncio.subprocess.Process], Awaitable[None]]


async def closes(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()


async def halves_a_word(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(DONE[:3])
    await process.stdin.drain()
    process.stdin.close()


async def hangs(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(BEAT)
    await process.stdin.drain()


async def is_signalled(process: asyncio.subprocess.Process) -> None:
    """A Ctrl-C, a `kill` and a closed terminal reach it before the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, number)
    await closes(process)


@pytest.mark.parametrize("ending", [halves_a_word, hangs, is_signalled])
async def test_the_watchdog_turns_the_source_off(ending: Ending) -> None:
    async with simulated_bench(real_time=True) as bench:
        await energise(bench)
        async with watching(target_of(bench, silent_s=0.3 if ending is hangs else 10.0)) as watch:
            watch.released = False
            await ending(watch.process)
            await bench.off.wait()
            assert await watch.process.wait() == 0
            watch.released = True
        assert not live(bench)


async def test_a_test_that_ends_well_lets_it_go() -> None:
    async with simulated_bench(real_time=True) as bench:
        await energise(bench)
        async with watching(target_of(bench)) as watch:
            watch.check()
        assert live(bench)  # it was released: it has touched nothing
        assert watch.process.returncode == 0


async def test_a_test_that_does_not_see_the_source_off_is_ended_by_the_watchdog() -> None:
    async with simulated_bench(real_time=True) as bench:
        await energise(bench)
        async with watching(target_of(bench)) as watch:
            watch.released = False
        assert not live(bench)


async def test_the_test_ends_when_its_watchdog_goes() -> None:
    async with simulated_bench(real_time=True) as bench, watching(target_of(bench)) as watch:
        watch.process.kill()
        await watch.process.wait()
        await watch.gone.wait()
        with pytest.raises(BenchTrouble, match="its watchdog has gone"):
            watch.check()


async def test_a_watchdog_that_does_not_start_begins_no_test(tmp_path: Path) -> None:
    with pytest.raises(BenchTrouble, match="does not start"):
        async with watching(Target(str(tmp_path / "none.toml"), "TCPIP::127.0.0.1::1::SOCKET", "@py")):
            pytest.fail("nothing may be energised")


async def test_it_speaks_to_the_source_beside_the_test() -> None:
    profile = PROFILES.find("metersim-source")
    async with (
        simulated_bench(real_time=True) as bench,
        watching(target_of(bench)) as watch,
        open_source(profile, bench.running.source.resource) as source,
    ):
        await source.set_output(volts=Decimal(120), amps=Decimal(1), frequency_hz=Decimal(60))
        await source.on()
        watch.released = False
        await closes(watch.process)
        await bench.off.wait()
        assert not await source.is_on()
        watch.released = True
