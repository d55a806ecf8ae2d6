"""The `[clock]` table of the configuration: whom to ask for the time, and how good the clock must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from ipaddress import IPv6Address
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.clock.samples import SourceKind

NTP_PORT = 123
GPSD, GPSD_PORT = "127.0.0.1", 2947
HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=60)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class Server(NamedTuple):
    """Where a server of time listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_server(text: str, what: str = "an NTP server", default_port: int = NTP_PORT) -> Server:
    """Read `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a bare IPv6 address; ValueError says what is wrong with it."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text)
    if bracketed:
        host, port = _ipv6(bracketed[1], text, what), bracketed[2]
    elif text.count(":") > 1:
        host, port = _ipv6(text, text, what), None
    else:
        host, colon, tail = text.partition(":")
        port = tail if colon else None
        if not HOST.fullmatch(host):
            raise ValueError(f"`{text}` is not {what}: HOST, HOST:PORT or [IPV6]:PORT expected")
    if port is None:
        return Server(host, default_port)
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:
        raise ValueError(f"`{text}`: the port of {what} is a number from 1 to 65535")
    return Server(host, int(port))


def parse_gpsd(text: str) -> Server:
    """Read where a gpsd listens, in the forms of `parse_server`; the port is 2947 unless it is given."""
    return parse_server(text, "a gpsd", GPSD_PORT)


def _ipv6(host: str, text: str, what: str) -> str:
    try:
        IPv6Address(host)
    except ValueError as error:
        raise ValueError(f"`{text}` is not {what}: {error}") from error
    return host


def _check(key: str, number: Decimal, most: int) -> None:
    if not number.is_finite() or not 0 < number <= most:
        raise ValueError(f"`{key}`: a number above 0, up to {most}, expected; got {number}")


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to ask for the time, and how good the clock must be. The defaults suit a box that runs chrony."""

    sources: tuple[SourceKind, ...] = ("chrony",)  # asked in this order
    ntp: Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)] = ()  # HOST[:PORT]; asked as well when named
    chronyc: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)] = ("chronyc",)  # command, and -h/-p if need be
    ppm: Decimal = Decimal(50)  # bound of the box's oscillator in holdover
    max_offset_s: Decimal = Decimal(60)  # UBP: within one minute
    zone: Text | None = None  # IANA name of where box and meters stand; its midnight begins the day. Default: the box's
    ntp_timeout_s: Seconds = 1.5  # for one answer
    ntp_samples: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4  # questions to each server
    ntp_spacing_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = (
        0.0  # between questions; public servers ask for 2 or more
    )
    chrony_timeout_s: Seconds = 3.0  # for chronyc's answer
    gpsd: Text = GPSD  # HOST[:PORT]; asked where `sources` names gnss
    gnss_timeout_s: Seconds = 10.0  # for three fixes
    meter_over_s: Decimal = Decimal(5)  # an order to set meter clocks leaves a smaller error alone …
    meter_most_s: Decimal = Decimal(3300)  # … and a larger one to a person (UBP: beyond 55 min even TOU data fail)

    def __post_init__(self) -> None:
        """Refuse what cannot work: ValueError, which msgspec reports with the place in the file."""
        _check("ppm", self.ppm, 10_000)
        _check("meter_over_s", self.meter_over_s, 3600)
        _check("meter_most_s", self.meter_most_s, 100 * 365 * 86_400)
        _check("max_offset_s", self.max_offset_s, 3_600)
        for text in self.ntp:
            parse_server(text)
        parse_gpsd(self.gpsd)
        if "ntp" in self.sources and not self.ntp:
            raise ValueError("`sources` names ntp, but `ntp` lists no server")
        if self.zone is not None:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(f"`zone`: {self.zone} is no time zone known on this box") from error

    @property
    def asked(self) -> tuple[SourceKind, ...]:
        """The kinds of source to ask, in order, each once; NTP servers that are named are asked also if not listed."""
        kinds = dict.fromkeys(self.sources)
        if self.ntp:
            kinds["ntp"] = None
        return tuple(kinds)

    @property
    def servers(self) -> tuple[Server, ...]:
        """The NTP servers, each once."""
        return tuple(dict.fromkeys(parse_server(text) for text in self.ntp))

    @property
    def gnss_server(self) -> Server:
        """Where gpsd listens."""
        return parse_gpsd(self.gpsd)

    @classmethod
    def asking(cls, ntp: Sequence[str] = (), gpsd: str | None = None) -> ClockSettings:
        """Return the settings of a command that names whom to ask; the defaults if it names nobody.

        Raises ValueError saying what is wrong with a name.
        """
        named: list[SourceKind] = ["ntp"] if ntp else []
        if gpsd is not None:
            named.append("gnss")
        return cls(sources=tuple(named), ntp=tuple(ntp), gpsd=gpsd or GPSD) if named else cls()
