"""Every session with a meter in the audit log: who, when, why, what was read and written, and how it ended.

    async with session_of(box.sessions, order, via=via, called=line is not None) as session:
        …                                                  # `session.number` goes into the lines of writes
        session.took(reading, broken)

A session is set down when it begins and when it ends, so that one that a crash or a kill cut short shows, too: a meter
is not visited if that cannot be written. The lines reach the disk in groups, which spares an SD card; at most the
lines of half a minute are lost to a power cut, and those of writes never are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from agent.audit import AuditLog
from agent.errors import ClockForbids, LocalTrouble, MrspError
from agent.order import Order
from agent.reading import Reading
from drivers.errors import printable

GROUP_S = 30.0  # from the first line of a group until it is synced
LONGEST_TEXT = 1_000  # characters of what a meter or an error said
MOST_NAMES = 64  # tables, checks: a reading has a dozen
Came = Literal["schedule", "request", "call", "by hand"]  # what brought the session about
Result = Literal["read", "in part", "refused", "failed", "not visited", "cancelled"]

_log = logging.getLogger("agent.audit")


@dataclass(slots=True)
class Session:
    """One session under way. `number` is that of the line that began it; lines of its writes name it."""

    number: int
    facts: dict[str, object] = field(default_factory=dict)  # of its end

    def took(self, reading: Reading, broken: Exception | None = None) -> None:
        """Note what was read; `broken`: what ended the session early."""
        self.facts = {"result": "read" if broken is None else "in part", **_facts_of(reading), **_trouble(broken)}

    def identified(self, meter_id: str) -> None:
        """Note who answered, where a session reads nothing else."""
        self.facts = {"result": "read", "meter_id": _cut(meter_id)}


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
    async def session(self, order: Order, *, via: str | None = None, called: bool = False) -> AsyncIterator[Session]:
        """Set down that a session begins, and how it ended. Raises `LocalTrouble`, before anything is done, if the
        log cannot be written; what the session itself raises passes through.

        `via`: the line that it goes by, where the order names a bank of modems; `called`: the meter has called.
        """
        came = "call" if called else "request" if order.requested_at is not None else self._came
        facts = {**_asked(order, via or order.url), "came": came, "by": self._by}
        session = Session(await self._append("session_begun", facts))
        try:
            yield session
        except BaseException as error:
            session.facts |= _trouble(error) | {"result": _result_of(error)}
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
        return await asyncio.to_thread(self._log.append, event, fields, durable=False)

    async def _sync(self) -> None:
        if self._log is None:
            return
        try:
            await asyncio.to_thread(self._log.sync)
        except LocalTrouble as error:
            _log.error("%s", error)


@asynccontextmanager
async def session_of(
    sessions: SessionLog | None, order: Order, *, via: str | None = None, called: bool = False
) -> AsyncIterator[Session]:
    """Do as `SessionLog.session`; without a log nothing is set down, and the session is number 0."""
    if sessions is None:
        yield Session(0)
        return
    async with sessions.session(order, via=via, called=called) as session:
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


def _asked(order: Order, url: str) -> dict[str, object]:
    """Return where to, why, and what was asked for. Passwords are no part of an order; that there is one is told."""
    asked: dict[str, object] = {
        "url": url,
        "order_id": order.order_id,
        "purpose": order.purpose,
        "requested_at": order.requested_at.isoformat() if order.requested_at else None,
        "expected_meter_id": order.expected_meter_id,
        "user_id": order.user_id,
        "user": order.user,
        "password": order.password_file is not None,
        "asked": "registers" if order.registers_only else "registers, profile and logs",
        "set_clock": order.set_clock,
    }
    return {name: value for name, value in asked.items() if value is not None and value is not False}


def _facts_of(reading: Reading) -> dict[str, object]:
    """Return what was read, in figures; the recording's SHA-256 stands for every octet of it."""
    blocks = reading.interval_blocks
    places = [register.provenance for register in reading.registers] + [block.provenance for block in blocks]
    tables = {place.table for place in places if place is not None}
    tables |= {event.log for event in reading.events if event.log}
    failed = dict.fromkeys(check.check for check in reading.checks if check.outcome == "fail")
    facts: dict[str, object] = {
        "meter_id": _cut(reading.meter.meter_id or ""),
        "serial_number": _cut(reading.meter.serial_number or ""),
        "reading_id": reading.reading_id,
        "method": reading.method,
        "profile": reading.meter.profile,
        "started_at": reading.read_started_at,
        "finished_at": reading.read_finished_at,
        "registers": len(reading.registers),
        "intervals": sum(len(block.pulses) for block in blocks),
        "channels": len({block.channel for block in blocks}),
        "events": len(reading.events),
        "tables": sorted(tables)[:MOST_NAMES],
        "checks_failed": list(failed)[:MOST_NAMES],
        "clock_correction": reading.clock.correction,
        "recording": reading.recording.sha256 if reading.recording else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _trouble(error: BaseException | None) -> dict[str, object]:
    if error is None:
        return {}
    said = str(error) if isinstance(error, MrspError) else ""  # another error's text may quote anything
    return {"error": _cut(f"{type(error).__name__}: {said}" if said else type(error).__name__)}


def _result_of(error: BaseException) -> Result:
    if not isinstance(error, Exception):
        return "cancelled"
    if isinstance(error, ClockForbids):
        return "not visited"
    return "refused" if isinstance(error, MrspError) and error.exit_code == 4 else "failed"


def _cut(text: str) -> str:
    return printable(text[:LONGEST_TEXT])
