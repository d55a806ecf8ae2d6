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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from drivers.errors import MeterProtocolError, TransportError
from drivers.pager.jobs import HeldBack, Job, Jobs, Limits, Page, State
from drivers.pager.snpp_client import PageRefused, Sent, open_snpp
from drivers.pager.wake import Wake
from drivers.secret import Secret

FORMAT = "wake"  # stands for the message format in the store: these pages have no reply
_log = logging.getLogger("drivers.pager")


@dataclass(frozen=True, slots=True)
class Woken:
    """A page that is out, or may be: expect the meter's call until `until`, UTC."""

    outcome: Literal["sent", "queued", "unknown", "under way"]  # under way: paged before, the call still expected
    until: datetime
    message_id: str
    detail: str = ""


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
