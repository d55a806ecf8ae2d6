"""The client's manners with a meter that is busy, locked, or lost the session."""

from __future__ import annotations

import pytest

from drivers.errors import MeterRefused
from drivers.psem import PsemClient, PsemOptions, ResponseCode
from drivers.psem.meter import MeterLimits
from drivers.psem.services import Wait
from tests.psem.lines import PASSWORD, Line, Tables, clock, visit
from tests.soak.virtual_loop import rest

BSY, DNR, DLK, ISSS = (ResponseCode[name] for name in ("BSY", "DNR", "DLK", "ISSS"))


def test_a_busy_meter_is_waited_for() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        began = clock()
        assert await client.read_table(1) == b"first"
        assert 6 < clock() - began < 7

    says = {0x20: [BSY], 0x50: [DNR], 0x30: [BSY, DNR, BSY, BSY, DNR, BSY]}
    line = visit(story, Tables({1: b"first"}, says=says))
    assert line.requests().count("Identify") == 2


def test_a_meter_that_stays_busy() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == BSY

    line = visit(story, Tables({1: b"first"}, says={0x30: [BSY] * 99}), options=PsemOptions(busy_retries=4))
    assert line.requests().count("FullRead") == 5


def test_long_waits_for_a_busy_meter_keep_the_session() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(1) == b"first"

    handler = Tables({1: b"first"}, says={0x30: [BSY]})
    line = visit(story, handler, options=PsemOptions(busy_wait_s=20.0))
    assert line.requests().count("Identify") == 1
    assert line.requests().count("Wait") == 4


def test_keeping_alive_a_meter_without_wait() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert not await client.wait(30)
        assert not await client.wait(30)
        await client.pause(20)
        assert await client.read_table(1) == b"first"

    line = visit(story, limits=MeterLimits(refused=frozenset({0x70})))
    assert line.requests().count("NoneType") == 1
    assert line.requests().count("OffsetRead") == 4
    assert line.requests().count("Identify") == 1


def test_wait() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.wait(60)
        await rest(50)
        assert await client.read_table(1) == b"first"

    line = visit(story)
    assert (Wait(60), ResponseCode.OK) in line.served()
    assert line.requests().count("Identify") == 1


def test_locked_data_are_waited_for_shortly() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(1) == b"first"
        handler.says[0x30] = [DLK] * 9
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == DLK

    handler = Tables({1: b"first"}, says={0x30: [DLK, DLK]})
    line = visit(story, handler)
    assert line.requests().count("FullRead") == 3 + 4


def test_a_meter_that_lost_the_session_is_logged_on_again() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        assert await client.read_table(1) == b"first"
        assert client.statistics.recoveries == 1

    handler = Tables({1: b"first"}, password=b"PASSWORD01")
    line = visit(story, handler, password=PASSWORD)
    assert line.requests().count("Logon") == 2
    assert len(handler.passwords) == 2


def test_a_meter_that_always_says_wrong_state() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused) as caught:
            await client.read_table(1)
        assert caught.value.code == ISSS

    line = visit(story, Tables({1: b"first"}, says={0x30: [ISSS] * 99}))
    assert line.requests().count("Logon") == 3
