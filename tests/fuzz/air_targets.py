"""Targets of what is heard and fetched: radio and pager receivers, carriers, satellite receivers, chrony."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from agent.clock.chrony import parse, parse_authentication
from agent.clock.gpsd import Listening
from agent.clock.instant import Instant
from agent.clock.samples import NoTime, TimeSample
from drivers.errors import DataError, LocalProtocolError, MeterProtocolError
from drivers.ert.lines import Lines
from drivers.ert.message import ErtMessage
from drivers.ert.parse import LONGEST_LINE, parse_line, position_ns
from drivers.pager.formats import load_formats
from drivers.pager.formats_message import MessageFormat
from drivers.pager.multimon_lines import read_line
from drivers.pager.snpp import command, data_lines, parse_reply, parse_status, parse_tag
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode_document
from tests.fuzz.chance import Chance
from tests.fuzz.target import Target, plain

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SCM = (
    b'{"time" : "@1.180736s", "model" : "ERT-SCM", "id" : 23905761, "physical_tamper" : 0, "ert_type" : 7,'
    b' "encoder_tamper" : 1, "consumption_data" : 1947301, "mic" : "CRC"}'
)
SCMPLUS = (
    b'{"time" : "2026-11-21 12:00:00", "model" : "SCMplus", "id" : 68211547, "ProtocolID" : "0x1E",'
    b' "EndpointType" : "0xAB", "EndpointID" : 68211547, "Consumption" : 9712, "Tamper" : "0x4900",'
    b' "PacketCRC" : "0x1234", "MeterType" : "Gas", "mic" : "CRC"}'
)
WCTP = (
    b'<?xml version="1.0"?><!DOCTYPE wctp-Operation SYSTEM "http://dtd.wctp.org/wctp-dtd-v1r3.dtd">'
    b'<wctp-Operation wctpVersion="WCTP-DTD-V1R3">%s</wctp-Operation>'
)
REPLIES = (
    b'<wctp-Confirmation><wctp-Success successCode="200" successText="ok">m</wctp-Success></wctp-Confirmation>',
    b'<wctp-Confirmation><wctp-Failure errorCode="402" errorText="code">no</wctp-Failure></wctp-Confirmation>',
    b'<wctp-MessageReply><wctp-ResponseHeader responseToMessageID="m1"><wctp-Originator senderID="1"/>'
    b'<wctp-Recipient recipientID="2"/></wctp-ResponseHeader><wctp-Payload>'
    b"<wctp-Alphanumeric>R 1234</wctp-Alphanumeric></wctp-Payload></wctp-MessageReply>",
    b'<wctp-PollResponse minNextPollInterval="30"><wctp-NoMessages/></wctp-PollResponse>',
)
PAGES = (
    b"POCSAG1200: Address:  123456  Function: 3  Alpha:   M 10012345 R 0012345 C 42<NUL>",
    b"POCSAG512: Address: 1  Function: 0",
    b"FLEX|2026-11-21 12:00:00|1600/2/K/A|03.051|000123456|ALN|M 10012345",
    b"FLEX: 2026-11-21 12:00:00 1600/2/A 03.051 [000123456] NUM 1234 5678",
)
TRACKING = b"C0248F82,192.36.143.130,2,1732190400.123,0.000012,0.1,0.2,0.0,0.0,0.1,0.010,0.001,64.2,Normal\n"
FIX = (
    b'{"class":"TPV","device":"/dev/ttyACM0","mode":3,"time":"2026-11-21T12:00:00.000Z","ept":0.005,"leapseconds":18}\n'
)


def check_radio(octets: bytes) -> None:
    """Lines are the same however the stream is cut, and each is a message within its bits, or a short reason."""
    longest = 1 << 12
    whole, single = Lines(longest), Lines(longest)
    lines = whole.feed(octets) + whole.end()
    again = [line for at in range(len(octets)) for line in single.feed(octets[at : at + 1])] + single.end()
    assert again == lines
    for line in (one for one in lines if one is not None):
        found = parse_line(line)
        if isinstance(found, ErtMessage):
            assert 0 < found.meter_id < 1 << 32
            assert 0 <= found.count < 1 << 32
            assert found == parse_line(line)
        else:
            assert found.reason.isprintable()
            assert len(found.reason) < 80
    text = octets[:60].decode("latin-1")
    position = position_ns(text)
    assert position is None or position >= 0


def radio_seeds() -> Iterator[bytes]:
    yield SCM
    yield SCMPLUS + b"\n" + SCM + b"\r\n" + SCM[:40]
    yield b"@1.180736s"
    yield b"[" * (LONGEST_LINE // 32)


@cache
def formats() -> tuple[MessageFormat, ...]:
    return tuple(load_formats())


def check_page(octets: bytes) -> None:
    """A line is a page or nothing; its text is all that a format says, or nothing with a reason."""
    page = read_line(octets)
    text = octets.decode("latin-1")
    if page is not None:
        assert 0 <= page.address < 10**10
        text = page.text or ""
    for made in formats():
        try:
            parsed = made.parse(text, site_zone=UTC)
        except DataError as error:
            plain(error)
            continue
        assert parsed.text == text
        assert all(isinstance(register.value, Decimal) for register in parsed.registers if register.value is not None)


def page_seeds() -> Iterator[bytes]:
    yield from PAGES
    yield b"x" * 5000


def check_wctp(octets: bytes) -> None:
    """A body is an operation that can be written and reads the same, or a DataError without its secrets."""
    try:
        document = decode(octets, most=65_536)
    except DataError as error:
        plain(error)
        return
    assert "s3cr3tCode" not in repr(document)
    try:
        written = encode_document(document)
    except (DataError, LocalProtocolError) as error:  # a control character of an answer, which we may not say ourselves
        plain(error)
        return
    assert encode_document(decode(written)) == written


def wctp_seeds() -> Iterator[bytes]:
    for reply in REPLIES:
        yield WCTP % reply
    yield WCTP % (b'<wctp-PollForMessages pollerID="p" securityCode="s3cr3tCode" maxMessagesInBatch="5"/>')
    yield b'<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    yield (WCTP % REPLIES[0]).decode().encode("utf-16")


def check_snpp(octets: bytes) -> None:
    """A reply is read or refused; what we say is one line, whatever it is made of."""
    chance = Chance(octets)
    line = chance.rest()
    try:
        reply = parse_reply(line)
        parse_tag(reply)
        status = parse_status(reply)
        assert status.at is None or status.at.tzinfo is not None
        assert status.state in {"queued", "delivered", "answered", "failed"}
    except MeterProtocolError as error:
        plain(error)
    text = line.decode("latin-1")
    for arguments, words in (((), text), ((text,), None)):
        try:
            said = command("MESS", *arguments, text=words)
        except LocalProtocolError as error:
            plain(error)
        else:
            assert said.count(b"\n") == said.count(b"\r") == 1
    try:
        data = data_lines(text)
    except LocalProtocolError as error:
        plain(error)
    else:
        assert data.endswith(b".\r\n")
        assert b"\r\n.\r\n" not in data[:-3]


def snpp_seeds() -> Iterator[bytes]:
    yield b"220 SNPP Gateway Ready\r\n"
    yield b"960 0042 1234 OK\r\n"
    yield b"889 0042 20261121120000+0100 4711 yes\r\n"
    yield b"889 0042 261121120000-7 text"
    yield b".\n.\n"


def check_time_sources(octets: bytes) -> None:
    """What gpsd and chronyc say is a time with a bound, or a reason that can be shown."""
    listening = Listening("gpsd", local=True)
    boottime_ns = 10**12
    start = int(NOW.timestamp()) * 10**9
    for k, line in enumerate(octets.split(b"\n")[:40]):
        at = Instant(realtime_ns=start + k * 10**9, boottime_ns=boottime_ns + k * 10**9)
        _check_time(listening.hear(line, at))
        assert listening.reason.isprintable()
        assert len(listening.reason) < 4000
    text = octets.decode("utf-8", "replace")
    _check_time(parse(text, Instant(realtime_ns=start, boottime_ns=boottime_ns), boottime_ns + 10**6))
    assert parse_authentication(text, "192.0.2.1") in {"", "NTS", "key"}


def _check_time(found: TimeSample | NoTime | None) -> None:
    if isinstance(found, NoTime):
        assert found.reason.isprintable(), found
    elif found is not None:
        assert found.offset_s.is_finite()
        assert found.uncertainty_s.is_finite()
        assert found.uncertainty_s > 0
        assert found.reference.isprintable(), found
        assert len(found.reference) < 300, found


def time_source_seeds() -> Iterator[bytes]:
    yield TRACKING
    yield FIX + FIX.replace(b"00.000Z", b"01.000Z") + FIX.replace(b"00.000Z", b"02.000Z")
    yield b'{"class":"DEVICES","devices":[{"path":"/dev/ttyACM0"}]}\n{"class":"ERROR","message":"\\u001b[2J"}'
    yield b'{"class":"PPS","device":"/dev/pps0","real_sec":1,"real_nsec":0,"clock_sec":1,"clock_nsec":0}\n' + FIX


TARGETS = (
    Target("radio", check_radio, radio_seeds, longest=8192),
    Target("page", check_page, page_seeds, longest=512),
    Target("wctp", check_wctp, wctp_seeds, longest=4096),
    Target("snpp", check_snpp, snpp_seeds, longest=512),
    Target("time-sources", check_time_sources, time_source_seeds, longest=2048),
)
