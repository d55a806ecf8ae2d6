"""Copies of documents beside the way to the MDSP: files in a directory, lines on standard output.

A copy is written from the very octets that were sealed, for what is sealed may be readable to the MDSP alone:

    hold     before the document is in the spool: its octets are kept beside the outbox
    release  after: its files are written, and what was held goes
    recover  at the start: what a crash left is released if the spool has it, dropped if not

So there is a copy of a document if and only if it was sealed, the same one however often it is written. A full outbox,
or one that cannot be written, keeps no document out of the spool.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Protocol

import msgspec

from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.forward.file import plain_forms, time_of, write_document
from agent.outlet_settings import FileOutletSettings
from agent.spool import Entry, Kind, Priority, Spool

HELD = ".held"  # directory in the outbox
PATIENCE_S = 5.0  # with whoever reads standard output
_MOST_HELD = 100
_UNREAD = "nobody reads it"
_log = logging.getLogger("agent.outlet")


class Copies(Protocol):
    """One outlet. Nothing here raises for trouble of its own: that is logged."""

    def hold(self, document_id: str, document: bytes) -> None:
        """Keep a document that is about to be sealed; called on the spool's thread, durable on return."""

    async def release(self, entry: Entry) -> None:
        """Write the copies of a document that is sealed."""

    async def recover(self, spool: Spool) -> None:
        """Settle what an earlier process left."""


class CopyingSpool(Spool):
    """A spool whose documents are also copied to outlets. `copies` is set before the first document is added."""

    copies: tuple[Copies, ...] = ()

    async def add(
        self, kind: Kind, document_id: str, build: Callable[[int], bytes], *, priority: Priority = Priority.ORDINARY
    ) -> Entry:
        """Do as `Spool.add`; copies follow as soon as the document is in the spool."""

        def build_and_hold(sequence: int) -> bytes:
            document = build(sequence)
            for outlet in self.copies:
                outlet.hold(document_id, document)
            return document

        entry = await super().add(kind, document_id, build_and_hold, priority=priority)
        for outlet in self.copies:
            await outlet.release(entry)
        return entry


class FileCopies:
    """The outbox of `[outlet.file]` beside `[forward]`. `directory`: of the settings, made absolute."""

    def __init__(self, settings: FileOutletSettings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._held = directory / HELD
        self._room = Room(directory, settings.budget_octets)
        self._complaint = ""

    def hold(self, document_id: str, document: bytes) -> None:
        try:
            self._room.take(len(document))
            write_durably(self._held / document_id, document)
        except (LocalTrouble, OSError) as err:
            self._complain(f"no copy of {document_id}: {err}")

    async def release(self, entry: Entry) -> None:
        try:
            held = self._held / entry.document_id
            document = await asyncio.to_thread(_content, held)
            if document is None:
                return  # there was no room for it
            if _sequence(document) in {None, entry.sequence}:  # else it was held for an attempt that failed
                for suffix, content in plain_forms(document, entry, self._settings):
                    self._room.add(len(content))
                    await write_document(
                        self._directory, entry.document_id, content, before=time_of(entry), suffix=suffix
                    )
            await asyncio.to_thread(held.unlink)
            self._room.add(-len(document))
            self._complaint = ""
        except (LocalTrouble, OSError) as err:
            self._complain(f"the copy of {entry.document_id} waits: {err}")

    async def recover(self, spool: Spool) -> None:
        for path in await asyncio.to_thread(_held_files, self._held):
            try:
                entry = (await spool.show(path.name)).entry
            except LocalTrouble:
                entry = None
            if entry is not None:
                await self.release(entry)
            else:
                path.unlink(missing_ok=True)  # it was never sealed
        if self._held.is_dir():
            sync_directory(self._held)

    def _complain(self, complaint: str) -> None:
        if complaint.partition(":")[2] != self._complaint:
            _log.error("%s", complaint)
        self._complaint = complaint.partition(":")[2]


class LineCopies:
    """`outlet.stdout`: each document as one line of JSON. One that a crash cuts off is not printed again.

    A reader that went away, or reads no more, misses lines; it holds nothing else up.
    """

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}
        self._turn = asyncio.Lock()
        self._printing: Future[None] | None = None
        self._complaint = ""

    def hold(self, document_id: str, document: bytes) -> None:
        self._held[document_id] = document
        while len(self._held) > _MOST_HELD:
            del self._held[next(iter(self._held))]  # of an attempt that failed

    async def release(self, entry: Entry) -> None:
        document = self._held.pop(entry.document_id, None)
        if document is None:
            return
        async with self._turn:
            complaint = await self._print(document)
        if complaint and complaint != self._complaint:
            _log.error("%s is not on standard output, nor what follows: %s", entry.document_id, complaint)
        self._complaint = complaint

    async def recover(self, spool: Spool) -> None:
        """Nothing is left of an earlier process."""

    async def _print(self, document: bytes) -> str:
        """Print one line; return what is wrong with standard output, "" if nothing is."""
        if self._printing is not None and not self._printing.done():
            return _UNREAD
        self._printing = Future()
        self._printing.set_running_or_notify_cancel()
        line = document + b"\n"  # JSON without line ends, as it is encoded
        Thread(target=_print, args=(line, self._printing), name="stdout", daemon=True).start()  # may wait for ever
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wrap_future(self._printing)
        except TimeoutError:
            return _UNREAD
        except OSError as err:
            return str(err)
        return ""


class Room:
    """The room in an outbox. Files are counted when it seems to be used up: others take them away unseen."""

    def __init__(self, directory: Path, budget_octets: int) -> None:
        self._directory = directory
        self._budget = budget_octets
        self._used: int | None = None

    def take(self, octets: int) -> None:
        """Count more octets in; raises `LocalTrouble` if the budget has no room for them."""
        if self._used is None or self._used + octets > self._budget:
            self._used = _octets_in(self._directory)
        if self._used + octets > self._budget:
            raise LocalTrouble(
                f"the outbox {self._directory} has used its budget of {self._budget} octets",
                advice="see why nothing is fetched from it",
            )
        self._used += octets

    def add(self, octets: int) -> None:
        """Count octets that are written whatever the budget says, or that are gone."""
        self._used = (self._used or 0) + octets


def _print(line: bytes, printing: Future[None]) -> None:
    """Write `line`, whole; past Python's buffer, whose lock a write that waits would hold at the end of the process."""
    rest = memoryview(line)
    try:
        descriptor = sys.stdout.fileno()
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as err:
        printing.set_exception(err)
    else:
        printing.set_result(None)


def _octets_in(directory: Path) -> int:
    return sum(path.stat().st_size for one in (directory, directory / HELD) for path in _files(one))


def _files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.iterdir() if path.is_file())


def _held_files(directory: Path) -> list[Path]:
    return sorted(path for path in _files(directory) if not path.name.startswith("."))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _sequence(document: bytes) -> int | None:
    try:
        return msgspec.json.decode(document, type=_Numbered).sequence
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Numbered(msgspec.Struct, frozen=True):
    sequence: int
