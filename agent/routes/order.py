"""A walking route as it is given to the agent, `mrsp.route/1`: orders in walking order, with place, access and hazards.

Immutable, validated on load (`agent.routes.loading`); docs/routes.md describes how it is written, as JSON and as CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from agent.order import Order
from agent.scheduling.local_time import moment_of, parse_time
from drivers.data import Direction, Kind
from drivers.errors import UsageError
from drivers.modbus.address import parse_address as parse_modbus_url
from drivers.registry import scheme_of
from drivers.transport.addresses import SerialAddress
from drivers.transport.urls import parse_url
from drivers.visual.entry import MOST_DIGITS, Factor, ShownRegister, Unit

SCHEMA = "mrsp.route/1"
MOST_ORDERS = 5_000
DEFAULT_CODES = "mrsp-field"
LATEST_DEADLINE = timedelta(days=31)  # after the day
FIRST_YEAR, LAST_YEAR = 1970, 2199  # of any time: sums of others overflow

Method = Literal["probe", "visual", "radio"]
RouteId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")]
CodeKey = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,31}\Z")]
Line = Annotated[str, Meta(min_length=1, max_length=200)]
Paragraph = Annotated[str, Meta(min_length=1, max_length=1_000)]  # may have line ends (LF)

#: The URL of an order that names none. A probe is the one that the person carries: the line is chosen at the meter.
UNSAID_URL: dict[Method, str] = {"probe": "probe:", "visual": "visual://", "radio": "radio:"}
#: Lines that a person can have at hand. A route comes from elsewhere: it names no file of this box, and no broker.
_PSEM, _MODBUS = ("serial", "tcp", "rfc2217"), ("modbus", "modbus+tcp", "modbus+rtu+tcp")
_AT_HAND = ", ".join((*_PSEM, *_MODBUS))
_PASSWORD = re.compile(r"(?:credential:)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_DEADLINE = re.compile(r"(?P<time>[0-9]{1,2}:[0-9]{2})(?P<next> next day)?")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of what a route consists of: immutable, and an unknown key is a mistake."""


class Position(_Part, frozen=True, kw_only=True):
    """A place on the earth, WGS 84, in degrees; north and east positive. `accuracy_m`: metres, of 95 % of the fixes.

    Raises `ValueError` for what is none.
    """

    latitude: Decimal
    longitude: Decimal
    accuracy_m: Decimal | None = None

    def __post_init__(self) -> None:
        for key, least, most in (("latitude", -90, 90), ("longitude", -180, 180), ("accuracy_m", 0, 40_000_000)):
            number = getattr(self, key)
            if number is not None and not (number.is_finite() and least <= number <= most):
                raise ValueError(f"`{key}` must be a number from {least} to {most}")
            if number is not None and len(number.as_tuple().digits) > 24:
                raise ValueError(f"`{key}` has more digits than any receiver gives")


class Place(_Part, frozen=True, kw_only=True):
    """Where the meter is."""

    address: Line | None = None
    hint: Line | None = None  # "behind the house, left of the door"
    position: Position | None = None


class AskedRegister(_Part, frozen=True, kw_only=True):
    """A value that the person is to type at a visual read. What it showed before is not said to them."""

    quantity: Unit = "kWh"
    direction: Direction = "delivered"
    kind: Kind | None = None  # None: `demand` for a power, `cumulative` for anything else
    tier: Annotated[int, Meta(ge=0, le=99)] = 0
    period: Literal["present", "previous_reset"] = "present"
    multiplier: Factor = "1"  # on the nameplate, or of the transformers
    dials: Annotated[int, Meta(ge=1, le=MOST_DIGITS)] | None = None
    decimals: Annotated[int, Meta(ge=0, le=9)] | None = None

    @property
    def name(self) -> str:
        """The register's name for people: `kWh delivered, rate 2`."""
        return self.as_shown("0").name

    def as_shown(self, typed: str, again: tuple[str, ...] = ()) -> ShownRegister:
        """Return the value that the person `typed` for it. Raises nothing: the driver judges it."""
        given = {name: getattr(self, name) for name in AskedRegister.__struct_fields__}
        return ShownRegister(shown=typed, again=again, **given)


