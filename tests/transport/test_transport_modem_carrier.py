"""A call that is up: its carrier is lost, it lasts too long, or nobody reads what comes."""

from __future__ import annotations

import asyncio

import pytest

from drivers.transport.call_errors import (
    CallTooLong,
    CarrierLost,
)
from drivers.transport.dialling import Call
from tests.soak.virtual_loop import rest
from tests.transport.dialled_kit import CALL, handed_on, now, on_port, run
from tests.transport.fake_modem import FakeModem


def test_carrier_loss_is_told_at_once_by_dcd() -> None:
    async def story() -> None:
        fake = FakeModem(wired=True)
        modem, port = on_port(fake)
        line = await modem.dial(CALL)
        fake.far_end_says(b"last words")
        port.pump()
        await handed_on()
        reading = asyncio.create_task(line.read())
        assert await reading == b"last words"
        reading = asyncio.create_task(line.read())
        await handed_on()
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
            await rest(1.4)
        await rest(60.0)
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
        await handed_on()
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
        await rest(59.0)
        assert now(fake.off_hook)
        await rest(10.0)
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
            await rest(0.1)
        assert len(line._buffer) < 100_000
        assert len(await line.read()) < 100_000
        assert await line.read()
        await line.close()
        assert not fake.off_hook
        await modem.close()

    run(story)
