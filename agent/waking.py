"""Meters that call when they are paged: each is sent its wake-up page when its call falls due.

A page lost with this program is not made up for: the schedule waits for the call, and then calls by itself, or says
that the meter did not call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent.scheduling.cycle import Cycle
from agent.scheduling.scheduler import Moment
from agent.together import together
from drivers.errors import MrspError
from drivers.pager.snpp_wake import Woken, page
from drivers.pager.wake import Wake
from drivers.secret import Secret

LOOK_AGAIN_S: Final = 60.0  # at the clock, which may be set meanwhile

_log = logging.getLogger(__name__)

Page = Callable[..., Coroutine[Any, Any, Woken]]


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A meter that waits for its page."""

    name: str
    cycle: Cycle
    wake: Wake
    password: Secret | None = None


async def wake_meters(sleepers: Iterable[Sleeper], keep: Path, now: Callable[[], Moment], *, page: Page = page) -> None:
    """Page each meter whenever its call falls due, until cancelled. `keep`: where requests outlive this program."""
    await together([(f"wake {one.name}", _wake(one, keep, now, page)) for one in sleepers])


async def _wake(sleeper: Sleeper, keep: Path, now: Callable[[], Moment], page: Page) -> None:
    while (due := sleeper.cycle.after(await _known(now))) is not None:
        while (left_s := (due - await _known(now)).total_seconds()) > 0:  # noqa: ASYNC110 - no event: a clock
            await asyncio.sleep(min(left_s, LOOK_AGAIN_S))
        try:
            woken = await page(sleeper.wake, keep, password=sleeper.password, now=lambda: now().at)
        except MrspError as error:
            _log.error("%s: it could not be paged: %s", sleeper.name, error)
        else:
            until = woken.until.astimezone(UTC)
            _log.info("%s: paged (%s); its call is expected until %s", sleeper.name, woken.outcome, until.isoformat())


async def _known(now: Callable[[], Moment]) -> datetime:
    """Return the time once it is known."""
    while not (moment := now()).known:  # noqa: ASYNC110 - a proof that comes may be lost again before an event is seen
        await asyncio.sleep(LOOK_AGAIN_S)
    return moment.at
