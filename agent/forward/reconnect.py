"""Life after a lost connection: where we are, how long to wait, what to log. Reads no clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

from agent.forward.trouble import WAITS, Cause, ForwardTrouble

STABLE_S = 60.0  # a connection held this long was a good one: the next loss starts from the first wait again

_log = logging.getLogger("agent.forward")


class LinkState(Enum):
    """Where the way to the MDSP stands."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"


class Reconnect:
    """The state of the link. `jitter(low, high)` picks a factor, so that a fleet does not return as one."""

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self.state = LinkState.STOPPED
        self.trouble: ForwardTrouble | None = None  # the last one, until acknowledged progress
        self._jitter = jitter
        self._failures = 0
        self._logged: Cause | None = None

    def connecting(self) -> None:
        """An attempt begins."""
        self.state = LinkState.CONNECTING

    def connected(self) -> None:
        """The broker let us in. That alone proves little: only `progressed` forgets the failures."""
        self.state = LinkState.ONLINE
        if self._logged is not None:
            _log.info("connected to the broker again")
        self._logged = None

    def progressed(self) -> None:
        """The MDSP has acknowledged something: the whole way works."""
        self._failures = 0
        self.trouble = None

    def failed(self, trouble: ForwardTrouble, *, held_s: float = 0.0) -> float:
        """Return the seconds to wait; `held_s` is how long the connection lived. A new kind of trouble is a warning."""
        if held_s >= STABLE_S:
            self._failures = 0
        self._failures += 1
        self.state = LinkState.WAITING
        self.trouble = trouble
        level = logging.DEBUG if trouble.cause is self._logged else logging.WARNING
        self._logged = trouble.cause
        wait_s = WAITS[trouble.cause].wait_s(self._failures) * self._jitter(0.5, 1.0)
        _log.log(level, "%s; next attempt in %.0f s", trouble, wait_s)
        return wait_s

    def stopped(self) -> None:
        """The forwarder ends."""
        self.state = LinkState.STOPPED
