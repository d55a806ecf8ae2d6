"""Who is logged in: sessions on the box, named by 256 random bits that only the browser has.

A session ends when nobody touched it for a while, and in any case after some hours. Both are counted by a clock that
nobody sets (CLOCK_BOOTTIME). The file lets the sessions outlive a restart; of the tokens only SHA-256 is in it. What
passed while the box was off is counted as far as the system clock knows of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.clock.instant import NS, Clock
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.private_file import read_private_file

SESSIONS_FILE = "console-sessions.json"
MOST_OF_ONE = 16  # sessions of one person: the one unused for longest ends
MOST = 256
SAVE_EVERY_S = 60.0  # what a power cut may give back to an idle time
_MOST_OCTETS = 262_144
_TOKEN_OCTETS = 32

_log = logging.getLogger("agent.console")


@dataclass(slots=True)
class Session:
    """One login. Times are of CLOCK_BOOTTIME, in nanoseconds; before the last boot they are negative."""

    digest: str  # of the token
    label: str  # names it in the audit log
    name: str
    stamp: str  # of the account at the login
    by_token: bool
    begun_ns: int
    seen_ns: int


class _Kept(msgspec.Struct, frozen=True):
    digest: str
    label: str
    name: str
    stamp: str
    by_token: bool
    begun_ns: int
    seen_ns: int


class _File(msgspec.Struct, frozen=True):
    boot_id: str
    boottime_ns: int
    realtime_ns: int
    sessions: tuple[_Kept, ...]


class Sessions:
    """The sessions of one console; used on its event loop."""

    def __init__(self, path: Path, clock: Clock, *, idle_s: float, longest_s: float) -> None:
        """Read the sessions of before. A file that makes no sense is no reason not to start: all log in again."""
        self._path = path
        self._clock = clock
        self._idle_ns = int(idle_s * NS)
        self._longest_ns = int(longest_s * NS)
        self._changed = asyncio.Event()
        self._saving = asyncio.Lock()
        try:
            self._sessions = {one.digest: one for one in self._read()}
        except (LocalTrouble, msgspec.DecodeError, UnicodeError) as error:
            _log.warning("the console's sessions in %s cannot be used, all log in again: %s", path, error)
            self._sessions = {}
        self._forget_ended()

    async def begin(self, name: str, stamp: str, *, by_token: bool = False) -> tuple[str, Session]:
        """Begin a session; return its token, which is kept nowhere here, and the session."""
        token = secrets.token_urlsafe(_TOKEN_OCTETS)
        now_ns = self._clock.boottime_ns()
        session = Session(_digest(token), secrets.token_hex(4), name, stamp, by_token, now_ns, now_ns)
        self._forget_ended()
        own = [one for one in self._sessions.values() if one.name == name]
        self._end_unused(own, MOST_OF_ONE - 1)
        self._end_unused(list(self._sessions.values()), MOST - 1)
        self._sessions[session.digest] = session
        await self._save()
        return token, session

    def find(self, token: str, *, by_token: bool) -> Session | None:
        """Return the session that a token is of, if it goes on."""
        session = self._sessions.get(_digest(token))
        return session if session is not None and session.by_token == by_token and self.goes_on(session) else None

    def touch(self, session: Session) -> None:
        """Note that a person did something: the idle time begins anew."""
        session.seen_ns = self._clock.boottime_ns()
        self._changed.set()

    def goes_on(self, session: Session) -> bool:
        """Whether a session is neither ended nor over."""
        now_ns = self._clock.boottime_ns()
        alive = now_ns - session.seen_ns < self._idle_ns and now_ns - session.begun_ns < self._longest_ns
        return alive and self._sessions.get(session.digest) is session

    async def end(self, session: Session) -> None:
        """End a session; durably, on return."""
        self._sessions.pop(session.digest, None)
        await self._save()

    async def end_others(self, name: str, but: Session | None = None) -> None:
        """End every session of a person, `but` this one."""
        for one in [one for one in self._sessions.values() if one.name == name and one is not but]:
            del self._sessions[one.digest]
        await self._save()

    async def run(self) -> None:
        """Save now and then what was touched; once more when cancelled."""
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(SAVE_EVERY_S)
                await self._save()
        finally:
            if self._changed.is_set():
                await asyncio.shield(self._save())

    def _end_unused(self, sessions: list[Session], most: int) -> None:
        """End those that were unused for longest, but for so many."""
        for one in sorted(sessions, key=lambda one: one.seen_ns)[: max(0, len(sessions) - most)]:
            del self._sessions[one.digest]

    def _forget_ended(self) -> None:
        self._sessions = {one.digest: one for one in self._sessions.values() if self.goes_on(one)}

    async def _save(self) -> None:
        """Write the file. A disk that refuses ends no session and begins none: it is said, and work goes on."""
        async with self._saving:
            self._changed.clear()
            kept = tuple(
                _Kept(**{name: getattr(one, name) for name in _Kept.__struct_fields__})
                for one in self._sessions.values()
            )
            clock = self._clock
            octets = msgspec.json.encode(_File(clock.boot_id(), clock.boottime_ns(), clock.realtime_ns(), kept))
            try:
                await asyncio.to_thread(write_durably, self._path, octets)
            except LocalTrouble as error:
                _log.error("who is logged in at the console is not kept through a restart: %s", error)

    def _read(self) -> list[Session]:
        if not self._path.exists():
            return []
        file = msgspec.json.decode(read_private_file(self._path, limit=_MOST_OCTETS, advice="remove it"), type=_File)
        now_ns = self._clock.boottime_ns()
        if file.boot_id and file.boot_id == self._clock.boot_id():
            back_ns = 0
        else:  # the counter began anew: what it said goes that far back, and the time between as the system clock says
            back_ns = file.boottime_ns + max(0, self._clock.realtime_ns() - file.realtime_ns) - now_ns
        return [
            Session(
                one.digest, one.label, one.name, one.stamp, one.by_token, one.begun_ns - back_ns, one.seen_ns - back_ns
            )
            for one in file.sessions[:MOST]
        ]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
