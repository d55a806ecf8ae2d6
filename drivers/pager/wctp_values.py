"""What WCTP says, as values: operations, their headers and payloads. `wctp_encode` and `wctp_decode` do the XML.

Names are those of the protocol. Times are aware UTC; the protocol writes them without a zone. Security codes are
`Secret`: they show in the octets that are sent and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from drivers.secret import Secret


class Version(Enum):
    """A version of the protocol, by the name of its DTD (the attribute `wctpVersion`)."""

    V1_0 = "wctp-dtd-v1r0"
    V1_1 = "wctp-dtd-v1r1"
    V1_2 = "wctp-dtd-v1r2"
    V1_3 = "wctp-dtd-v1r3"

    @property
    def doctype(self) -> str:
        """The system identifier of the DTD. It is named, never fetched."""
        return _DOCTYPE_1_0 if self is Version.V1_0 else f"http://dtd.wctp.org/{self.value}.dtd"


_DOCTYPE_1_0 = "http://wctp.arch.com/DTD/wctpv1-0.dtd"

Priority = Literal["HIGH", "NORMAL", "LOW"]
NotificationType = Literal["QUEUED", "DELIVERED", "READ"]
Encoding = Literal["base64", "standard"]


@dataclass(frozen=True, slots=True)
class Originator:
    """wctp-Originator: who sends. `misc_info` is free text."""

    sender_id: str
    security_code: Secret | None = None
    misc_info: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """wctp-Recipient: who receives; of a device, its PIN."""

    recipient_id: str
    authorization_code: Secret | None = None


@dataclass(frozen=True, slots=True)
class MessageControl:
    """wctp-MessageControl. The defaults are those of the DTD, `allow_truncation` among them."""

    message_id: str
    transaction_id: str = ""
    send_responses_to: str = ""
    allow_response: bool = True
    notify_when_queued: bool = False
    notify_when_delivered: bool = False
    notify_when_read: bool = False
    priority: Priority = "NORMAL"
    deliver_after: datetime | None = None
    deliver_before: datetime | None = None
    preformatted: bool = False
    allow_truncation: bool = True


@dataclass(frozen=True, slots=True)
class Alphanumeric:
    """Text, exactly as it stands between the tags."""

    text: str


@dataclass(frozen=True, slots=True)
class TransparentData:
    """Octets. `standard` encoding carries what XML can carry as text; its octets are that text in UTF-8."""

    octets: bytes
    kind: Literal["OPAQUE", "FLEXsuite"] = "OPAQUE"
    encoding: Encoding = "base64"


@dataclass(frozen=True, slots=True)
class Choice:
    """wctp-Choice; with `reply`, wctp-ChoicePair (1.2 and later): shown as `text`, answered as `reply`."""

    text: str
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """wctp-MCR: a text and the answers that the device offers, at least one."""

    text: str
    choices: tuple[Choice, ...]


Payload = Alphanumeric | TransparentData | MultipleChoice


@dataclass(frozen=True, slots=True)
class Success:
    """wctp-Success. 200 is accepted, 210 accepted in a version that will not be for much longer."""

    code: int
    text: str = ""
    detail: str = ""  # between the tags


@dataclass(frozen=True, slots=True)
class Failure:
    """wctp-Failure; `drivers.pager.wctp_codes` says what to do about its code."""

    code: int
    text: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """wctp-SubmitRequest: a message for a device, or (within a poll) from one that was not asked."""

    originator: Originator
    control: MessageControl
    recipient: Recipient
    payload: Payload
    submitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResponseHeader:
    """wctp-ResponseHeader; `originator` is the device. A time that cannot be read is None: the reply still counts."""

    originator: Originator
    control: MessageControl
    recipient: Recipient
    response_to: str  # the messageID of the request
    responded_at: datetime | None = None
    responding_to_at: datetime | None = None
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True)
class MessageReply:
    """wctp-MessageReply: what the device answered."""

    header: ResponseHeader
    payload: Payload
    multiple_choice: bool = False


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """wctp-StatusInfo: how delivery goes, or how it failed."""

    header: ResponseHeader
    status: NotificationType | Failure


@dataclass(frozen=True, slots=True)
class Confirmation:
    """wctp-Confirmation: the answer to a submission, and to everything that is pushed to us."""

    result: Success | Failure


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """wctp-MessageReceived: acknowledges one message of the poll before."""

    sequence_no: str
    result: Success | Failure


@dataclass(frozen=True, slots=True)
class PollForMessages:
    """wctp-PollForMessages: ask for what has come in, and acknowledge what came before."""

    poller_id: str
    security_code: Secret | None = None
    most_messages: int | None = None
    received: tuple[MessageReceived, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message of a poll that breaks the rules: `xml` as it came, and why. It does not hold up the others."""

    xml: str
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """wctp-Message: one of a poll. A message that was not acknowledged comes again."""

    sequence_no: str
    content: SubmitRequest | MessageReply | StatusInfo | Unusable


@dataclass(frozen=True, slots=True)
class PollResponse:
    """wctp-PollResponse: messages, none (an empty tuple: wctp-NoMessages), or a failure."""

    result: tuple[Message, ...] | Failure
    next_poll_s: int | None = None  # minNextPollInterval


@dataclass(frozen=True, slots=True)
class VersionQuery:
    """wctp-VersionQuery (1.1 and later): which versions does the other side speak?"""

    inquirer: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DtdSupport:
    """wctp-DTDSupport: how far one version is spoken."""

    dtd_name: str
    support: Literal["Supported", "Deprecated", "NotSupported"] = "Supported"
    until: datetime | None = None
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class VersionResponse:
    """wctp-VersionResponse."""

    responder: str
    result: tuple[DtdSupport, ...] | Failure
    inquirer: str = ""


Operation = (
    SubmitRequest
    | Confirmation
    | MessageReply
    | StatusInfo
    | PollForMessages
    | PollResponse
    | VersionQuery
    | VersionResponse
)


@dataclass(frozen=True, slots=True)
class Document:
    """A wctp-Operation whole: one operation in one version. `version` as the other side wrote it, known or not."""

    operation: Operation
    version: str = Version.V1_3.value
