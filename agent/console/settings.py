"""The `[console]` part of the configuration: where the console is reached, and how long a login lasts.

Without the section there is no console.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.errors import UsageError

_Path = Annotated[str, Meta(min_length=1, max_length=4_096)]
_Host = Annotated[str, Meta(min_length=1, max_length=253)]
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where and how. Relative paths start at the configuration file.

    An address of this box alone (127.0.0.1, [::1]) may go without TLS; any other shows a certificate: `certificate` and
    `key`, or, where none is named, those of the device.
    """

    listen: Annotated[str, Meta(min_length=3, max_length=60)] = "127.0.0.1:8443"  # ADDRESS:PORT; port 0: any free one
    certificate: _Path | None = None  # PEM, the console's own first, then those up to the root
    key: _Path | None = None  # PEM, 0600
    hosts: Annotated[tuple[_Host, ...], Meta(max_length=64)] = ()  # names that the console is reached by
    accounts: _Path | None = None  # default: `console-accounts.json` in the state directory
    idle_minutes: Annotated[int, Meta(ge=1, le=240)] = 30  # without a touch
    session_hours: Annotated[int, Meta(ge=1, le=24)] = 10  # a shift; then the person logs in again
    # NAME = URL, offered to the person at the meter; empty: what is plugged in
    probes: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=300)], ...], Meta(max_length=32)] = ()
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")] = "en"  # of the texts
    texts: _Path | None = None  # a directory with translations: LANGUAGE/*.toml
    max_upload_octets: Annotated[int, Meta(ge=65_536, le=67_108_864)] = 16_777_216  # of one photo, one route

    def __post_init__(self) -> None:
        address, port = _split(self.listen)
        if port > 65_535:
            raise ValueError(f"`listen`: {port} is no port")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        for host in self.hosts:
            if not _NAME.fullmatch(host):
                raise ValueError(f"`hosts`: {host!r} is no host name; write it without scheme and port")
        if address.is_multicast:
            raise ValueError(f"`listen`: {address} is no address of a box")
        _check_probes(self.probes)

    @property
    def address(self) -> Address:
        """The address that is listened on; `0.0.0.0` and `::` mean every one."""
        return _split(self.listen)[0]

    @property
    def port(self) -> int:
        return _split(self.listen)[1]

    @property
    def only_here(self) -> bool:
        """Whether only programs of this box reach it."""
        return self.address.is_loopback

    @property
    def tls(self) -> bool:
        """Whether it speaks HTTPS: always, but on a loopback address without a certificate of its own."""
        return self.certificate is not None or not self.only_here


def _check_probes(probes: tuple[str, ...]) -> None:
    """Raise `ValueError` for what is no line of a probe."""
    if not probes:
        return
    from agent.field.probes import parse_probe  # noqa: PLC0415 - it needs the configuration, and that needs this

    for probe in probes:
        try:
            parse_probe(probe)
        except UsageError as error:
            advice = f"; {error.advice}" if error.advice else ""
            raise ValueError(f"`probes`: {error.message}{advice}") from error


def _split(listen: str) -> tuple[Address, int]:
    found = _LISTEN.fullmatch(listen)
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 - said below
        return ipaddress.ip_address(found["six"] or found["four"]), int(found["port"])
    except ValueError:
        msg = f"`listen`: {listen!r} is no ADDRESS:PORT; for example 127.0.0.1:8443, 192.168.7.1:8443 or [::1]:8443"
        raise ValueError(msg) from None
