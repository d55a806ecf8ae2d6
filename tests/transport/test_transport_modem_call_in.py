"""Calls that come in to a modem on a port, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import LineLost
from tests.soak.virtual_loop import rest
from tests.transport.dialled_kit import CALL, Wiring, handed_on, now, on_port, on_ports, run, wirings
from tests.transport.fake_modem import FakeModem


@wirings
def test_a_call_comes_in_and_then_one_is_made(wiring: Wiring) -> None:
    async def story() -> None:
        fake = wiring()
        modem, port = on_port(fake)
        waiting = asyncio.create_task(modem.wait_for_call(rings=2))
        await rest(10.0)
        assert not now(modem.call_arriving)
        fake.ring("NMBR = 5550199")
        port.pump()
        await handed_on()
        assert modem.call_arriving
        assert not modem.stop_waiting()
        await rest(6.0)
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
            await rest(pause)
            assert modem.stop_waiting()
            assert await waiting is None
            line = await modem.dial(CALL)
            await line.close()
            assert not fake.off_hook
        waiting = asyncio.create_task(modem.wait_for_call())
        await rest(5.0)
        fake.ring()
        port.pump()
        line_in = await waiting
        assert line_in is not None
        await modem.close()
        assert not fake.off_hook

    run(story)


def test_waiting_goes_on_when_a_port_was_lost() -> None:
    async def story() -> None:
        fake = FakeModem()
        modem, ports = on_ports(fake)
        waiting = asyncio.create_task(modem.wait_for_call())
        await rest(5.0)
        await ports[0].close()
        with pytest.raises(LineLost):
            await waiting
        assert modem.off_hook is None
        waiting = asyncio.create_task(modem.wait_for_call())
        await rest(5.0)
        fake.ring()
        ports[-1].pump()
        assert await waiting is not None
        await modem.close()

    run(story)
