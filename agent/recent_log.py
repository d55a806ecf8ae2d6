"""The newest lines of the log, in memory: what a person at the console or a support bundle is shown of them."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.errors import printable

MOST_LINES = 1_000  # some 200 kB
MOST_TROUBLES = 50
_LONGEST = 500  # characters


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `at` is the system clock's time."""

    at: datetime
    level: str
    logger: str
    text: str


class RecentLog(logging.Handler):
    """A handler of `logging` that keeps the newest lines, and apart from them the newest warnings and errors."""

    def __init__(self, *, most_lines: int = MOST_LINES, most_troubles: int = MOST_TROUBLES) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=most_lines)
        self._troubles: deque[LogLine] = deque(maxlen=most_troubles)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line. Of an exception only its kind: its text may quote anything."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that do not fit the message
            text = str(record.msg)
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text} ({record.exc_info[0].__name__})"
        at = datetime.fromtimestamp(record.created, UTC)
        line = LogLine(at, record.levelname, record.name, printable(text[:_LONGEST]))
        self._lines.append(line)
        if record.levelno >= logging.WARNING:
            self._troubles.append(line)

    def lines(self) -> tuple[LogLine, ...]:
        """Return the newest lines, oldest first."""
        return tuple(self._lines)

    def troubles(self) -> tuple[LogLine, ...]:
        """Return the newest warnings and errors, newest first."""
        return tuple(reversed(self._troubles))
