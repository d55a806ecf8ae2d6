"""WCTP's XML: what is written is valid and is read back the same; what comes from outside cannot do harm."""

from __future__ import annotations

import contextlib
import string
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DataError, LocalProtocolError
from drivers.pager.wctp_codes import Action, action_of, advice_of, meaning_of
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode, encode_document
from drivers.pager.wctp_times import moment, stamp
from drivers.pager.wctp_values import (
    Alphanumeric,
    Choice,
    Confirmation,
    Document,
    DtdSupport,
    Failure,
    Message,
    MessageControl,
    MessageReceived,
    MessageReply,
    MultipleChoice,
    Operation,
    Originator,
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
from drivers.pager.wctp_xml import MAX_DEPTH, MAX_ELEMENTS, MAX_OCTETS, parse_xml
from drivers.secret import Secret
from metersim.pager.rules import violations

IDS = st.text(string.ascii_letters + string.digits + "@._-<>&\"'é√", min_size=1, max_size=40)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=200).map(
    lambda text: f"{text}\r\n\t<&>]]>"
)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
SECRETS = st.none() | st.text(string.printable.strip(), min_size=1, max_size=20).map(lambda t: Secret(t.encode()))
ORIGINATORS = st.builds(Originator, IDS, SECRETS, IDS | st.just(""))
RECIPIENTS = st.builds(Recipient, IDS, SECRETS)
CONTROLS = st.builds(
    MessageControl,
    IDS,
    IDS | st.just(""),
    IDS | st.just(""),
    *[st.booleans()] * 4,
    st.sampled_from(("HIGH", "NORMAL", "LOW")),
    st.none() | TIMES,
    st.none() | TIMES,
    st.booleans(),
    st.booleans(),
)
CHOICES = st.builds(Choice, TEXTS)
PAYLOADS = (
    st.builds(Alphanumeric, TEXTS)
    | st.builds(TransparentData, st.binary(max_size=100), st.sampled_from(("OPAQUE", "FLEXsuite")))
    | st.builds(lambda t: TransparentData(t.replace("\r", "").encode(), "OPAQUE", "standard"), TEXTS)
    | st.builds(MultipleChoice, TEXTS, st.lists(CHOICES, min_size=1, max_size=4).map(tuple))
)
CODES = st.integers(0, 99_999)
SUCCESSES = st.builds(Success, CODES, IDS | st.just(""), TEXTS | st.just(""))
FAILURES = st.builds(Failure, CODES, IDS | st.just(""), TEXTS | st.just(""))
HEADERS = st.builds(
    ResponseHeader, ORIGINATORS, CONTROLS, RECIPIENTS, IDS, st.none() | TIMES, st.none() | TIMES, IDS | st.just("")
)
REPLIES = st.builds(MessageReply, HEADERS, PAYLOADS)
STATUSES = st.builds(StatusInfo, HEADERS, st.sampled_from(("QUEUED", "DELIVERED", "READ")) | FAILURES)
SUBMITS = st.builds(SubmitRequest, ORIGINATORS, CONTROLS, RECIPIENTS, PAYLOADS, st.none() | TIMES)
MESSAGES = st.lists(st.builds(Message, IDS, REPLIES | STATUSES | SUBMITS), max_size=3).map(tuple)
IN_ALL_VERSIONS = (
    SUBMITS
    | st.builds(Confirmation, SUCCESSES | FAILURES)
    | REPLIES
    | STATUSES
    | st.builds(
        PollForMessages,
        IDS,
        SECRETS,
        st.none() | st.integers(0, 99_999),
        st.lists(st.builds(MessageReceived, IDS, SUCCESSES | FAILURES), max_size=3).map(tuple),
    )
    | st.builds(PollResponse, MESSAGES, st.none() | st.integers(0, 86_400))
)
LATER = (
    st.builds(PollResponse, FAILURES)
    | st.builds(VersionQuery, IDS, st.none() | TIMES)
    | st.builds(
        VersionResponse,
        IDS,
        st.lists(
            st.builds(
                DtdSupport,
                IDS,
                st.sampled_from(("Supported", "Deprecated", "NotSupported")),
                st.none() | TIMES,
                IDS | st.just(""),
            ),
            min_size=1,
            max_size=3,
        ).map(tuple)
        | FAILURES,
        IDS | st.just(""),
    )
)
HEADER = ResponseHeader(Originator("5551234567"), MessageControl("m2"), Recipient("mrsp"), "m1")


