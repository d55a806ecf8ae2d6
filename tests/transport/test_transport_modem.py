"""A modem on a port, in virtual time: calls are made and ended, and the line is always on hook at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from drivers.errors import LineLost, LocalProtocolError, UsageError
from drivers.transport import open_transport
from drivers.transport.call_errors import (
    LineBusy,
    ModemSilent,
    NoAnswer,
    NotOnHook,
)
from drivers.transport.call_report import call_remarks, dialogue_of
from drivers.transport.dialled import DialledLine
from drivers.transport.modem import open_modem
from drivers.transport.modem_settings import ModemSettings
from tests.transport.dialled_kit import CALL, Wiring, handed_on, now, on_port, on_ports, run, wirings
from tests.transport.fake_modem import FakeModem


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
        await handed_on()
        assert line.discard_input() == 5
        assert line.discard_input() == 0
        await modem.close()
        assert not fake.off_hook

    run(story)


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
        modem, ports = on_ports(fake)
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


async def test_a_bank_is_resolved_elsewhere() -> None:
    with pytest.raises(UsageError, match="no bank of modems 'north'"):
        await open_transport("modem://north?dial=5550100")


async def test_a_modem_without_a_number_can_only_wait() -> None:
    with pytest.raises(UsageError, match="names no number"):
        await open_transport("modem:///dev/ttyS9")
    with pytest.raises(UsageError, match="not the address of a modem"):
        await open_modem("tcp://host:1")
