"""Meters that call when they are paged: once for each due call, whatever the clock and the terminal do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.call_in_settings import CallingMeter
from agent.scheduling.cycle import Grid
from agent.scheduling.scheduler import Moment
from agent.waking import Sleeper, wake_meters
from drivers.errors import TransportError
from drivers.pager.snpp_wake import Woken
from drivers.pager.wake import Wake, parse_wake
from tests.psem.lines import VirtualLoop

BEGIN = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
WAKE = parse_wake("snpp://terminal.example?pager=5551234567")


class Terminal:
    """Takes pages, and notes when; the first so many it cannot take."""

    def __init__(self, refuses: int = 0) -> None:
        self.pages: list[tuple[str, datetime]] = []
        self._refuses = refuses

    async def __call__(self, wake: Wake, _keep: Path, *, now: Any, **_unused: object) -> Woken:
        if self._refuses:
            self._refuses -= 1
            raise TransportError("no terminal took the page")
        self.pages.append((wake.pager, now()))
        return Woken("sent", now() + timedelta(minutes=15), "m-1")


def run(terminal: Terminal, *, hours: float, known_after: timedelta = timedelta(0)) -> None:
    """Let a box wait for its hourly calls, on virtual time."""
    loop = VirtualLoop()

    def now() -> Moment:
        passed = timedelta(seconds=loop.time())
        return Moment(BEGIN + passed, passed >= known_after, int(loop.time() * 1e9))

    async def live() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(hours * 3600):
                await wake_meters([Sleeper("m", Grid(timedelta(hours=1)), WAKE)], Path(), now, page=terminal)

    try:
        loop.run_until_complete(live())
    finally:
        loop.close()


def test_each_due_call_is_paged_for_once() -> None:
    terminal = Terminal()
    run(terminal, hours=3)
    assert [at.hour for _, at in terminal.pages] == [1, 2, 3]
    assert all(at.minute == 0 and pager == "5551234567" for pager, at in terminal.pages)


def test_a_terminal_that_takes_nothing_costs_that_page_only() -> None:
    terminal = Terminal(refuses=1)
    run(terminal, hours=3)
    assert [at.hour for _, at in terminal.pages] == [2, 3]


def test_nobody_is_paged_before_the_time_is_known() -> None:
    terminal = Terminal()
    run(terminal, hours=3, known_after=timedelta(minutes=100))
    assert [at.hour for _, at in terminal.pages] == [3]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"wake": "http://x"}, "snpp://HOST:PORT"),
        ({"wake": "snpp://x"}, "names no pager"),
        ({"wake_password_file": "x"}, "goes with `wake`"),
    ],
)
def test_settings_that_make_no_sense(keys: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CallingMeter("m", **keys)  # type: ignore[arg-type]