@given(IN_ALL_VERSIONS, st.sampled_from(Version))
def test_what_is_written_is_valid_and_is_read_back(operation: Operation, version: Version) -> None:
    octets = encode(operation, version)
    assert decode(octets) == Document(operation, version.value)
    assert violations(parse_xml(octets), version) == []


@given(LATER, st.sampled_from([Version.V1_1, Version.V1_2, Version.V1_3]))
def test_what_1_0_does_not_have_is_valid_later(operation: Operation, version: Version) -> None:
    octets = encode(operation, version)
    assert decode(octets).operation == operation
    assert violations(parse_xml(octets), version) == []


def test_choice_pairs_are_of_1_2_and_later() -> None:
    message = MessageReply(HEADER, MultipleChoice("Close?", (Choice("Yes", "Y"), Choice("No"))))
    marked = MessageReply(HEADER, Alphanumeric("Y"), multiple_choice=True)
    assert decode(encode(marked, Version.V1_2)).operation == marked
    with pytest.raises(LocalProtocolError, match="does not mark replies"):
        encode(marked, Version.V1_1)
    assert decode(encode(message, Version.V1_2)).operation == message
    with pytest.raises(LocalProtocolError, match="ChoicePair"):
        encode(message, Version.V1_1)
    with pytest.raises(LocalProtocolError, match="needs a choice"):
        encode(MessageReply(HEADER, MultipleChoice("Close?", ())))
    without_reply = encode(message).replace(b"<wctp-ReplyChoice>Y</wctp-ReplyChoice>", b"")
    assert decode(without_reply).operation == MessageReply(
        HEADER, MultipleChoice("Close?", (Choice("Yes", "Yes"), Choice("No")))
    )


def test_a_document_is_written_in_the_version_that_it_names() -> None:
    document = Document(Confirmation(Success(200)), Version.V1_1.value)
    assert decode(encode_document(document)) == document
    with pytest.raises(LocalProtocolError, match="no WCTP version 'wctp-dtd-v9r9'"):
        encode_document(Document(Confirmation(Success(200)), "wctp-dtd-v9r9"))
    with pytest.raises(LocalProtocolError, match="no version query"):
        encode(VersionQuery("x"), Version.V1_0)


@pytest.mark.parametrize("character", ["\0", "\x0b", "\x1b", "\ufffe", "\ud800"])
def test_what_xml_cannot_say_is_not_written(character: str) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be written in XML"):
        encode(MessageReply(HEADER, Alphanumeric(f"a{character}b")))
    with pytest.raises(LocalProtocolError, match="cannot be written in XML"):
        encode(VersionQuery(f"a{character}b"))
    with pytest.raises(LocalProtocolError, match="no text"):
        encode(MessageReply(HEADER, TransparentData(b"\xff", encoding="standard")))


def test_security_codes_show_on_the_wire_and_nowhere_else() -> None:
    poll = PollForMessages("mrsp", Secret(b'a<b"c'))
    assert b"a&lt;b" in encode(poll)
    read = decode(encode(poll)).operation
    assert read == poll
    assert "a<b" not in f"{read!r}"


# What comes from outside.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"])
@pytest.mark.parametrize("declared", [True, False])
def test_encodings(encoding: str, declared: bool) -> None:
    text = encode(MessageReply(HEADER, Alphanumeric("23 °C"))).decode().partition("?>")[2].lstrip()
    if declared:
        text = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
    octets = text.encode(encoding)
    if not declared and encoding in ("iso-8859-1", "windows-1252"):
        with pytest.raises(DataError, match="not XML in utf-8"):
            decode(octets)
        return
    operation = decode(octets).operation
    assert isinstance(operation, MessageReply)
    assert operation.payload == Alphanumeric("23 °C")


def test_a_byte_order_mark_and_leading_white_space_are_passed_over() -> None:
    octets = encode(Confirmation(Success(200)))
    assert decode(b"\xef\xbb\xbf" + octets).operation == Confirmation(Success(200))
    assert decode(b"\r\n  " + octets).operation == Confirmation(Success(200))


