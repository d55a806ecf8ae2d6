"""What many sessions came to, in one table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.cases import Case
from tests.soak.session import End, Outcome

BANDS = (0.0, 0.001, 0.003, 0.01, 0.02, 1.0)  # damages per octet, upper ends
ENDS: tuple[End, ...] = ("complete", "in part", "error", "wrong", "hang", "crash")
FAILURES: frozenset[End] = frozenset({"wrong", "hang", "crash"})
GOAL_RATE = 0.003
_MOST_SHOWN = 20


@dataclass(slots=True)
class Sums:
    """Of the sessions of one band."""

    ends: Counter[End] = field(default_factory=Counter)
    retries: int = 0
    recoveries: int = 0
    damages: int = 0
    bad_packets: int = 0
    octets: int = 0
    line_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def sessions(self) -> int:
        return self.ends.total()

    def add(self, other: Sums) -> None:
        self.ends += other.ends
        for name in ("retries", "recoveries", "damages", "bad_packets", "octets", "line_s", "cpu_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Tally:
    """All of it; tallies of several processes add up."""

    bands: dict[tuple[bool, float], Sums] = field(default_factory=dict)  # pure or not, upper end
    failures: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    crc_requests: int = 0
    crc_answers: int = 0
    goal_sessions: int = 0
    goal_complete: int = 0
    slowest_s: float = 0.0

    def note(self, number: int, case: Case, outcome: Outcome) -> None:
        """Count one session."""
        band = next(end for end in BANDS if case.rates.damage <= end)
        sums = self.bands.setdefault((case.pure, band), Sums())
        sums.add(
            Sums(
                Counter({outcome.end: 1}),
                outcome.retries,
                outcome.recoveries,
                outcome.damages,
                outcome.bad_packets,
                outcome.octets,
                outcome.line_s,
                outcome.cpu_s,
            )
        )
        if outcome.end in FAILURES:
            self.failures.append(f"session {number}: {outcome.end}: {outcome.what}")
        elif outcome.what:
            self.errors[outcome.what.partition(":")[0]] += 1
        self.crc_requests += outcome.crc_requests
        self.crc_answers += outcome.crc_answers
        self.slowest_s = max(self.slowest_s, outcome.cpu_s)
        if case.pure and case.rates.damage <= GOAL_RATE:
            self.goal_sessions += 1
            self.goal_complete += outcome.end == "complete"

    def add(self, other: Tally) -> None:
        """Take in what another process counted."""
        for key, sums in other.bands.items():
            self.bands.setdefault(key, Sums()).add(sums)
        self.failures += other.failures
        self.errors += other.errors
        self.crc_requests += other.crc_requests
        self.crc_answers += other.crc_answers
        self.goal_sessions += other.goal_sessions
        self.goal_complete += other.goal_complete
        self.slowest_s = max(self.slowest_s, other.slowest_s)

    @property
    def good(self) -> bool:
        """No wrong value, no hang, no crash, and at 0.3 % of flips or losses 99 of 100 sessions whole."""
        return not self.failures and self.goal_complete >= 0.99 * self.goal_sessions

    def lines(self) -> list[str]:
        """Return the summary as text."""
        head = ("line", "damage ≤", "sessions", *ENDS, "retries", "recoveries", "ms CPU", "s line")
        rows = [head]
        total = Sums()
        for (pure, end), sums in sorted(self.bands.items(), key=lambda item: (not item[0][0], item[0][1])):
            total.add(sums)
            rows.append(_row("pure" if pure else "mixed", f"{end:.1%}", sums))
        rows.append(_row("all", "", total))
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return [*table, "", *self._remarks(total)]

    def _remarks(self, total: Sums) -> list[str]:
        share = f"{self.goal_complete / self.goal_sessions:.3%}" if self.goal_sessions else "none"
        errors = ", ".join(f"{name} {count}" for name, count in self.errors.most_common())
        return [
            f"complete at up to 0.3 % of flipped or lost octets: {share} of {self.goal_sessions}",
            f"damages {total.damages}, packets found damaged {total.bad_packets}, "
            f"taken for good by the CRC alone: {self.crc_requests} requests, {self.crc_answers} answers",
            f"errors named: {errors or 'none'}",
            f"slowest session: {self.slowest_s:.2f} s CPU",
            *self.failures[:_MOST_SHOWN],
            *([f"… and {len(self.failures) - _MOST_SHOWN} more"] if len(self.failures) > _MOST_SHOWN else []),
        ]


def _row(name: str, end: str, sums: Sums) -> tuple[str, ...]:
    many = max(1, sums.sessions)
    return (
        name,
        end,
        str(sums.sessions),
        *(str(sums.ends[end_]) for end_ in ENDS),
        f"{sums.retries / many:.1f}",
        f"{sums.recoveries / many:.2f}",
        f"{1000 * sums.cpu_s / many:.1f}",
        f"{sums.line_s / many:.1f}",
    )