class RouteOrder(_Part, frozen=True, kw_only=True):
    """One stop as it was ordered. `order.url` is one of `UNSAID_URL` unless the route names a line."""

    order: Order
    method: Method = "probe"
    place: Place = Place()
    access: Paragraph | None = None  # how to get in: "key at no. 12"
    hazards: Annotated[tuple[CodeKey, ...], Meta(max_length=8)] = ()  # codes of kind `hazard`
    shown: Annotated[tuple[AskedRegister, ...], Meta(max_length=32)] = ()
    notes: Paragraph | None = None

    @property
    def asked(self) -> tuple[AskedRegister, ...]:
        """The registers to type: those that the route names, else kWh with the dials on record."""
        return self.shown or (AskedRegister(dials=self.order.dials),)

    def __post_init__(self) -> None:
        order = self.order
        _check_line(order.url, self.method)
        if not order.clock_check:
            raise ValueError("`clock_check`: a route cannot leave the clock check out")
        if order.set_clock and self.method != "probe":
            raise ValueError("`set_clock` goes with the method probe")
        if order.password_file is not None and not _PASSWORD.fullmatch(order.password_file):
            raise ValueError(
                "`password_file` is no name of a file beside the agent's configuration, and no credential:NAME"
            )
        if order.site.zone is not None:
            zone_of(order.site.zone)
        if any(not FIRST_YEAR <= at.year <= LAST_YEAR for at in _moments(order)):
            raise ValueError(f"a time is not in the years {FIRST_YEAR} to {LAST_YEAR}")
        if not (self.place.address or self.place.hint or order.expected_meter_id or order.nameplate_id):
            raise ValueError("nobody finds this meter: `place.address` or `expected_meter_id` is missing")
        senses = [(one.quantity, one.direction, one.as_shown("0").sense, one.tier, one.period) for one in self.shown]
        if twice := [one for one, sense in zip(self.shown, senses, strict=True) if senses.count(sense) > 1]:
            raise ValueError(f"`shown`: {twice[0].name} is there twice")
        if len(set(self.hazards)) < len(self.hazards):
            raise ValueError("`hazards`: one is there twice")


class RouteFile(_Part, frozen=True, kw_only=True):
    """A route: one walk of one day. Another day's has another `route_id`."""

    schema: Literal["mrsp.route/1"]
    route_id: RouteId
    name: Line
    day: date
    zone: Line  # IANA name
    deadline: Line | None = None  # local "17:00" of the day, "02:00 next day", or an aware time
    codes: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")] = DEFAULT_CODES  # the set of the codes
    orders: Annotated[tuple[RouteOrder, ...], Meta(min_length=1, max_length=MOST_ORDERS)]

    def __post_init__(self) -> None:
        if not FIRST_YEAR <= self.day.year <= LAST_YEAR:
            raise ValueError(f"`day`: {self.day} is no day of a route")
        zone_of(self.zone)
        deadline_of(self.deadline, self.day, self.zone)

    def deadline_at(self) -> datetime | None:
        """Return the moment (UTC) by which the route is to be done; of a time that comes twice, the first."""
        return deadline_of(self.deadline, self.day, self.zone)


def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise ValueError(f"`zone`: {name!r:.80} is no time zone such as America/Los_Angeles") from None


def deadline_of(text: str | None, day: date, zone: str) -> datetime | None:
    """Return the moment (UTC) that a deadline means; a local time that does not exist is when the clocks go forward.

    Raises `ValueError` for what is none, or is before the day or more than a month after it.
    """
    if text is None:
        return None
    where = zone_of(zone)
    try:
        if found := _DEADLINE.fullmatch(text):
            on = day + timedelta(days=1) if found["next"] else day
            return moment_of(on, parse_time(found["time"]), where)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"`deadline`: {text!r:.80} is no time; write 17:00, 02:00 next day, or 2026-03-31T21:00:00Z"
        ) from None
    if at.tzinfo is None:
        raise ValueError(f"`deadline`: {text!r:.80} does not say its zone; end it with Z for UTC")
    begin = moment_of(day, time(0), where)
    if not begin <= at <= begin + LATEST_DEADLINE:
        raise ValueError(f"`deadline`: {text!r:.80} is not on {day} or in the {LATEST_DEADLINE.days} days after it")
    return at.astimezone(UTC)


def _moments(order: Order) -> Iterator[datetime]:
    """Yield the times that an order names."""
    yield from filter(None, (order.requested_at, order.last_read_at))
    if order.history is not None:
        yield from (register.at for register in order.history.registers)
        yield from (at for period in order.history.periods for at in (period.start, period.end))


def _check_line(url: str, method: Method) -> None:
    """Refuse what is no line of a person at a meter, before they stand there. Raises `ValueError`."""
    if url == UNSAID_URL[method]:
        return
    if method != "probe":
        raise ValueError(f"`url` is left out where the method is {method}")
    try:
        device = _device_of(url)
    except (UsageError, ValueError) as error:
        raise ValueError(f"`url`: {error}") from error
    if device and (PurePosixPath(device).parts[:2] != ("/", "dev") or ".." in PurePosixPath(device).parts):
        raise ValueError("`url` is no device in /dev")


def _device_of(url: str) -> str:
    """Return the device file of a line that is at hand; nothing for one of the network."""
    scheme = scheme_of(url)
    if scheme in _MODBUS:
        return parse_modbus_url(url).device
    if scheme not in _PSEM:
        raise UsageError(f"{scheme} is no line that is at hand at a meter", advice=f"/dev/ttyUSB0, {_AT_HAND}")
    address = parse_url(url)
    return address.device if isinstance(address, SerialAddress) else ""