OPERATION = '<wctp-Operation wctpVersion="wctp-dtd-v1r3">{}</wctp-Operation>'
CONFIRMED = '<wctp-Confirmation><wctp-Success successCode="200"/></wctp-Confirmation>'


def test_a_doctype_is_tolerated_and_not_fetched() -> None:
    for doctype in (
        '<!DOCTYPE wctp-Operation SYSTEM "http://dtd.wctp.org/wctp-dtd-v1r3.dtd">',
        '<!DOCTYPE wctp-Operation SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE wctp-Operation PUBLIC "-//x//y" "http://127.0.0.1:1/x.dtd">',
        "<!DOCTYPE wctp-Operation>",
    ):
        assert decode((doctype + OPERATION.format(CONFIRMED)).encode()).operation == Confirmation(Success(200))


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY a "b">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:1/x.dtd"> %a;',
        '<!ATTLIST wctp-MessageControl allowTruncation CDATA "false">',
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">',
        " ",
    ],
)
def test_declarations_in_a_doctype_are_refused(subset: str) -> None:
    octets = f"<!DOCTYPE wctp-Operation [{subset}]>{OPERATION.format(CONFIRMED)}".encode()
    with pytest.raises(DataError, match="declarations"):
        decode(octets)


@pytest.mark.parametrize(
    "inner",
    [
        "<wctp-VersionQuery inquirer='55&more;5'/>",
        "<wctp-X>&more;</wctp-X>",
        "<wctp-VersionQuery inquirer='%more;&more;'/>",
    ],
)
@pytest.mark.parametrize("doctype", ["", '<!DOCTYPE wctp-Operation SYSTEM "http://dtd.wctp.org/wctp-dtd-v1r3.dtd">'])
def test_an_undefined_entity_never_shortens_a_value(inner: str, doctype: str) -> None:
    with pytest.raises(DataError, match="undefined entity"):
        decode((doctype + OPERATION.format(inner)).encode())


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "no element found"),
        (b"<html><body>It works!</body></html>", "root element is 'html'"),
        (b"not xml at all", "not XML"),
        (OPERATION.format(CONFIRMED).encode()[:-9], "not XML"),
        (OPERATION.format("").encode(), "empty"),
        (OPERATION.format("<wctp-ReturnToSvc/>").encode(), "not one that is used"),
        (b"<a/>" + b" " * MAX_OCTETS, "more than"),
        (b"<a>" * (MAX_DEPTH + 1), "too many"),
        (b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>", "too many"),
        (b"<a " + b" ".join(b"a%d=''" % k for k in range(100)) + b"/>", "too many"),
        (b"<a>" + b"x" * 300_000 + b"</a>", "characters in one element"),
        (b"<a b='" + b"x" * 300_000 + b"'/>", "characters in one element"),
        (b"<?xml version='1.0' encoding='utf-7'?><a/>", "encoding 'utf-7' is not read"),
        (b"<?xml version='1.0' encoding='rot13'?><a/>", "encoding 'rot13' is not read"),
        (b"<a>\xff</a>", "not XML in utf-8"),
        (b"\xff\xfe<", "not XML in utf-16"),
        (b"<a/><b/>", "not XML"),
        (b"<a>\x00</a>", "not XML"),
    ],
)
def test_what_is_not_wctp_is_refused_with_a_reason(octets: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode(octets)


@given(st.binary(max_size=400))
def test_no_octets_do_harm(octets: bytes) -> None:
    with pytest.raises(DataError):
        decode(octets)


@given(st.data())
def test_damaged_messages_are_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(encode(PollResponse((Message("1", MessageReply(HEADER, Alphanumeric("KWH=1"))),), 5)))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read: Document | None = None
    with contextlib.suppress(DataError):
        read = decode(bytes(octets))
    assert read is None or isinstance(read.operation, get_args(Operation))


REPLY = encode(PollResponse((Message("7", MessageReply(HEADER, TransparentData(b"\0\1\2"))),))).decode()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (' responseToMessageID="m1"', "", "without responseToMessageID"),
        (' responseToMessageID="m1"', ' responseToMessageID=" "', "without responseToMessageID"),
        ('"m1"', f'"{"x" * 600}"', "too long"),
        ('<wctp-Originator senderID="5551234567"/>', "", "without wctp-Originator"),
        ("AAEC", "AAE", "not base64"),
        ("AAEC", "A*EC", "not base64"),
        ('encoding="base64"', 'encoding="quoted"', "not one of base64, standard"),
        ('messageID="m2"', 'messageID="m2" allowResponse="perhaps"', "not one of true, false"),
        ("wctp-MessageReply", "wctp-LookupResponse", "is not used here"),
        ("wctp-Payload", "wctp-Other", "without wctp-Payload"),
    ],
)
def test_one_bad_message_of_a_poll_does_not_hold_up_the_others(old: str, new: str, reason: str) -> None:
    assert old in REPLY
    operation = decode(REPLY.replace(old, new).encode()).operation
    assert isinstance(operation, PollResponse)
    assert isinstance(operation.result, tuple)
    content = operation.result[0].content
    assert isinstance(content, Unusable)
    assert reason in content.reason
    assert content.xml.startswith('<wctp-Message sequenceNo="7">')


