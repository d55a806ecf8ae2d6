"""What a disk can hold after the power went: what was synced, and any part of what was not.

    disk = Disk()
    with file_layer(disk): …                 # the product works; `disk.mark(…)` says what it promised meanwhile
    for state in crash_states(disk, …): …    # every one of them is a place to start again from

Of the writes since the last sync of a file any may be there or not, in any order, each torn between sectors; so may
names that were made or removed since the last sync of their directory. Octets beside a write are never harmed (what
SQLite calls powersafe overwrite, and every disk of this century promises).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tests.crash.file_layer import Change, Refused

SECTOR = 512
MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a sync costs nothing there
_T = TypeVar("_T")
_Choice = Callable[[list[_T]], list[_T]]


@dataclass(slots=True)
class Disk:
    """Records what is done to the files, in order, and what was promised at which moment."""

    changes: list[Change] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)  # after so many changes: a promise to whoever asked

    def before(self, _change: Change) -> Refused | None:
        return None

    def after(self, change: Change) -> None:
        self.changes.append(change)

    def mark(self, what: str) -> None:
        """Set down that something was promised by now."""
        self.marks.append((len(self.changes), what))

    def promised(self, moment: int) -> list[str]:
        """Return what had been promised before the power went, after `moment` changes."""
        return [what for after, what in self.marks if after <= moment]


@dataclass(slots=True)
class _File:
    synced: bytes = b""
    unsynced: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class _Platter:
    """The disk while changes arrive. `names`: what a look at the directory shows; `lasting`: what would be left."""

    names: dict[str, _File] = field(default_factory=dict)
    lasting: dict[str, _File] = field(default_factory=dict)
    renamings: list[tuple[str, _File | None]] = field(default_factory=list)

    def take(self, change: Change) -> None:
        match change.kind:
            case "create":
                self.names[change.path] = _File()
                self.renamings.append((change.path, self.names[change.path]))
            case "delete":
                if self.names.pop(change.path, None):
                    self.renamings.append((change.path, None))
            case "write" | "truncate":
                self._file(change.path).unsynced.append(change)
            case "sync":
                file = self._file(change.path)
                file.synced, file.unsynced = _applied(file.synced, file.unsynced), []
        if change.names:
            self.lasting, self.renamings = dict(self.names), []

    def left(self, some: _Choice[Change], some_names: _Choice[tuple[str, _File | None]]) -> dict[str, bytes]:
        """Return the files after a power cut that kept `some` of what was not synced."""
        names = dict(self.lasting)
        for path, file in some_names(self.renamings):
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
        return {path: _applied(file.synced, some(file.unsynced)) for path, file in names.items()}

    def _file(self, path: str) -> _File:
        if path not in self.names:  # made by the product itself, before SQLite opened it, durably
            self.names[path] = self.lasting[path] = _File()
        return self.names[path]


def _applied(content: bytes, changes: list[Change]) -> bytes:
    found = bytearray(content)
    for change in changes:
        if change.kind == "truncate":
            del found[change.offset :]
            found.extend(bytes(change.offset - len(found)))
        else:
            found.extend(bytes(max(0, change.offset - len(found))))
            found[change.offset : change.offset + len(change.data)] = change.data
    return bytes(found)


@dataclass(frozen=True, slots=True)
class State:
    """What the disk holds when the power went after `moment` changes."""

    moment: int
    files: dict[str, bytes]

    @contextmanager
    def laid_out(self) -> Iterator[Path]:
        """Give a directory with these files, for the product to start from; in memory where there is such a disk."""
        with TemporaryDirectory(dir=MEMORY) as name:
            for path, content in self.files.items():
                place = Path(name) / Path(path).name
                place.touch(mode=0o600)
                place.write_bytes(content)
            yield Path(name)


def crash_states(disk: Disk, moments: range, dice: random.Random, *, each: int) -> Iterator[State]:
    """Yield what can be left at each of `moments`: nothing unsynced, all of it, and `each` parts chosen at random."""
    platter, wanted = _Platter(), set(moments)
    for moment in range(len(disk.changes) + 1):
        if moment in wanted:
            yield State(moment, platter.left(lambda _changes: [], lambda _names: []))
            yield State(moment, platter.left(lambda changes: changes, lambda names: names))
            for _ in range(each):
                yield State(moment, _left_by_chance(platter, dice, dice.choice((0.1, 0.5, 0.9))))
        if moment < len(disk.changes):
            platter.take(disk.changes[moment])


def _left_by_chance(platter: _Platter, dice: random.Random, kept: float) -> dict[str, bytes]:
    def some(changes: list[Change]) -> list[Change]:
        chosen = [piece for one in changes if dice.random() < kept for piece in _torn(one, dice)]
        dice.shuffle(chosen)
        return chosen

    return platter.left(some, lambda names: [one for one in names if dice.random() < kept])


def _torn(change: Change, dice: random.Random) -> list[Change]:
    """Return the sectors of a write that reached the disk: most often all of them."""
    if change.kind != "write" or dice.random() < 0.5:
        return [change]
    pieces, start, end = [], change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        if dice.random() < 0.5:
            data = change.data[start - change.offset : stop - change.offset]
            pieces.append(Change("write", change.path, start, data))
        start = stop
    return pieces
