"""What was measured, and the bounds that it is held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; without a bound it is told, not judged."""

    name: str
    measured: float
    unit: str = ""
    below: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        too_much = self.below is not None and self.measured >= self.below
        too_little = self.at_least is not None and self.measured < self.at_least
        return not (too_much or too_little)

    @property
    def bound(self) -> str:
        """The bound in words; empty if there is none."""
        if self.below is not None:
            return f"< {self.below:g} {self.unit}".rstrip()
        return "" if self.at_least is None else f">= {self.at_least:g} {self.unit}".rstrip()

    def row(self) -> tuple[str, str, str, str]:
        verdict = "" if self.holds else "  MISSED"
        return (self.name, f"{self.measured:.4g} {self.unit}".rstrip(), self.bound + verdict, self.note)


@dataclass(slots=True)
class Figures:
    """The table of one run, in the order of measuring."""

    rows: list[Figure] = field(default_factory=list)

    def tell(self, name: str, measured: float, unit: str = "", *, note: str = "") -> None:
        """Put a figure without a bound into the table."""
        self.rows.append(Figure(name, measured, unit, note=note))

    def assert_below(self, name: str, measured: float, unit: str = "", *, below: float, note: str = "") -> None:
        """Put a figure into the table and fail the test if it is not below its bound."""
        self._assert_holds(Figure(name, measured, unit, below=below, note=note))

    def assert_at_least(self, name: str, measured: float, unit: str = "", *, at_least: float, note: str = "") -> None:
        """Put a figure into the table and fail the test if it does not reach its bound."""
        self._assert_holds(Figure(name, measured, unit, at_least=at_least, note=note))

    def _assert_holds(self, figure: Figure) -> None:
        self.rows.append(figure)
        assert figure.holds, f"{figure.name}: {figure.measured:.4g} {figure.unit}, and not {figure.bound}"

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
