"""Whoever is cancelled, and whenever: at the end the line is on hook."""

from __future__ import annotations

import asyncio

import pytest

from drivers.transport.call_errors import (
    LineBusy,
)
from tests.soak.virtual_loop import rest
from tests.transport.dialled_kit import CALL, Wiring, on_port, run, wirings
from tests.transport.fake_modem import FakeModem
from tests.transport.virtual_meter import VirtualTimeLoop


@wirings
def test_wherever_dialling_is_cancelled_the_line_ends_on_hook(wiring: Wiring) -> None:
    async def story(at: float, again: float) -> tuple[bool, float]:
        fake = wiring(dial_s=3.0)
        modem, port = on_port(fake)
        dialling = asyncio.create_task(modem.dial(CALL))
        await rest(at)
        connected = dialling.done()
        dialling.cancel()
        began = asyncio.get_running_loop().time()
        await rest(again)
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
        await rest(at)
        visiting.cancel()
        await rest(at)
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
        await rest(1.0)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
        assert fake.off_hook
    assert not fake.off_hook


def test_wherever_waiting_is_cancelled_the_line_ends_on_hook() -> None:
    async def story(at: float) -> None:
        fake = FakeModem(dial_s=3.0)
        modem, port = on_port(fake)
        waiting = asyncio.create_task(modem.wait_for_call(rings=2))
        for moment in (6.0, 12.0):
            fake.at(moment, fake.ring)
        port.pump()
        await rest(at)
        waiting.cancel()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            line = waiting.result()
            assert line is not None
            await line.close()
        assert not fake.off_hook
        await rest(20.0)
        await modem.close()

    for third in range(60):

        async def one(at: float = third / 3) -> None:
            await story(at)

        run(one)
