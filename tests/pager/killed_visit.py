"""A program that visits a pager meter and is killed at one stage: `python killed_visit.py URL KEEP STAGE`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

from drivers.base import Task
from drivers.pager.driver import PagerDriver
from drivers.pager.jobs_store import JobStore
from drivers.pager.wctp_http import Answer, HttpGateway
from drivers.secret import Secret


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(do: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def instead(*args: Any, **kwargs: Any) -> Any:
        if before:
            die()
        outcome = do(*args, **kwargs)
        die()
        return outcome

    return instead


def dying_post(do: Callable[..., Any], marker: bytes, *, before: bool) -> Callable[..., Any]:
    async def instead(self: HttpGateway, body: bytes) -> Answer:
        if before and marker in body:
            die()
        answer: Answer = await do(self, body)
        if marker in body:
            die()
        return answer

    return instead


def arm(stage: str) -> None:
    """Make the process die where `stage` says: before or after a step of the store, or around a post."""
    when, _, step = stage.partition(" ")
    if step in ("submit", "poll"):
        marker = b"<wctp-SubmitRequest" if step == "submit" else b"<wctp-PollForMessages"
        HttpGateway.post = dying_post(HttpGateway.post, marker, before=when == "before")  # type: ignore[method-assign]
    elif step:
        setattr(JobStore, step, dying(getattr(JobStore, step), before=when == "before"))


if __name__ == "__main__":
    url, keep, stage = sys.argv[1:]
    arm(stage)
    asyncio.run(PagerDriver().read(Task(url, keep=Path(keep), password=Secret(b"s3cret&code"), site_zone=UTC)))
