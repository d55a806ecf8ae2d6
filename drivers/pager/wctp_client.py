"""One carrier, as an enterprise sees it: submit a page, poll for what came in. All is stored before it counts."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drivers.errors import DataError, MeterRefused, TransportError
from drivers.pager.jobs import Job, Jobs, StoreTrouble, Taken
from drivers.pager.settings import WctpAddress
from drivers.pager.wctp_codes import Action, action_of, advice_of, meaning_of
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_http import Answer, HttpGateway, NoAnswer, NotSent
from drivers.pager.wctp_recording import Recorder
from drivers.pager.wctp_values import (
    Alphanumeric,
    Confirmation,
    Failure,
    MessageControl,
    MessageReceived,
    Operation,
    Originator,
    PollForMessages,
    PollResponse,
    Recipient,
    SubmitRequest,
    Success,
)
from drivers.secret import Secret

MOST_MESSAGES = 100  # of a batch
_NOT_PROCESSED = frozenset({408, 429})  # of the 4xx: the web server says that it is a matter of time
_log = logging.getLogger("drivers.pager")


class CarrierRefused(MeterRefused):
    """The carrier understood and said no; the same will be refused again. `code` is of WCTP or of HTTP."""


class PageFailed(TransportError):
    """The carrier took the page and could not deliver it. A new one may be tried later."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """The carrier took nothing, and will perhaps later: not before `until`."""

    until: datetime
    code: int
    reason: str
    poll_first: bool


@dataclass(slots=True)
class Counts:
    """What one visit exchanged."""

    requests: int = 0
    octets_sent: int = 0
    octets_received: int = 0
    taken: Taken = field(default_factory=Taken)


class WctpClient:
    """Talks to one gateway for one visit. `now` gives aware UTC."""

    def __init__(
        self,
        gateway: HttpGateway,
        jobs: Jobs,
        code: Secret | None,
        recorder: Recorder,
        now: Callable[[], datetime],
    ) -> None:
        self.counts = Counts()
        self.trouble = ""  # why the last poll brought nothing
        self._gateway = gateway
        self._address: WctpAddress = gateway.address
        self._jobs = jobs
        self._code = code
        self._recorder = recorder
        self._now = now

    async def submit(self, job: Job) -> Job | NotNow:
        """Send the page of a job that was just stored; return the job as it stands after it.

        `unknown` where it may have been taken. Raises `NotSent`, and `CarrierRefused` for a final no.
        """
        store = self._jobs.store
        try:
            answer = await self._post(self._request(job))
        except NotSent as error:
            await self._jobs.call(store.refuse, job.message_id, code=None, reason=error.message)
            raise
        except NoAnswer as error:
            return await self._jobs.call(store.advance, job.message_id, "unknown", reason=error.message)
        try:
            result = _confirmation(answer)
        except DataError as error:
            if 300 <= answer.status < 500 and answer.status not in _NOT_PROCESSED:
                reason = f"the gateway's web server says HTTP {answer.status}"
                await self._jobs.call(store.refuse, job.message_id, code=answer.status, reason=reason)
                advice = "check the URL: is it the one that the carrier gave?"
                raise CarrierRefused(reason, code=answer.status, advice=advice) from error
            reason = f"HTTP {answer.status}: {error.message}"
            return await self._jobs.call(store.advance, job.message_id, "unknown", reason=reason)
        if isinstance(result, Success):
            await self._jobs.call(store.paged, job.carrier, job.sender, self._now(), busy_s=None)
            return await self._jobs.call(store.advance, job.message_id, "submitted", reason="")
        return await self._refused(job, result)

    async def poll(self) -> bool:
        """Ask once for what came in, if it is time; return False where somebody else is just doing so, or it is not.

        What comes is on the disk when this returns, and is acknowledged by the next poll. `trouble` tells of a poll
        that failed. Raises `CarrierRefused` where the carrier does not let us poll at all.
        """
        store, carrier, poller = self._jobs.store, self._address.gateway, self._address.poller
        with _turn(store.directory, carrier, poller) as ours:
            if not ours or await self._jobs.call(store.next_poll, carrier, poller, self._now()) > self._now():
                return False
            received = await self._jobs.call(store.unacknowledged, carrier, poller)
            try:
                response = _poll_response(await self._post(self._question(received)))
            except (NotSent, NoAnswer, DataError) as error:
                await self._slower(error.message)
                return True
            if isinstance(response.result, Failure):
                await self._poll_refused(response.result)
                return True
            await self._jobs.call(store.acknowledged, carrier, poller, [number for number, _ in received])
            taken = await self._jobs.call(store.receive_poll, carrier, poller, response.result, self._now())
            after_s = max(self._address.poll_s, response.next_poll_s or 0)
            await self._jobs.call(store.polled, carrier, poller, self._now(), after_s=after_s, slow=False)
        self.trouble = ""
        self.counts.taken += taken
        report(taken, carrier)
        return True

    def _request(self, job: Job) -> SubmitRequest:
        control = MessageControl(
            message_id=job.message_id,
            transaction_id=job.message_id,
            notify_when_delivered=True,
            priority=self._address.priority,
            deliver_before=job.deliver_before,
            preformatted=True,
            allow_truncation=False,
        )
        originator = Originator(job.sender, self._code)
        return SubmitRequest(originator, control, Recipient(job.recipient), Alphanumeric(job.request), job.created_at)

    def _question(self, received: tuple[tuple[str, int], ...]) -> PollForMessages:
        def result(code: int) -> Success | Failure:
            return Success(code) if code < 300 else Failure(code, "the message breaks the rules of the DTD")

        acknowledged = tuple(MessageReceived(number, result(code)) for number, code in received)
        return PollForMessages(self._address.poller, self._code, MOST_MESSAGES, acknowledged)

    async def _post(self, operation: Operation) -> Answer:
        body = encode(operation, self._address.version)
        await self._recorder.sent(body)
        self.counts.requests += 1
        self.counts.octets_sent += len(body)
        answer = await self._gateway.post(body)
        self.counts.octets_received += len(answer.body)
        await self._recorder.received(answer.body)
        return answer

    async def _refused(self, job: Job, failure: Failure) -> NotNow:
        """Note that the page was refused; raise if for good, else return until when."""
        store, action = self._jobs.store, action_of(failure.code)
        reason = told(failure)
        await self._jobs.call(store.refuse, job.message_id, code=failure.code, reason=reason)
        if action in (Action.RETRY, Action.POLL_FIRST):
            busy_s = self._address.poll_s
            until = await self._jobs.call(store.paged, job.carrier, job.sender, self._now(), busy_s=busy_s)
            return NotNow(until, failure.code, reason, poll_first=action is Action.POLL_FIRST)
        if action is Action.REISSUE:
            raise PageFailed(f"the carrier did not take the page: {reason}")
        raise CarrierRefused(reason, code=failure.code, advice=advice_of(failure.code))

    async def _poll_refused(self, failure: Failure) -> None:
        await self._slower(told(failure))
        if action_of(failure.code) is Action.FINAL:
            message = f"replies cannot be fetched: {told(failure)}"
            raise CarrierRefused(message, code=failure.code, advice=advice_of(failure.code))

    async def _slower(self, trouble: str) -> None:
        self.trouble = trouble
        _log.info("poll of %s: %s", self._address.gateway, trouble)
        carrier, poller, after_s = self._address.gateway, self._address.poller, self._address.poll_s
        await self._jobs.call(self._jobs.store.polled, carrier, poller, self._now(), after_s=after_s, slow=True)


def told(failure: Failure) -> str:
    """Return a failure in words: what the code means, and what the carrier adds."""
    added = " ".join((failure.text or failure.detail).split())[:200]
    return f"{meaning_of(failure.code)} (code {failure.code}{f': {added}' if added else ''})"


def report(taken: Taken, carrier: str) -> None:
    """Log what went into quarantine, once for each reason: somebody may be trying to pass for a meter."""
    for reason in sorted(set(taken.quarantined)):
        count = taken.quarantined.count(reason)
        _log.warning("security: %d message(s) from %s in quarantine: %s", count, carrier or "a push", reason)


def _confirmation(answer: Answer) -> Success | Failure:
    operation = decode(answer.body).operation
    if not isinstance(operation, Confirmation):
        raise DataError(f"a {type(operation).__name__} where a confirmation was expected")
    return operation.result


def _poll_response(answer: Answer) -> PollResponse:
    try:
        operation = decode(answer.body).operation
    except DataError as error:
        raise DataError(f"HTTP {answer.status}: {error.message}") from error
    if isinstance(operation, Confirmation) and isinstance(operation.result, Failure):
        return PollResponse(operation.result)  # gateways refuse so what they cannot parse
    if not isinstance(operation, PollResponse):
        raise DataError(f"a {type(operation).__name__} where a poll response was expected")
    return operation


@contextmanager
def _turn(directory: Path, carrier: str, poller: str) -> Iterator[bool]:
    """Give whether the poll is ours to make: one at a time on this box. A crash gives the turn back."""
    name = hashlib.sha256(f"{carrier} {poller}".encode()).hexdigest()[:16]
    try:
        lock = os.open(directory / f"poll-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreTrouble(f"cannot open a lock in {directory}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
