"""An agent that is killed at any step between what was typed and its stop: the reading comes once all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent.field import keeper, kept_work
from tests.field.field_kit import Settled, opened_house, over, running, typed

#: The instant of the end: what was typed is on the disk; before its promise, its place in the spool, the stop, the end.
STEPS = ("typed", "promise", "spool", "settle", "fulfilled", "done")


def die(*_arguments: Any, **_more: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def die_settling(*_arguments: object) -> None:
    die()


async def life(directory: Path, step: str) -> None:
    """Live until `step`."""
    places: dict[str, tuple[Any, str]] = {
        "promise": (kept_work.KeptWork, "promise"),
        "spool": (keeper, "keep_for_sure"),
        "fulfilled": (kept_work.KeptWork, "fulfilled"),
    }
    if step in places:
        setattr(*places[step], die)
    if step == "settle":
        Settled.settle = die_settling  # type: ignore[method-assign,assignment]
    async with opened_house(directory) as house:
        view = await house.desk.start(typed("1", stop_id="s-1"), by="ann")
        if step == "typed":
            die()
        assert (await over(house.desk, view)).state == "done"
        die()


def live_and_die(directory: Path) -> None:
    """Fork a life for each step: without threads and loops here, and the program is loaded once."""
    for step in STEPS:
        (directory / step).mkdir()
        process = os.fork()
        if not process:
            asyncio.run(life(directory / step, step))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, step


async def test_killed_at_any_step_the_reading_comes_once_and_its_stop_is_settled(tmp_path: Path) -> None:
    program = "from tests.field.test_field_crash import *; live_and_die(Path(sys.argv[1]))"
    done = subprocess.run(  # noqa: ASYNC221 - nothing else goes on
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    for step in STEPS:
        async with opened_house(tmp_path / step) as house:
            before = await house.readings()
            assert len(before) == (0 if step in {"typed", "promise", "spool"} else 1), step
            await running(house.desk)
            [reading_id] = await house.readings()
            assert before in ([], [reading_id]), step
            assert [one[2] for one in house.routes.told] == ([] if step == "done" else [reading_id]), step
            assert house.left == [], step
