"""Addresses of Modbus lines: what a URL may say, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from drivers.errors import UsageError
from drivers.url_options import Options, host_and_port, merge, refuse_login

Framing = Literal["rtu", "tcp"]
Parity = Literal["none", "even", "odd"]

_COMMON: Final = ("unit", "timeout_ms", "retries", "pause_ms", "busy_wait_ms")
_SERIAL: Final = (*_COMMON, "baud", "parity", "stop", "echo")
_NETWORK: Final = (*_COMMON, "connect_ms")
_TLS: Final = (*_NETWORK, "ca", "cert", "key", "name")
#: Scheme → (options that it takes, framing on the wire, port if none is named; 0: it must be).
_SCHEMES: Final[dict[str, tuple[tuple[str, ...], Framing, int]]] = {
    "modbus": (_SERIAL, "rtu", 0),
    "modbus+tcp": (_NETWORK, "tcp", 502),
    "modbus+tls": (_TLS, "tcp", 802),
    "modbus+rtu+tcp": (_NETWORK, "rtu", 0),
}
_FORM: Final = "modbus:///dev/ttyUSB1?unit=1, modbus+tcp://HOST:502?unit=1, modbus+tls://HOST:802?unit=1&ca=FILE"


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """One meter on one line. `None` stands for what the register map says, else the default of the line."""

    scheme: str
    framing: Framing
    device: str = ""  # of a serial line; else host and port
    host: str = ""
    port: int = 0
    unit: int = 1
    timeout_ms: int | None = None  # for an answer
    retries: int = 2  # of a request that is not answered
    pause_ms: int | None = None  # between an answer and the next request
    busy_wait_ms: int = 200  # before a meter that says "busy" is asked again; doubled each time
    connect_ms: int = 10_000
    baud: int | None = None
    parity: Parity | None = None
    stop: int | None = None
    echo: bool = False  # of a two-wire adapter that hears itself
    ca: str = ""  # file of the authorities to trust; else those of the system
    cert: str = ""  # our certificate, for a server that wants one
    key: str = ""  # in a file of its own, unless it is in that of the certificate
    name: str = ""  # that the server's certificate must have, where it is not the host

    def __str__(self) -> str:
        return f"{self.line}, unit {self.unit}"

    @property
    def line(self) -> str:
        """The line for messages and recordings; nothing secret is in it."""
        if self.device:
            return self.device
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def key_of_line(self) -> str:
        """What two addresses have in common that must not be used at the same time: the wire, or the gateway."""
        return os.path.realpath(self.device) if self.device else f"{self.host.lower().rstrip('.')}:{self.port}"


def line_key(url: str, options: Mapping[str, str] | None = None) -> str:
    """Return what may serve one meter at a time: `host:port` of a gateway, or the device file. Raises `UsageError`."""
    return parse_address(url, options).key_of_line


def parse_address(url: str, options: Mapping[str, str] | None = None) -> ModbusAddress:
    """Return what `url` means, its query on top of `options`; raise `UsageError` that names what is allowed instead."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _SCHEMES:
        raise UsageError(f"{url!r} is not the address of a Modbus line", advice=f"use {_FORM}")
    place, _, query = rest.partition("?")
    refuse_login(url, place)
    known, framing, port = _SCHEMES[scheme]
    take = _Options(url, merge(url, query, options or {}), known)
    device, host = "", ""
    if scheme == "modbus":
        device = unquote(place)
        if not device.startswith("/") or "\0" in device:
            raise UsageError(f"{url!r} names no device file", advice="three slashes: modbus:///dev/ttyUSB1?unit=1")
    else:
        host, port = host_and_port(url, place, default=port)
    address = ModbusAddress(
        scheme=scheme,
        framing=framing,
        device=device,
        host=host,
        port=port,
        unit=take.number("unit", 1, low=0 if framing == "tcp" else 1, high=255 if framing == "tcp" else 247),
        timeout_ms=take.number("timeout_ms", None, low=10, high=60_000),
        retries=take.number("retries", 2, low=0, high=20),
        pause_ms=take.number("pause_ms", None, low=0, high=10_000),
        busy_wait_ms=take.number("busy_wait_ms", 200, low=0, high=10_000),
        connect_ms=take.number("connect_ms", 10_000, low=10, high=600_000),
        baud=take.number("baud", None, low=300, high=4_000_000),
        parity=take.parity(),
        stop=take.number("stop", None, low=1, high=2),
        echo=take.one_of("echo", ("off", "on"), "off") == "on",
        ca=take.text("ca"),
        cert=take.text("cert"),
        key=take.text("key"),
        name=take.text("name"),
    )
    if address.key and not address.cert:
        raise UsageError(f"{url!r}: a key without a certificate", advice="name the certificate by cert=FILE")
    return address


class _Options(Options):
    """The options of a Modbus line."""

    __slots__ = ()

    def instead_of(self, name: str) -> str:
        advice = super().instead_of(name)
        if name in ("verify", "insecure"):
            return f"a certificate is always verified: trust its authority by ca=FILE; {advice}"
        return advice

    def parity(self) -> Parity | None:
        choices: dict[str, Parity] = {"none": "none", "even": "even", "odd": "odd"}
        return choices[self.one_of("parity", tuple(choices), "")] if "parity" in self.given else None

    def text(self, name: str) -> str:
        text = self.given.get(name, "")
        if "\0" in text or (name in self.given and not text):
            raise UsageError(f"{self.url!r}: {name}={text!r} names nothing")
        return text
