"""How a meter is woken by a page: what `snpp://HOST[:PORT][,…]?pager=ID` says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from drivers.errors import UsageError

REPLY_S = 30.0  # for each answer of a terminal
DEFAULT_PORT = 444
DEFAULT_TEXT = "CALL"
_PIN = re.compile(r"[!-~]{1,64}", re.ASCII)
_TEXT = re.compile(r"[ -~]{1,240}", re.ASCII)
_OPTIONS = ("pager", "text", "login", "expect_s", "reply_s")


@dataclass(frozen=True, slots=True)
class Wake:
    """How one meter is woken. `gateways` are tried in order; the next one only if the one before took nothing."""

    gateways: tuple[tuple[str, int], ...]
    pager: str
    text: str = DEFAULT_TEXT
    login: str = ""
    expect_s: int = 900  # the call is expected within this time, and nobody is paged again before it is over
    reply_s: float = REPLY_S

    @property
    def carrier(self) -> str:
        """Names the carrier in the store, whichever of its terminals takes the page."""
        host, port = self.gateways[0]
        return f"snpp://{host}:{port}"


def parse_wake(url: str) -> Wake:
    """Return what `snpp://HOST[:PORT][,HOST[:PORT]…]?pager=ID` means. Raises `UsageError`.

    Options: `text` of the page (CALL), `login`, `expect_s` (900), `reply_s` (30) for each answer of a terminal.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() != "snpp" or parts.path.strip("/") or parts.fragment or "@" in parts.netloc:
        raise UsageError("a wake-up page is written snpp://HOST:PORT?pager=ID", advice="the password is no part of it")
    gateways = tuple(_gateway(url, place) for place in parts.netloc.split(","))
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=16)
    except ValueError as error:
        raise UsageError(f"{url!r}: the part after '?' is not NAME=VALUE joined by '&'") from error
    given = dict(pairs)
    for name in given:
        if name not in _OPTIONS:
            raise UsageError(f"{url!r} has no option {name!r}", advice=f"its options are {', '.join(_OPTIONS)}")
    pager, text = given.get("pager", ""), given.get("text", DEFAULT_TEXT)
    if not _PIN.fullmatch(pager):
        raise UsageError(f"{url!r} names no pager", advice="add pager=ID")
    if not _TEXT.fullmatch(text):
        raise UsageError(f"{url!r}: the text is not 1 to 240 characters of printable ASCII")
    login = given.get("login", "")
    if login and not _PIN.fullmatch(login):
        raise UsageError(f"{url!r}: the login is not 1 to 64 characters of printable ASCII without spaces")
    expect_s, reply_s = (_seconds(url, given, name, default) for name, default in (("expect_s", 900), ("reply_s", 30)))
    return Wake(gateways, pager, text, login, expect_s, float(reply_s))


def _gateway(url: str, place: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r}: {error}") from error
    if not host:
        raise UsageError(f"{url!r} names no host")
    return unquote(host), DEFAULT_PORT if port is None else port


def _seconds(url: str, given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 86_400:
        raise UsageError(f"{url!r}: {name}={text!r} is not a whole number from 1 to 86400")
    return int(text)
