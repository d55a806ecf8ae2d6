"""What the DTDs of WCTP 1.0 to 1.3 allow, declared anew: children in order, attributes, values. Nothing is overlooked.

A content model is a regular expression over child elements, each written as its name (without `wctp-`) and a space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from drivers.pager.wctp_values import Version
from drivers.pager.wctp_xml import Element

PCDATA = "#"  # text and no elements
EMPTY = ""
BOOLEAN = "true|false"
ANY = ".*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One element: what it holds, what it must and may say of itself (attribute: pattern of its value)."""

    content: str
    required: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)


_SUBMIT_CONTROL = Rule(
    EMPTY,
    {"messageID": ANY},
    {
        "transactionID": ANY,
        "sendResponsesToID": ANY,
        **dict.fromkeys(("allowResponse", "notifyWhenQueued", "notifyWhenDelivered", "notifyWhenRead"), BOOLEAN),
        "deliveryPriority": "HIGH|NORMAL|LOW",
        "deliveryAfter": ANY,
        "deliveryBefore": ANY,
        "preformatted": BOOLEAN,
        "allowTruncation": BOOLEAN,
    },
)
_RESULT = "(Failure|Success) "

#: Of 1.3; `rules_of` takes away and changes what the earlier versions have differently.
RULES: dict[str, Rule] = {
    "Operation": Rule(
        "(Confirmation|MessageReply|PollForMessages|PollResponse|StatusInfo|SubmitRequest|VersionQuery"
        "|VersionResponse) ",
        {"wctpVersion": ANY},
        {"wctpToken": ANY},
    ),
    "Confirmation": Rule(_RESULT),
    "Success": Rule(PCDATA, {"successCode": ANY}, {"successText": ANY}),
    "Failure": Rule(PCDATA, {"errorCode": ANY}, {"errorText": ANY}),
    "MessageReply": Rule("ResponseHeader Payload ", {}, {"MCRMessageReply": BOOLEAN}),
    "ResponseHeader": Rule(
        "Originator MessageControl Recipient ",
        {"responseToMessageID": ANY},
        dict.fromkeys(("responseTimestamp", "respondingToTimestamp", "onBehalfOfRecipientID"), ANY),
    ),
    "PollForMessages": Rule("(MessageReceived )*", {"pollerID": ANY}, {"securityCode": ANY, "maxMessagesInBatch": ANY}),
    "MessageReceived": Rule(_RESULT, {"sequenceNo": ANY}),
    "PollResponse": Rule("((Message )+|Failure |NoMessages )", {}, {"minNextPollInterval": ANY}),
    "Message": Rule("(SubmitRequest|MessageReply|StatusInfo) ", {"sequenceNo": ANY}),
    "NoMessages": Rule(EMPTY),
    "StatusInfo": Rule("ResponseHeader (Failure|Notification) "),
    "Notification": Rule(EMPTY, {"type": "QUEUED|DELIVERED|READ"}),
    "SubmitRequest": Rule("SubmitHeader Payload "),
    "SubmitHeader": Rule("Originator MessageControl Recipient ", {}, {"submitTimestamp": ANY}),
    "Originator": Rule(EMPTY, {"senderID": ANY}, {"securityCode": ANY, "miscInfo": ANY}),
    "MessageControl": _SUBMIT_CONTROL,
    "Recipient": Rule(EMPTY, {"recipientID": ANY}, {"authorizationCode": ANY}),
    "Payload": Rule("(MCR|Alphanumeric|TransparentData) "),
    "MCR": Rule("MessageText ((Choice|ChoicePair) )+"),
    "MessageText": Rule(PCDATA),
    "Choice": Rule(PCDATA),
    "ChoicePair": Rule("SendChoice (ReplyChoice )?"),
    "SendChoice": Rule(PCDATA),
    "ReplyChoice": Rule(PCDATA),
    "Alphanumeric": Rule(PCDATA),
    "TransparentData": Rule(PCDATA, {}, {"type": "OPAQUE|FLEXSuite|FLEXsuite", "encoding": "standard|base64"}),
    "VersionQuery": Rule(EMPTY, {"inquirer": ANY}, {"dateTime": ANY}),
    "VersionResponse": Rule(
        "(ContactInfo )?(Failure |(DTDSupport )+)",
        {"responder": ANY},
        dict.fromkeys(("dateTimeOfRsp", "inquirer", "dateTimeOfReq", "invalidAfter"), ANY),
    ),
    "ContactInfo": Rule(EMPTY, {}, dict.fromkeys(("email", "phone", "www", "info"), ANY)),
    "DTDSupport": Rule(
        EMPTY,
        {"dtdName": ANY},
        {
            "verToken": ANY,
            "supportType": "Supported|Deprecated|NotSupported",
            "exceptions": "yes|no",
            "supportUntil": ANY,
            "replacement": ANY,
        },
    ),
}
_LISTS = {"listDTDs": "yes|no", "listConfiguration": "yes|no"}  # of a version query, in 1.1 only
_FLEX = {
    Version.V1_0: "FLEXSuite",
    Version.V1_1: "FLEXsuite",
    Version.V1_2: "FLEXSuite",
    Version.V1_3: "FLEXSuite|FLEXsuite",
}