def test_a_poll_response_with_nothing_in_it_is_refused() -> None:
    with pytest.raises(DataError, match="this one has nothing"):
        decode(OPERATION.format("<wctp-PollResponse/>").encode())
    with pytest.raises(DataError, match="without sequenceNo"):
        decode(OPERATION.format("<wctp-PollResponse><wctp-Message/></wctp-PollResponse>").encode())


@pytest.mark.parametrize(("said", "meant"), [("30", 30), (" 30 ", 30), ("-1", None), ("soon", None), ("99999", 86_400)])
def test_poll_intervals_are_advice(said: str, meant: int | None) -> None:
    inner = f"<wctp-PollResponse minNextPollInterval='{said}'><wctp-NoMessages/></wctp-PollResponse>"
    assert decode(OPERATION.format(inner).encode()).operation == PollResponse((), meant)


def test_unknown_attributes_elements_and_versions_are_passed_over() -> None:
    inner = (
        '<wctp-Confirmation new="1"><wctp-Hint/><wctp-Success successCode=" 200 " colour="green"/></wctp-Confirmation>'
    )
    octets = OPERATION.format(inner).replace("v1r3", "v2r0.dtd").encode()
    assert decode(octets) == Document(Confirmation(Success(200)), "wctp-dtd-v2r0.dtd")


def test_the_default_encoding_of_transparent_data_is_that_of_the_version() -> None:
    inner = (
        "<wctp-SubmitRequest><wctp-SubmitHeader><wctp-Originator senderID='a'/><wctp-MessageControl messageID='m'/>"
        "<wctp-Recipient recipientID='b'/></wctp-SubmitHeader><wctp-Payload><wctp-TransparentData>AAEC"
        "</wctp-TransparentData></wctp-Payload></wctp-SubmitRequest>"
    )
    payloads = []
    for version in ("v1r0", "v1r1"):
        operation = decode(OPERATION.format(inner).replace("v1r3", version).encode()).operation
        assert isinstance(operation, SubmitRequest)
        payloads.append(operation.payload)
    assert payloads == [TransparentData(b"AAEC", "OPAQUE", "standard"), TransparentData(b"\0\1\2")]


@given(TIMES)
def test_time_stamps(at: datetime) -> None:
    assert moment(stamp(at)) == at
    assert moment(f"{stamp(at)}.250Z") == at
    assert moment(f"{stamp(at)}-01:00") == at + timedelta(hours=1)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00", "2026-11-21", "2026-11-21T25:00:00", "٢٠٢٦-11-21T00:00:00"]
)
def test_what_is_no_time_stamp_is_none(text: str) -> None:
    assert moment(text) is None


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (200, Action.ACCEPTED), (210, Action.ACCEPTED), (299, Action.ACCEPTED), (302, Action.FINAL),
        (304, Action.POLL_FIRST), (402, Action.FINAL), (403, Action.FINAL), (411, Action.FINAL), (415, Action.FINAL),
        (500, Action.REISSUE), (501, Action.REISSUE), (504, Action.FINAL), (600, Action.RETRY), (604, Action.RETRY),
        (699, Action.RETRY), (7, Action.FINAL), (999, Action.FINAL),
    ],
)  # fmt: skip
def test_codes(code: int, action: Action) -> None:
    assert action_of(code) is action
    assert meaning_of(code)
    assert advice_of(402).startswith("check the password file")
    assert advice_of(code) is not None
