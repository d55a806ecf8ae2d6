"""Write what a Modbus line carries into a recording, in the format of all recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from drivers.errors import LineLost
from drivers.transport import RecordingTransport, start_recording
from drivers.transport.recording_file import OCTETS_PER_LINE, Event, Octets, encode_record


class _Named:
    """What a recording says of its line; pymodbus carries the octets."""

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        self.baud = baud

    async def read(self) -> bytes:
        raise LineLost(f"{self.name} is not read here")

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        raise LineLost(f"{self.name} is not written here: {len(chunk)} octets, {secret=}")

    def discard_input(self) -> int:
        return 0

    async def set_baud(self, baud: int) -> None:
        self.baud = baud

    async def close(self) -> None:
        """Nothing is open here."""


class Recorder:
    """Takes every octet as it happens; without a file it only forgets."""

    def __init__(self, path: Path | None, name: str, baud: int, monotonic_ns: Callable[[], int]) -> None:
        """Raises `UsageError` when the file cannot be written."""
        self._now = monotonic_ns
        self._file: RecordingTransport | None = None
        if path is not None:
            self._file = start_recording(_Named(name, baud), path, monotonic_ns=monotonic_ns)
        self._start = monotonic_ns()

    def octets(self, direction: str, chunk: bytes) -> None:
        """Write down octets that went out (">") or came in ("<")."""
        if self._file is None:
            return
        t = self._now() - self._start
        way: Literal[">", "<"] = ">" if direction == ">" else "<"
        for at in range(0, len(chunk), OCTETS_PER_LINE):
            part = chunk[at : at + OCTETS_PER_LINE]
            self._file.write_line(encode_record(Octets(t, way, part, len(part))))

    def lost(self, why: str) -> None:
        """Write down that the line went away."""
        if self._file is not None:
            self._file.write_line(encode_record(Event(self._now() - self._start, "lost", why)))

    async def close(self) -> None:
        """End the recording."""
        if self._file is not None:
            await self._file.close()
