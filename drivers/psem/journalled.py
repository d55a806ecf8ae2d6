"""One write in the journal: set down before it is sent, and once after, whatever happens in between."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from drivers.errors import MrspError
from drivers.writes import Journal, MeterWrite, WriteOutcome


class Journalled:
    """Sets `write` down on being made, and raises whatever keeps it from being set down: then it must not be sent.

    Used as a context manager: `leaves()` when its octets are about to be sent, `settle(…)` when it is known what
    became of it. Left without that (cancelled, a bug), the journal says that it was not sent, or `unknown`.
    """

    def __init__(self, journal: Journal, write: MeterWrite) -> None:
        self._journal = journal
        self._write = write
        self._left = self._settled = False
        self.trouble = ""  # why the outcome could not be set down
        journal.before(write)

    def leaves(self) -> None:
        """From here on the octets may be on the line."""
        self._left = True

    def settle(self, outcome: WriteOutcome, detail: str) -> None:
        """Set down what became of it. A journal that fails now is told of in `trouble`: the write has been sent."""
        self._settled = True
        try:
            self._journal.after(self._write, outcome, detail)
        except (MrspError, OSError) as error:
            self.trouble = f"the journal could not take down the outcome: {error}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._settled:
            return
        why = f": {type(error).__name__} {error}".rstrip() if error is not None else ""
        if self._left:
            self.settle("unknown", f"broken off before its result was known{why}")
        else:
            self.settle("failed", f"not sent{why}")
