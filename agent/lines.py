"""Which line a meter is on. A line carries one session at a time; several addresses can mean the same line.

A serial device is one line, whatever speaks through it; a serial server's or gateway's port is one, with all units
behind it; a modem is one, and a bank of modems several: `modem://NAME?dial=…` means whichever modem of the bank is
free.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from drivers.errors import UsageError
from drivers.modbus.address import line_key
from drivers.registry import scheme_of
from drivers.transport.addresses import BankAddress, ModemAddress, ReplayAddress, SerialAddress, TcpAddress
from drivers.transport.urls import parse_url

PSEM_SCHEMES = frozenset({"serial", "tcp", "rfc2217", "modem", "modem+tcp", "replay"})
MODBUS_SCHEMES = frozenset({"modbus", "modbus+tcp", "modbus+tls", "modbus+rtu+tcp"})
SHORTEST_CALL_S = 30

BankName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class ModemBank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Modems that stand in for each other. `lines`: `/dev/ttyS0`, `modem:///dev/ttyS0?…`, `modem+tcp://HOST:PORT?…`."""

    name: BankName  # as in `modem://NAME?dial=…`
    # any of them that is free
    lines: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=300)], ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        keys = [key_of(url) for url in self.urls]
        for url, key in zip(self.urls, keys, strict=True):
            if scheme_of(url) not in {"modem", "modem+tcp"} or not isinstance(parse_url(url), ModemAddress):
                raise ValueError(f"`lines`: {url} is no modem; write /dev/ttyS0 or modem+tcp://HOST:PORT")
            if "dial" in dict(parse_qsl(urlsplit(url).query)):
                raise ValueError(f"`lines`: {url}: the number to dial belongs to the meter, not to the modem")
            if keys.count(key) > 1:
                raise ValueError(f"`lines`: {key} is named twice")

    @property
    def urls(self) -> tuple[str, ...]:
        """The lines as URLs."""
        return tuple(f"modem://{line}" if line.startswith("/") else line for line in self.lines)


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one meter: any one of `lines`, and the number that is called, if one is."""

    group: str  # what the lines are together: a bank, or the only one
    lines: tuple[str, ...]
    number: str | None = None
    bank: str | None = None


def way_of(url: str, banks: Mapping[str, ModemBank]) -> Way:
    """Return the way to the meter at `url`. Raises `UsageError` for an address that makes no sense, or no such bank."""
    if scheme_of(url) not in PSEM_SCHEMES:
        key = key_of(url)
        return Way(key, (key,))
    address = parse_url(url)
    if isinstance(address, BankAddress):
        bank = banks.get(address.name)
        if bank is None:
            known = f"there are {', '.join(banks)}" if banks else "there is none: add a [[modem_banks]] section"
            raise UsageError(f"{url!r}: there is no modem bank {address.name!r}", advice=known)
        lines = tuple(map(key_of, bank.urls))
        return Way(f"bank {bank.name}", lines, address.call.digits, bank.name)
    key = key_of(url)
    number = address.call.digits if isinstance(address, ModemAddress) and address.call is not None else None
    return Way(key, (key,), number)


def url_on(url: str, line: str, banks: Mapping[str, ModemBank], *, most_s: int | None = None) -> str:
    """Return the meter's URL on `line`: of a bank, the modem's settings and over them the meter's own.

    `most_s`: a call ends itself after so many seconds, and what was read by then is whole. Anything that is no call is
    returned as it is.
    """
    if scheme_of(url) not in PSEM_SCHEMES:
        return url
    address = parse_url(url)
    if not isinstance(address, BankAddress | ModemAddress) or address.call is None:
        return url
    place, _, query = url.partition("?")
    options = _options(query)
    if isinstance(address, BankAddress):
        place, _, settings = next(one for one in banks[address.name].urls if key_of(one) == line).partition("?")
        options = _options(settings) | options
    if most_s is not None:
        options["max_call_s"] = str(max(min(most_s, address.call.max_call_s), SHORTEST_CALL_S))
    return f"{place}?{urlencode(options, quote_via=quote, safe=',|*/')}" if options else place


def _options(query: str) -> dict[str, str]:
    return dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))


def key_of(url: str) -> str:
    """Return what tells one line from another: the device, or `host:port`. Raises `UsageError`."""
    scheme = scheme_of(url)
    if scheme in PSEM_SCHEMES:
        return _psem_key(url)
    if scheme in MODBUS_SCHEMES:
        return line_key(url)
    if scheme.startswith("wctp"):
        return url  # the gateway takes as many requests as there are; one for each recipient
    return url.partition("?")[0] or url


def _psem_key(url: str) -> str:
    address = parse_url(url)
    match address:
        case BankAddress():
            return f"bank {address.name}"
        case ReplayAddress():
            return f"replay {address.path}"
        case SerialAddress():
            return os.path.realpath(address.device)  # by-id and ttyUSB0 can be the same
        case ModemAddress():
            port = address.port
            return f"{port.host.lower()}:{port.port}" if isinstance(port, TcpAddress) else os.path.realpath(port.device)
        case _:
            return f"{address.host.lower()}:{address.port}"
