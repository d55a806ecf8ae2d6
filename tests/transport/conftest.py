"""No test of a transport may leave a task or a descriptor behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

FOLDER = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    descriptors, tasks = _descriptors(), asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not left, [task.get_name() for task in left]
    assert not _descriptors() - descriptors, "descriptors left open"


def _descriptors() -> set[Path]:
    return set(FOLDER.iterdir())
