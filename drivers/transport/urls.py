"""Line addresses: what `mrsp read URL` and a line of the configuration may say, checked before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from drivers.errors import UsageError
from drivers.transport.addresses import (
    DEFAULT_BAUD,
    BankAddress,
    EchoMode,
    LineAddress,
    ModemAddress,
    ReplayAddress,
    Rfc2217Address,
    SerialAddress,
    Switch,
    TcpAddress,
)
from drivers.transport.dialling import DEFAULT_MAX_CALL_S, DEFAULT_SETTLE_MS, DEFAULT_WAIT_S, Call
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.url_options import MAX_WAIT_MS, LineOptions
from drivers.url_options import host_and_port, merge, refuse_login

__all__ = [
    "DEFAULT_BAUD",
    "BankAddress",
    "EchoMode",
    "LineAddress",
    "ModemAddress",
    "ReplayAddress",
    "Rfc2217Address",
    "SerialAddress",
    "Switch",
    "TcpAddress",
    "fastest_baud",
    "parse_url",
]

_CALL = ("dial", "tone", "wait_s", "settle_ms", "max_call_s", "init", "echo", "identity")
_MODEM = (*_CALL, "results", "speed")
_BANK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


def parse_url(url: str, options: Mapping[str, str] | None = None) -> LineAddress:
    """Return what `url` means, its query on top of `options`; raise `UsageError` that names what is allowed instead."""
    if url.startswith("/"):
        url = f"serial://{url}"
    scheme, separator, rest = url.partition("://")
    parse = _SCHEMES.get(scheme.lower())
    if not separator or parse is None:
        raise UsageError(f"{url!r} is not an address of a line", advice=f"use {', '.join(_FORMS)}")
    place, _, query = rest.partition("?")
    if parse is not _replay and not place.startswith("/"):  # a file may have an @ in its name
        refuse_login(url, place)
    return parse(url, place, merge(url, query, options or {}))


def fastest_baud(url: str, options: Mapping[str, str] | None = None) -> int:
    """Return the highest speed that the probe at `url` is said to carry; 0 if nothing is said."""
    address = parse_url(url, options)
    return address.fastest if isinstance(address, SerialAddress | Rfc2217Address) else 0


def _serial(url: str, place: str, options: dict[str, str]) -> SerialAddress:
    device = unquote(place)
    if not device.startswith("/") or "\0" in device:
        raise UsageError(f"{url!r} names no device file", advice="three slashes: serial:///dev/ttyUSB0")
    take = LineOptions(url, options, ("baud", "dtr", "rts", "warmup_ms", "echo", "fastest", "identity"))
    return SerialAddress(
        device=device,
        baud=take.baud(DEFAULT_BAUD),
        dtr=take.switch("dtr"),
        rts=take.switch("rts"),
        warmup_ms=take.number("warmup_ms", 0, low=0, high=MAX_WAIT_MS) if "warmup_ms" in options else None,
        echo=take.echo(),
        fastest=take.fastest(),
        identity=take.identity(),
    )


def _tcp(url: str, place: str, options: dict[str, str]) -> TcpAddress:
    host, port = host_and_port(url, place)
    take = LineOptions(url, options, ("echo", "settle_ms", "connect_ms", "identity"))
    return TcpAddress(
        host=host,
        port=port,
        echo=take.echo(),
        settle_ms=take.number("settle_ms", 0, low=0, high=MAX_WAIT_MS),
        connect_ms=take.connect_ms(),
        identity=take.identity(),
    )


def _rfc2217(url: str, place: str, options: dict[str, str]) -> Rfc2217Address:
    host, port = host_and_port(url, place)
    take = LineOptions(url, options, ("baud", "dtr", "rts", "echo", "settle_ms", "connect_ms", "fastest", "identity"))
    return Rfc2217Address(
        host=host,
        port=port,
        baud=take.baud(DEFAULT_BAUD),
        dtr=take.switch("dtr"),
        rts=take.switch("rts"),
        echo=take.echo(),
        settle_ms=take.number("settle_ms", 0, low=0, high=MAX_WAIT_MS),
        connect_ms=take.connect_ms(),
        fastest=take.fastest(),
        identity=take.identity(),
    )


def _modem(url: str, place: str, options: dict[str, str]) -> ModemAddress | BankAddress:
    device = unquote(place)
    if not device.startswith("/"):
        return _bank(url, device, options)
    if "\0" in device:
        raise UsageError(f"{url!r} names no device file")
    take = LineOptions(url, options, (*_MODEM, "baud"))
    return _modem_at(SerialAddress(device, baud=take.baud(DEFAULT_BAUD), echo="off"), take)


def _modem_tcp(url: str, place: str, options: dict[str, str]) -> ModemAddress:
    host, port = host_and_port(url, place)
    take = LineOptions(url, options, (*_MODEM, "connect_ms"))
    return _modem_at(TcpAddress(host, port, echo="off", connect_ms=take.connect_ms()), take)


def _modem_at(port: SerialAddress | TcpAddress, take: LineOptions) -> ModemAddress:
    return ModemAddress(
        port=port,
        call=_call(take),
        settings=ModemSettings(
            extra=take.commands(),
            numeric=take.one_of("results", ("words", "numeric"), "words") == "numeric",
            follow_rate=take.one_of("speed", ("fixed", "follow"), "fixed") == "follow",
        ),
        echo=take.echo("off"),
        identity=take.identity(),
    )


def _bank(url: str, name: str, options: dict[str, str]) -> BankAddress:
    if not _BANK.fullmatch(name):
        raise UsageError(
            f"{url!r} names neither a device file nor a bank of modems",
            advice="modem:///dev/ttyS0?dial=NUMBER (three slashes), modem+tcp://HOST:PORT?dial=NUMBER or"
            " modem://BANK?dial=NUMBER",
        )
    take = LineOptions(url, options, _CALL)
    call = _call(take, init=take.commands())
    if call is None:
        raise UsageError(f"{url!r} names no number to call", advice=f"modem://{name}?dial=NUMBER")
    return BankAddress(name, call, echo=take.echo("off"), identity=take.identity())


def _call(take: LineOptions, *, init: tuple[str, ...] = ()) -> Call | None:
    pulse = take.one_of("tone", ("tone", "pulse"), "tone") == "pulse"
    wait_s = take.number("wait_s", DEFAULT_WAIT_S, low=10, high=255)  # S7 is one octet; below 10 s no call succeeds
    settle_ms = take.number("settle_ms", DEFAULT_SETTLE_MS, low=0, high=10_000)
    max_call_s = take.number("max_call_s", DEFAULT_MAX_CALL_S, low=30, high=24 * 3600)
    number = take.given.get("dial")
    if number is None:
        return None
    if number.startswith(" "):
        number = f"+{number[1:]}"  # in a query, an unescaped plus sign reads as a space
    return Call(number, "pulse" if pulse else "tone", wait_s, settle_ms, max_call_s, init)


def _replay(url: str, place: str, options: dict[str, str]) -> ReplayAddress:
    path = unquote(place)
    if not path or "\0" in path:
        raise UsageError(f"{url!r} names no file", advice="replay://FILE")
    take = LineOptions(url, options, ("pace", "session", "identity"))
    return ReplayAddress(
        path=path,
        pace="real" if take.one_of("pace", ("fast", "real"), "fast") == "real" else "fast",
        session=take.number("session", 0, low=0, high=1_000_000),
        identity=take.identity(),
    )


_SCHEMES: dict[str, Callable[[str, str, dict[str, str]], LineAddress]] = {
    "serial": _serial,
    "tcp": _tcp,
    "rfc2217": _rfc2217,
    "modem": _modem,
    "modem+tcp": _modem_tcp,
    "replay": _replay,
}
_FORMS = (
    "/dev/ttyUSB0",
    "serial:///dev/ttyUSB0",
    "tcp://HOST:PORT",
    "rfc2217://HOST:PORT",
    "modem:///dev/ttyS0?dial=NUMBER",
    "modem+tcp://HOST:PORT?dial=NUMBER",
    "replay://FILE",
)
