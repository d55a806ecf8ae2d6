"""Shared by the tests of Modbus: every test leaves no descriptor and no task behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator

import pytest


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    before, tasks = set(os.listdir("/proc/self/fd")), asyncio.all_tasks()  # noqa: PTH208
    yield
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not left, [task.get_name() for task in left]
    if set(os.listdir("/proc/self/fd")) - before:  # noqa: PTH208
        gc.collect()  # what nobody holds is not left open
    assert not set(os.listdir("/proc/self/fd")) - before, "descriptors left open"  # noqa: PTH208
