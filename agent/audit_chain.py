"""Lines of the audit log and how they hang together. Pure: no file, no clock.

Each line is one JSON object that names the SHA-256 of the line before it, so that no line can be changed, taken out,
put in or moved without every later one failing to fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIRST = "0" * 64  # what the very first line names
LONGEST_LINE = 65_536


class BrokenChain(Exception):
    """A line that does not follow the one before it; `line` counts from 1 in its file."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} {why}")
        self.line = line
        self.why = why


@dataclass(slots=True)
class Chain:
    """Where a chain stands: the hash and the number of its last line."""

    head: str = FIRST
    seq: int = 0
    lines: int = 0  # seen in the present file

    def next_line(self, at: str, event: str, fields: Mapping[str, object]) -> bytes:
        """Return the line that would come next, with its line end; nothing moves until `follow` takes it."""
        entry = {"seq": self.seq + 1, "prev": self.head, "at": at, "event": event, **fields}
        return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    def follow(self, line: bytes) -> dict[str, Any]:
        """Take the next line, with its line end; return what it says. Raises `BrokenChain` if it does not follow."""
        entry = self._entry(line)
        if entry.get("prev") != self.head:
            raise BrokenChain(self.lines, "does not name the line before it: one was changed, added or taken out")
        if entry.get("seq") != self.seq + 1:
            raise BrokenChain(self.lines, f"is number {entry.get('seq')}, not {self.seq + 1}")
        self._take(line)
        return entry

    def begin(self, line: bytes) -> dict[str, Any]:
        """Take the first line that is there, whatever came before it: older files may have been dropped."""
        entry = self._entry(line)
        seq, before = entry.get("seq"), entry.get("prev")
        if not isinstance(seq, int) or seq < 1 or not isinstance(before, str):
            raise BrokenChain(self.lines, "is no line of an audit log")
        if (seq == 1) != (before == FIRST):
            raise BrokenChain(self.lines, f"is number {seq}, which does not fit the line that it names before it")
        self.seq = seq - 1
        self._take(line)
        return entry

    def new_file(self) -> None:
        """Count the lines of the next file anew."""
        self.lines = 0

    def _entry(self, line: bytes) -> dict[str, Any]:
        self.lines += 1
        if not line.endswith(b"\n"):
            raise BrokenChain(self.lines, "is cut off")
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise BrokenChain(self.lines, "is not JSON") from None
        if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
            raise BrokenChain(self.lines, "is no line of an audit log")
        return entry

    def _take(self, line: bytes) -> None:
        self.head = hashlib.sha256(line).hexdigest()
        self.seq += 1


def lines_of(octets: bytes) -> Iterator[bytes]:
    """Yield the lines with their ends; the last one may lack its end."""
    begin = 0
    while begin < len(octets):
        end = octets.find(b"\n", begin) + 1 or len(octets)
        yield octets[begin:end]
        begin = end
