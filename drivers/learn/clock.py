"""What the meter's clock tells of its times, compared with this box's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal

from drivers.c1219 import Context, with_quirks
from drivers.c1219.clock import clock_of
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.quirks import Override
from drivers.c1219.times import COUNTERS, MeterTimes
from drivers.learn.lesson import Lesson, Value

_NEAR: Final = timedelta(minutes=10)  # a clock that is wrong by more is not only slow
_SENSES: Final[tuple[Literal["utc", "local_standard", "local"], ...]] = ("utc", "local_standard", "local")
_EPOCHS: Final[tuple[Literal["utc", "local"], ...]] = ("utc", "local")
_QUALIFIER: Final = ("gmt_flag", "tm_zn_applied", "dst_applied")
_Sense = tuple[str, Value, Context]


def of_clock(context: Context, site_zone: tzinfo | None, box: datetime) -> Lesson:
    """Return what explains the clock table; `box`: this box's time when it was read."""
    table = context.find(Clock) or context.find(ClockState)
    if table is None:
        return Lesson("c1219.clock_is", "the meter shows no clock", "open")
    error = _error(context, site_zone, box)
    if error is None:
        times = MeterTimes.of(context, site_zone)
        return Lesson("c1219.clock_is", times.problem or "the meter's clock holds no time", "open")
    if abs(error) <= _NEAR:
        return Lesson("c1219.clock_is", f"read so, the clock differs from this box by {_text(error)}")
    seen = f"read by default, the clock differs from this box by {_text(error)}"
    fitting = _fitting(_senses(context), site_zone, box) or _fitting(_flags(context, table), site_zone, box)
    if not fitting:
        hint = ": give --site-zone" if site_zone is None and _near_an_hour(error) else ""
        return Lesson("c1219.clock_is", f"{seen}; no other sense explains it{hint}", "open")
    if len(fitting) > 1:
        choices = ", ".join(_choice(key, value) for key, value in fitting)
        return Lesson(fitting[0][0], f"{seen}; any of these would explain it: {choices}", "open")
    key, value = fitting[0]
    return Lesson(key, f"{seen}; read so, by less than {_text(_NEAR)}", "likely", value)


def _fitting(senses: Iterator[_Sense], site_zone: tzinfo | None, box: datetime) -> list[tuple[str, Value]]:
    found = []
    for key, value, made in senses:
        error = _error(made, site_zone, box)
        if error is not None and abs(error) <= _NEAR:
            found.append((key, value))
    return found


def _senses(context: Context) -> Iterator[_Sense]:
    """Yield the other senses that a profile can give a clock whose qualifier says nothing."""
    if context.st00.tm_format in COUNTERS:
        for epoch in _EPOCHS:
            yield "c1219.epoch", epoch, replace(context, quirks=replace(context.quirks, epoch=epoch))
    for sense in _SENSES:
        yield "c1219.clock_is", sense, replace(context, quirks=replace(context.quirks, clock_is=sense))


def _flags(context: Context, table: Clock) -> Iterator[_Sense]:
    """Yield what one flag of the qualifier, if it were wrong, would make of the clock."""
    for flag in _QUALIFIER:
        override = Override(table.number, flag, not getattr(table, flag))
        made = with_quirks(context, replace(context.quirks, override=(*context.quirks.override, override)))
        yield "c1219.override", {f"ST{table.number}.{flag}": override.value == 1}, made


def _error(context: Context, site_zone: tzinfo | None, box: datetime) -> timedelta | None:
    shown = clock_of(context, MeterTimes.of(context, site_zone))
    return None if shown is None else shown.utc - box


def _near_an_hour(error: timedelta) -> bool:
    rest = error % timedelta(minutes=30)
    return min(rest, timedelta(minutes=30) - rest) <= _NEAR


def _choice(key: str, value: Value) -> str:
    name, said = next(iter(value.items())) if isinstance(value, dict) else (key.partition(".")[2], value)
    return f"{name} = {str(said).lower()}"


def _text(error: timedelta) -> str:
    seconds = round(error.total_seconds())
    sign, seconds = "-" if seconds < 0 else "", abs(seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} (h:mm:ss)"
