"""One meter asked for one reply: take what has come already, else wait for what was asked, else page; then wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from drivers.errors import MeterSilent, TransportError
from drivers.pager.jobs import HeldBack, Job, Jobs, Page
from drivers.pager.settings import WctpAddress
from drivers.pager.wctp_client import CarrierRefused, NotNow, PageFailed, WctpClient
from drivers.pager.wctp_codes import Action, action_of, advice_of, meaning_of

NS = 1_000_000_000
_LATE_ADVICE = "the next visit looks for the late reply before it pages again"


class WctpVisit:
    """The wait of one visit, until its deadline. `now` gives aware UTC, `monotonic_ns` measures the wait."""

    def __init__(
        self,
        client: WctpClient,
        jobs: Jobs,
        address: WctpAddress,
        now: Callable[[], datetime],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._address = address
        self._now = now
        self._monotonic_ns = monotonic_ns
        self._end_ns = monotonic_ns() + round(address.wait_s * NS)
        self.asked_ns: int | None = None  # monotonic, just before this visit's own page went out

    async def ask(self, request: str) -> Job:
        """Return a job under way or answered: an earlier one, or that of a page which went out just now.

        Raises `CarrierRefused`, `PageFailed`, or `TransportError` where the limits leave no page before the deadline.
        """
        page = self._page(request)
        if self._polls and await self._jobs.call(self._jobs.store.owes, page, self._address.limits, self._now()):
            await self._look_for_late()
        while True:
            begun = await self._jobs.call(self._jobs.store.begin, page, self._address.limits, self._now())
            if isinstance(begun, HeldBack):
                await self._hold_back(begun)
                continue
            job, is_new = begun
            if not is_new:
                return job
            self.asked_ns = self._monotonic_ns()
            sent = await self._client.submit(job)
            if isinstance(sent, Job):
                return sent
            self.asked_ns = None
            await self._not_now(sent)

    async def reply(self, job: Job) -> Job:
        """Wait for the reply to a job and return it as answered.

        Raises `MeterSilent` at the deadline, `PageFailed` or `CarrierRefused` if the carrier could not deliver.
        """
        while True:
            job = await self._jobs.call(self._jobs.store.find, job.message_id, self._now())
            if job.state == "answered":
                return job
            if job.state == "failed":
                raise _failed(job)
            if job.state == "expired" or self._left_s() <= 0:
                raise self._silent(job)
            await self._look()

    @property
    def _polls(self) -> bool:
        return self._address.replies == "poll"

    def _page(self, request: str) -> Page:
        address = self._address
        return Page(
            carrier=address.gateway,
            sender=address.sender,
            recipient=address.recipient,
            format=address.format,
            request=request,
            lifetime_s=max(1, round(address.wait_s)),
            grace_s=address.grace_s,
        )

    async def _look_for_late(self) -> None:
        """See to it that the carrier is polled before it is paged again, by us or by another visit.

        Raises `TransportError` if that does not succeed before the deadline: then nobody is paged either.
        """
        address, since = self._address, self._now()
        while not await self._jobs.call(self._jobs.store.polled_since, address.gateway, address.poller, since):
            if self._left_s() <= 0:
                why = self._client.trouble or "it is not time to poll it yet"
                raise TransportError(
                    f"an earlier page may have been answered, and the carrier does not say: {why}",
                    advice="nobody is paged until it does",
                )
            await self._look()

    async def _look(self) -> None:
        """Poll if it is time, else wait until it is, or until others may have brought something."""
        if not self._polls or not await self._client.poll():
            due = await self._next_poll() if self._polls else self._now()
            await self._pause(until=due)

    async def _next_poll(self) -> datetime:
        address = self._address
        return await self._jobs.call(self._jobs.store.next_poll, address.gateway, address.poller, self._now())

    async def _pause(self, *, until: datetime) -> None:
        """Sleep until a time, at most for one poll interval and to the deadline; a little where the time has come."""
        due_s = (until - self._now()).total_seconds()
        longest = min(self._address.poll_s, max(self._left_s(), 0.0))
        await asyncio.sleep(min(due_s, longest) if due_s > 0 else longest)

    async def _hold_back(self, held: HeldBack) -> None:
        """Wait until a page is allowed. Raises `TransportError` if that is after the deadline."""
        wait_s = (held.until - self._now()).total_seconds()
        if wait_s >= self._left_s():
            message = f"no page before {held.until:%Y-%m-%d %H:%M:%S} UTC: {held.reason}"
            raise TransportError(message, advice="try again after that, or change the limits")
        await asyncio.sleep(max(wait_s, 0.0))

    async def _not_now(self, refusal: NotNow) -> None:
        """Do what the carrier wants first. Raises `PageFailed` if that leaves no time."""
        if (refusal.until - self._now()).total_seconds() >= self._left_s():
            raise PageFailed(f"the carrier takes no page now: {refusal.reason}", advice="try again later")
        if refusal.poll_first and self._polls:
            await self._look()

    def _left_s(self) -> float:
        return (self._end_ns - self._monotonic_ns()) / NS

    def _silent(self, job: Job) -> MeterSilent:
        known = {
            "created": "the page may have been sent",
            "unknown": f"the page may have been sent ({job.reason})",
            "submitted": "the carrier has taken the page",
            "queued": "the page is queued at the carrier",
            "delivered": "the page was delivered to the device",
        }
        how = known.get(job.state, "its time is over")
        trouble = f"; the last poll failed: {self._client.trouble}" if self._client.trouble else ""
        return MeterSilent(f"no reply from pager {job.recipient}: {how}{trouble}", advice=_LATE_ADVICE)


def _failed(job: Job) -> TransportError | CarrierRefused:
    code = job.code or 0
    added = f": {job.reason}" if job.reason else ""
    what = f"the carrier could not deliver the page: {meaning_of(code)} (code {code}{added})"
    if action_of(code) is Action.FINAL:
        return CarrierRefused(what, code=code, advice=advice_of(code))
    return PageFailed(what)
