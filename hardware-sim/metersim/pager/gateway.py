"""A strict WCTP gateway without I/O: octets of a request in, octets of the answer out, validated both ways.

Messages for a customer wait in an outbox, with a sequence number each, until they are acknowledged.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from drivers.errors import DataError
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_values import (
    Alphanumeric,
    Confirmation,
    DtdSupport,
    Failure,
    Message,
    MessageControl,
    MessageReply,
    Operation,
    Originator,
    PollForMessages,
    PollResponse,
    Recipient,
    ResponseHeader,
    StatusInfo,
    SubmitRequest,
    Success,
    Version,
    VersionQuery,
    VersionResponse,
)
from drivers.pager.wctp_xml import Element, parse_xml
from drivers.secret import Secret
from metersim.pager.faults import Faults
from metersim.pager.meters import PagerMeter
from metersim.pager.rules import violations

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_STAMPED = ("submitTimestamp", "deliveryAfter", "deliveryBefore", "dateTime")
LONGEST_TEXT = 240
STRANGE = "strange"  # sequence number of the message that `poll.strange` puts into an answer


@dataclass(slots=True)
class Account:
    """One customer: what proves him, and what waits for him."""

    sender: str
    code: str | None = None
    outbox: dict[str, StatusInfo | MessageReply] = field(default_factory=dict)
    last_poll: datetime | None = None
    handed_out: set[str] = field(default_factory=set)


class WctpGateway:
    """The carrier. `now` gives aware UTC; `incoming` is called when something new waits for an account."""

    def __init__(
        self,
        meters: Mapping[str, PagerMeter],
        accounts: Mapping[str, Account],
        now: Callable[[], datetime],
        faults: Faults | None = None,
        *,
        poll_interval_s: int = 0,
    ) -> None:
        self.meters = meters
        self.accounts = accounts
        self.faults = faults or Faults()
        self.submitted: list[SubmitRequest] = []  # pages that were taken
        self.refused: list[str] = []  # why, of everything that broke a rule
        self.incoming: Callable[[Account], None] = lambda _account: None
        self._now = now
        self._poll_interval_s = poll_interval_s
        self._seen: set[str] = set()
        self._sequence = 0

    def handle(self, body: bytes, *, failure: int | None = None, lose: bool = False) -> bytes:
        """Return the answer to a request. `failure`: refuse it with this code; `lose`: do nothing about it."""
        try:
            root = parse_xml(body)
        except DataError as error:
            return self._refuse(301, error.message, Version.V1_3)
        try:
            version = Version(root.attributes.get("wctpVersion"))
        except ValueError:
            return self._refuse(303, f"wctpVersion is {root.attributes.get('wctpVersion')!r}", Version.V1_3)
        broken = violations(root, version)
        if broken:
            return self._refuse(302, "; ".join(broken), version)
        if any(name in _STAMPED and not _STAMP.fullmatch(value) for name, value in _attributes(root)):
            return self._refuse(405, "a time stamp is not YYYY-MM-DDThh:mm:ss", version)
        answer = self._answer(decode(body).operation, failure, lose)
        octets = encode(answer, version)
        unsound = violations(parse_xml(octets), version)
        if unsound:
            msg = f"this gateway breaks the rules itself: {unsound}"
            raise AssertionError(msg)
        return octets

    def kind_of(self, body: bytes) -> str:
        """Return `submit` or `poll`: whose faults apply."""
        return "poll" if b"<wctp-PollForMessages" in body.replace(b"\0", b"") else "submit"

    def _answer(self, operation: Operation, failure: int | None, lose: bool) -> Operation:
        match operation:
            case SubmitRequest():
                return Confirmation(Failure(failure) if failure else self._submit(operation, lose=lose))
            case PollForMessages():
                return PollResponse(Failure(failure)) if failure else self._poll(operation)
            case VersionQuery():
                names = tuple(DtdSupport(version.value) for version in Version)
                return VersionResponse("metersim", names, operation.inquirer)
            case _:
                return Confirmation(self._noted(Failure(300, "operation not supported")))

    def _submit(self, page: SubmitRequest, *, lose: bool) -> Success | Failure:
        code = self._objection(page)
        if code is not None:
            return self._noted(Failure(code, f"{page.originator.sender_id} to {page.recipient.recipient_id}"))
        if not lose:
            self._seen.add(page.control.message_id)
            self.submitted.append(page)
            self._deliver(page, self.accounts[page.originator.sender_id], self.meters[page.recipient.recipient_id])
        return Success(200, "accepted")

    def _objection(self, page: SubmitRequest) -> int | None:
        account, control, payload = self.accounts.get(page.originator.sender_id), page.control, page.payload
        objections = (
            (401, account is None),
            (402, account is not None and not _proves(account, page.originator.security_code)),
            (403, page.recipient.recipient_id not in self.meters),
            (408, control.deliver_before is not None and control.deliver_before <= self._now()),
            (430, not isinstance(payload, Alphanumeric)),
            (411, isinstance(payload, Alphanumeric) and len(payload.text) > LONGEST_TEXT),
            (400, control.message_id in self._seen),  # a messageID is used once and never again
        )
        return next((code for code, applies in objections if applies), None)

    def _deliver(self, page: SubmitRequest, account: Account, meter: PagerMeter) -> None:
        payload = page.payload
        text = payload.text if isinstance(payload, Alphanumeric) else ""
        reply = meter.hear(text, self._now())
        header, control = self._header(page), page.control
        statuses: list[StatusInfo | MessageReply] = []
        if control.notify_when_queued:
            statuses.append(StatusInfo(header, "QUEUED"))
        if self.faults.take("undeliverable"):
            self._put(account, [*statuses, StatusInfo(header, Failure(500, "no acknowledgement"))])
            return
        if control.notify_when_delivered:
            statuses.append(StatusInfo(header, "DELIVERED"))
        replies = [] if reply is None or not control.allow_response else self._replies(header, reply)
        self._put(account, replies + statuses if self.faults.take("early") else statuses + replies)

    def _replies(self, header: ResponseHeader, text: str) -> list[StatusInfo | MessageReply]:
        faults = self.faults
        if faults.take("lost"):
            return []
        replies: list[StatusInfo | MessageReply] = []
        if faults.take("other-pin"):
            replies.append(MessageReply(replace(header, originator=Originator("9999999999")), Alphanumeric(text)))
        if faults.take("unknown-id"):
            replies.append(MessageReply(replace(header, response_to=str(uuid.uuid4())), Alphanumeric(text)))
        if faults.take("garbled"):
            text = text[:-6] + ("1" if text[-6] != "1" else "2") + text[-5:]
        reply = MessageReply(header, Alphanumeric(text))
        replies += [reply, reply] if faults.take("duplicate") else [reply]
        if faults.take("second"):
            replies.append(MessageReply(header, Alphanumeric(f"{text} AGAIN")))
        return replies

    def _header(self, page: SubmitRequest) -> ResponseHeader:
        return ResponseHeader(
            originator=Originator(page.recipient.recipient_id),
            control=MessageControl(str(uuid.uuid4()), transaction_id=page.control.transaction_id),
            recipient=Recipient(page.originator.sender_id),
            response_to=page.control.message_id,
            responded_at=self._now().replace(microsecond=0),
        )

    def _put(self, account: Account, messages: list[StatusInfo | MessageReply]) -> None:
        for message in messages:
            self._sequence += 1
            account.outbox[str(self._sequence)] = message
        if messages:
            self.incoming(account)

    def _poll(self, poll: PollForMessages) -> PollResponse:
        account = self.accounts.get(poll.poller_id)
        if account is None or not _proves(account, poll.security_code):
            return PollResponse(self._noted(Failure(432)))
        last, account.last_poll = account.last_poll, self._now()
        if last is not None and self._now() - last < timedelta(seconds=self._poll_interval_s):
            return PollResponse(self._noted(Failure(600, "polled too often")), self._poll_interval_s)
        for received in poll.received:
            if received.sequence_no not in account.handed_out and received.sequence_no != STRANGE:
                return PollResponse(self._noted(Failure(302, f"there was no message {received.sequence_no}")))
            account.outbox.pop(received.sequence_no, None)
        batch = list(account.outbox.items())[: poll.most_messages or 500]
        account.handed_out.update(number for number, _ in batch)
        messages = tuple(Message(number, content) for number, content in batch)
        return PollResponse(messages, self._poll_interval_s or None)

    def _refuse(self, code: int, reason: str, version: Version) -> bytes:
        return encode(Confirmation(self._noted(Failure(code, reason[:200]))), version)

    def _noted(self, failure: Failure) -> Failure:
        self.refused.append(f"{failure.code} {failure.text}".strip())
        return failure


def _attributes(element: Element) -> Iterator[tuple[str, str]]:
    yield from element.attributes.items()
    for child in element.children:
        yield from _attributes(child)


def _proves(account: Account, code: Secret | None) -> bool:
    return account.code is None or (code is not None and code.reveal() == account.code.encode())
