"""Who saw and did what at the console, in the audit log of the box.

    await access.saw(person, "stop", stop_id)
    await access.did(person, "accept", "stop", stop_id, reason="meter replaced")

What cannot be set down is not shown and not done (`LocalTrouble`). Looking again and again at the same thing in one
session is set down once an hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from agent.audit import AuditLog
from agent.console.person import Person
from agent.errors import LocalTrouble
from drivers.errors import printable

GROUP_S = 30.0  # from the first line of a group until it is on the disk
AGAIN_S = 3_600.0
MOST_REMEMBERED = 2_048
_LONGEST = 500  # characters of one detail

_log = logging.getLogger("agent.console")


class AccessLog:
    """Writes to the audit log that `open_log` opens at the first line; `boottime_s` tells moments apart."""

    def __init__(self, open_log: Callable[[], AuditLog], boottime_s: Callable[[], float]) -> None:
        self._open = open_log
        self._boottime_s = boottime_s
        self._log: AuditLog | None = None
        self._opening = asyncio.Lock()
        self._seen: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._unsynced = asyncio.Event()

    async def saw(self, person: Person, what: str, which: str = "") -> None:
        """Set down that a person was shown something of a customer. Raises `LocalTrouble`."""
        key, now_s = (person.session, what, which), self._boottime_s()
        if now_s - self._seen.get(key, -AGAIN_S) < AGAIN_S:
            return
        await self._append("saw", person, what, which, {})
        self._seen[key] = now_s
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)

    async def did(self, person: Person, did: str, what: str = "", which: str = "", **details: str) -> None:
        """Set down that a person did something. Raises `LocalTrouble`."""
        await self._append(did, person, what, which, details)

    async def came(self, did: str, name: str, *, address: str, session: str = "") -> None:
        """Set down a login, a refused one, or a logout. A full disk keeps nobody out: it must be seen to."""
        try:
            await self._write({"by": printable(name)[:64], "did": did, "address": address, "session": session})
        except LocalTrouble as error:
            _log.error("%s of %r at the console is not in the audit log: %s", did, name[:64], error)

    async def run(self) -> None:
        """Bring each group of lines to the disk; what is left, when cancelled."""
        try:
            while True:
                await self._unsynced.wait()
                await asyncio.sleep(GROUP_S)
                await self._sync()
        finally:
            if self._unsynced.is_set():
                await asyncio.shield(self._sync())

    async def _append(self, did: str, person: Person, what: str, which: str, details: dict[str, str]) -> None:
        said = {name: printable(text[:_LONGEST]) for name, text in details.items()}
        await self._write(
            {"by": person.name, "did": did, "session": person.session, "what": what, "which": printable(which)[:100]}
            | said
        )

    async def _write(self, fields: dict[str, str]) -> None:
        async with self._opening:
            if self._log is None:
                self._log = await asyncio.to_thread(self._open)
        kept = {name: value for name, value in fields.items() if value}
        await asyncio.to_thread(self._log.append, "console", kept, durable=False)
        self._unsynced.set()

    async def _sync(self) -> None:
        self._unsynced.clear()
        if self._log is None:
            return
        try:
            await asyncio.to_thread(self._log.sync)
        except LocalTrouble as error:
            _log.error("%s", error)
