"""Targets of files and messages of others: recordings, profiles, configurations, orders, NTP packets, sealed acks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from joserfc import jws

from agent.clock.instant import Instant
from agent.clock.ntp_packet import Measurement, Reply, judge, measure
from agent.config import Settings
from agent.keys import DeviceKey, create_device_key
from agent.order import Order
from agent.seal import AckRefused, verify_ack
from drivers.errors import DataError, UsageError
from drivers.profiles.describe import describe
from drivers.profiles.library import profile_of_text
from drivers.psem.options import PsemOptions
from drivers.toml_file import parse_toml
from drivers.transport.recording_file import Event, encode_header, encode_record, parse_sessions
from tests.fuzz.chance import Chance
from tests.fuzz.target import Target, plain

ROOT = Path(__file__).parents[2]
AGENT = "gw-1"


def check_recording(octets: bytes) -> None:
    """A recording that can be read is written again as one that reads the same."""
    try:
        sessions = parse_sessions(octets, "recording test")
    except (UsageError, DataError) as error:
        plain(error)
        return
    lines = [
        line for session in sessions for line in (encode_header(session.header), *map(encode_record, session.records))
    ]
    again = parse_sessions("\n".join([*lines, ""]).encode(), "recording test")
    assert [session.header for session in again] == [session.header for session in sessions]
    for one, other in zip(sessions, again, strict=True):
        assert list(map(encode_record, one.records)) == list(map(encode_record, other.records))
        assert all(isinstance(record, Event) or record.length > 0 for record in one.records)


def recording_seeds() -> Iterator[bytes]:
    head = b'{"mrsp-recording":1,"line":"/dev/ttyUSB0","baud":9600,"started":"2026-11-21T21:02:00.000000Z"}\n'
    lines = (
        b'{"t":1520411,"dir":">","hex":"ee0000000001201310"}\n',
        b'{"t":90122001,"dir":">","hex":"**********"}\n',
        b'{"t":93000000,"event":"baud","value":19200}\n',
        b'{"t":99000000,"event":"close","value":""}\n',
    )
    yield head
    for line in lines:
        yield head + line
    yield head + b"".join(lines) + head + lines[0][:-9]


def check_profile_file(octets: bytes) -> None:
    """Any text is a profile that can be used, or a UsageError that names the place."""
    text = octets.decode("utf-8", "replace")
    try:
        profile = profile_of_text(text, "fuzzed")
    except UsageError as error:
        plain(error)
        return
    profile.quirks()
    profile.psem_options(PsemOptions())
    profile.line_options()
    assert describe(profile)


def profile_file_seeds() -> Iterator[bytes]:
    for path in sorted((ROOT / "firmware_profiles").glob("*.toml")):
        yield path.read_bytes().replace(f'name = "{path.stem}"'.encode(), b'name = "fuzzed"')


def check_configuration(octets: bytes) -> None:
    """Any text is a configuration or an order, or a UsageError that names the file."""
    chance = Chance(octets)
    whole, text = chance.flag(), chance.rest().decode("utf-8", "replace")
    found: msgspec.Struct | None = None
    try:
        found = parse_toml(text, Settings if whole else Order, name="test.toml", what="configuration")
    except UsageError as error:
        plain(error)
    if isinstance(found, Settings):
        for meter in found.meters:
            assert meter.order().url == meter.url
            assert meter.offset < meter.period
    elif found is not None:
        assert msgspec.json.decode(msgspec.json.encode(found), type=Order) == found


def configuration_seeds() -> Iterator[bytes]:
    settings = """[agent]
agent_id = "gw-1"
[clock]
[keys]
mdsp = "mdsp.jwks"
[recordings]
keep = "400d"
[[meters]]
name = "m1"
url = "serial:///dev/ttyUSB0?dtr=on"
every = "15m"
at = "10s"
last_read_at = 2026-11-21T00:00:00Z
[meters.site]
zone = "America/Denver"
"""
    yield b"\1" + settings.encode()
    order = """url = "tcp://meter:1153"
order_id = "o-1"
purpose = "final"
expected_meter_id = "100"
dials = 6
decimals = 0
last_read_at = 2026-11-21T00:00:00-07:00
[site]
account_id = "A"
"""
    yield b"\0" + order.encode()
    yield b"\1a = " + b"[" * 3000
    yield b"\0dials = " + b"9" * 5000


def check_ntp(octets: bytes) -> None:
    """A datagram is refused with a reason, or is an answer to our question from which a bounded offset follows."""
    nonce = 0x0102030405060708
    found = judge(octets, nonce)
    if not isinstance(found, Reply):
        assert found.reason.isprintable(), found
        return
    assert octets[24:32] == nonce.to_bytes(8, "big")
    asked = Instant(realtime_ns=int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 10**9, boottime_ns=10**12)
    measured = measure(found, asked, asked.boottime_ns + 20_000_000)
    if isinstance(measured, Measurement):
        assert measured.uncertainty_s > 0
        assert measured.offset_s.is_finite()
        assert measured.delay_s >= 0
    else:
        assert measured.reason.isprintable()


def ntp_seeds() -> Iterator[bytes]:
    good = bytes.fromhex("240206e8000001000000020a0a000001") + bytes(8)
    stamps = bytes.fromhex("0102030405060708") + bytes.fromhex("eca0ec8000000000") * 2
    yield good + stamps
    yield good + stamps + bytes(20)
    yield bytes.fromhex("e400") + good[2:] + stamps
    yield good[:1] + b"\0" + good[2:12] + b"RATE" + bytes(8) + stamps


@cache
def device_key() -> DeviceKey:
    with TemporaryDirectory() as directory:
        return create_device_key(Path(directory) / "keys")


@cache
def good_ack() -> bytes:
    """Return an acknowledgement that the MDSP signed."""
    key = device_key()
    payload = json.dumps({"acknowledged": ["id-1", "id-2"], "agent_id": AGENT}).encode()
    header = {"alg": key.algorithm, "kid": key.kid}
    return jws.serialize_compact(header, payload, key.signing_key(), algorithms=[key.algorithm]).encode()


def check_ack(octets: bytes) -> None:
    """Nothing is acknowledged but what the MDSP signed, however the token is bent."""
    chance = Chance(octets)
    token = octets
    if chance.flag():
        bent = bytearray(good_ack())
        while chance:
            at = chance.below(len(bent) + 1)
            bent[at : at + chance.below(3)] = chance.take(chance.below(3))
        token = bytes(bent)
    with contextlib.suppress(AckRefused):
        assert verify_ack(token, [device_key().public_key()], agent_id=AGENT) == ("id-1", "id-2")


def ack_seeds() -> Iterator[bytes]:
    yield b"\1"
    yield b"\1\5\1\1x"
    yield good_ack()
    yield b"eyJhbGciOiJub25lIn0.e30."


TARGETS = (
    Target("recording", check_recording, recording_seeds),
    Target("profile-file", check_profile_file, profile_file_seeds, longest=16_384),
    Target("configuration", check_configuration, configuration_seeds, longest=8192),
    Target("ntp", check_ntp, ntp_seeds, longest=256),
    Target("ack", check_ack, ack_seeds, longest=2048),
)