def rules_of(version: Version) -> dict[str, Rule]:
    """Return the rules of one version, by element without its `wctp-`."""
    rules = dict(RULES)
    rules["TransparentData"] = Rule(PCDATA, {}, {"type": f"OPAQUE|{_FLEX[version]}", "encoding": "standard|base64"})
    if version in (Version.V1_0, Version.V1_1):
        del rules["ChoicePair"]
        rules["MCR"] = Rule("MessageText (Choice )+")
        rules["MessageReply"] = Rule(rules["MessageReply"].content)
    if version is Version.V1_1:
        query, response = rules["VersionQuery"], rules["VersionResponse"]
        rules["VersionQuery"] = Rule(query.content, query.required, {**query.optional, **_LISTS})
        rules["VersionResponse"] = Rule(response.content, response.required, {**response.optional, **_LISTS})
    if version is Version.V1_0:
        operations = "(Confirmation|MessageReply|PollForMessages|PollResponse|StatusInfo|SubmitRequest) "
        rules["Operation"] = Rule(operations, {"wctpVersion": ANY})
        rules["PollResponse"] = Rule("((Message )+|NoMessages )", {}, {"minNextPollInterval": ANY})
        del rules["VersionQuery"], rules["VersionResponse"]
    return rules


def violations(root: Element, version: Version) -> list[str]:
    """Return every way in which a document breaks the rules; an empty list for one that is valid."""
    found: list[str] = [] if root.name == "wctp-Operation" else [f"the root element is {root.name}"]
    _check(root, rules_of(version), found)
    return found


def _check(element: Element, rules: dict[str, Rule], found: list[str]) -> None:
    name = element.name.removeprefix("wctp-")
    rule = rules.get(name) if element.name.startswith("wctp-") else None
    if rule is None:
        found.append(f"{element.name} is no element of this version")
        return
    _check_attributes(element, rule, found)
    content = "".join(f"{child.name.removeprefix('wctp-')} " for child in element.children)
    if not re.fullmatch("" if rule.content == PCDATA else rule.content, content):
        found.append(f"{element.name} holds {content.strip() or 'nothing'!r}, where {rule.content.strip()!r} is due")
    if rule.content != PCDATA and element.text.strip():
        found.append(f"{element.name} holds text")
    for child in element.children:
        _check(child, rules, found)


def _check_attributes(element: Element, rule: Rule, found: list[str]) -> None:
    known = {**rule.required, **rule.optional}
    found += [f"{element.name} lacks {name}" for name in rule.required if name not in element.attributes]
    for name, value in element.attributes.items():
        if name not in known:
            found.append(f"{element.name} has no attribute {name}")
        elif not re.fullmatch(known[name], value, re.DOTALL):
            found.append(f"{element.name}: {name} is {value!r}, not {known[name]}")
