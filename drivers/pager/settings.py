"""What the URL of a pager meter may say, checked before anything is sent.

    wctp+https://gateway.example/wctp?recipient=5551234567&sender=mrsp@example

The security code is no part of it: it comes as the task's password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from drivers.errors import UsageError
from drivers.pager.jobs_states import Limits
from drivers.pager.wctp_values import Priority, Version
from drivers.url_options import merge

DEFAULT_FORMAT = "ascii-checked"
_T = TypeVar("_T")
_VERSIONS = {"1.0": Version.V1_0, "1.1": Version.V1_1, "1.2": Version.V1_2, "1.3": Version.V1_3}
_PRIORITIES: dict[str, Priority] = {"high": "HIGH", "normal": "NORMAL", "low": "LOW"}
_REPLIES: dict[str, Literal["poll", "push"]] = {"poll": "poll", "push": "push"}
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,7}", re.ASCII)
_ID = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WctpAddress:
    """One pager meter and how to reach it. `gateway` is the URL to post to, as the carrier gave it."""

    gateway: str
    recipient: str  # PIN of the device
    sender: str = "mrsp"  # our id at the carrier
    poller: str = "mrsp"  # our id for polling: the sender's, unless the carrier gave another
    meter: str = ""  # id that the request text names; the PIN unless told otherwise
    format: str = DEFAULT_FORMAT
    version: Version = Version.V1_3
    poll_s: float = 15.0
    wait_s: float = 600.0
    request_s: float = 30.0  # for one answer of the gateway
    grace_s: int = 120  # after the carrier has given up delivering, for a reply that is on its way
    priority: Priority = "NORMAL"
    replies: Literal["poll", "push"] = "poll"
    ca: str = ""  # file of the authority that signed the gateway's certificate, where it is none of the known ones
    limits: Limits = field(default_factory=Limits)

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read the security code."""
        return self.gateway.startswith("https:")


def parse_address(url: str, options: Mapping[str, str] | None = None) -> WctpAddress:
    """Return what `url` means, its query on top of `options`; raise `UsageError` that names what is allowed instead."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in ("wctp+http", "wctp+https"):
        raise UsageError(f"{url!r} is no gateway of a pager carrier", advice="wctp+https://HOST/PATH?recipient=PIN")
    if "@" in parts.netloc:
        raise UsageError(
            "the URL of a gateway takes no user or password", advice="the security code is read from the password file"
        )  # and is not repeated here: it may be one
    try:
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r}: {error}") from error
    if not host or parts.fragment:
        raise UsageError(f"{url!r} is not a host and a path", advice="wctp+https://HOST/PATH?recipient=PIN")
    take = _Options(url, merge(url, parts.query, options or {}))
    gateway = f"{scheme.removeprefix('wctp+')}://{parts.netloc}{parts.path or '/'}"
    recipient, sender = take.identifier("recipient", ""), take.identifier("sender", "mrsp")
    address = WctpAddress(
        gateway=gateway,
        recipient=recipient,
        sender=sender,
        poller=take.identifier("poller", sender),
        meter=take.identifier("meter", recipient),
        format=take.identifier("format", DEFAULT_FORMAT),
        version=take.one_of("version", _VERSIONS, "1.3"),
        poll_s=take.seconds("poll_s", 15.0, low=0.01, high=3600),
        wait_s=take.seconds("wait_s", 600.0, low=0.01, high=86_400),
        request_s=take.seconds("request_s", 30.0, low=0.01, high=300),
        grace_s=take.whole("grace_s", 120, high=86_400),
        priority=take.one_of("priority", _PRIORITIES, "normal"),
        replies=take.one_of("replies", _REPLIES, "poll"),
        ca=take.text("ca"),
        limits=Limits(
            meter_spacing_s=take.whole("meter_spacing_s", Limits().meter_spacing_s, high=86_400),
            carrier_per_hour=max(1, take.whole("carrier_per_hour", Limits().carrier_per_hour, high=1_000_000)),
            late_s=take.whole("late_s", Limits().late_s, high=604_800),
            fresh_s=take.whole("fresh_s", Limits().fresh_s, high=86_400),
        ),
    )
    take.nothing_else()
    return address


class _Options:
    """The options given for one address; knows which it was asked for."""

    def __init__(self, url: str, given: Mapping[str, str]) -> None:
        self._url = url
        self._given = given
        self._known: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        self._known.append(name)
        return self._given.get(name, default)

    def identifier(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _ID.fullmatch(value):
            what = "is missing" if not value else "has other characters than printable ASCII, or more than 255"
            raise UsageError(f"{self._url!r}: the option {name} {what}", advice=f"add {name}=…")
        return value

    def seconds(self, name: str, default: float, *, low: float, high: float) -> float:
        value = self.text(name, str(default))
        if not _SECONDS.fullmatch(value) or not low <= float(value) <= high:
            raise UsageError(f"{self._url!r}: {name}={value!r} is not a number of seconds from {low:g} to {high:g}")
        return float(value)

    def whole(self, name: str, default: int, *, high: int) -> int:
        value = self.text(name, str(default))
        if not _WHOLE.fullmatch(value) or int(value) > high:
            raise UsageError(f"{self._url!r}: {name}={value!r} is not a whole number from 0 to {high}")
        return int(value)

    def one_of(self, name: str, choices: Mapping[str, _T], default: str) -> _T:
        value = self.text(name, default)
        if value not in choices:
            raise UsageError(f"{self._url!r}: {name}={value!r} is not one of {', '.join(choices)}")
        return choices[value]

    def nothing_else(self) -> None:
        for name in self._given:
            if name not in self._known:
                advice = f"its options are {', '.join(self._known)}"
                raise UsageError(f"{self._url!r} has no option {name!r}", advice=advice)
