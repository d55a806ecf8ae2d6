"""Who has which line: one session at a time on each, so many on the box, and reads that wait for one. Pure.

Reads wait by group (a bank of modems, or a line of its own). Of each group that has a free line one read, its
nominee, stands in front, where the box chooses between the groups; so a choice costs the same whether ten groups wait
or thousands. A line can belong to several groups, as a modem of a bank that some meter names for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agent.lines import Way
from agent.scheduling.queue import Queue
from agent.scheduling.reads import Read


@dataclass(slots=True)
class _Group:
    lines: list[str]  # the one that was freed longest ago first
    waiting: Queue[Read] = field(default_factory=Queue)
    nominee: Read | None = None


class Desk:
    """The lines of one box. `sessions`: at most so many at once."""

    def __init__(self, sessions: int) -> None:
        self._sessions = sessions
        self._groups: dict[str, _Group] = {}
        self._groups_of: dict[str, set[str]] = {}
        self._taken: set[str] = set()
        self._resting: dict[str, datetime] = {}
        self._front: Queue[Read] = Queue()
        self._under_way = 0

    @property
    def taken(self) -> frozenset[str]:
        """The lines in use."""
        return frozenset(self._taken)

    def allow(self, sessions: int) -> None:
        """Have so many visits at once from now on; those under way go on."""
        self._sessions = sessions

    def know(self, way: Way) -> None:
        """Take note of a way to a meter; of a bank that is known, that it has these lines now."""
        group = self._groups.setdefault(way.group, _Group([]))
        if set(group.lines) == set(way.lines):
            return
        for line in group.lines:
            self._groups_of[line].discard(way.group)
        kept = [line for line in group.lines if line in way.lines]
        group.lines = kept + [line for line in way.lines if line not in kept]
        for line in group.lines:
            self._groups_of.setdefault(line, set()).add(way.group)
        self._nominate(group)

    def add(self, read: Read) -> None:
        """Let `read` wait for a line."""
        group = self._groups[read.standing.way.group]
        group.waiting.add(read, read.rank, read.ticket)
        self._nominate(group)

    def remove(self, read: Read) -> None:
        """Let `read` wait no longer, if it does."""
        group = self._groups[read.standing.way.group]
        group.waiting.discard(read)
        self._nominate(group)

    def first(self) -> Read | None:
        """Return the read whose turn it is; None if none can begin."""
        return self._front.first() if self._under_way < self._sessions else None

    def begin(self, read: Read) -> str:
        """Give `read`, the first, a line of its group, and return that."""
        group = self._groups[read.standing.way.group]
        line = next(line for line in group.lines if self._is_free(line))
        self._front.take(read)
        group.waiting.take(read)
        group.nominee = None
        self._under_way += 1
        self.take(line)
        return line

    def end(self, read: Read) -> None:
        """The visit of `read` is over: its line is free."""
        self._under_way -= 1
        self.release(read.line)

    def take(self, line: str) -> bool:
        """Take a line, also for what is no visit; return whether it was free."""
        if line in self._taken:
            return False
        self._taken.add(line)
        self._look_at(line)
        return True

    def release(self, line: str) -> None:
        """Give a line back."""
        self._taken.discard(line)
        for name in self._groups_of.get(line, ()):
            group = self._groups[name]
            group.lines.remove(line)
            group.lines.append(line)
        self._look_at(line)

    def rest(self, line: str, until: datetime) -> None:
        """Use a line that failed no more until then; `rested` ends it."""
        self._resting[line] = until
        self._look_at(line)

    def rested(self, line: str, now: datetime) -> None:
        """Use the line again, if its time has come."""
        if line in self._resting and self._resting[line] <= now:
            del self._resting[line]
            self._look_at(line)

    def clear(self) -> None:
        """Let nobody wait any more; visits under way go on."""
        for group in self._groups.values():
            group.waiting, group.nominee = Queue(), None
        self._front = Queue()
        self._resting.clear()

    def _is_free(self, line: str) -> bool:
        return line not in self._taken and line not in self._resting

    def _look_at(self, line: str) -> None:
        for name in self._groups_of.get(line, ()):
            self._nominate(self._groups[name])

    def _nominate(self, group: _Group) -> None:
        """Put the read whose turn it is in front, if a line is free for it."""
        best = group.waiting.first() if any(map(self._is_free, group.lines)) else None
        if best is group.nominee:
            return
        if group.nominee is not None:
            self._front.discard(group.nominee)
        group.nominee = best
        if best is not None:
            self._front.add(best, best.rank, best.ticket)
