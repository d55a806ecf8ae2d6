"""A configuration read again by an agent that runs (SIGHUP, `systemctl reload mrsp`): no read is dropped for it.

    reloader = Reloader(config, load, take_over)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    await reloader.run()

A file that is not valid changes nothing, and the log says why.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from agent.config import Config
from agent.errors import ConfigError
from agent.notify import notify
from agent.reload import Change, change_of
from drivers.errors import MrspError

_log = logging.getLogger("agent.service")


class Reloader:
    """Takes over what changed. `load` reads and validates the whole file; `running` is what is in force."""

    def __init__(
        self, running: Config, load: Callable[[], Config], take_over: Callable[[Change], Awaitable[None]]
    ) -> None:
        self._running = running.settings
        self._version = running.fleet_version
        self._load = load
        self._take_over = take_over
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the configuration read again; asked several times meanwhile, it is read once more."""
        self._asked.set()

    async def run(self) -> None:
        """Read it whenever that is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            said = await self._once()
            notify(f"READY=1\nSTATUS={said}")

    async def _once(self) -> str:
        """Read it once; return what to say of it."""
        try:
            wanted = await asyncio.to_thread(self._load)
            if wanted.fleet_version != self._version:
                raise ConfigError(
                    f"version {wanted.fleet_version} of the fleet's configuration is tried at a start only",
                    advice="`systemctl restart mrsp`",
                )
            change = change_of(self._running, wanted.settings)
            if change.settings != self._running:
                await self._take_over(change)
        except MrspError as error:
            _log.error("the configuration is not taken over, and nothing changes: %s", error)
            return "the configuration has a mistake, see the log; the one before is in force"
        except OSError as error:
            _log.error("the configuration cannot be read, and nothing changes: %s", error.strerror)
            return "the configuration cannot be read; the one before is in force"
        self._running = change.settings
        level = logging.WARNING if change.restart else logging.INFO
        _log.log(level, "the configuration was read again: %s", change.words())
        return f"read again: {change.words()}"
