"""From operations to the XML of WCTP: elements in the order of the DTD, defaults left out, everything escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from drivers.errors import LocalProtocolError
from drivers.pager.wctp_times import stamp
from drivers.pager.wctp_values import (
    Alphanumeric,
    Choice,
    Confirmation,
    Document,
    Failure,
    Message,
    MessageControl,
    MessageReply,
    MultipleChoice,
    Operation,
    Originator,
    Payload,
    PollForMessages,
    PollResponse,
    Recipient,
    ResponseHeader,
    StatusInfo,
    SubmitRequest,
    Success,
    TransparentData,
    Unusable,
    Version,
    VersionQuery,
    VersionResponse,
)
from drivers.secret import Secret

# What XML 1.0 has no way to say (§2.2 Char).
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FLEX_SUITE = frozenset({Version.V1_0, Version.V1_2})  # their DTDs spell it so, that of 1.1 FLEXsuite, 1.3 has both
_LATER = frozenset({Version.V1_2, Version.V1_3})


def encode(operation: Operation, version: Version = Version.V1_3) -> bytes:
    """Return the body of a request or an answer, UTF-8. Raises `LocalProtocolError` for what WCTP cannot say."""
    inner = _Writer(version).operation(operation)
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE wctp-Operation SYSTEM "{version.doctype}">\n'
    return (head + _tag("wctp-Operation", {"wctpVersion": version.value}, inner)).encode()


def encode_document(document: Document) -> bytes:
    """Like `encode`, in the version that the document names. Raises `LocalProtocolError` for one that is not known."""
    try:
        version = Version(document.version)
    except ValueError as error:
        raise LocalProtocolError(f"there is no WCTP version {document.version!r}") from error
    return encode(document.operation, version)


class _Writer:
    """Writes elements as one version has them."""

    def __init__(self, version: Version) -> None:
        self._version = version

    def operation(self, one: Operation) -> str:
        match one:
            case SubmitRequest():
                return self._submit(one)
            case MessageReply():
                return self._reply(one)
            case PollResponse():
                return self._poll_response(one)
            case VersionQuery() | VersionResponse():
                return self._versions(one)
            case _:
                return _versionless(one)

    def _submit(self, one: SubmitRequest) -> str:
        header = _originator(one.originator) + _control(one.control) + _recipient(one.recipient)
        submitted = {"submitTimestamp": _time(one.submitted_at)}
        return _tag("wctp-SubmitRequest", {}, _tag("wctp-SubmitHeader", submitted, header) + self._payload(one.payload))

    def _reply(self, one: MessageReply) -> str:
        if one.multiple_choice and self._version not in _LATER:
            raise LocalProtocolError(f"{self._version.value} does not mark replies to multiple-choice messages")
        attributes = {"MCRMessageReply": "true" if one.multiple_choice else None}
        return _tag("wctp-MessageReply", attributes, _response_header(one.header) + self._payload(one.payload))

    def _poll_response(self, one: PollResponse) -> str:
        attributes = {"minNextPollInterval": _number(one.next_poll_s)}
        if isinstance(one.result, Failure):
            inner = _result(one.result)
        else:
            inner = "".join(map(self._message, one.result)) or _tag("wctp-NoMessages", {})
        return _tag("wctp-PollResponse", attributes, inner)

    def _message(self, one: Message) -> str:
        if isinstance(one.content, Unusable):
            raise LocalProtocolError("a message that could not be used is not sent on")
        return _tag("wctp-Message", {"sequenceNo": one.sequence_no}, self.operation(one.content))

    def _payload(self, payload: Payload) -> str:
        match payload:
            case Alphanumeric(text):
                inner = _tag("wctp-Alphanumeric", {}, _text(text))
            case TransparentData():
                inner = self._transparent(payload)
            case _:
                inner = self._multiple_choice(payload)
        return _tag("wctp-Payload", {}, inner)

    def _multiple_choice(self, payload: MultipleChoice) -> str:
        if not payload.choices:
            raise LocalProtocolError("a multiple-choice message needs a choice")
        choices = "".join(map(self._choice, payload.choices))
        return _tag("wctp-MCR", {}, _tag("wctp-MessageText", {}, _text(payload.text)) + choices)

    def _transparent(self, payload: TransparentData) -> str:
        if payload.encoding == "base64":
            text = base64.b64encode(payload.octets).decode("ascii")
        else:
            try:
                text = payload.octets.decode()
            except UnicodeDecodeError as error:
                raise LocalProtocolError("these octets are no text: they need base64") from error
        kind = "FLEXSuite" if payload.kind == "FLEXsuite" and self._version in _FLEX_SUITE else payload.kind
        return _tag("wctp-TransparentData", {"type": kind, "encoding": payload.encoding}, _text(text))

    def _choice(self, choice: Choice) -> str:
        if choice.reply is None:
            return _tag("wctp-Choice", {}, _text(choice.text))
        if self._version not in _LATER:
            raise LocalProtocolError(f"{self._version.value} has no wctp-ChoicePair")
        pair = _tag("wctp-SendChoice", {}, _text(choice.text)) + _tag("wctp-ReplyChoice", {}, _text(choice.reply))
        return _tag("wctp-ChoicePair", {}, pair)

    def _versions(self, one: VersionQuery | VersionResponse) -> str:
        if self._version is Version.V1_0:
            raise LocalProtocolError("WCTP 1.0 has no version query")
        if isinstance(one, VersionQuery):
            return _tag("wctp-VersionQuery", {"inquirer": one.inquirer, "dateTime": _time(one.at)})
        if isinstance(one.result, Failure):
            inner = _result(one.result)
        else:
            inner = "".join(
                _tag(
                    "wctp-DTDSupport",
                    {
                        "dtdName": dtd.dtd_name,
                        "supportType": dtd.support,
                        "supportUntil": _time(dtd.until),
                        "replacement": dtd.replacement or None,
                    },
                )
                for dtd in one.result
            )
        return _tag("wctp-VersionResponse", {"responder": one.responder, "inquirer": one.inquirer or None}, inner)


def _versionless(one: Confirmation | StatusInfo | PollForMessages) -> str:
    """Write what all versions write alike."""
    match one:
        case Confirmation(result):
            return _tag("wctp-Confirmation", {}, _result(result))
        case StatusInfo():
            return _status(one)
        case PollForMessages():
            return _poll(one)


def _response_header(header: ResponseHeader) -> str:
    attributes = {
        "responseToMessageID": header.response_to,
        "responseTimestamp": _time(header.responded_at),
        "respondingToTimestamp": _time(header.responding_to_at),
        "onBehalfOfRecipientID": header.on_behalf_of or None,
    }
    inner = _originator(header.originator) + _control(header.control) + _recipient(header.recipient)
    return _tag("wctp-ResponseHeader", attributes, inner)


def _status(one: StatusInfo) -> str:
    inner = _result(one.status) if isinstance(one.status, Failure) else _tag("wctp-Notification", {"type": one.status})
    return _tag("wctp-StatusInfo", {}, _response_header(one.header) + inner)


def _poll(one: PollForMessages) -> str:
    attributes = {
        "pollerID": one.poller_id,
        "securityCode": _revealed(one.security_code),
        "maxMessagesInBatch": _number(one.most_messages),
    }
    received = (_tag("wctp-MessageReceived", {"sequenceNo": r.sequence_no}, _result(r.result)) for r in one.received)
    return _tag("wctp-PollForMessages", attributes, "".join(received))


def _result(result: Success | Failure) -> str:
    name, kind = ("wctp-Success", "success") if isinstance(result, Success) else ("wctp-Failure", "error")
    return _tag(name, {f"{kind}Code": str(result.code), f"{kind}Text": result.text or None}, _text(result.detail))


def _originator(one: Originator) -> str:
    attributes = {
        "senderID": one.sender_id,
        "securityCode": _revealed(one.security_code),
        "miscInfo": one.misc_info or None,
    }
    return _tag("wctp-Originator", attributes)


def _recipient(one: Recipient) -> str:
    attributes = {"recipientID": one.recipient_id, "authorizationCode": _revealed(one.authorization_code)}
    return _tag("wctp-Recipient", attributes)


def _control(one: MessageControl) -> str:
    attributes = {
        "messageID": one.message_id,
        "transactionID": one.transaction_id or None,
        "sendResponsesToID": one.send_responses_to or None,
        "allowResponse": _said(one.allow_response, unless=True),
        "notifyWhenQueued": _said(one.notify_when_queued, unless=False),
        "notifyWhenDelivered": _said(one.notify_when_delivered, unless=False),
        "notifyWhenRead": _said(one.notify_when_read, unless=False),
        "deliveryPriority": None if one.priority == "NORMAL" else one.priority,
        "deliveryAfter": _time(one.deliver_after),
        "deliveryBefore": _time(one.deliver_before),
        "preformatted": _said(one.preformatted, unless=False),
        "allowTruncation": _said(one.allow_truncation, unless=True),
    }
    return _tag("wctp-MessageControl", attributes)


def _said(value: bool, *, unless: bool) -> str | None:
    return None if value is unless else str(value).lower()


def _time(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal().decode("utf-8", "replace")


def _text(text: str) -> str:
    _speakable(text)
    return escape(text, {"\r": "&#13;"})  # a bare one comes out as a line feed (XML 1.0 §2.11)


def _speakable(text: str) -> None:
    if found := _UNSPEAKABLE.search(text):
        raise LocalProtocolError(f"the character U+{ord(found[0]):04X} cannot be written in XML")


def _tag(name: str, attributes: Mapping[str, str | None], inner: str = "") -> str:
    written = "".join(_attributes(attributes))
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _attributes(attributes: Mapping[str, str | None]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is not None:
            _speakable(value)
            yield f" {name}={quoteattr(value)}"
