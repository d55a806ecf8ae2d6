"""How fast a reading goes, and how long its stage will take: from what the driver tells and when it told it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.field.views import ProgressView
from drivers.base import Progress

NS = 1_000_000_000
WINDOW_NS = 15 * NS  # that the rate is taken over: longer than a packet's retries, shorter than a change of speed
STEP_NS = NS // 4  # between two marks
LEAST_NS = NS // 2  # before anything is said
LONGEST_S = 24 * 3600
MOST_STAGES = 1024  # counted; a meter has some dozens of tables


@dataclass(frozen=True, slots=True)
class _Mark:
    at_ns: int
    stage: str
    done: int
    on_line: int


class Pace:
    """Follows one reading. Stamps are those of a monotonic clock, in nanoseconds."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._stages: set[str] = set()
        self._marks: deque[_Mark] = deque()

    def feed(self, progress: Progress, at_ns: int) -> None:
        """Take what the driver tells."""
        if len(self._stages) < MOST_STAGES:
            self._stages.add(progress.stage)
        self._progress = progress
        mark = _Mark(at_ns, progress.stage, progress.done, progress.bytes_on_line)
        marks = self._marks
        if len(marks) > 1 and marks[-1].stage == mark.stage and marks[-1].at_ns - marks[-2].at_ns < STEP_NS:
            marks.pop()
        marks.append(mark)
        while len(marks) > 2 and (marks[1].at_ns < at_ns - WINDOW_NS or len(marks) > 256):
            marks.popleft()

    def view(self) -> ProgressView:
        """Return how far it is."""
        progress = self._progress
        if progress is None:
            return ProgressView()
        first, last = self._marks[0], self._marks[-1]
        line_rate = _rate(last.on_line - first.on_line, last.at_ns - first.at_ns)
        return ProgressView(
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
            bytes_on_line=progress.bytes_on_line,
            tables=len(self._stages),
            intervals=progress.intervals,
            seconds_left=self._left(progress, line_rate),
            line_rate=line_rate,
        )

    def _left(self, progress: Progress, line_rate: int) -> int | None:
        """Return the seconds that this stage still takes: at its own rate, or that of the line until it has one."""
        left = progress.total - progress.done
        if progress.total <= 0 or left < 0:
            return None
        of_stage = [mark for mark in self._marks if mark.stage == progress.stage]
        rate = _rate(of_stage[-1].done - of_stage[0].done, of_stage[-1].at_ns - of_stage[0].at_ns) or line_rate
        return min(-(-left // rate), LONGEST_S) if rate else None


def _rate(octets: int, elapsed_ns: int) -> int:
    """Return octets a second, 0 while that means nothing."""
    return octets * NS // elapsed_ns if elapsed_ns >= LEAST_NS and octets > 0 else 0
