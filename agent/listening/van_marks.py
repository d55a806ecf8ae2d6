"""Which meters were given up, kept through a restart: a small file, written whole at each mark."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from agent.durable_file import write_durably
from agent.errors import UsageError
from agent.listening.board import Key
from agent.listening.van_view import Mark

MOST_MARKS = 10_000
_MOST_OCTETS = 8 * 1024 * 1024

_log = logging.getLogger("agent.listening")


class _File(msgspec.Struct, frozen=True):
    marks: tuple[Mark, ...] = ()


class Marks:
    """The marks of one van: the newest of each meter, oldest first. All calls block on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[Key, Mark] = {}

    def read(self) -> dict[Key, Mark]:
        """Return what the file has. One that makes no sense is logged, and as good as none: marks only help."""
        try:
            with self._path.open("rb") as file:
                marks = msgspec.json.decode(file.read(_MOST_OCTETS), type=_File).marks
        except FileNotFoundError:
            marks = ()
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            _log.warning("the marks in %s cannot be used: %s", self._path, error)
            marks = ()
        self._marks = {mark.key: mark for mark in marks[-MOST_MARKS:] if mark.cycle.tzinfo and mark.at.tzinfo}
        return dict(self._marks)

    def put(self, mark: Mark, stale: frozenset[Key]) -> dict[Key, Mark]:
        """Keep a mark; return all. Those of the `stale` meters are dropped.

        Raises `LocalTrouble` of the disk, `UsageError` where there are too many.
        """
        kept = {key: one for key, one in self._marks.items() if key not in stale}
        kept[mark.key] = mark
        if len(kept) > MOST_MARKS:
            raise UsageError(
                f"{MOST_MARKS:,} meters are given up already", advice="look at the receiver and its antenna first"
            )
        return self._write(kept)

    def take_back(self, key: Key) -> dict[Key, Mark]:
        """Forget a mark; return what is left. Raises `LocalTrouble` of the disk."""
        return self._write({other: mark for other, mark in self._marks.items() if other != key})

    def _write(self, marks: dict[Key, Mark]) -> dict[Key, Mark]:
        write_durably(self._path, msgspec.json.encode(_File(tuple(marks.values()))))
        self._marks = marks
        return dict(marks)
