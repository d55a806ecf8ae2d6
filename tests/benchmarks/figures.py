"""What was measured, and the bounds that it is held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; without `bound` it is told, not judged."""

    name: str
    measured: float
    unit: str = ""
    bound: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.bound is None or self.measured < self.bound

    def row(self) -> tuple[str, str, str, str]:
        bound = "" if self.bound is None else f"< {self.bound:g} {self.unit}".rstrip()
        verdict = "" if self.holds else "  TOO MUCH"
        return (self.name, f"{self.measured:.4g} {self.unit}".rstrip(), bound + verdict, self.note)


@dataclass(slots=True)
class Figures:
    """The table of one run, in the order of measuring."""

    rows: list[Figure] = field(default_factory=list)

    def tell(self, name: str, measured: float, unit: str = "", *, note: str = "") -> None:
        """Put a figure without a bound into the table."""
        self.rows.append(Figure(name, measured, unit, note=note))

    def judge(self, name: str, measured: float, unit: str = "", *, below: float, note: str = "") -> None:
        """Put a figure into the table and fail the test if it is not below its bound."""
        figure = Figure(name, measured, unit, below, note)
        self.rows.append(figure)
        assert figure.holds, f"{name}: {measured:.4g} {unit}, and not below {below:g}"

    def lines(self) -> list[str]:
        """Return the table as text."""
        cells = [("figure", "measured", "bound", "how"), *(figure.row() for figure in self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(3)]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
            for row in cells
        ]


def median_of(times: int, measure: Callable[[], float]) -> tuple[float, str]:
    """Measure `times` times after once for warming up; return the median and how far the single ones were apart."""
    measure()
    found = sorted(measure() for _ in range(times))
    return median(found), spread(found)


def spread(found: Sequence[float]) -> str:
    """Say how noisy the measuring was."""
    return f"median of {len(found)}, {min(found):.3g} to {max(found):.3g}"
