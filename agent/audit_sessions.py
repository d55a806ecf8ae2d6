"""Every session with a meter in the audit log: who, when, why, what was read and written, and how it ended.

    async with session_of(box.sessions, order, via=via, called=line is not None) as session:
        …                                                  # `session.number` goes into the lines of writes
        session.took(reading, broken)

    async with session_of(sessions, Errand(task, "procedure demand_reset")) as session:
        …
        session.wrote(meter_id, outcome)

A session is set down when it begins and when it ends, so that one that a crash or a kill cut short shows, too: a meter
is not visited if that cannot be written. The lines reach the disk in groups, which spares an SD card; at most the
lines of half a minute are lost to a power cut, and those of writes never are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from agent.audit import AuditLog
from agent.audit_facts import MOST_NAMES, Errand, asked_of, cut, facts_of, result_of, trouble_of
from agent.audit_files import AuditBroken
from agent.errors import LocalTrouble
from agent.order import Order
from agent.reading import Reading
from drivers.errors import printable
from drivers.writes import WriteOutcome

GROUP_S = 30.0  # from the first line of a group until it is synced
Came = Literal["schedule", "request", "call", "by hand"]  # what brought the session about

_log = logging.getLogger("agent.audit")


@dataclass(slots=True)
class Session:
    """One session under way. `number` is that of the line that began it; lines of its writes name it."""

    number: int
    facts: dict[str, object] = field(default_factory=dict)  # of its end

    def took(self, reading: Reading, broken: Exception | None = None) -> None:
        """Note what was read; `broken`: what ended the session early."""
        self.facts = {"result": "read" if broken is None else "in part", **facts_of(reading), **trouble_of(broken)}

    def looked(self, meter_id: str = "", tables: Iterable[str] = (), recording: str = "") -> None:
        """Note what a session without a reading brought: who answered, tables; a recording's SHA-256."""
        seen = {"meter_id": cut(meter_id), "tables": list(tables)[:MOST_NAMES], "recording": recording}
        self.facts = {"result": "read", **{name: value for name, value in seen.items() if value}}

    def wrote(self, meter_id: str, outcome: WriteOutcome) -> None:
        """Note what became of the write that the session was for; lines of their own tell the rest of it."""
        self.facts = {"result": outcome, **({"meter_id": cut(meter_id)} if meter_id else {})}


class SessionLog:
    """Sets sessions down in one audit log, which `open_log` opens when the first one begins."""

    def __init__(
        self, open_log: Callable[[], AuditLog], *, by: str, came: Came = "by hand", group_s: float | None = None
    ) -> None:
        """`by`: the program and the user that it runs for; `came`: what brings sessions about that nobody asked for.

        Without `group_s` every session is synced at its end.
        """
        self._open = open_log
        self._by = by
        self._came = came
        self._group_s = group_s
        self._log: AuditLog | None = None
        self._opening = asyncio.Lock()
        self._unsynced = asyncio.Event()

    @asynccontextmanager
    async def session(
        self, what: Order | Errand, *, via: str | None = None, called: bool = False, asked_by: str = ""
    ) -> AsyncIterator[Session]:
        """Set down that a session begins, and how it ended. Raises `LocalTrouble`, before anything is done, if the
        log cannot be written; what the session itself raises passes through.

        `via`: the line that it goes by, where the order names a bank of modems; `called`: the meter has called;
        `asked_by`: who asked for it.
        """
        asked_for = isinstance(what, Order) and what.requested_at is not None
        came: Came = "call" if called else "request" if asked_for else self._came
        url = via or (what.url if isinstance(what, Order) else what.task.url)
        asker: dict[str, object] = {"asked_by": cut(asked_by)} if asked_by else {}
        facts = {**asked_of(what, url), **asker, "came": came, "by": self._by}
        session = Session(await self._append("session_begun", facts))
        try:
            yield session
        except BaseException as error:
            session.facts |= trouble_of(error) | {"result": result_of(error)}
            raise
        finally:
            await self._end(session)

    async def run(self) -> None:
        """Sync each group of lines, compress older files; for ever. What is left is synced when this is cancelled."""
        try:
            while True:
                await self._unsynced.wait()
                await asyncio.sleep(self._group_s or 0)
                self._unsynced.clear()
                await self._sync()
        finally:
            if self._unsynced.is_set():
                await self._sync()

    async def _end(self, session: Session) -> None:
        """Set down the end of a session. No reading is lost for it: what fails is said, and the beginning stays."""
        facts = session.facts or {"result": "failed"}
        try:
            await self._append("session", {"of": session.number, **facts})
        except LocalTrouble as error:
            _log.error("the end of session %d is not in the audit log: %s", session.number, error)
            return
        if self._group_s is None:
            await self._sync()
        else:
            self._unsynced.set()

    async def _append(self, event: str, fields: dict[str, object]) -> int:
        async with self._opening:
            if self._log is None:
                self._log = await asyncio.to_thread(self._open)
            log = self._log
        try:
            return await asyncio.to_thread(log.append, event, fields, durable=False)
        except AuditBroken:
            self._log = None  # the next session opens it anew, which may mend it
            raise

    async def _sync(self) -> None:
        if self._log is None:
            return
        try:
            await asyncio.to_thread(self._log.sync)
        except LocalTrouble as error:
            _log.error("%s", error)


@asynccontextmanager
async def session_of(
    sessions: SessionLog | None,
    what: Order | Errand,
    *,
    via: str | None = None,
    called: bool = False,
    asked_by: str = "",
) -> AsyncIterator[Session]:
    """Do as `SessionLog.session`; without a log nothing is set down, and the session is number 0."""
    if sessions is None:
        yield Session(0)
        return
    async with sessions.session(what, via=via, called=called, asked_by=asked_by) as session:
        yield session


def who(program: str) -> str:
    """Return who acts, as lines of the log say it: the program, the user that it runs as, and who became that user."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    before = os.environ.get("SUDO_USER", "")
    return f"{program} as {user}" + (f", by sudo of {printable(before)[:64]}" if before else "")
