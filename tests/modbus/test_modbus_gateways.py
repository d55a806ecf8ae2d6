"""Meters behind one gateway take turns; those on different lines do not wait for each other."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from drivers.base import Progress, Task
from drivers.data import MeterData
from drivers.modbus import gateways
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.library import load_maps
from metersim.modbus.faults import Faults
from metersim.modbus.server import running_modbus
from metersim.modbus.world import world_of

NAME = "gavazzi-em24-din"


async def read(address: str, unit: int) -> MeterData:
    return await ModbusDriver().read(Task(url=f"{address}?unit={unit}", profile=NAME))


async def test_twenty_units_behind_one_gateway_take_turns() -> None:
    one = load_maps().find(NAME)
    worlds = {unit: world_of(one, unit=unit) for unit in range(1, 21)}
    async with running_modbus(worlds, faults=Faults(slow_ms=1), rtu=True) as running:
        found = await asyncio.gather(*(read(running.address, unit) for unit in worlds))
    assert running.tally.connections == 20
    assert running.tally.most_open == 1
    units = [request[0] for request in running.tally.requests]
    assert sum(before != after for before, after in pairwise(units)) == 19  # no visit is mixed
    for unit, data in zip(worlds, found, strict=True):
        assert data.identity.meter_id == worlds[unit].meter_id
        assert sorted(f"{one.value:f}" for one in data.registers) == sorted(one.value for one in worlds[unit].truth)
    assert not gateways._GATEWAYS[asyncio.get_running_loop()]


async def test_two_gateways_are_read_at_once() -> None:
    """Each of the two visits goes on only when the other has begun."""
    one = load_maps().find(NAME)
    async with running_modbus({1: world_of(one)}) as here, running_modbus({1: world_of(one)}) as there:
        begun: list[str] = []

        def told(progress: Progress) -> None:
            begun.append(progress.stage)

        async with asyncio.timeout(20):
            async with gateways.alone_on(here.address.removeprefix("modbus+tcp://")):
                waiting = asyncio.create_task(read(here.address, 1))
                data = await ModbusDriver().read(Task(url=there.address, profile=NAME, progress=told))
                assert data.registers
                assert here.tally.connections == 0
                assert not waiting.done()
            assert (await waiting).registers


async def test_a_visit_that_gives_up_waiting_leaves_the_line_to_others() -> None:
    async with running_modbus({1: world_of(load_maps().find(NAME))}) as running:
        async with gateways.alone_on(running.address.removeprefix("modbus+tcp://")):
            waiting = asyncio.create_task(read(running.address, 1))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
        assert (await read(running.address, 1)).registers
