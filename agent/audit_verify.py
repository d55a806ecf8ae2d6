"""Read a whole audit log, older files first, and say whether its chain holds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.audit_chain import LONGEST_LINE, BrokenChain, Chain, lines_of
from agent.errors import LocalTrouble


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole log found. `broken` names the first line that does not hold; "" where all do."""

    lines: int
    files: int
    first_seq: int  # above 1 where older files were dropped
    head: str  # SHA-256 of the last line that holds
    broken: str = ""
    torn: int = 0  # octets of an unfinished last line: what it was to tell of was not sent


def verify(path: Path) -> Verified:
    """Follow the whole chain, oldest file first. Raises `LocalTrouble` if there is no log or it cannot be read."""
    return _read(path, [])


def entries(path: Path) -> list[dict[str, Any]]:
    """Return every line of the log up to the first that is broken, oldest first. Raises `LocalTrouble`."""
    found: list[dict[str, Any]] = []
    _read(path, found)
    return found


def older_files(path: Path) -> list[Path]:
    """Return the older files of a log, oldest first."""
    pattern = re.compile(re.escape(path.name) + r"\.\d{6,}")
    return sorted((file for file in path.parent.glob(f"{path.name}.*") if pattern.fullmatch(file.name)), key=number_of)


def number_of(file: Path) -> int:
    """Return the number of an older file."""
    return int(file.name.rpartition(".")[2])


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a whole file, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def end_of(file: Path) -> Chain:
    """Return the chain as it stands after the last line of an older file. Raises `LocalTrouble`."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LONGEST_LINE))
        lines = list(lines_of(stream.read()))
    chain = Chain()
    try:
        chain.begin(lines[-1] if lines else b"")
    except BrokenChain as broken:
        raise LocalTrouble(f"the audit log {file} is broken: its last line {broken.why}", advice=ADVICE) from broken
    chain.new_file()
    return chain


ADVICE = "put the files aside as they are and find out who changed them; a new log begins where there is none"


def _read(path: Path, kept: list[dict[str, Any]]) -> Verified:
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(Path(f"{path}.lock").open("rb"))
            fcntl.flock(lock, fcntl.LOCK_SH)  # nobody appends meanwhile
        except OSError:
            pass  # a copy of the log has no lock, and needs none
        return _follow([*older_files(path), path], kept)


def _follow(files: list[Path], kept: list[dict[str, Any]]) -> Verified:
    chain, lines, first, before, count = Chain(), 0, 0, "", 0
    for count, file in enumerate(files, start=1):
        chain.new_file()
        for line in _lines(file):
            if file == files[-1] and not line.endswith(b"\n"):
                return _whole(Verified(lines, count, first, chain.head, torn=len(line)), before, kept)
            try:
                entry = chain.follow(line) if lines else chain.begin(line)
            except BrokenChain as broken:
                return Verified(lines, count, first, chain.head, f"{file.name}, {broken}")
            if not lines:
                first, before = chain.seq, str(entry["prev"])
            kept.append(entry)
            lines += 1
    return _whole(Verified(lines, count, first, chain.head), before, kept)


def _whole(found: Verified, before: str, kept: list[dict[str, Any]]) -> Verified:
    """Return `found`, broken if lines before the first are missing and no later line says that they were dropped."""
    if found.first_seq <= 1 or any(
        entry["event"] == "dropped"
        and entry.get("last_seq") == found.first_seq - 1
        and entry.get("last_line") == before
        for entry in kept
    ):
        return found
    why = f"the lines before number {found.first_seq} are missing, and no line says that they were dropped"
    return Verified(found.lines, found.files, found.first_seq, found.head, why, found.torn)


def _lines(file: Path) -> Iterator[bytes]:
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise LocalTrouble(f"the audit log {file} cannot be read: {error.strerror}") from error
    return lines_of(octets)
