"""Live progress on a terminal's standard error; silent anywhere else."""

from __future__ import annotations

import sys
from typing import TextIO

from drivers.base import Progress

WIDTH = 24


class ProgressLine:
    """One line that rewrites itself: stage, bar, octets, intervals."""

    def __init__(self, stream: TextIO = sys.stderr, *, label: str = "") -> None:
        self._stream = stream
        self._label = label
        self._shown = 0
        self._stages: list[str] = []

    def __call__(self, progress: Progress) -> None:
        """Show `progress` if a person is watching."""
        if not self._stream.isatty():
            return
        if progress.stage not in self._stages:
            self._stages.append(progress.stage)
        self._rewrite(progress_text(progress, tables=len(self._stages), label=self._label))

    def close(self) -> None:
        """Wipe the line, so that what follows starts clean."""
        if self._shown:
            self._rewrite("")
            self._stream.write("\r")
            self._stream.flush()

    def _rewrite(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._shown))
        self._stream.flush()
        self._shown = len(text)


def progress_text(progress: Progress, *, tables: int, label: str = "") -> str:
    """Return e.g. `ST64 ████░░░░ 4,096/14,868 octets  1,024 intervals  (28 steps, 9,412 octets on the line)`."""
    text = f"{label}  " if label else ""
    text += f"{progress.stage:9}"
    if progress.total:
        filled = min(WIDTH, WIDTH * progress.done // progress.total)
        text += f" {'█' * filled}{'░' * (WIDTH - filled)} {progress.done:,}/{progress.total:,} octets"
    if progress.intervals:
        text += f"  {progress.intervals:,} intervals"
    return text + f"  ({tables} steps, {progress.bytes_on_line:,} octets on the line)"
