"""What `mrsp listen` shows: readings on standard output as they come, progress on a terminal's standard error."""

from __future__ import annotations

import sys

from agent.document import encode
from agent.listening.board import Board
from agent.listening.plan import ReadPlan
from agent.listening.report import progress_line
from agent.reading import Reading, RegisterPart

HEADER = f"{'heard':27}  {'meter':>12}  {'value':>14} {'unit':6}  {'n':>4}  {'dB':>6}  checks"


class ReadingPrinter:
    """Prints one reading a line, at once: the document, or a row for people."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._began = False

    def __call__(self, reading: Reading) -> None:
        if self._json:
            sys.stdout.buffer.write(encode(reading) + b"\n")  # UTF-8, whatever the terminal's encoding
            sys.stdout.buffer.flush()
            return
        if not self._began:
            sys.stdout.write(f"{HEADER}\n")
            self._began = True
        for register in reading.registers:
            sys.stdout.write(f"{row(reading, register)}\n")
        sys.stdout.flush()


def row(reading: Reading, register: RegisterPart) -> str:
    """Return one register of a reading as a line for people."""
    heard = reading.heard
    count = heard.count if heard is not None else 0
    signal = heard.best_rssi_db if heard is not None and heard.best_rssi_db is not None else ""
    failed = dict.fromkeys(check.check for check in reading.checks if check.outcome == "fail")
    intervals = sum(len(block.values) for block in reading.interval_blocks)
    words = f"failed: {', '.join(failed)}" if failed else "in order"
    words += f"; {intervals} intervals" if intervals else ""
    value = register.value if register.value is not None else "–"
    at = reading.read_finished_at or "time not known"
    return (
        f"{at:27}  {reading.meter.meter_id or '':>12}  {value:>14} {register.unit:6}  {count:>4}  {signal:>6}  {words}"
    )


class Watched:
    """One line of progress that rewrites itself, on a terminal; and what happens to the receiver."""

    def __init__(self, plan: ReadPlan) -> None:
        self._plan = plan
        self._shown = 0

    def tick(self, board: Board) -> None:
        """Show how far it is."""
        if sys.stderr.isatty():
            self._rewrite(progress_line(board, self._plan))

    def say(self, sentence: str) -> None:
        """Tell what happens to the receiver."""
        self.close()
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Wipe the line, so that what follows starts clean."""
        if self._shown:
            self._rewrite("")
            sys.stderr.write("\r")
            self._shown = 0

    def _rewrite(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._shown))
        sys.stderr.flush()
        self._shown = len(text)
