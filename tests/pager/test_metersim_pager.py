"""The simulated carrier: as strict as the DTDs, and as bad as it is told to be."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from drivers.base import Task
from drivers.errors import UsageError
from drivers.pager.driver import PagerDriver
from drivers.pager.formats import load_format
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_http import NotSent
from drivers.pager.wctp_values import (
    Alphanumeric,
    Choice,
    Confirmation,
    Failure,
    MessageControl,
    MultipleChoice,
    Originator,
    PollForMessages,
    PollResponse,
    Recipient,
    SubmitRequest,
    Version,
    VersionQuery,
    VersionResponse,
)
from drivers.pager.wctp_xml import parse_xml
from drivers.secret import Secret
from metersim.cli import COMMANDS
from metersim.pager.faults import faults_help, parse_faults
from metersim.pager.gateway import Account, WctpGateway
from metersim.pager.meters import fleet
from metersim.pager.rules import violations
from tests.pager.carrier import CODE, METER, PIN

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
VALID = (
    '<wctp-Operation wctpVersion="wctp-dtd-v1r3"><wctp-SubmitRequest><wctp-SubmitHeader '
    'submitTimestamp="2026-11-21T20:00:00"><wctp-Originator senderID="mrsp" securityCode="s3cret&amp;code"/>'
    '<wctp-MessageControl messageID="m1" allowTruncation="false"/><wctp-Recipient recipientID="5550000000"/>'
    "</wctp-SubmitHeader><wctp-Payload><wctp-Alphanumeric>READ MTR=00123456 CK=7E10</wctp-Alphanumeric>"
    "</wctp-Payload></wctp-SubmitRequest></wctp-Operation>"
)


def gateway(*faults: str, poll_interval_s: int = 0) -> WctpGateway:
    meters = fleet(load_format("ascii-checked"), UTC, count=1, first_pin=int(PIN), first_meter=int(METER))
    accounts = {"mrsp": Account("mrsp", CODE)}
    return WctpGateway(meters, accounts, lambda: NOW, parse_faults(faults), poll_interval_s=poll_interval_s)


def code_of(answer: bytes) -> int:
    operation = decode(answer).operation
    assert isinstance(operation, Confirmation)
    return operation.result.code


def test_a_valid_page_is_taken_and_answered() -> None:
    one = gateway()
    assert code_of(one.handle(VALID.encode())) == 200
    assert one.meters[PIN].pages == ["READ MTR=00123456 CK=7E10"]
    response = decode(one.handle(encode(PollForMessages("mrsp", Secret(CODE.encode()))))).operation
    assert isinstance(response, PollResponse)
    assert isinstance(response.result, tuple)
    assert len(response.result) == 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("wctp-Payload", "wctp-Load", "no element of this version"),
        (' messageID="m1"', "", "lacks messageID"),
        ('allowTruncation="false"', 'allowTruncation="no"', "'no', not true|false"),
        ('allowTruncation="false"', 'deliveryPriority="high"', "not HIGH|NORMAL|LOW"),
        ('allowTruncation="false"', 'urgent="true"', "no attribute urgent"),
        ('<wctp-Recipient recipientID="5550000000"/>', "", "where 'Originator MessageControl Recipient' is due"),
        ("<wctp-Payload>", "<wctp-Payload>text", "holds text"),
        ("<wctp-Payload>", "<wctp-Payload><wctp-NoMessages/>", "is due"),
        ("READ", "<wctp-NoMessages/>READ", "holds 'NoMessages'"),
        ("<wctp-SubmitRequest>", "<wctp-SubmitRequest when='now'>", "no attribute when"),
    ],
)
def test_what_the_dtd_does_not_allow_is_refused(old: str, new: str, reason: str) -> None:
    one = gateway()
    assert old in VALID
    assert code_of(one.handle(VALID.replace(old, new).encode())) in (301, 302)
    assert reason in one.refused[0]
    assert one.submitted == []


def test_order_matters() -> None:
    originator = VALID[VALID.index("<wctp-Orig") : VALID.index("<wctp-MessageC")]
    shuffled = VALID.replace(originator, "", 1)
    at = shuffled.index("<wctp-Recipient")
    one = gateway()
    assert code_of(one.handle((shuffled[:at] + originator + shuffled[at:]).encode())) == 302


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("</wctp-Operation>", "", 301),
        ("v1r3", "v3r0", 303),
        ("T20:00:00", " 8 pm", 405),
        ('"mrsp"', '"stranger"', 401),
        ("s3cret", "guess", 402),
        ("5550000000", "5559999999", 403),
        ('messageID="m1"', 'messageID="m1" deliveryBefore="2026-11-21T19:00:00"', 408),
        ("READ", "READ" * 100, 411),
    ],
)
def test_every_objection_has_its_code(old: str, new: str, code: int) -> None:
    assert code_of(gateway().handle(VALID.replace(old, new).encode())) == code


def test_a_message_id_is_good_once() -> None:
    one = gateway()
    assert [code_of(one.handle(VALID.encode())) for _ in range(2)] == [200, 400]
    assert len(one.submitted) == 1


def test_binary_is_refused_and_versions_are_told() -> None:
    one = gateway()
    page = SubmitRequest(
        Originator("mrsp", Secret(CODE.encode())),
        MessageControl("m"),
        Recipient(PIN),
        MultipleChoice("Close?", (Choice("yes"),)),
    )
    assert code_of(one.handle(encode(page))) == 430
    assert isinstance(decode(one.handle(encode(VersionQuery("x")))).operation, VersionResponse)
    assert code_of(one.handle(encode(Confirmation(Failure(500))))) == 300


def test_polls_are_strict_too() -> None:
    one = gateway(poll_interval_s=30)
    assert decode(one.handle(encode(PollForMessages("mrsp")))).operation == PollResponse(Failure(432))
    good = PollForMessages("mrsp", Secret(CODE.encode()))
    assert decode(one.handle(encode(good))).operation == PollResponse((), 30)
    assert decode(one.handle(encode(good))).operation == PollResponse(Failure(600, "polled too often"), 30)


def test_a_meter_answers_only_what_is_meant_for_it() -> None:
    meter = gateway().meters[PIN]
    assert meter.hear("READ MTR=00123457 CK=0000", NOW) is None
    meter.deaf = True
    assert meter.hear("READ MTR=00123456 CK=7E10", NOW) is None


def test_rules_know_their_versions() -> None:
    pair = encode(
        SubmitRequest(Originator("a"), MessageControl("m"), Recipient("b"), MultipleChoice("t", (Choice("a", "b"),)))
    )
    assert violations(parse_xml(pair), Version.V1_3) == []
    assert violations(parse_xml(pair), Version.V1_1)
    failure = encode(PollResponse(Failure(600)))
    assert violations(parse_xml(failure), Version.V1_1) == []
    assert violations(parse_xml(failure), Version.V1_0)
    assert violations(parse_xml(b"<html/>"), Version.V1_3)


def test_faults_are_counted_and_named() -> None:
    faults = parse_faults(["submit.http-500=2", "lost", "poll.code-600"])
    assert [faults.spoil("submit") for _ in range(3)] == ["http-500", "http-500", None]
    assert faults.spoil("poll") == "code-600"
    assert [faults.take("lost"), faults.take("lost"), faults.take("second")] == [True, False, False]
    assert "submit.utf-16" in faults_help()
    for word in ("submit.lost", "http-500", "nonsense", "poll.code-6", "lost=many"):
        with pytest.raises(UsageError, match="no fault"):
            parse_faults([word])


def certificate(path: Path) -> None:
    """Write a certificate for localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now.replace(year=now.year - 1, day=1))
        .not_valid_after(now.replace(year=now.year + 1, day=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    no_password = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
        + made.public_bytes(serialization.Encoding.PEM)
    )


async def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    assert COMMANDS["pager"][0] == "metersim.pager.command"
    pem, code = tmp_path / "localhost.pem", tmp_path / "code"
    certificate(pem)
    code.write_text("hush\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metersim", "pager", "--certificate", str(pem), "--code-file", str(code)),
        *("--snpp", "0", "--count", "2"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url, snpp = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
        assert snpp.startswith("snpp://127.0.0.1:")
        task = Task(
            url=f"{url.replace('127.0.0.1', 'localhost')}?recipient=5550000001&meter=00123457",
            password=Secret(b"hush"),
            keep=tmp_path / "keep",
            site_zone=UTC,
            options={"poll_s": "0.05", "ca": str(pem)},
        )
        data = await PagerDriver().read(task)
        assert data.registers[0].value == Decimal("45679.9")
        assert data.problems == ()  # over https, the code is safe
        assert not data.authenticated
        with pytest.raises(NotSent, match="certificate"):
            await PagerDriver().read(replace(task, keep=tmp_path / "other", options={"poll_s": "0.05"}))
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--zone", "Mars/Olympus"],
        ["--count", "0"],
        ["--fault", "bogus"],
        ["--code-file", "/nowhere"],
        ["--certificate", "/nowhere"],
        ["--format", "none-such"],
    ],
)
async def test_wrong_options_end_the_command(words: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metersim", "pager", *words), stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    assert process.returncode == 2, error


def test_a_page_is_text() -> None:
    page = decode(VALID.encode()).operation
    assert isinstance(page, SubmitRequest)
    assert page.payload == Alphanumeric("READ MTR=00123456 CK=7E10")
