"""Every shipped profile holds its dialogue with its simulated instrument; pyvisa-sim answers as the socket does."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.errors import UsageError
from drivers.instruments import (
    InstrumentRefused,
    OutputNotOn,
    WrongInstrument,
    open_counter,
    open_source,
    open_standard,
)
from drivers.instruments.opening import PY
from metersim.instruments.serving import running_bench
from metersim.instruments.visa_sim import definitions
from tests.instruments.bench_kit import PROFILES, bench, options, profile


async def test_a_source_is_set_switched_and_asked() -> None:
    async with bench() as one:
        source = one.source
        assert source.identity.model == "AC-SOURCE"
        assert await source.identify() == source.identity
        assert source.has_watchdog
        await one.set()
        assert not await source.is_on()
        assert (await source.measured()).volts == 0
        await source.on()
        assert await source.is_on()
        measured = await source.measured()
        assert measured.volts == pytest.approx(Decimal(240), rel=Decimal("0.001"))
        assert measured.amps == pytest.approx(Decimal(30), rel=Decimal("0.001"))
        assert await one.standard.watts() == pytest.approx(Decimal(7200), rel=Decimal("0.002"))
        await source.off()
        assert not await source.is_on()


async def test_a_standard_integrates_from_start_to_stop() -> None:
    async with bench() as one:
        await one.set()
        await one.source.on()
        await one.standard.reset()
        await one.standard.start()
        assert one.standard.tells_elapsed
        while (await one.standard.elapsed_s() or 0) < 60:
            pass
        await one.standard.stop()
        seconds, energy = await one.standard.elapsed_s(), await one.standard.energy_wh()
        watts = await one.standard.watts()
        assert seconds is not None
        assert watts is not None
        assert energy == pytest.approx(watts * seconds / 3600, rel=Decimal("0.00002"))
        assert energy == await one.standard.energy_wh()
        assert energy % one.standard.resolution_wh == 0
        assert one.standard.limit_wh(Decimal(100)) == Decimal("0.02001")
        assert one.standard.limit_wh(Decimal(-100)) == Decimal("0.02001")


async def test_a_counter_gives_up_when_it_is_told_to() -> None:
    async with bench() as one:
        await one.counter.arm(5)
        assert not await one.counter.is_done(5)
        assert await one.counter.count() == 0
        assert await one.counter.reference_count() == 0
        await one.counter.disarm()
        await one.set()
        await one.source.on()
        assert await one.counter.count() == 0
        assert await one.counter.gate_s() == 0


async def test_the_calibrator_the_power_meter_and_the_totalizer_are_spoken_to_as_well() -> None:
    other = {"source": "fluke-5522a", "standard": "yokogawa-wt310e", "counter": "keysight-53220a"}
    find = PROFILES.find
    async with running_bench(options(profiles=other)) as served:
        async with (
            open_source(find("fluke-5522a"), served.source.resource) as source,
            open_standard(find("yokogawa-wt310e"), served.standard.resource) as standard,
            open_counter(find("keysight-53220a"), served.counter.resource) as counter,
        ):
            await source.set_output(
                volts=Decimal(240), amps=Decimal(10), frequency_hz=Decimal(60), power_factor=Decimal("0.5")
            )
            await source.on()
            assert not await source.is_locked_out()
            assert (await source.measured()).amps is None
            with pytest.raises(UsageError, match="no watchdog"):
                await source.watch(5)
            assert await standard.watts() == pytest.approx(Decimal(1200), rel=Decimal("0.002"))
            await standard.reset()
            await standard.start()
            await counter.arm(3)
            assert not counter.counts_reference
            assert await counter.reference_count() is None
            assert await counter.gate_s() is None
            while not await counter.is_done(3):
                pass
            await standard.stop()
            assert await standard.energy_wh() >= 3 * Decimal("7.2")
            assert standard.pulses_per_wh is None
            await counter.disarm()
        assert not served.world.output_on


async def test_a_visa_library_that_is_not_there_is_a_mistake_of_the_operator() -> None:
    with pytest.raises(UsageError, match="VISA library '@nobody' cannot be used"):
        async with open_source(profile("source"), "TCPIP::127.0.0.1::1::SOCKET", backend="@nobody"):
            pass


async def test_unknown_commands_and_wrong_parameters_are_put_into_the_queue() -> None:
    async with bench() as one:
        for command, code in (
            ("BOGUS 1", -113),
            ("VOLT", -109),
            ("VOLT lots", -104),
            ("OUTP? 1", -108),
            ("VOLT 601", -222),
            ("SYST:WDOG 0.5", -222),
        ):
            with pytest.raises(InstrumentRefused) as raised:
                await one.source._worker.call(one.source._talk.command, command)
            assert raised.value.codes == (code,)
            assert command in str(raised.value)


async def test_a_queue_that_never_ends_is_not_asked_for_ever() -> None:
    async with bench() as one:
        talk = one.source._talk
        with pytest.raises(InstrumentRefused) as raised:
            await one.source._worker.call(talk.command, *["BOGUS"] * 20)
        assert raised.value.codes[-1] == -350
        assert len(raised.value.codes) == 16


async def test_a_profile_of_another_kind_or_instrument_sets_nothing() -> None:
    async with running_bench(options()) as served:
        with pytest.raises(UsageError, match="is of a counter, not of a source"):
            async with open_source(profile("counter"), served.source.resource):
                pass
        with pytest.raises(WrongInstrument, match=r"METERSIM,PULSE-COUNTER.*nothing was set"):
            async with open_source(profile("source"), served.counter.resource):
                pass
        assert served.counter.heard == ["*IDN?"]
        assert served.source.heard == []


@pytest.mark.parametrize("resource", ["nonsense", "127.0.0.1:5025", ""])
async def test_what_is_no_resource_name_is_a_mistake_of_the_operator(resource: str) -> None:
    with pytest.raises(UsageError, match="no VISA resource"):
        async with open_source(profile("source"), resource):
            pass


async def _dialogue(resource: str, backend: str) -> list[object]:
    """What a source answers to the same dialogue."""
    said: list[object] = []
    async with open_source(profile("source"), resource, backend=backend) as source:
        said.append(source.identity)
        await source.set_output(volts=Decimal(240), amps=Decimal("2.4"), frequency_hz=Decimal(60))
        said.append(await source.is_on())
        await source.on()
        said.append(await source.is_on())
        said.append(await source.is_locked_out())
        await source.off()
        said.append(await source.is_on())
        talk, call = source._talk, source._worker.call
        for wrong in ("BOGUS", "VOLT 601"):
            try:
                await call(talk.command, wrong)
            except InstrumentRefused as error:
                said.append(error.codes if wrong == "BOGUS" else "refused")
        said += [await call(talk.ask, "MEAS:VOLT?"), await call(talk.ask, "SYST:ERR?")]
    return said


async def test_pyvisa_sim_and_the_socket_answer_alike(tmp_path: Path) -> None:
    async with running_bench(options()) as served:
        file = tmp_path / "bench.yaml"
        file.write_text(definitions({one.resource: one.device.profile for one in served.sockets.values()}))
        simulated = await _dialogue(served.source.resource, f"{file}@sim")
        assert simulated == await _dialogue(served.source.resource, PY)
        assert simulated[1:5] == [False, True, False, False]
        sim = f"{file}@sim"
        async with (
            open_standard(profile("standard"), served.standard.resource, backend=sim) as standard,
            open_counter(profile("counter"), served.counter.resource, backend=sim) as counter,
        ):
            await standard.reset()
            await standard.start()
            await standard.stop()
            assert await standard.energy_wh() == 0
            assert await counter.count() == 0
            assert not await counter.is_done(1)


async def test_every_profile_can_be_simulated_without_a_world(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    names = {name: f"GPIB0::{number}::INSTR" for number, name in enumerate(PROFILES.names, start=1)}
    file.write_text(definitions({resource: PROFILES.find(name) for name, resource in names.items()}))
    backend = f"{file}@sim"
    async with open_standard(PROFILES.find("yokogawa-wt310e"), names["yokogawa-wt310e"], backend=backend) as standard:
        assert await standard.energy_wh() == 0
    async with open_source(PROFILES.find("fluke-5522a"), names["fluke-5522a"], backend=backend) as source:
        with pytest.raises(OutputNotOn, match="'OPER' was sent"):
            await source.on()
