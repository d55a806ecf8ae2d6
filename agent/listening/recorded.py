"""The recording of what was heard of one meter: the lines of its receiver, in the format of a visit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent.clock.instant import NS, Counters
from agent.errors import UsageError
from agent.listening.reception import Confirmed
from drivers.transport.recording_file import (
    MAX_FILE,
    OCTETS_PER_LINE,
    Event,
    Header,
    Octets,
    encode_header,
    encode_record,
)


def record(path: Path, name: str, confirmed: Confirmed) -> None:
    """Write the receptions to `path`; the last line is the one that the value was read from.

    What the disk refuses shows in what follows: a recording that is cut short.
    """
    first = confirmed.receptions[0]
    lines = [encode_header(Header(name, 0, confirmed.utc_of(first)))]
    t = 0
    for reception in confirmed.receptions:
        t = max(t, reception.moment_ns - first.moment_ns)
        lines += _records(t, reception.line)
    lines.append(encode_record(Event(t, "close", "")))
    path.write_text("\n".join(lines) + "\n")


class LineRecorder:
    """Writes down every line of a receiver as it comes; what it has written can be listened to again."""

    def __init__(self, path: Path, name: str, clock: Counters) -> None:
        """Raise `UsageError` if `path` cannot be made, or is there already."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"recording {path} cannot be written: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "w")
        self._clock = clock
        self._began_ns = clock.boottime_ns()
        started = datetime.fromtimestamp(clock.realtime_ns() / NS, UTC)
        self._write(encode_header(Header(name, 0, started)))

    def __call__(self, line: bytes) -> None:
        """Write down one line; a recording that is as long as any may be ends."""
        t = self._clock.boottime_ns() - self._began_ns
        if self._file.closed:
            return
        for record_line in _records(t, line):
            self._write(record_line)
        if self._file.tell() > MAX_FILE - (1 << 20):
            self.close()

    def close(self) -> None:
        """End it."""
        if not self._file.closed:
            self._write(encode_record(Event(self._clock.boottime_ns() - self._began_ns, "close", "")))
            self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text + "\n")


def _records(t: int, line: bytes) -> Iterator[str]:
    octets = line + b"\n"
    for at in range(0, len(octets), OCTETS_PER_LINE):
        part = octets[at : at + OCTETS_PER_LINE]
        yield encode_record(Octets(t, "<", part, len(part)))
