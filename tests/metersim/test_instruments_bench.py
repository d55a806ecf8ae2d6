"""The bench as a whole: its meter turns by what the source puts out, and a test finds the error that was chosen."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.errors import UsageError
from drivers.instruments import OutputStillOn, open_source, turn_off_now
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from metersim.instruments.command import add_arguments, options_of
from metersim.instruments.element import Element, ErrorCurve, curve_of
from metersim.instruments.meter import kh_microwatthours, register_pulse
from metersim.instruments.serving import RunningBench
from metersim.meter.scenario_file import load_scenario
from tests.instruments.bench_kit import SCENARIO, Bench, bench, profile

KH = kh_microwatthours(SCENARIO)
CURVE = curve_of([(30_000_000, 3_500_000), (3_000_000, -8_000_000)], at_half_factor_ppb=4_000_000)


def register(served: RunningBench) -> Decimal:
    """The total register, as a correct reader must find it now, in Wh."""
    (total,) = [one for one in served.meter.truth().registers if one.period == "present" and one.tier == 0]
    return total.value * 1000


async def test_the_registers_turn_by_what_the_source_puts_out() -> None:
    async with bench(element=Element(CURVE, KH)) as one:
        before = register(one.served)
        await one.set()
        assert register(one.served) == before
        await one.source.on()
        await one.point()
        await one.source.off()
        world = one.served.world
        pulse = register_pulse(SCENARIO)
        counted, residual = divmod(world.registered.at(world.now()), pulse)
        assert (register(one.served) - before) / Decimal("0.1") == counted
        assert 0 <= residual < pulse
        after = register(one.served)
        world.skip(10**10)
        assert register(one.served) == after


async def _optical(served: RunningBench) -> Decimal:
    """The total register as the driver reads it at the meter's optical port, in Wh."""
    task = Task(served.meter.address, profile="generic-c1219", password=Secret(b"00000000"), registers_only=True)
    data = await PsemDriver().read(task)
    (total,) = [one.value for one in data.registers if one.unit == "kWh" and one.tier == 0]
    assert total is not None
    return total * 1000


async def test_the_optical_port_tells_what_the_source_put_out() -> None:
    async with bench(element=Element(CURVE, KH)) as one:
        before = await _optical(one.served)
        await one.set()
        await one.source.on()
        await one.point()
        await one.source.off()
        assert await _optical(one.served) - before == register(one.served) - before > KH * 20 / 10**6


async def _found(one: Bench, amps: str, factor: str = "1") -> Decimal:
    await one.set(amps=amps, factor=factor)
    await one.source.on()
    found = await one.point()
    await one.source.off()
    return found


async def test_a_point_finds_the_error_that_was_chosen() -> None:
    async with bench(element=Element(CURVE, KH, jitter_ppm=500)) as one:
        spread = Decimal("0.02")  # two jitters of 500 ppm in 20 pulses, and how far the source is off its setting
        assert abs(await _found(one, "30") - Decimal("100.35")) < spread
        assert abs(await _found(one, "3") - Decimal("99.2")) < spread
        assert abs(await _found(one, "30", "0.5") - Decimal("100.75")) < spread


async def _point_by_seed(seed: int) -> tuple[Decimal, int, list[str]]:
    more = {"standard_error_ppb": None}
    async with bench(element=Element(CURVE, KH, jitter_ppm=500, seed=seed), seed=seed, **more) as one:
        await one.set()
        await one.source.on()
        return await one.point(), one.served.world.standard_error_ppb, one.served.counter.heard


async def test_the_same_seed_gives_the_same_point() -> None:
    first, again, other = await _point_by_seed(7), await _point_by_seed(7), await _point_by_seed(8)
    assert first == again
    assert first[0] != other[0]
    assert all(abs(error) <= 200_000 for _, error, _ in (first, other))


async def test_a_meter_that_does_not_register_gives_no_pulse_and_one_that_creeps_gives_some() -> None:
    dead, creeping = Element(ErrorCurve(((0, -(10**9)),)), KH), Element(CURVE, KH, creep=100 * 10**18)
    pulses = []
    for element, amps in ((dead, "30"), (creeping, "0"), (Element(CURVE, KH), "0")):
        async with bench(element=element) as one:
            await one.set(amps=amps)
            await one.source.on()
            await one.counter.arm(1000)
            for _ in range(200):
                await one.counter.is_done(1000)
            pulses.append(await one.counter.count())
    assert pulses[0] == pulses[2] == 0
    assert 6 <= pulses[1] <= 8  # 100 W for 2,000 s are 55.6 Wh


def _options(*argv: str) -> object:
    parser = ArgumentParser()
    add_arguments(parser)
    return options_of(parser.parse_args(argv))


@pytest.mark.parametrize(
    ("argv", "wrong"),
    [
        (["--fault", "sourse:silent"], "there is no 'sourse'"),
        (["--fault", "sleepy"], "no fault 'sleepy'"),
        (["--fault", "silent=often"], "'often' is no number"),
        (["--profile", "meter=x"], "KIND is source, standard, counter"),
        (["--port", "source"], "KIND is source"),
        (["--jitter", "500000"], "jitter is"),
        (["--virtual", "-1"], "no negative"),
        (["--scenario", "nobody"], "no scenario is called nobody"),
    ],
)
def test_what_cannot_be_served_is_named(argv: list[str], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        _options(*argv)


def test_a_meter_behind_transformers_is_turned_at_its_terminals() -> None:
    scenario = load_scenario("commercial-4ch")
    assert register_pulse(scenario) > 0


async def test_the_command_says_where_everything_is_and_survives_a_client_that_is_killed(tmp_path: Path) -> None:
    sim = tmp_path / "bench.yaml"
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "metersim", "instruments", "--virtual", "--meter-tcp", "0", "--visa-sim", str(sim),
        "--error", "30=0.35", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        said = json.loads(await server.stdout.readline())
        assert set(said) == {"source", "standard", "counter", "meter", "meter_id", "profiles"}
        assert said["meter"].startswith("tcp://127.0.0.1:")
        simulated = json.loads(sim.read_text())["resources"]
        assert set(simulated) == {said[kind] for kind in ("source", "standard", "counter")}
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CLIENT, said["source"], stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        assert await client.stdout.readline() == b"on\n"
        client.send_signal(signal.SIGKILL)
        await client.communicate()
        async with open_source(profile("source"), said["source"]) as source:
            assert await source.is_on()  # nobody was left to turn it off
            await asyncio.to_thread(turn_off_now, profile("source"), said["source"])
            assert not await source.is_on()
    finally:
        server.terminate()
        await server.communicate()
    assert server.returncode == 0
    with pytest.raises(OutputStillOn):
        await asyncio.to_thread(turn_off_now, profile("source"), said["source"])


_CLIENT = """
import asyncio, sys
from decimal import Decimal
from drivers.instruments import load_instruments, open_source

async def main():
    async with open_source(load_instruments().find("metersim-source"), sys.argv[1]) as source:
        await source.set_output(volts=Decimal(240), amps=Decimal(30), frequency_hz=Decimal(60))
        await source.on()
        print("on", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
