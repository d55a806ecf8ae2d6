"""From the XML of WCTP to operations. Liberal where nothing is lost by it, strict where a meaning could be mistaken.

What is needed must be there and make sense; elements and attributes beyond that are passed over. Every reason names the
element, never its security code.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from drivers.errors import DataError
from drivers.pager.wctp_times import moment
from drivers.pager.wctp_values import (
    Alphanumeric,
    Choice,
    Confirmation,
    Document,
    DtdSupport,
    Encoding,
    Failure,
    Message,
    MessageControl,
    MessageReceived,
    MessageReply,
    MultipleChoice,
    NotificationType,
    Operation,
    Originator,
    Payload,
    PollForMessages,
    PollResponse,
    Priority,
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
from drivers.pager.wctp_xml import MAX_OCTETS, Element, parse_xml
from drivers.secret import Secret

MAX_ID = 512  # characters of an identifier: a messageID or a PIN takes a few dozen
LONGEST_POLL_INTERVAL_S = 86_400
_CODE = re.compile(r"\s*([0-9]{1,5})\s*", re.ASCII)
_NOTIFICATIONS: dict[str, NotificationType] = {"QUEUED": "QUEUED", "DELIVERED": "DELIVERED", "READ": "READ"}
_PRIORITIES: dict[str, Priority] = {"HIGH": "HIGH", "NORMAL": "NORMAL", "LOW": "LOW"}
_SUPPORT: dict[str, Literal["Supported", "Deprecated", "NotSupported"]] = {
    "Supported": "Supported",
    "Deprecated": "Deprecated",
    "NotSupported": "NotSupported",
}


def decode(octets: bytes, *, most: int = MAX_OCTETS) -> Document:
    """Return the operation in a body. Raises `DataError` that says what is wrong with it."""
    root = parse_xml(octets, most=most)
    if root.name != "wctp-Operation":
        raise DataError(f"not WCTP: the root element is {root.name[:60]!r}", advice="does the URL lead to a gateway?")
    version = root.attributes.get("wctpVersion", "")
    if not root.children:
        raise DataError("the wctp-Operation is empty")
    child = root.children[0]
    read = _OPERATIONS.get(child.name)
    if read is None:
        raise DataError(f"the operation {child.name[:60]!r} is not one that is used here")
    return Document(read(child, version.startswith(Version.V1_0.value)), version)


def _submit(element: Element, is_1_0: bool) -> SubmitRequest:
    header = _child(element, "wctp-SubmitHeader")
    return SubmitRequest(
        originator=_originator(_child(header, "wctp-Originator")),
        control=_control(_child(header, "wctp-MessageControl")),
        recipient=_recipient(_child(header, "wctp-Recipient")),
        payload=_payload(_child(element, "wctp-Payload"), is_1_0),
        submitted_at=_time(header, "submitTimestamp"),
    )


def _confirmation(element: Element, _is_1_0: bool) -> Confirmation:
    return Confirmation(_result(element))


def _reply(element: Element, is_1_0: bool) -> MessageReply:
    return MessageReply(
        header=_response_header(_child(element, "wctp-ResponseHeader")),
        payload=_payload(_child(element, "wctp-Payload"), is_1_0),
        multiple_choice=_flag(element, "MCRMessageReply", default=False),
    )


def _status(element: Element, _is_1_0: bool) -> StatusInfo:
    header = _response_header(_child(element, "wctp-ResponseHeader"))
    failure = element.first("wctp-Failure")
    if failure is not None:
        return StatusInfo(header, _failure(failure))
    notification = _child(element, "wctp-Notification")
    return StatusInfo(header, _NOTIFICATIONS[_one_of(notification, "type", tuple(_NOTIFICATIONS), None)])


def _poll(element: Element, _is_1_0: bool) -> PollForMessages:
    return PollForMessages(
        poller_id=_id(element, "pollerID"),
        security_code=_secret(element, "securityCode"),
        most_messages=_count(element, "maxMessagesInBatch", most=100_000),
        received=tuple(
            MessageReceived(_id(child, "sequenceNo"), _result(child))
            for child in element.children
            if child.name == "wctp-MessageReceived"
        ),
    )


def _poll_response(element: Element, is_1_0: bool) -> PollResponse:
    interval = _count(element, "minNextPollInterval", most=LONGEST_POLL_INTERVAL_S)
    failure = element.first("wctp-Failure")
    if failure is not None:
        return PollResponse(_failure(failure), interval)
    messages = tuple(_message(child, is_1_0) for child in element.children if child.name == "wctp-Message")
    if not messages and element.first("wctp-NoMessages") is None:
        raise DataError("a wctp-PollResponse has messages, wctp-NoMessages or a wctp-Failure; this one has nothing")
    return PollResponse(messages, interval)


def _message(element: Element, is_1_0: bool) -> Message:
    """Return one message of a poll. One that breaks the rules does not hold up the others, nor come for ever."""
    sequence_no = _id(element, "sequenceNo")
    child = element.children[0] if element.children else None
    try:
        match child.name if child else "":
            case "wctp-MessageReply":
                return Message(sequence_no, _reply(element.children[0], is_1_0))
            case "wctp-StatusInfo":
                return Message(sequence_no, _status(element.children[0], is_1_0))
            case "wctp-SubmitRequest":
                return Message(sequence_no, _submit(element.children[0], is_1_0))
            case other:
                return Message(sequence_no, Unusable(element.write(), f"{other[:60]!r} is not used here"))
    except DataError as error:
        return Message(sequence_no, Unusable(element.write(), error.message))


def _version_query(element: Element, _is_1_0: bool) -> VersionQuery:
    return VersionQuery(_id(element, "inquirer"), _time(element, "dateTime"))


def _version_response(element: Element, _is_1_0: bool) -> VersionResponse:
    failure = element.first("wctp-Failure")
    responder, inquirer = _id(element, "responder"), element.attributes.get("inquirer", "")
    if failure is not None:
        return VersionResponse(responder, _failure(failure), inquirer)
    supported = tuple(
        DtdSupport(
            dtd_name=_id(child, "dtdName"),
            support=_SUPPORT[_one_of(child, "supportType", tuple(_SUPPORT), "Supported")],
            until=_time(child, "supportUntil"),
            replacement=child.attributes.get("replacement", ""),
        )
        for child in element.children
        if child.name == "wctp-DTDSupport"
    )
    if not supported:
        raise DataError("a wctp-VersionResponse without wctp-DTDSupport or wctp-Failure")
    return VersionResponse(responder, supported, inquirer)


_OPERATIONS: dict[str, Callable[[Element, bool], Operation]] = {
    "wctp-SubmitRequest": _submit,
    "wctp-Confirmation": _confirmation,
    "wctp-MessageReply": _reply,
    "wctp-StatusInfo": _status,
    "wctp-PollForMessages": _poll,
    "wctp-PollResponse": _poll_response,
    "wctp-VersionQuery": _version_query,
    "wctp-VersionResponse": _version_response,
}


def _response_header(element: Element) -> ResponseHeader:
    return ResponseHeader(
        originator=_originator(_child(element, "wctp-Originator")),
        control=_control(_child(element, "wctp-MessageControl")),
        recipient=_recipient(_child(element, "wctp-Recipient")),
        response_to=_id(element, "responseToMessageID"),
        responded_at=_time(element, "responseTimestamp"),
        responding_to_at=_time(element, "respondingToTimestamp"),
        on_behalf_of=element.attributes.get("onBehalfOfRecipientID", ""),
    )


def _originator(element: Element) -> Originator:
    return Originator(
        _id(element, "senderID"), _secret(element, "securityCode"), element.attributes.get("miscInfo", "")
    )


def _recipient(element: Element) -> Recipient:
    return Recipient(_id(element, "recipientID"), _secret(element, "authorizationCode"))


def _control(element: Element) -> MessageControl:
    return MessageControl(
        message_id=_id(element, "messageID"),
        transaction_id=element.attributes.get("transactionID", ""),
        send_responses_to=element.attributes.get("sendResponsesToID", ""),
        allow_response=_flag(element, "allowResponse", default=True),
        notify_when_queued=_flag(element, "notifyWhenQueued", default=False),
        notify_when_delivered=_flag(element, "notifyWhenDelivered", default=False),
        notify_when_read=_flag(element, "notifyWhenRead", default=False),
        priority=_PRIORITIES[_one_of(element, "deliveryPriority", tuple(_PRIORITIES), "NORMAL")],
        deliver_after=_time(element, "deliveryAfter"),
        deliver_before=_time(element, "deliveryBefore"),
        preformatted=_flag(element, "preformatted", default=False),
        allow_truncation=_flag(element, "allowTruncation", default=True),
    )


def _payload(element: Element, is_1_0: bool) -> Payload:
    if (text := element.first("wctp-Alphanumeric")) is not None:
        return Alphanumeric(text.text)
    if (data := element.first("wctp-TransparentData")) is not None:
        return _transparent(data, is_1_0)
    mcr = _child(element, "wctp-MCR")
    choices = tuple(_choice(child) for child in mcr.children if child.name in ("wctp-Choice", "wctp-ChoicePair"))
    if not choices:
        raise DataError("a wctp-MCR without a choice")
    return MultipleChoice(_child(mcr, "wctp-MessageText").text, choices)


def _choice(element: Element) -> Choice:
    if element.name == "wctp-Choice":
        return Choice(element.text)
    reply = element.first("wctp-ReplyChoice")
    text = _child(element, "wctp-SendChoice").text
    return Choice(text, text if reply is None else reply.text)


def _transparent(element: Element, is_1_0: bool) -> TransparentData:
    kind = _one_of(element, "type", ("OPAQUE", "FLEXsuite", "FLEXSuite"), "OPAQUE")
    # The default of the encoding differs: `standard` in the DTD of 1.0, `base64` in the later ones.
    encoding = _one_of(element, "encoding", ("base64", "standard"), "standard" if is_1_0 else "base64")
    chosen: Encoding = "base64" if encoding == "base64" else "standard"
    if chosen == "standard":
        octets = element.text.encode()
    else:
        try:
            octets = base64.b64decode("".join(element.text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise DataError("the wctp-TransparentData is not base64") from error
    return TransparentData(octets, "OPAQUE" if kind == "OPAQUE" else "FLEXsuite", chosen)


def _result(element: Element) -> Success | Failure:
    failure = element.first("wctp-Failure")
    if failure is not None:
        return _failure(failure)
    success = _child(element, "wctp-Success")
    return Success(_code(success, "successCode"), success.attributes.get("successText", ""), success.text)


def _failure(element: Element) -> Failure:
    return Failure(_code(element, "errorCode"), element.attributes.get("errorText", ""), element.text)


def _child(element: Element, name: str) -> Element:
    child = element.first(name)
    if child is None:
        raise DataError(f"a {element.name} without {name}")
    return child


def _id(element: Element, name: str) -> str:
    value = element.attributes.get(name, "").strip()
    if not value or len(value) > MAX_ID:
        raise DataError(f"a {element.name} {f'whose {name} is too long' if value else f'without {name}'}")
    return value


def _secret(element: Element, name: str) -> Secret | None:
    value = element.attributes.get(name)
    return None if value is None else Secret(value.encode())


def _code(element: Element, name: str) -> int:
    found = _CODE.fullmatch(element.attributes.get(name, ""))
    if found is None:
        raise DataError(f"a {element.name} whose {name} is not a number")
    return int(found[1])


def _count(element: Element, name: str, *, most: int) -> int | None:
    """Return a whole number, at most `most`; None if there is none that makes sense (an advice, not a fact)."""
    found = _CODE.fullmatch(element.attributes.get(name, ""))
    return None if found is None else min(int(found[1]), most)


def _flag(element: Element, name: str, *, default: bool) -> bool:
    return _one_of(element, name, ("true", "false"), str(default).lower()) == "true"


def _one_of(element: Element, name: str, allowed: tuple[str, ...], default: str | None) -> str:
    value = element.attributes.get(name, default)
    if value is None:
        raise DataError(f"a {element.name} without {name}")
    if value not in allowed:
        raise DataError(f"a {element.name} whose {name} is {value[:40]!r}, not one of {', '.join(allowed)}")
    return value


def _time(element: Element, name: str) -> datetime | None:
    return moment(element.attributes.get(name, ""))
