"""A modem on a port, in virtual time: whatever happens, the line is on hook at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from drivers.errors import LineLost, LocalProtocolError, UsageError
from drivers.transport import open_transport
from drivers.transport.call_errors import (
    CallTooLong,
    CarrierLost,
    LineBusy,
    ModemSilent,
    NoAnswer,
    NotOnHook,
)
from drivers.transport.call_report import call_remarks, dialogue_of
from drivers.transport.dialled import DialledLine
from drivers.transport.dialling import Call
from drivers.transport.modem import Modem, open_modem
from drivers.transport.modem_settings import ModemSettings
from tests.transport.fake_modem import FakeModem, ModemPort
from tests.transport.virtual_meter import VirtualTimeLoop

T = TypeVar("T")
CALL = Call("5550100")
LONGEST = 40.0  # seconds until CONNECT and the end of settling, with some to spare


def run(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(story())
        left = asyncio.all_tasks(runner.get_loop())
        assert not left
        return result


def now(value: T) -> T:
    """What holds at this moment; a type checker would take it to hold after an `await`, too."""
    return value


def on_port(fake: FakeModem, settings: ModemSettings | None = None) -> tuple[Modem, ModemPort]:
    port = ModemPort(fake)
    return Modem(port, settings, pins=port if fake.wired else None), port


Wiring = Callable[..., FakeModem]
WIRING: list[Wiring] = [partial(FakeModem, wired=True), partial(FakeModem, wired=True, no_dtr=True), FakeModem]
wirings = pytest.mark.parametrize("wiring", WIRING, ids=["dtr", "dcd only", "no pins"])


@wirings
def test_a_call_is_made_used_and_ended_and_another_made(wiring: Wiring) -> None:
    async def story() -> None:
        fake = wiring()
        modem, port = on_port(fake)
        for _ in range(2):
            line = await modem.dial(CALL)
            assert now(modem.busy)
            assert (line.baud, line.caller) == (2400, "")
            assert line.name == "/dev/ttyS9 (call to 5550100)"
            await line.write(b"\xee\x00go")
            fake.far_end_says(b"\x06answer")
            port.pump()
            assert await line.read() == b"\x06answer"
            assert fake.data == b"\xee\x00go"
            await line.set_baud(19200)
            assert (line.baud, port.baud) == (2400, 9600)
            await line.close()
            assert not fake.off_hook
            assert not modem.busy
            assert line.remarks() == ()
            await line.close()
            with pytest.raises(LineLost):
                await line.read()
            with pytest.raises(LineLost):
                await line.write(b"x")
            fake.data.clear()
        assert not now(port.closed)
        await modem.close()
        assert port.closed
        assert modem.closed

    run(story)


@wirings
def test_what_came_in_before_the_line_settled_is_dropped(wiring: Wiring) -> None:
    async def story() -> None:
        fake = wiring(after=("PROTOCOL: NONE",))
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        fake.far_end_says(b"first")
        port.pump()
        assert await line.read() == b"first"
        fake.far_end_says(b"stale")
        port.pump()
        await asyncio.sleep(0.01)
        assert line.discard_input() == 5
        assert line.discard_input() == 0
        await modem.close()
        assert not fake.off_hook

    run(story)


@wirings
def test_wherever_dialling_is_cancelled_the_line_ends_on_hook(wiring: Wiring) -> None:
    async def story(at: float, again: float) -> tuple[bool, float]:
        fake = wiring(dial_s=3.0)
        modem, port = on_port(fake)
        dialling = asyncio.create_task(modem.dial(CALL))
        await asyncio.sleep(at)
        connected = dialling.done()
        dialling.cancel()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(again)
        dialling.cancel()  # an impatient caller changes nothing
        await asyncio.wait([dialling])
        took = asyncio.get_running_loop().time() - began
        if connected:
            await dialling.result().close()
        assert not fake.off_hook
        assert not modem.off_hook
        assert not modem.busy
        fake.result = "BUSY"
        with pytest.raises(LineBusy):  # and the modem can be used again
            await modem.dial(CALL)
        await modem.close()
        assert port.closed
        return connected, took

    ends = []
    for tenth in range(80):
        at = tenth / 10

        async def one(at: float = at, again: float = tenth % 7 / 5) -> tuple[bool, float]:
            return await story(at, again)

        ends.append(run(one))
    assert ends[0][0] is False
    assert ends[-1][0] is True
    assert max(took for _, took in ends) < 10.0


@wirings
@pytest.mark.parametrize("at", [0.0, 0.3, 1.0, 2.5])
def test_a_call_that_is_closed_or_cancelled_while_it_is_up_is_hung_up_to_the_end(wiring: Wiring, at: float) -> None:
    async def story() -> None:
        fake = wiring()
        modem, _ = on_port(fake)
        line = await modem.dial(CALL)

        async def visit() -> None:
            try:
                await line.read()
            finally:
                await line.close()

        visiting = asyncio.create_task(visit())
        await asyncio.sleep(at)
        visiting.cancel()
        await asyncio.sleep(at)
        visiting.cancel()
        await asyncio.wait([visiting])
        assert visiting.cancelled()
        assert not fake.off_hook
        await modem.close()

    run(story)


def test_the_program_ends_in_the_middle_of_a_call() -> None:
    fake = FakeModem(wired=True)

    async def story() -> None:
        modem, _ = on_port(fake)
        await modem.dial(CALL)
        await asyncio.sleep(1.0)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
        assert fake.off_hook
    assert not fake.off_hook


@wirings
def test_a_failed_call_leaves_the_line_on_hook(wiring: Wiring) -> None:
    async def story() -> None:
        fake = wiring(result="NO ANSWER")
        modem, _ = on_port(fake)
        with pytest.raises(NoAnswer):
            await modem.dial(CALL)
        assert fake.commands[-1] == "ATH0"
        fake.result, fake.commands[:] = "", []
        with pytest.raises(ModemSilent):
            await modem.dial(CALL)
        assert not fake.off_hook
        assert fake.commands[-1] == "ATH0"
        await modem.close()

    run(story)


def test_carrier_loss_is_told_at_once_by_dcd() -> None:
    async def story() -> None:
        fake = FakeModem(wired=True)
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        fake.far_end_says(b"last words")
        port.pump()
        await asyncio.sleep(0.01)
        reading = asyncio.create_task(line.read())
        assert await reading == b"last words"
        reading = asyncio.create_task(line.read())
        await asyncio.sleep(0.01)
        began = asyncio.get_running_loop().time()
        fake.lose_carrier()
        fake.take()  # no word of it
        with pytest.raises(CarrierLost, match="carrier is lost"):
            await reading
        assert asyncio.get_running_loop().time() - began <= 0.25
        with pytest.raises(CarrierLost):
            await line.write(b"x")
        await line.close()
        assert not fake.off_hook
        await modem.close()

    run(story)


def test_carrier_loss_is_told_by_words_without_dcd_and_no_octet_is_taken() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        fake.far_end_says(b"\xeehalf a pack")
        fake.lose_carrier()
        port.pump()
        assert await line.read() == b"\xeehalf a pack\r\nNO CARRIER\r\n"
        began = asyncio.get_running_loop().time()
        with pytest.raises(CarrierLost, match="carrier is lost"):
            await line.read()
        assert 1.0 < asyncio.get_running_loop().time() - began < 2.0
        await line.close()
        assert fake.commands[-1] == "ATH0"
        assert b"+++" not in fake.data
        await modem.close()

    run(story)


def test_the_words_within_data_are_data() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        words = b"\r\nNO CARRIER\r\n"
        for chunk in (words, b"and on", words[:7], words[7:], b"x", b"NO CARRIER\r\n", words + b"\x01"):
            fake.far_end_says(chunk)
            port.pump()
            assert await line.read() == chunk
            await asyncio.sleep(1.4)
        await asyncio.sleep(60.0)
        fake.far_end_says(b"still here")
        port.pump()
        assert await line.read() == b"still here"
        await modem.close()

    run(story)


def test_the_words_are_noticed_although_the_input_is_dropped_and_the_next_caller_rings() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        fake.lose_carrier()
        fake.ring()
        port.pump()
        await asyncio.sleep(0.01)
        assert line.discard_input() > 0
        with pytest.raises(CarrierLost):
            await line.read()
        await modem.close()

    run(story)


def test_no_call_lasts_longer_than_allowed_even_if_nobody_looks() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, _ = on_port(fake)
        line = await modem.dial(Call("5550100", max_call_s=60))
        await asyncio.sleep(59.0)
        assert now(fake.off_hook)
        await asyncio.sleep(10.0)
        assert not fake.off_hook
        with pytest.raises(CallTooLong, match="60 s"):
            await line.read()
        await line.close()
        await modem.close()

    run(story)


def test_a_flood_that_nobody_reads_is_bounded_and_does_not_keep_the_call_up() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake)
        line = await modem.dial(Call("5550100", max_call_s=60))
        for _ in range(40):
            fake.far_end_says(bytes(8192))
            port.pump()
            await asyncio.sleep(0.1)
        assert len(line._buffer) < 100_000
        assert len(await line.read()) < 100_000
        assert await line.read()
        await line.close()
        assert not fake.off_hook
        await modem.close()

    run(story)


def test_hanging_up_that_is_not_confirmed_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> DialledLine:
        fake = FakeModem(no_escape=True)
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        began = asyncio.get_running_loop().time()
        await line.close()
        assert asyncio.get_running_loop().time() - began < 30.0
        assert port.closed  # the last thing that can be done
        assert isinstance(modem.off_hook, NotOnHook)
        assert modem.closed
        with pytest.raises(LineLost, match="closed"):
            await modem.dial(CALL)
        await modem.close()
        return line

    with caplog.at_level(logging.ERROR):
        line = run(story)
    assert "may go on and cost" in caplog.text
    assert isinstance(line.not_on_hook, NotOnHook)
    assert "did not confirm that it hung up" in line.remarks()[0]
    assert call_remarks(line) == line.remarks()


def test_a_failed_call_whose_end_is_not_confirmed_is_that_failure() -> None:
    async def story() -> None:
        fake = FakeModem(result="BUSY")
        modem, port = on_port(fake)
        dialling = asyncio.create_task(modem.dial(CALL))
        while not (fake.commands and fake.commands[-1].startswith("ATD")):
            fake.heard.clear()
            await fake.heard.wait()
        fake.deaf = True
        with pytest.raises(NotOnHook) as caught:
            await dialling
        assert isinstance(caught.value.__cause__, LineBusy)
        assert port.closed
        await modem.close()

    run(story)


def test_a_port_that_goes_away_in_a_call_is_opened_again_and_the_call_ended() -> None:
    async def story() -> None:
        fake = FakeModem()
        ports = [ModemPort(fake)]

        async def reopen() -> tuple[ModemPort, None]:
            ports.append(ModemPort(fake))
            return ports[-1], None

        modem = Modem(ports[0], reopen=reopen)
        line = await modem.dial(CALL)
        await ports[0].close()
        with pytest.raises(LineLost):
            await line.read()
        await line.close()
        assert now(fake.off_hook)
        assert now(modem.off_hook)
        assert not modem.closed
        line = await modem.dial(CALL)
        assert not modem.off_hook
        assert fake.commands.index("ATH0") < len(fake.commands) - 1
        await line.close()
        assert not fake.off_hook
        await modem.close()

    run(story)


def test_one_thing_at_a_time() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, _ = on_port(fake)
        line = await modem.dial(CALL)
        with pytest.raises(LocalProtocolError, match="in use"):
            await modem.dial(CALL)
        await line.close()
        await modem.close()

    run(story)


def test_the_speed_of_the_port_follows_where_the_modem_has_no_flow_control() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake, ModemSettings(follow_rate=True))
        line = await modem.dial(CALL)
        assert port.baud == 2400
        await line.close()
        assert port.baud == 9600
        await modem.close()

    run(story)


def test_the_dialogue_is_kept_for_the_recording() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, _ = on_port(fake)
        line = await modem.dial(CALL)
        assert line.dialogue[-2:] == ("> ATDT5550100", "< CONNECT 2400")
        before = len(dialogue_of(line))
        await line.close()
        assert dialogue_of(line)[before:] == ("> +++", "< OK", "> ATH0", "< OK")
        await modem.close()

    run(story)


# -- calls that come in


@wirings
def test_a_call_comes_in_and_then_one_is_made(wiring: Wiring) -> None:
    async def story() -> None:
        fake = wiring()
        modem, port = on_port(fake)
        waiting = asyncio.create_task(modem.wait_for_call(rings=2))
        await asyncio.sleep(10.0)
        assert not now(modem.call_arriving)
        fake.ring("NMBR = 5550199")
        port.pump()
        await asyncio.sleep(0.01)
        assert modem.call_arriving
        assert not modem.stop_waiting()
        await asyncio.sleep(6.0)
        fake.ring()
        port.pump()
        line = await waiting
        assert line is not None
        assert line.caller == "5550199"
        assert line.name.endswith("(call-in)")
        await line.write(b"\xee")
        assert fake.data == b"\xee"
        await line.close()
        assert not fake.off_hook
        line = await modem.dial(CALL)
        await line.close()
        await modem.close()

    run(story)


def test_waiting_ends_for_a_call_to_be_made_and_begins_again() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, port = on_port(fake)
        assert modem.stop_waiting()
        for pause in (0.0, 0.05, 0.2, 0.5, 1.0, 5.0, 400.0):
            waiting = asyncio.create_task(modem.wait_for_call())
            await asyncio.sleep(pause)
            assert modem.stop_waiting()
            assert await waiting is None
            line = await modem.dial(CALL)
            await line.close()
            assert not fake.off_hook
        waiting = asyncio.create_task(modem.wait_for_call())
        await asyncio.sleep(5.0)
        fake.ring()
        port.pump()
        line_in = await waiting
        assert line_in is not None
        await modem.close()
        assert not fake.off_hook

    run(story)


def test_wherever_waiting_is_cancelled_the_line_ends_on_hook() -> None:
    async def story(at: float) -> None:
        fake = FakeModem(dial_s=3.0)
        modem, port = on_port(fake)
        waiting = asyncio.create_task(modem.wait_for_call(rings=2))
        for moment in (6.0, 12.0):
            fake.at(moment, fake.ring)
        port.pump()
        await asyncio.sleep(at)
        waiting.cancel()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            line = waiting.result()
            assert line is not None
            await line.close()
        assert not fake.off_hook
        await asyncio.sleep(20.0)
        await modem.close()

    for third in range(60):

        async def one(at: float = third / 3) -> None:
            await story(at)

        run(one)


def test_waiting_goes_on_when_a_port_was_lost() -> None:
    async def story() -> None:
        fake = FakeModem()
        ports = [ModemPort(fake)]

        async def reopen() -> tuple[ModemPort, None]:
            ports.append(ModemPort(fake))
            return ports[-1], None

        modem = Modem(ports[0], reopen=reopen)
        waiting = asyncio.create_task(modem.wait_for_call())
        await asyncio.sleep(5.0)
        await ports[0].close()
        with pytest.raises(LineLost):
            await waiting
        assert modem.off_hook is None
        waiting = asyncio.create_task(modem.wait_for_call())
        await asyncio.sleep(5.0)
        fake.ring()
        ports[-1].pump()
        assert await waiting is not None
        await modem.close()

    run(story)


# -- addresses


async def test_a_bank_is_resolved_elsewhere() -> None:
    with pytest.raises(UsageError, match="no bank of modems 'north'"):
        await open_transport("modem://north?dial=5550100")


async def test_a_modem_without_a_number_can_only_wait() -> None:
    with pytest.raises(UsageError, match="names no number"):
        await open_transport("modem:///dev/ttyS9")
    with pytest.raises(UsageError, match="not the address of a modem"):
        await open_modem("tcp://host:1")
