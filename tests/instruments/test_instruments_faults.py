"""Whatever an instrument does wrong gives an error that names it, the command and what came, and never a value."""

from __future__ import annotations

import socket
from decimal import Decimal

import pytest

from drivers.instruments import (
    BadAnswer,
    InstrumentError,
    InstrumentLost,
    InstrumentRefused,
    InstrumentSilent,
    OutputNotOn,
    Overrange,
    WrongInstrument,
    open_counter,
    open_source,
    open_standard,
)
from metersim.instruments.serving import running_bench
from tests.instruments.bench_kit import bench, options, profile

IMPATIENT_S = 0.1


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("overrange", Overrange, r"'FETC:ENER\?'.*9.9.*out of its range"),
        ("no_value", Overrange, r"'FETC:ENER\?'.*no measurement"),
        ("words", BadAnswer, r"'FETC:ENER\?'.*three and a bit.*no number"),
        ("wrong_units", BadAnswer, r"'FETC:ENER\?'.*mVA.*says no unit"),
    ],
)
async def test_a_value_that_is_none_is_refused(fault: str, error: type[InstrumentError], said: str) -> None:
    async with bench(f"standard:{fault}", f"counter:{fault}") as one:
        with pytest.raises(error, match=said) as raised:
            await one.standard.energy_wh()
        assert one.served.standard.resource in str(raised.value)
        assert raised.value.advice
        with pytest.raises(error, match=r"COUN\?"):
            await one.counter.count()


async def test_an_instrument_that_answers_no_more_is_silent() -> None:
    async with (
        running_bench(options("standard:silent=2")) as served,
        open_standard(profile("standard", timeout_s=IMPATIENT_S), served.standard.resource) as standard,
    ):
        with pytest.raises(InstrumentSilent, match=r"'FETC:ENER\?': no whole answer within 0.1 s") as raised:
            await standard.energy_wh()
        assert isinstance(raised.value, TimeoutError)
        assert raised.value.retry


async def test_a_late_answer_is_not_taken_for_that_to_the_next_question() -> None:
    async with (
        running_bench(options("counter:silent_once=2")) as served,
        open_counter(profile("counter", timeout_s=IMPATIENT_S), served.counter.resource) as counter,
    ):
        with pytest.raises(InstrumentSilent):
            await counter.gate_s()
        assert await counter.count() == 0
        assert served.counter.connections == 2


@pytest.mark.parametrize(("fault", "said"), [("garbage=2", "is no text"), ("endless=2", "more than 512 octets")])
async def test_octets_that_are_no_answer_are_refused(fault: str, said: str) -> None:
    async with (
        running_bench(options(f"counter:{fault}")) as served,
        open_counter(profile("counter"), served.counter.resource) as counter,
    ):
        with pytest.raises(BadAnswer, match=said):
            await counter.count()


async def test_an_answer_too_many_is_not_taken_for_that_to_the_next_question() -> None:
    async with (
        running_bench(options("source:twice=3")) as served,
        open_source(profile("source"), served.source.resource) as source,
    ):
        assert not await source.is_on()
        assert not await source.is_locked_out()
        with pytest.raises(BadAnswer, match="something came that was not asked for"):
            await source.is_on()


async def test_a_connection_that_is_closed_is_an_error_and_is_opened_anew() -> None:
    async with (
        running_bench(options("counter:lost_once=3")) as served,
        open_counter(profile("counter", timeout_s=IMPATIENT_S), served.counter.resource) as counter,
    ):
        assert await counter.count() == 0
        with pytest.raises(InstrumentLost, match=r"COUN:REF\?.*closed"):
            await counter.reference_count()
        assert await counter.reference_count() == 0


async def test_nobody_at_the_address_is_lost_and_not_silent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        resource = f"TCPIP::127.0.0.1::{taken.getsockname()[1]}::SOCKET"
    with pytest.raises(InstrumentLost, match=r"'\*IDN\?': the connection is lost: .*[Rr]efused") as raised:
        async with open_source(profile("source"), resource):
            pass
    assert "check power, cable and address" in str(raised.value)


async def test_another_instrument_is_not_taken_for_the_right_one() -> None:
    async with running_bench(options("liar")) as served:
        with pytest.raises(WrongInstrument, match=r"ACME,TOASTER.*this is no AC source"):
            async with open_source(profile("source"), served.source.resource):
                pass
        assert served.source.heard == ["*IDN?"]


async def test_a_source_that_refuses_a_setting_says_so() -> None:
    async with bench("source:deaf") as one:
        with pytest.raises(InstrumentRefused, match=r"'VOLT 240'.*-222 Data out of range") as raised:
            await one.set()
        assert set(raised.value.codes) == {-222}


async def test_a_source_that_does_not_go_on_says_so() -> None:
    async with bench("source:stuck_off") as one:
        await one.set()
        with pytest.raises(OutputNotOn, match=r"'OUTP 1' was sent, and 'OUTP\?' says off"):
            await one.source.on()


async def test_a_source_in_lockout_refuses_to_go_on() -> None:
    async with bench("source:locked") as one:
        assert await one.source.is_locked_out()
        with pytest.raises(InstrumentRefused, match=r"-221.*locked out"):
            await one.source.on()
        assert not await one.source.is_on()
        assert one.served.world.load.power == 0


async def test_a_standard_without_values_has_no_energy_of_zero() -> None:
    async with bench("standard:overrange") as one:
        energy = None
        with pytest.raises(Overrange):
            energy = await one.standard.energy_wh()
        assert energy is None
        assert one.standard.limit_wh(Decimal(0)) == Decimal("0.00001")
