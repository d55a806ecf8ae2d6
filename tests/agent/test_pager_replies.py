"""A carrier's replies that cannot be taken now are taken later; the agent goes on meanwhile."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from agent import pager_replies
from drivers.errors import UsageError
from drivers.pager.push_settings import PushSettings


async def test_a_port_that_is_taken_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    tried: list[Path] = []
    serving = asyncio.Event()

    async def serve(_settings: PushSettings, keep: Path) -> None:
        tried.append(keep)
        if len(tried) < 3:
            raise UsageError("replies cannot be taken at 127.0.0.1 port 8443: Address already in use")
        serving.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pager_replies, "serve_push", serve)
    monkeypatch.setattr(pager_replies, "TRY_AGAIN_S", 0)
    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(pager_replies.keep_taking(PushSettings(), tmp_path))
        await serving.wait()
    task.cancel()
    await asyncio.wait({task})
    assert tried == [tmp_path] * 3
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "replies cannot be taken at 127.0.0.1 port 8443: Address already in use"
    ] * 2
