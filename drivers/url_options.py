"""What all addresses are made of: host and port, and the options that query and configuration name, each checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload
from urllib.parse import parse_qsl, unquote, urlsplit

from drivers.errors import UsageError


def merge(url: str, query: str, options: Mapping[str, str]) -> dict[str, str]:
    """Return `options` with those of `query` on top; raise `UsageError` for a query that is none."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=32) if query else []
    except ValueError as error:
        raise UsageError(f"{url!r}: the part after '?' is not NAME=VALUE joined by '&'") from error
    asked = dict(pairs)
    if len(asked) < len(pairs):
        raise UsageError(f"{url!r}: an option is given twice")
    return {**options, **asked}


def refuse_login(url: str, place: str) -> None:
    """Raise `UsageError` for a user or password in the part of `url` before its query; before any error shows it."""
    if "@" in place:
        scheme = url.partition("://")[0].lower()
        raise UsageError(f"a {scheme}:// address takes no user or password")  # and is not repeated: it may be one


def host_and_port(url: str, place: str, *, default: int = 0) -> tuple[str, int]:
    """Return the host and port that `place` names, which `refuse_login` let pass; raise `UsageError`.

    With a `default` of 0 the port must be named.
    """
    scheme = url.partition("://")[0].lower()
    advice = f"{scheme}://HOST:PORT or {scheme}://[IPV6]:PORT"
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, default if parts.port is None else parts.port
    except ValueError as error:
        raise UsageError(f"{url!r}: {error}", advice=advice) from error
    if not host or not port or parts.path.strip("/") or parts.fragment:
        raise UsageError(f"{url!r} is not a host and a port", advice=advice)
    return unquote(host), port


@dataclass(frozen=True, slots=True)
class Options:
    """The options given for one address; refuses those that its scheme does not have."""

    url: str
    given: dict[str, str]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.given:
            if name not in self.known:
                raise UsageError(f"{self.url!r} has no option {name!r}", advice=self.instead_of(name))

    def instead_of(self, name: str) -> str:  # noqa: ARG002 - some addresses say more about some names
        """Return what to give in place of an option that this address does not have."""
        return f"its options are {', '.join(self.known)}"

    @overload
    def number(self, name: str, default: int, *, low: int, high: int) -> int: ...

    @overload
    def number(self, name: str, default: None, *, low: int, high: int) -> int | None: ...

    def number(self, name: str, default: int | None, *, low: int, high: int) -> int | None:
        """Return a whole number within its limits, or `default` if none is given."""
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
