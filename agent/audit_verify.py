"""Read a whole audit log, older files first, and say whether its chain holds."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.audit_chain import BrokenChain, Chain, lines_of
from agent.audit_files import octets_of, older_files
from agent.errors import LocalTrouble


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole log found. `broken` names the first line that does not hold; "" where all do."""

    lines: int
    files: int
    first_seq: int  # above 1 where older files were dropped; 0 of an empty log
    head: str  # SHA-256 of the last line that holds
    broken: str = ""
    torn: int = 0  # octets of an unfinished last line: a write that it was to tell of was not sent
    set_aside: tuple[str, ...] = ()  # files that were broken when they were to grow, and were kept as they were


Take = Callable[[dict[str, Any]], None]


def verify(path: Path) -> Verified:
    """Follow the whole chain, oldest file first. Raises `LocalTrouble` if there is no log or it cannot be read."""
    return walk(path, lambda _entry: None)


def walk(path: Path, take: Take) -> Verified:
    """Do as `verify`, and show every line to `take`, oldest first, up to the first that is broken.

    One file is in memory at a time, whatever the length of the log.
    """
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(Path(f"{path}.lock").open("rb"))
            fcntl.flock(lock, fcntl.LOCK_SH)  # nobody appends meanwhile
        except OSError:
            pass  # a copy of the log has no lock, and needs none
        return _follow([*older_files(path), path], take)


def entries(path: Path) -> list[dict[str, Any]]:
    """Return every line of the log up to the first that is broken, oldest first. Raises `LocalTrouble`."""
    found: list[dict[str, Any]] = []
    walk(path, found.append)
    return found


def _follow(files: list[Path], take: Take) -> Verified:
    chain, lines, first, before = Chain(), 0, 0, ""
    told = False  # that what came before the first line was dropped
    aside: list[str] = []

    def found(broken: str = "", torn: int = 0) -> Verified:
        if not broken and first > 1 and not told:
            broken = f"the lines before number {first} are missing, and no line says that they were dropped"
        return Verified(lines, count, first, chain.head, broken, torn, tuple(aside))

    count = 0
    for count, file in enumerate(files, start=1):  # noqa: B007 - `found` tells it
        chain.new_file()
        for line in _lines(file):
            if file == files[-1] and not line.endswith(b"\n"):
                return found(torn=len(line))
            try:
                entry = chain.follow(line) if lines else chain.begin(line)
            except BrokenChain as broken:
                return found(f"{file.name}, {broken}")
            if not lines:
                first, before = chain.seq, str(entry["prev"])
            lines += 1
            told = told or _tells_of_dropping(entry, first, before)
            if entry["event"] == "set_aside":
                aside.append(str(entry.get("file", ""))[:300])
            take(entry)
    return found()


def _tells_of_dropping(entry: dict[str, Any], first: int, before: str) -> bool:
    return entry["event"] == "dropped" and entry.get("last_seq") == first - 1 and entry.get("last_line") == before


def _lines(file: Path) -> Iterator[bytes]:
    try:
        octets = octets_of(file)
    except OSError as error:
        raise LocalTrouble(f"the audit log {file} cannot be read: {error.strerror}") from error
    return lines_of(octets)
