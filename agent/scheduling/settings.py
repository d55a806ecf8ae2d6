"""The `[schedule]` and `[[routes]]` parts of the configuration, and how a meter's keys become a `Standing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.lines import ModemBank, way_of
from agent.schedule import parse_duration
from agent.scheduling.agenda import Limits
from agent.scheduling.cycle import Cycle, Grid
from agent.scheduling.cycle_text import LONGEST, parse_cycle
from agent.scheduling.local_time import parse_time, parse_weekdays
from agent.scheduling.reads import Standing
from agent.scheduling.window import CallWindow, parse_window
from drivers.errors import UsageError
from drivers.registry import scheme_of

DEFAULT_EVERY = "1d"
NO_OFFSET = "0s"
EVERY_DAY = frozenset(range(7))
CALL_WAITS = timedelta(hours=1)  # for a meter that calls by itself; then it is called, if it can be
SHORTEST_GAP = timedelta(seconds=60)
LOOK_FROM = datetime(2026, 1, 1, tzinfo=UTC)  # from here on it is looked whether a window meets a cycle
MOST_LOOKED_AT = 800  # due times, or windows: two years of a daily one

Duration = Annotated[str, msgspec.Meta(min_length=2, max_length=12)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
CycleText = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]


class ScheduleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the box bears, and the defaults of all meters."""

    sessions: Annotated[int, msgspec.Meta(ge=1, le=2_000)] = 16  # visits at once, over all lines
    deadline: Text = "21:00"  # local, of the day on which a read falls due
    tries: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12  # of one read; the deadline may come first
    spread: Duration = "5s"  # reads that fall due at once begin within it
    longest_call: Duration = "15m"  # a visit by telephone, or in a call window, is ended after it
    call_gap: Duration = "60s"  # between two calls to one number
    calls_per_day: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10  # to one number, in any 24 hours

    def __post_init__(self) -> None:
        _checked("deadline", parse_time, self.deadline)
        for key in ("spread", "longest_call", "call_gap"):
            _checked(key, parse_duration, getattr(self, key))
        if parse_duration(self.call_gap) < SHORTEST_GAP:
            raise ValueError("`call_gap` must be at least 60s: many countries ask that of machines that dial again")

    def limits(self) -> Limits:
        """Return what the agenda goes by."""
        return Limits(
            self.sessions, self.tries, parse_duration(self.spread), parse_duration(self.call_gap), self.calls_per_day
        )


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Meters that are read alike. What a meter says itself goes before."""

    name: Name  # as the `route` of a meter
    cycle: CycleText | None = None  # e.g. "monthly on business day 1 at 06:00"
    call_window: Text | None = None  # e.g. "00:10-05:00": no visit outside
    call_days: Text | None = None  # on which the window begins, e.g. "mon-fri"
    zone: Text | None = None  # of the cycle, the window and the deadline, where the meter's site has none
    deadline: Text | None = None  # local, e.g. "21:00"
    longest_call: Duration | None = None  # a visit is ended after it

    def __post_init__(self) -> None:
        check_keys(self)


class Timed(Protocol):
    """The keys that a meter and its route share."""

    @property
    def cycle(self) -> str | None: ...
    @property
    def call_window(self) -> str | None: ...
    @property
    def call_days(self) -> str | None: ...
    @property
    def deadline(self) -> str | None: ...
    @property
    def longest_call(self) -> str | None: ...


class Metered(Timed, Protocol):
    """A meter of the configuration, as far as its schedule goes."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def every(self) -> str | None: ...
    @property
    def at(self) -> str | None: ...
    @property
    def route(self) -> str | None: ...


def check_keys(timed: Timed) -> None:
    """Raise `ValueError` naming the key that makes no sense, in any zone."""
    if timed.cycle is not None:
        _checked("cycle", lambda text: parse_cycle(text, UTC), timed.cycle)
    if timed.call_window is not None:
        _checked("call_window", lambda text: parse_window(text, EVERY_DAY, UTC), timed.call_window)
    if timed.call_days is not None:
        _checked("call_days", parse_weekdays, timed.call_days)
    if timed.deadline is not None:
        _checked("deadline", parse_time, timed.deadline)
    if timed.longest_call is not None:
        _checked("longest_call", parse_duration, timed.longest_call)


