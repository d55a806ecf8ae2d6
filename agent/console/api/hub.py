"""What all event streams of one console share: the count of events, and one look at the box for everybody."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import cast

from starlette.requests import Request

from agent.box_status import BoxStatus
from agent.console.api.box import StatusNow, status_now
from agent.console.request import world_of


class Statuses:
    """The status of the box, looked at once for all who ask in the same few seconds."""

    def __init__(self, look: Callable[[], Awaitable[BoxStatus]]) -> None:
        self._look = look
        self._one = asyncio.Lock()
        self._newest: StatusNow | None = None
        self._looked = 0.0

    async def newest(self, most_age_s: float) -> StatusNow:
        """Return a status that is not older than that. Raises `LocalTrouble`."""
        loop = asyncio.get_running_loop()
        async with self._one:
            if self._newest is None or loop.time() - self._looked >= most_age_s:
                self._newest, self._looked = status_now(await self._look()), loop.time()
            return self._newest


class Hub:
    """Of one console, as long as it runs."""

    def __init__(self, look: Callable[[], Awaitable[BoxStatus]]) -> None:
        self.statuses = Statuses(look)
        self._life = secrets.token_hex(4)
        self._count = 0

    def next_id(self) -> str:
        """Return the identification of the next event; what stands before the dash is another one after a restart."""
        self._count += 1
        return f"{self._life}-{self._count}"


def hub_of(request: Request) -> Hub:
    """Return what the streams of this console share."""
    state = request.app.state
    if not hasattr(state, "hub"):
        state.hub = Hub(world_of(request).status)
    return cast("Hub", state.hub)
