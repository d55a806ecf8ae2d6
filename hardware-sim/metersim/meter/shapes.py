"""Load shapes: how much of the top is used in each slot of a day, by the kind of day and the month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from metersim.meter.story import Shape

DayKind = Literal["day", "saturday", "sunday", "holiday"]
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Holidays:
    """Days of which shapes and tariffs may have a curve or switches of their own: `MM-DD` every year, or one date."""

    dates: tuple[str, ...] = ()

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.dates)

    def __contains__(self, day: date) -> bool:
        return bool(self.dates) and (day.isoformat() in self._known or f"{day:%m-%d}" in self._known)


NO_HOLIDAYS = Holidays()


@dataclass(frozen=True)
class DayShape:
    """The curves of one shape by kind of day, in thousandths of the top, evenly spread over the standard day."""

    curves: Mapping[DayKind, tuple[int, ...]]
    months: tuple[int, ...] = ()  # percent, January first; empty: every month alike
    _weights: dict[tuple[DayKind, int], tuple[int, ...]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, shape: Shape) -> DayShape:
        """Return a scenario's shape: Saturday is as any day, Sunday as Saturday, a holiday as Sunday, if not given."""
        saturday = shape.saturday or shape.day
        sunday = shape.sunday or saturday
        curves: dict[DayKind, tuple[int, ...]] = {
            "day": shape.day, "saturday": saturday, "sunday": sunday, "holiday": shape.holiday or sunday,
        }  # fmt: skip
        return cls(curves, shape.months or ())

    @classmethod
    def always(cls, curve: tuple[int, ...]) -> DayShape:
        """Return a shape whose days are all alike."""
        return cls({"day": curve, "saturday": curve, "sunday": curve, "holiday": curve})

    def weights(self, kind: DayKind, per_day: int) -> tuple[int, ...]:
        """Return the curve at the middle of each slot: straight lines between the middles of its points."""
        if (kind, per_day) not in self._weights:
            self._weights[kind, per_day] = _slot_weights(self.curves[kind], per_day)
        return self._weights[kind, per_day]

    def month_percent(self, number: int) -> int:
        """Return the percentage of the month in which the day `number` (from 1970 on) lies."""
        return self.months[day_of(number).month - 1] if self.months else 100


def day_of(number: int) -> date:
    """Return the date of a day that is counted from 1970."""
    return date.fromordinal(_EPOCH_ORDINAL + number)


def kind_of_day(number: int, holidays: Holidays) -> DayKind:
    """Return the kind of the day `number`, counted from 1970: a Thursday."""
    if holidays.dates and day_of(number) in holidays:
        return "holiday"
    weekday = (number + 3) % 7
    return "day" if weekday < 5 else "saturday" if weekday == 5 else "sunday"


def _slot_weights(curve: tuple[int, ...], per_day: int) -> tuple[int, ...]:
    points, weights = len(curve), []
    for slot in range(per_day):
        position = (2 * slot + 1) * points * 1000 // (2 * per_day) - 500
        point, part = divmod(position, 1000)
        weights.append((curve[point % points] * (1000 - part) + curve[(point + 1) % points] * part) // 1000)
    return tuple(weights)
