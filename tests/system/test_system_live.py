"""A meter that goes on measuring while it is read: blocks that grow, shift and wrap are read again, never mixed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from metersim.meter import RunningMeter, running_meter
from tests.young_meters import young

PASSWORDS = {"commercial-4ch": b"READ-ONLY"}
NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


async def read(meter: RunningMeter, scenario: str) -> MeterData:
    password = Secret(PASSWORDS.get(scenario, b"00000000"))
    return await PsemDriver().read(Task(url=meter.address, password=password))


@pytest.mark.parametrize("scenario", ["profile-35d", "commercial-4ch", "descending-fifo-2008", "residential-tou"])
async def test_every_interval_of_a_running_meter_is_one_that_it_stored(scenario: str) -> None:
    async with running_meter(young(scenario, NOW), now=NOW, rate=1800) as meter:  # two intervals end in each second
        before = meter.truth()
        data = await read(meter, scenario)
        after = meter.truth()
    stored = {
        (block.data_set, block.channel, end): (count, words)
        for block in after.blocks
        for end, count, words in zip(block.ends, block.counts, block.status, strict=True)
    }
    found = {
        (block.data_set, block.channel, block.first_interval_end + k * timedelta(seconds=block.interval_s)): (
            count,
            words,
        )
        for block in data.blocks
        for k, (count, words) in enumerate(zip(block.counts, block.status, strict=True))
    }
    oldest_left = min(end for _, _, end in stored)
    wrong = {key: got for key, got in found.items() if key[2] >= oldest_left and stored.get(key) != got}
    assert wrong == {}
    newest_before = max(end for block in before.blocks for end in block.ends)
    grew_too_fast = any("stored new intervals in each of" in problem.reason for problem in data.problems)
    assert max(end for _, _, end in found) >= newest_before or grew_too_fast


async def test_registers_only_leaves_profile_and_logs_alone() -> None:
    async with running_meter(young("residential-tou", NOW), now=NOW, rate=0) as meter:
        task = Task(url=meter.address, password=Secret(b"00000000"), registers_only=True)
        data = await PsemDriver().read(task)
        truth = meter.truth()
    assert data.blocks == ()
    assert data.events == ()
    assert sorted(str(r.value) for r in data.registers) == sorted(str(r.value) for r in truth.registers)
