"""Line addresses: what `mrsp read URL` and a line of the configuration may say, checked before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from drivers.errors import UsageError

Switch = Literal["on", "off", "leave"]
EchoMode = Literal["auto", "on", "off"]

DEFAULT_BAUD = 9600  # every C12.18 session starts with it
MAX_WAIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """`/dev/ttyUSB0` or `serial:///dev/ttyUSB0?baud=9600&dtr=on&rts=off&warmup_ms=200&echo=auto`; always 8N1.

    `fastest`: the highest speed that the probe is known to carry. Speeds up to it are offered to any meter, none above.
    """

    device: str
    baud: int = DEFAULT_BAUD
    dtr: Switch = "on"  # either line may power the probe; both is what most probes want
    rts: Switch = "on"
    warmup_ms: int | None = None  # None: as long as a probe needs, nothing on a pseudo-terminal
    echo: EchoMode = "auto"
    fastest: int = 0  # not known: the speeds that the meter's profile names


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """`tcp://host:port?echo=auto&settle_ms=0&connect_ms=10000`; `tcp://[2001:db8::1]:4001` for IPv6."""

    host: str
    port: int
    echo: EchoMode = "auto"
    settle_ms: int = 0  # after connecting, drop what comes in during this time: banners, stale bytes
    connect_ms: int = 10_000

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ReplayAddress:
    """`replay://FILE?pace=fast&session=0`."""

    path: str
    pace: Literal["fast", "real"] = "fast"  # real: the meter answers as slowly as it did
    session: int = 0  # 1 is the oldest in the file; 0: the newest


LineAddress = SerialAddress | TcpAddress | ReplayAddress


def parse_url(url: str, options: Mapping[str, str] | None = None) -> LineAddress:
    """Return what `url` means, its query on top of `options`; raise `UsageError` that names what is allowed instead."""
    if url.startswith("/"):
        url = f"serial://{url}"
    scheme, separator, rest = url.partition("://")
    parse = _SCHEMES.get(scheme.lower())
    if not separator or parse is None:
        raise UsageError(f"{url!r} is not an address of a line", advice=f"use {', '.join(_FORMS)}")
    place, _, query = rest.partition("?")
    return parse(url, place, _merge(url, query, options or {}))


def _merge(url: str, query: str, options: Mapping[str, str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=32) if query else []
    except ValueError as error:
        raise UsageError(f"{url!r}: the part after '?' is not NAME=VALUE joined by '&'") from error
    asked = dict(pairs)
    if len(asked) < len(pairs):
        raise UsageError(f"{url!r}: an option is given twice")
    return {**options, **asked}


def _serial(url: str, place: str, options: dict[str, str]) -> SerialAddress:
    device = unquote(place)
    if not device.startswith("/") or "\0" in device:
        raise UsageError(f"{url!r} names no device file", advice="three slashes: serial:///dev/ttyUSB0")
    take = _Options(url, options, ("baud", "dtr", "rts", "warmup_ms", "echo", "fastest"))
    return SerialAddress(
        device=device,
        baud=take.number("baud", DEFAULT_BAUD, low=50, high=4_000_000),
        dtr=take.switch("dtr"),
        rts=take.switch("rts"),
        warmup_ms=take.number("warmup_ms", 0, low=0, high=MAX_WAIT_MS) if "warmup_ms" in options else None,
        echo=take.echo(),
        fastest=take.number("fastest", 0, low=300, high=4_000_000),
    )


def fastest_baud(url: str, options: Mapping[str, str] | None = None) -> int:
    """Return the highest speed that the probe at `url` is said to carry; 0 if nothing is said."""
    address = parse_url(url, options)
    return address.fastest if isinstance(address, SerialAddress) else 0


def _tcp(url: str, place: str, options: dict[str, str]) -> TcpAddress:
    if "@" in place:
        raise UsageError("a tcp:// address takes no user or password")  # and is not repeated here: it may be one
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r}: {error}", advice="tcp://HOST:PORT or tcp://[IPV6]:PORT") from error
    if not host or not port or parts.path.strip("/") or parts.fragment:
        raise UsageError(f"{url!r} is not a host and a port", advice="tcp://HOST:PORT or tcp://[IPV6]:PORT")
    take = _Options(url, options, ("echo", "settle_ms", "connect_ms"))
    return TcpAddress(
        host=unquote(host),
        port=port,
        echo=take.echo(),
        settle_ms=take.number("settle_ms", 0, low=0, high=MAX_WAIT_MS),
        connect_ms=take.number("connect_ms", 10_000, low=1, high=10 * MAX_WAIT_MS),
    )


def _replay(url: str, place: str, options: dict[str, str]) -> ReplayAddress:
    path = unquote(place)
    if not path or "\0" in path:
        raise UsageError(f"{url!r} names no file", advice="replay://FILE")
    take = _Options(url, options, ("pace", "session"))
    return ReplayAddress(
        path=path,
        pace="real" if take.one_of("pace", ("fast", "real"), "fast") == "real" else "fast",
        session=take.number("session", 0, low=0, high=1_000_000),
    )


@dataclass(frozen=True, slots=True)
class _Options:
    """The options given for one address; refuses those that its scheme does not have."""

    url: str
    given: dict[str, str]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.given:
            if name not in self.known:
                raise UsageError(
                    f"{self.url!r} has no option {name!r}", advice=f"its options are {', '.join(self.known)}"
                )

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        text = self.given.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise UsageError(f"{self.url!r}: {name}={text!r} is not a whole number from {low} to {high}")
        return int(text)

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        text = self.given.get(name, default)
        if text not in choices:
            raise UsageError(f"{self.url!r}: {name}={text!r} is not one of {', '.join(choices)}")
        return text

    def switch(self, name: str) -> Switch:
        choices: dict[str, Switch] = {"on": "on", "off": "off", "leave": "leave"}
        return choices[self.one_of(name, tuple(choices), "on")]

    def echo(self) -> EchoMode:
        choices: dict[str, EchoMode] = {"auto": "auto", "on": "on", "off": "off"}
        return choices[self.one_of("echo", tuple(choices), "auto")]


_SCHEMES: dict[str, Callable[[str, str, dict[str, str]], LineAddress]] = {
    "serial": _serial,
    "tcp": _tcp,
    "replay": _replay,
}
_FORMS = ("/dev/ttyUSB0", "serial:///dev/ttyUSB0", "tcp://HOST:PORT", "replay://FILE")
