"""The curve of a test as SVG: percentage registration over current, the uncertainty as bars, the limits as a band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from agent.bench.report.document import PointPart, Result
from drivers.decimal_text import plain

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 44
_PLACE = Decimal("0.1")
_ROOM = Decimal("1.15")
_LEAST = Decimal("0.5")  # percent, shown to either side of 100


@dataclass(frozen=True, slots=True)
class _Dot:
    amps: Decimal
    registration: Decimal
    expanded: Decimal
    name: str
    at_unity: bool


@dataclass(frozen=True, slots=True)
class _Axes:
    """Amperes by their logarithm, percent linearly."""

    least_amps: Decimal
    most_amps: Decimal
    reach: Decimal  # percent to either side of 100

    def x(self, amps: Decimal) -> Decimal:
        span = (self.most_amps / self.least_amps).ln()
        part = (amps / self.least_amps).ln() / span
        return (LEFT + part * (WIDTH - LEFT - RIGHT)).quantize(_PLACE)

    def y(self, percent: Decimal) -> Decimal:
        part = (percent - (100 - self.reach)) / (2 * self.reach)
        return (HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)).quantize(_PLACE)


def curve(result: Result) -> str:
    """Return an `<svg>` element, or nothing where no point has a figure. Everything in it is escaped."""
    dots = sorted(_dots(result.points), key=lambda one: (one.amps, one.name))
    if not dots:
        return ""
    limits = [one.judged for one in result.points if one.judged is not None and one.figure is not None]
    lows = [Decimal(one.low) for one in limits if one.low is not None]
    highs = [Decimal(one.high) for one in limits if one.high is not None]
    far = [abs(one.registration - 100) + one.expanded for one in dots] + [abs(one - 100) for one in (*lows, *highs)]
    reach = max(_LEAST, max(far) * _ROOM)
    axes = _Axes(dots[0].amps / 2, dots[-1].amps * 2, reach)
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Registration by current">',
        *_band(axes, lows, highs),
        *_grid(axes, dots),
        *_line(axes, [one for one in dots if one.at_unity]),
        *(_dot(axes, one) for one in dots),
        "</svg>",
    ]
    return "\n".join(parts)


def _dots(points: Sequence[PointPart]) -> Iterator[_Dot]:
    for one in points:
        if one.figure is not None:
            registration, expanded = Decimal(one.figure.registration), Decimal(one.figure.expanded)
            yield _Dot(Decimal(one.amps), registration, expanded, one.name, at_unity=one.lag is None)


def _band(axes: _Axes, lows: Sequence[Decimal], highs: Sequence[Decimal]) -> Iterator[str]:
    if lows and highs:
        top, bottom = axes.y(min(highs)), axes.y(max(lows))
        yield f'<rect class="within" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{bottom - top}"/>'


def _grid(axes: _Axes, dots: Sequence[_Dot]) -> Iterator[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    step = axes.reach / 2
    for percent in (100 - 2 * step, 100 - step, Decimal(100), 100 + step, 100 + 2 * step):
        y = axes.y(percent)
        kind = "hundred" if percent == 100 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{percent:.2f}</text>'
    for amps in sorted({one.amps for one in dots}):
        x = axes.x(amps)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{floor}"/>'
        yield f'<text x="{x}" y="{floor + 16}" text-anchor="middle">{escape(plain(amps))}</text>'
    yield f'<text x="{(LEFT + right) // 2}" y="{HEIGHT - 8}" text-anchor="middle">current, A</text>'


def _line(axes: _Axes, dots: Sequence[_Dot]) -> Iterator[str]:
    if len(dots) > 1:
        points = " ".join(f"{axes.x(one.amps)},{axes.y(one.registration)}" for one in dots)
        yield f'<polyline class="line" points="{points}"/>'


def _dot(axes: _Axes, one: _Dot) -> str:
    x, y = axes.x(one.amps), axes.y(one.registration)
    top, bottom = axes.y(one.registration + one.expanded), axes.y(one.registration - one.expanded)
    said = f"{one.name}: {plain(one.registration)} % ± {plain(one.expanded)} %"
    kind = "dot" if one.at_unity else "dot other"
    return (
        f'<g class="{kind}"><title>{escape(said)}</title><line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        f'<circle cx="{x}" cy="{y}" r="4"/></g>'
    )