class Planner:
    """Makes the `Standing` of each meter. `zone`: of the box, for meters whose site and route have none."""

    def __init__(
        self, settings: ScheduleSettings, routes: Mapping[str, Route], banks: Mapping[str, ModemBank], zone: str | None
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._banks = banks
        self._zone = zone

    def standing(self, meter: Metered, site_zone: str | None, *, calls: bool = False) -> Standing:
        """Return how `meter` is read. Raises `ValueError` that names the meter, the key and why it cannot be.

        `calls`: it calls by itself when it is to be read.
        """
        try:
            standing = self._standing(meter, site_zone)
            if not calls:
                return standing
            silent = standing.way.number is None and scheme_of(meter.url).startswith("modem")
            return replace(standing, waits=CALL_WAITS, only_calls=silent)
        except (ValueError, UsageError) as error:
            raise ValueError(f"the meter {meter.name!r}: {error}") from error

    def _standing(self, meter: Metered, site_zone: str | None) -> Standing:
        route = self._route(meter)
        zone = _zone(site_zone or route.zone or self._zone)
        way = way_of(meter.url, self._banks)
        window = _window(meter, route, zone)
        longest = meter.longest_call or route.longest_call
        if longest is None and (window is not None or way.number is not None):
            longest = self._settings.longest_call
        standing = Standing(
            meter.name,
            cycle_of(meter, route, zone),
            way,
            zone,
            window,
            parse_time(meter.deadline or route.deadline or self._settings.deadline),
            None if longest is None else parse_duration(longest),
        )
        if window is not None and not _can_meet(standing, window):
            raise ValueError(
                f"`call_window` {window.words()} has no room for a call of {longest} between a due time"
                f" ({standing.cycle.words()}) and its deadline at {standing.deadline:%H:%M}; let it fall due within the"
                " window, or give it a later `deadline`"
            )
        return standing

    def _route(self, meter: Metered) -> Route:
        if meter.route is None:
            return Route("-")
        if meter.route not in self._routes:
            known = ", ".join(self._routes) or "none"
            raise ValueError(f"`route`: there is no route {meter.route!r} among [[routes]]: {known}")
        return self._routes[meter.route]


def cycle_of(meter: Metered, route: Route, zone: tzinfo) -> Cycle:
    """Return the meter's cycle: its own, else its route's, else once a day."""
    own_grid = meter.every is not None or meter.at is not None
    if meter.cycle is not None or (route.cycle is not None and not own_grid):
        return parse_cycle(meter.cycle or route.cycle or "", zone)
    offset = timedelta(0) if meter.at is None or meter.at == NO_OFFSET else parse_duration(meter.at)
    return Grid(parse_duration(meter.every or DEFAULT_EVERY), offset)


def _window(meter: Metered, route: Route, zone: tzinfo) -> CallWindow | None:
    text, days = meter.call_window or route.call_window, meter.call_days or route.call_days
    if text is None and days is None:
        return None
    return parse_window(text or "00:00-24:00", EVERY_DAY if days is None else parse_weekdays(days), zone)


def _can_meet(standing: Standing, window: CallWindow) -> bool:
    """Tell whether there is a due time that a call in the window can serve before it is given up."""
    need, moment = standing.longest or timedelta(0), LOOK_FROM
    for _ in range(MOST_LOOKED_AT):
        due = standing.cycle.after(moment)
        if due is None:
            due = standing.cycle.up_to(moment)  # a list of dates that have passed: the last one will do
        if due is None:
            return False
        room = window.room(due, need)
        if room is not None and room.begin < standing.until(due, due):
            return True
        moment = due if room is None else max(due, room.begin - timedelta(days=1))
    return False


def _zone(name: str | None) -> tzinfo:
    try:
        return UTC if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"`zone`: {name} is no time zone known on this box") from error


def _checked(key: str, parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
