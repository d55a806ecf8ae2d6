"""Fixtures of the forwarding tests, and the check that none leaves a task or descriptor behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.forward.settings import ForwardSettings
from metersim.pki import Pki, add_agent, create_pki
from tests.forwarding.forwarding_kit import AGENT, World


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    pki = create_pki(tmp_path_factory.mktemp("pki") / "pki", now=datetime.now(UTC))
    add_agent(pki, AGENT, now=datetime.now(UTC))
    return pki


@pytest.fixture
async def world(authority: Pki, tmp_path: Path) -> AsyncIterator[World]:
    descriptors, tasks = set(os.listdir("/proc/self/fd")), asyncio.all_tasks()  # noqa: PTH208
    device = authority.device(AGENT)
    settings = ForwardSettings(
        host="localhost",
        ca=str(authority.ca),
        certificate=str(device / "device-cert.pem"),
        key=str(device / "device-key.pem"),
    )
    async with AsyncExitStack() as stack:
        yield World(authority, tmp_path, stack, settings)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not left, [task.get_name() for task in left]
    assert not set(os.listdir("/proc/self/fd")) - descriptors, "descriptors left open"  # noqa: PTH208
