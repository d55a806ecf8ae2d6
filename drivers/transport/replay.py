"""`replay://FILE`: a transport that plays the meter's side of a recording.

A replay does not lie: it gives what the meter said only after the client has sent what the recording shows, and ends
with an error that names the record as soon as the client does anything else. Nothing is slept through: an answer is
there at once (`pace=real`: as late as it was), and where the meter was silent, the client's own timers decide.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import LineLost, ProtocolError, UsageError
from drivers.transport.bell import Bell
from drivers.transport.recording_file import Event, Octets, Session, read_sessions
from drivers.transport.urls import ReplayAddress

SHOWN = 24  # octets of either side in the message of a divergence


class ReplayDiverged(ProtocolError):
    """The client did something else than the recording shows: it has changed, or this is not its recording."""


class AnswerMasked(ReplayDiverged):
    """What the meter said next is masked in the recording; the replay goes on after it if the client knows it.

    `octets`: how many came before the client went on.
    """

    octets = 0


@dataclass(frozen=True, slots=True)
class _Coming:
    """Input that the client may read from `due` on (seconds of the loop's clock)."""

    due: float
    octets: bytes


class ReplayTransport:
    """One session of a recording as a line."""

    def __init__(self, address: ReplayAddress, session: Session) -> None:
        self._path = address.path
        self._real = address.pace == "real"
        self._baud = session.header.baud
        self.recorded_line = session.header.line  # the name of the line that was recorded
        self._records = session.records
        self._end_line = session.last_line
        self._next = 0  # the record that decides what happens next
        self._matched = 0  # octets of it that the client has sent already
        self._input: deque[_Coming] = deque()
        self._ending: LineLost | ReplayDiverged | None = None  # raised once the input is used up
        self._news = Bell()  # for the reader
        self._sent_t = 0  # time of the client's last record, on the recording's clock …
        self._sent_at = asyncio.get_running_loop().time()  # … and on ours
        self._advance()

    @property
    def name(self) -> str:
        return f"replay://{self._path}"

    @property
    def baud(self) -> int:
        return self._baud

    async def read(self) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            if self._input:
                wait_s = self._input[0].due - loop.time()
                if wait_s <= 0:
                    return self._input.popleft().octets
                await asyncio.sleep(wait_s)
            elif self._ending is not None:
                ending = self._again(self._ending)
                if isinstance(ending, AnswerMasked):
                    ending.octets = self._pass_over_masked()
                raise ending
            else:
                await self._news.heard()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self._check()
        rest = chunk
        while rest:
            record = self._records[self._next] if self._next < len(self._records) else None
            if not isinstance(record, Octets):
                raise self._diverged(self._expected(), _show(rest, secret=secret))
            octets = min(len(rest), record.length - self._matched)
            expected = None if record.octets is None else record.octets[self._matched : self._matched + octets]
            if expected is not None and expected != rest[:octets]:
                raise self._diverged(self._expected(), _show(rest, secret=secret))
            rest = rest[octets:]
            self._matched += octets
            if self._matched == record.length:
                self._matched = 0
                self._next += 1
                self._sent_t, self._sent_at = record.t, asyncio.get_running_loop().time()
                self._advance()

    def discard_input(self) -> int:
        dropped = sum(len(coming.octets) for coming in self._input)
        self._input.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        self._check()
        if self._baud in (0, baud):
            return
        record = self._records[self._next] if self._next < len(self._records) else None
        if not (isinstance(record, Event) and record.name == "baud" and record.value == baud):
            raise self._diverged(self._expected(), f"a change to {baud} baud")
        self._baud = baud
        self._next += 1
        self._advance()

    async def close(self) -> None:
        self._input.clear()
        if not isinstance(self._ending, ReplayDiverged):
            self._ending = LineLost(f"{self.name} is closed")
        self._news.ring()

    def _advance(self) -> None:
        """Go on to the next thing that the client has to do; what the meter said until then can be read now."""
        while self._next < len(self._records):
            record = self._records[self._next]
            if isinstance(record, Octets):
                if record.direction == ">":
                    break
                if record.octets is None:
                    self._ending = AnswerMasked(
                        f"{self.name}: the answer at line {record.line_number} is masked, as it would tell a password"
                        " or key; it cannot be replayed from here on"
                    )
                    break
                delay_s = max(0, record.t - self._sent_t) / 1e9 if self._real else 0.0
                self._input.append(_Coming(self._sent_at + delay_s, record.octets))
            elif record.name == "lost":
                self._ending = LineLost(f"{self.name}: {record.value}")
                break
            elif record.name in ("baud", "close"):
                break  # after closing there is silence, as there was
            self._next += 1
        else:
            self._ending = LineLost(f"{self.name}: the recording breaks off at line {self._end_line}")
        self._news.ring()

    def _pass_over_masked(self) -> int:
        """Go on after masked answers: the client was told, and makes do or gives up. Return how many octets."""
        self._ending, octets = None, 0
        while self._next < len(self._records):
            record = self._records[self._next]
            if not isinstance(record, Octets) or record.direction == ">" or record.octets is not None:
                break
            octets += record.length
            self._next += 1
        self._advance()
        return octets

    def _check(self) -> None:
        if self._ending is not None:
            raise self._again(self._ending)

    def _again(self, ending: LineLost | ReplayDiverged) -> LineLost | ReplayDiverged:
        return type(ending)(ending.message, advice=ending.advice)

    def _expected(self) -> str:
        if self._next >= len(self._records):
            return f"the end of the recording at line {self._end_line}"
        record = self._records[self._next]
        if isinstance(record, Octets):
            left = record.octets and record.octets[self._matched :]
            what = _show(left, secret=False) if left else f"{record.length - self._matched} masked octets"
        else:
            what = f"a change to {record.value} baud" if record.name == "baud" else f"the event {record.name!r}"
        return f"{what} (line {record.line_number})"

    def _diverged(self, expected: str, got: str) -> ReplayDiverged:
        self._ending = ReplayDiverged(
            f"{self.name}: the recording shows {expected}, but the client sends {got}",
            advice="replay with the program version, profile and options that made the recording",
        )
        self._input.clear()
        self._news.ring()
        return self._ending


async def open_replay(address: ReplayAddress) -> ReplayTransport:
    """Load the recording; raise `UsageError` or `DataError` as `read_sessions` does, or if it has no such session."""
    sessions = await asyncio.to_thread(read_sessions, Path(address.path))
    if address.session > len(sessions):
        raise UsageError(f"recording {address.path} has {len(sessions)} sessions, not {address.session}")
    return ReplayTransport(address, sessions[address.session - 1])


def _show(octets: bytes, *, secret: bool) -> str:
    if secret:
        return f"{len(octets)} octets that carry a password"
    return octets[:SHOWN].hex(" ").upper() + (" …" if len(octets) > SHOWN else "")
