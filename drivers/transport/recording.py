"""Recording: every octet that a line carries goes into a file, as it happens. The format is in `recording_file`.

The recorder stands above echo cancelling, so a recording shows what client and meter said, not what a probe returned.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from drivers.errors import LineLost, UsageError
from drivers.transport.base import Transport
from drivers.transport.call_report import dialogue_of
from drivers.transport.echo_report import EchoReport, echo_of
from drivers.transport.masking import SecretWindow
from drivers.transport.recording_file import (
    OCTETS_PER_LINE,
    Event,
    Header,
    Octets,
    Record,
    encode_header,
    encode_record,
    is_header,
)

LOGGER = logging.getLogger(__name__)


class RecordingTransport:
    """Passes everything through, and writes it down at once, so that a crash leaves a usable file.

    A full disk ends the recording, not the visit: see `failure`.
    """

    def __init__(self, inner: Transport, descriptor: int, path: Path, monotonic_ns: Callable[[], int]) -> None:
        """`descriptor` is a file open for appending; it becomes ours."""
        self.failure: OSError | None = None
        self._inner = inner
        self._descriptor: int | None = descriptor
        self._path = path
        self._now = monotonic_ns
        self._start = monotonic_ns()
        self._window = SecretWindow()
        self._lost = False

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def baud(self) -> int:
        return self._inner.baud

    @property
    def echo_report(self) -> EchoReport:
        """What the line below says about its echo."""
        return echo_of(self._inner)

    async def read(self) -> bytes:
        try:
            chunk = await self._inner.read()
        except LineLost as error:
            self._lose(error)
            raise
        self._octets("<", chunk)
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self._octets(">", chunk, secret=secret)  # before it goes out, so that the answer stands after it
        try:
            await self._inner.write(chunk, secret=secret)
        except LineLost as error:
            self._lose(error)
            raise

    def discard_input(self) -> int:
        dropped = self._inner.discard_input()
        if dropped:
            self._event("discard", dropped)
        return dropped

    async def set_baud(self, baud: int) -> None:
        before = self._inner.baud
        await self._inner.set_baud(baud)
        if self._inner.baud != before:
            self._event("baud", self._inner.baud)

    async def close(self) -> None:
        told = len(dialogue_of(self._inner))
        try:
            await self._inner.close()
        finally:
            self.tell_dialogue(told)
            self._event("close", "")
            self._end()

    def tell_dialogue(self, since: int = 0) -> None:
        """Write down what was said to the modem and by it, from the line `since` on; nothing where there is none."""
        for text in dialogue_of(self._inner)[since:]:
            self._event("modem", text)

    def write_line(self, line: str) -> None:
        """Append one line, whole or not at all as far as this program can tell."""
        if self._descriptor is None:
            return
        try:
            rest = memoryview(line.encode() + b"\n")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            LOGGER.warning("recording %s ends early: %s", self._path, error.strerror)
            self.failure = error
            self._end()

    def _octets(self, direction: str, chunk: bytes, *, secret: bool = False) -> None:
        t = self._now() - self._start
        for at in range(0, len(chunk), OCTETS_PER_LINE):
            part = chunk[at : at + OCTETS_PER_LINE]
            if direction == "<":
                self._append(self._window.received(Octets(t, "<", part, len(part))))
            else:
                self._append(self._window.sent(Octets(t, ">", part, len(part)), secret=secret))

    def _event(self, name: str, value: str | int) -> None:
        self._append([*self._window.end(), Event(self._now() - self._start, name, value)])

    def _lose(self, error: LineLost) -> None:
        if not self._lost:
            self._lost = True
            self._event("lost", error.message)

    def _append(self, records: list[Record]) -> None:
        for record in records:
            self.write_line(encode_record(record))

    def _end(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def start_recording(
    inner: Transport,
    path: Path,
    *,
    started: datetime | None = None,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> RecordingTransport:
    """Record what `inner` carries at the end of `path` (created with mode 0600); closing the result closes both.

    `started`: UTC now, unless given. Raises `UsageError` when the file cannot be written, is in use by another
    recorder, or holds something else than recordings; nothing is overwritten.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise UsageError(f"recording {path} cannot be written: {error.strerror}") from error
    try:
        torn = _check_content(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    recorder = RecordingTransport(inner, descriptor, path, monotonic_ns)
    header = encode_header(Header(inner.name, inner.baud, started or datetime.now(UTC)))
    recorder.write_line(("\n" if torn else "") + header)
    recorder.tell_dialogue()
    return recorder


def _check_content(descriptor: int, path: Path) -> bool:
    """Lock the file; raise `UsageError` unless it is empty or a recording; tell whether its last line is torn."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(descriptor).st_size
        first = os.pread(descriptor, 64, 0) if size else b""
        last = os.pread(descriptor, 1, size - 1) if size else b"\n"
    except BlockingIOError as error:
        raise UsageError(f"recording {path} is being written by another program") from error
    except OSError as error:
        raise UsageError(f"recording {path} cannot be written: {error.strerror}") from error
    if size and not is_header(first):
        raise UsageError(f"{path} exists and is not a recording", advice="name another file; this one is kept")
    return last != b"\n"
