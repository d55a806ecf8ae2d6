"""Wake a meter by a page, so that it calls in: SNPP terminals one after the other, the page remembered on the disk.

    wake = parse_wake("snpp://terminal.example:444?pager=5551234567&text=CALL")
    woken = await page(wake, keep, now=now)     # at most one page within the time in which the call is expected
    …                                           # the call comes in, or `woken.until` passes
    await answered(woken, keep, now=now)

There is no way to take a page back, and none to send it twice safely: where the line broke after SEND, the meter is
waited for as if it had been paged. SNPP knows no encryption: use it over a private network only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from drivers.errors import MeterProtocolError, TransportError, UsageError
from drivers.pager.jobs import HeldBack, Job, Jobs, Limits, Page, State
from drivers.pager.snpp_client import REPLY_S, PageRefused, Sent, open_snpp
from drivers.secret import Secret

DEFAULT_PORT = 444
DEFAULT_TEXT = "CALL"
FORMAT = "wake"  # stands for the message format in the store: these pages have no reply
_PIN = re.compile(r"[!-~]{1,64}", re.ASCII)
_TEXT = re.compile(r"[ -~]{1,240}", re.ASCII)
_OPTIONS = ("pager", "text", "login", "expect_s", "reply_s")
_log = logging.getLogger("drivers.pager")


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


@dataclass(frozen=True, slots=True)
class Woken:
    """A page that is out, or may be: expect the meter's call until `until`, UTC."""

    outcome: Literal["sent", "queued", "unknown", "under way"]  # under way: paged before, the call still expected
    until: datetime
    message_id: str
    detail: str = ""


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


async def page(
    wake: Wake,
    keep: Path,
    *,
    password: Secret | None = None,
    limits: Limits | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Woken:
    """Page the meter, unless it was and its call is still expected. `keep`: the directory of the requests.

    Raises `PageRefused` where a terminal says no for good, `TransportError` where none of them took the page or the
    limits allow none now, `StoreTrouble` for the disk: then nobody was paged.
    """
    async with Jobs.open(keep) as jobs:
        asked = Page(wake.carrier, wake.login, wake.pager, FORMAT, wake.text, wake.expect_s, 0)
        begun = await jobs.call(jobs.store.begin, asked, limits or Limits(late_s=0, fresh_s=0), now())
        if isinstance(begun, HeldBack):
            message = f"no page to {wake.pager} before {begun.until:%Y-%m-%d %H:%M:%S} UTC: {begun.reason}"
            raise TransportError(message)
        job, is_new = begun
        if not is_new:
            return Woken("under way", job.expires_at, job.message_id, job.reason)
        try:
            sent = await _first_that_takes(wake, password)
        except (PageRefused, TransportError) as error:
            code = error.code if isinstance(error, PageRefused) else None
            await jobs.call(jobs.store.refuse, job.message_id, code=code, reason=error.message)
            raise
        return await _noted(jobs, job, sent)


async def answered(woken: Woken, keep: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Note that the meter has called: it may be paged again, as far as the limits allow. Raises `StoreTrouble`."""
    async with Jobs.open(keep) as jobs:
        await jobs.call(jobs.store.advance, woken.message_id, "answered")
        await jobs.call(jobs.store.mark_taken, woken.message_id, now())


async def _first_that_takes(wake: Wake, password: Secret | None) -> Sent:
    """Page through the first terminal that lets us. Once SEND is out, no other is tried."""
    troubles: list[str] = []
    for host, port in wake.gateways:
        try:
            async with open_snpp(host, port, reply_s=wake.reply_s) as client:
                if wake.login:
                    await client.log_in(wake.login, password)
                return await client.page(wake.pager, wake.text)
        except (TransportError, MeterProtocolError) as error:
            _log.info("wake-up page: %s", error.message)
            troubles.append(error.message)
    raise TransportError(f"no terminal took the page: {'; '.join(troubles)}", advice="nobody was paged")


async def _noted(jobs: Jobs, job: Job, sent: Sent) -> Woken:
    states: dict[str, State] = {"sent": "submitted", "queued": "queued", "unknown": "unknown"}
    await jobs.call(jobs.store.advance, job.message_id, states[sent.state], reason=sent.detail)
    return Woken(sent.state, job.expires_at, job.message_id, sent.detail)


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
