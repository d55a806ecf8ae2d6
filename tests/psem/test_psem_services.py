"""Layer 7: requests, responses and codes, both ways."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LocalProtocolError, MeterProtocolError, MeterRefused, UsageError
from drivers.psem.bauds import BAUD_OF_CODE, CODE_OF_BAUD
from drivers.psem.codes import ResponseCode, describe, refusal, split_response
from drivers.psem.credentials import padded_password, padded_user
from drivers.psem.packet import Packet
from drivers.psem.replies import (
    Authentication,
    BadTableData,
    DeviceClass,
    DeviceIdentity,
    IdentifyReply,
    NegotiateReply,
    TimingReply,
    checksum,
    decode_authentication,
    decode_table_data,
    encode_authentication,
    encode_table_data,
)
from drivers.psem.services import (
    Authenticate,
    BadRequest,
    DefaultRead,
    Disconnect,
    FullRead,
    FullWrite,
    Identify,
    IndexRead,
    IndexWrite,
    Logoff,
    Logon,
    Negotiate,
    OffsetRead,
    OffsetWrite,
    Request,
    Security,
    Terminate,
    TimingSetup,
    Wait,
    decode_request,
    table_name,
)
from drivers.secret import Secret

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
DATA: dict[str, bytes] = {frame["name"]: bytes.fromhex(frame["data_hex"]) for frame in VECTORS["frames"]}
WRITE = b"".join(Packet.parse(bytes.fromhex(text)).data for text in VECTORS["multi_packet"][1]["packets"])

REQUESTS: dict[str, Request] = {
    "identify_req": Identify(),
    "negotiate_req_61": Negotiate(1024, 128, (6,)),
    "negotiate_req_60": Negotiate(256, 8),
    "negotiate_req_63": Negotiate(512, 255, (0x0A, 8, 6)),
    "logon_req": Logon(2, b"READER    "),
    "security_req_nul_pad": Security(Secret(b"PASSWORD01" + bytes(10))),
    "security_req_space_pad": Security(Secret(b"PASSWORD01          ")),
    "authenticate_req_des": Authenticate(Secret(bytes.fromhex("016171961FD1A46DF4"))),
    "read_full_st01_req": FullRead(1),
    "read_full_mt02_req": FullRead(2050),
    "read_partial_3f_req": OffsetRead(64, 668, 350),
    "read_index_32_req": IndexRead(23, (1, 3), 2),
    "write_st07_sp09_req": FullWrite(7, bytes.fromhex("09005A01")),
    "write_offset_4f_req": OffsetWrite(13, 5, b"\x11\x22\x33"),
    "wait_req": Wait(30),
    "timing_setup_req": TimingSetup(30, 1, 4, 3),
    "logoff_req": Logoff(),
    "terminate_req": Terminate(),
    "disconnect_req_c1221": Disconnect(),
    "identity_05_multidrop_req": Identify(),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_of_the_vectors(name: str) -> None:
    assert REQUESTS[name].encode() == DATA[name]
    assert decode_request(DATA[name]) == REQUESTS[name]


def test_every_request_of_the_vectors_is_tried() -> None:
    assert {name for name, data in DATA.items() if data[0] >= 0x20} == set(REQUESTS)


def test_a_long_write() -> None:
    request = decode_request(WRITE)
    assert request == FullWrite(2098, bytes(range(1, 81)))
    assert request.encode() == WRITE


indices = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=9).map(tuple)
tables = st.integers(0, 0xFFFF)
requests = st.one_of(
    st.sampled_from([Identify(), Terminate(), Disconnect(), DefaultRead(), Logoff()]),
    st.builds(FullRead, tables),
    st.builds(IndexRead, tables, indices, st.integers(0, 0xFFFF)),
    st.builds(OffsetRead, tables, st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFF)),
    st.builds(FullWrite, tables, st.binary(max_size=300)),
    st.builds(IndexWrite, tables, indices, st.binary(max_size=300)),
    st.builds(OffsetWrite, tables, st.integers(0, 0xFFFFFF), st.binary(max_size=300)),
    st.builds(Logon, st.integers(0, 0xFFFF), st.binary(min_size=10, max_size=10)),
    st.builds(Security, st.binary(min_size=20, max_size=20).map(Secret)),
    st.builds(Authenticate, st.binary(max_size=255).map(Secret)),
    st.builds(
        Negotiate, st.integers(0, 0xFFFF), st.integers(0, 255), st.lists(st.integers(0, 255), max_size=11).map(tuple)
    ),
    st.builds(Wait, st.integers(0, 255)),
    st.builds(TimingSetup, *[st.integers(0, 255)] * 4),
)


@given(requests)
def test_requests_round_trip(request: Request) -> None:
    assert decode_request(request.encode()) == request
    assert request.what


@given(requests, st.binary(min_size=1, max_size=3))
def test_requests_with_more_octets_are_refused(request: Request, more: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(request.encode() + more)
    assert caught.value.code is ResponseCode.ERR


@given(requests, st.data())
def test_requests_with_fewer_octets_are_refused(request: Request, data: st.DataObject) -> None:
    whole = request.encode()
    with pytest.raises(BadRequest):
        decode_request(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=60))
def test_any_octets_are_a_request_or_refused(message: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert decode_request(message).encode() == message


@pytest.mark.parametrize("code", [0x00, 0x1F, 0x23, 0x3A, 0x4A, 0x54, 0x6C, 0x72, 0xFF])
def test_unknown_services(code: int) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request(bytes((code,)))
    assert caught.value.code is ResponseCode.SNS


@pytest.mark.parametrize(
    "request_",
    [
        FullRead(0x10000),
        OffsetRead(1, 1 << 24, 1),
        OffsetRead(1, -1, 1),
        IndexRead(1, (), 1),
        IndexRead(1, (1,) * 10, 1),
        FullWrite(1, bytes(0x10000)),
        Logon(0, b"too short"),
        Security(Secret(b"too short")),
        Negotiate(64, 1, (6,) * 12),
        Wait(256),
    ],
)
def test_requests_that_cannot_be_sent(request_: Request) -> None:
    with pytest.raises(LocalProtocolError):
        request_.encode()


def test_secrets_do_not_show() -> None:
    assert "PASS" not in repr(Security(Secret(b"PASSWORD01".ljust(20, b"\0"))))
    assert "***" in repr(Authenticate(Secret(b"\1key")))


def test_names_of_tables() -> None:
    assert [table_name(table) for table in (23, 2050, 0x1017)] == ["ST23", "MT2", "ST23 (id 1017H)"]
    assert OffsetRead(64, 668, 350).what == "Read of ST64 octets 668–1017"


# -- responses


def test_identify_replies_of_the_vectors() -> None:
    plain = IdentifyReply.decode(DATA["identify_resp_c1218"][1:])
    assert plain == IdentifyReply(0, 1, 0)
    ticket = IdentifyReply.decode(DATA["identify_resp_c1221_ticket"][1:])
    assert ticket == IdentifyReply(2, 1, 0, (Authentication(1, 0, bytes.fromhex("3B1F0A7C55D2E490")),))
    full = IdentifyReply.decode(DATA["identify_resp_features_01_06_07"][1:])
    assert full == IdentifyReply(
        0, 2, 0, (Authentication(1, 0), DeviceClass(0x0D, b"SENT"), DeviceIdentity(1, b"ABC12345"))
    )
    for name, reply in (("c1218", plain), ("c1221_ticket", ticket), ("features_01_06_07", full)):
        assert reply.encode() == DATA[f"identify_resp_{name}"][1:]


def test_device_identity_whose_length_leaves_the_format_out() -> None:
    reply = IdentifyReply.decode(bytes.fromhex("000200 07 08 01 4142433132333435 00"))
    assert reply.features == (DeviceIdentity(1, b"ABC12345"),)
    assert reply.rest == b""


def test_a_missing_end_of_list_is_accepted() -> None:
    assert IdentifyReply.decode(b"\0\1\0") == IdentifyReply(0, 1, 0)
    assert IdentifyReply.decode(b"\0\1\0\1\5\6").features == (Authentication(5, 6),)


def test_an_unknown_feature_is_kept_raw() -> None:
    reply = IdentifyReply.decode(bytes.fromhex("000200 010100 99 AABB00"))
    assert reply.features == (Authentication(1, 0),)
    assert reply.rest == bytes.fromhex("99AABB00")
    assert reply.encode() == bytes.fromhex("000200 010100 99 AABB00")


@given(st.binary(max_size=80))
def test_any_octets_identify_or_are_refused(payload: bytes) -> None:
    try:
        IdentifyReply.decode(payload)
    except MeterProtocolError:
        assert len(payload) < 3


def test_negotiate_replies() -> None:
    assert NegotiateReply.decode(DATA["negotiate_resp"][1:]) == NegotiateReply(1024, 128, 6)
    assert NegotiateReply.decode(DATA["negotiate_resp_smaller"][1:]) == NegotiateReply(128, 2, 8)
    assert NegotiateReply.decode(b"\1\0\x08") == NegotiateReply(256, 8, None)
    assert NegotiateReply(256, 8).encode() == b"\1\0\x08"
    for payload in (b"", b"\1\0", b"\1\0\1\2\3"):
        with pytest.raises(MeterProtocolError):
            NegotiateReply.decode(payload)


def test_timing_and_authentication_replies() -> None:
    assert TimingReply.decode(DATA["timing_setup_resp"][1:]) == TimingReply(60, 2, 8, 5)
    assert TimingReply(60, 2, 8, 5).encode() == DATA["timing_setup_resp"][1:]
    body = bytes.fromhex("0156DAA6D71FFA7545")
    assert decode_authentication(DATA["authenticate_resp_des"][1:]) == body
    assert encode_authentication(body) == DATA["authenticate_resp_des"][1:]
    for payload in (b"", b"\2a"):
        with pytest.raises(MeterProtocolError):
            decode_authentication(payload)
    with pytest.raises(MeterProtocolError):
        TimingReply.decode(b"\1\2\3")


def test_table_data_of_the_vectors() -> None:
    data = decode_table_data(DATA["read_full_st01_resp"][1:], "read")
    assert data.startswith(b"GE  KV2C")
    assert encode_table_data(data) == DATA["read_full_st01_resp"][1:]
    assert decode_table_data(DATA["read_partial_3f_resp_short"][1:], "read") == bytes.fromhex("010203FE")
    assert decode_table_data(DATA["read_st08_resp"][1:], "read") == bytes.fromhex("09005A0001")
    multi = VECTORS["multi_packet"][0]
    message = b"".join(Packet.parse(bytes.fromhex(text)).data for text in multi["packets"])
    assert decode_table_data(message[1:], "read") == bytes.fromhex(multi["table_data_hex"])


def test_a_bad_table_checksum() -> None:
    (vector,) = (vector for vector in VECTORS["robustness"] if vector["name"] == "bad_table_checksum")
    payload = Packet.parse(bytes.fromhex(vector["hex"])).data[1:]
    with pytest.raises(BadTableData, match="checksum"):
        decode_table_data(payload, "Read of ST1")


@given(st.binary(max_size=500), st.data())
def test_table_data_round_trips_and_damage_is_found(data: bytes, draw: st.DataObject) -> None:
    payload = bytearray(encode_table_data(data))
    assert decode_table_data(bytes(payload), "read") == data
    assert (sum(data) + checksum(data)) % 256 == 0
    payload[draw.draw(st.integers(0, len(payload) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(BadTableData):
        decode_table_data(bytes(payload), "read")


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0", b"\0\1\0", b"\0\0\0\0", b"\xff\xff\0"])
def test_table_data_of_the_wrong_length(payload: bytes) -> None:
    with pytest.raises(BadTableData):
        decode_table_data(payload, "read")


# -- codes


@pytest.mark.parametrize("frame", [frame for frame in VECTORS["frames"] if frame["name"].startswith("nok_")])
def test_refusals_of_the_vectors(frame: dict[str, Any]) -> None:
    code = ResponseCode[frame["name"].removeprefix("nok_").upper()]
    with pytest.raises(MeterRefused) as caught:
        split_response(bytes.fromhex(frame["data_hex"]), "Logon")
    assert caught.value.code == code
    assert caught.value.advice
    assert str(caught.value).startswith(f"Logon: the meter answers {code.name}, ")


@pytest.mark.parametrize("code", range(0x80))
def test_every_code_has_words(code: int) -> None:
    assert describe(code)
    if code:
        assert refusal(code, "Read").advice


def test_reserved_and_manufacturer_codes() -> None:
    assert describe(0x1E) == "1EH, a reserved code"
    assert describe(0x9A) == "9AH, a manufacturer's own code"


@pytest.mark.parametrize("message", [b"", b"\x20", b"\x51\0", b"\x7f"])
def test_answers_that_are_none(message: bytes) -> None:
    with pytest.raises(MeterProtocolError):
        split_response(message, "Identify")


def test_baud_codes_are_one_to_one() -> None:
    assert {CODE_OF_BAUD[baud]: baud for baud in CODE_OF_BAUD} == BAUD_OF_CODE
    assert (BAUD_OF_CODE[6], BAUD_OF_CODE[0x0A], BAUD_OF_CODE[0x0B]) == (9600, 57600, 38400)


# -- credentials


def test_padding() -> None:
    assert padded_user("READER", "space") == b"READER    "
    assert padded_user("", "nul") == bytes(10)
    assert padded_password(Secret(b"x"), "nul") == Secret(b"x" + bytes(19))
    assert padded_password(Secret(b"x"), "space") == Secret(b"x" + b" " * 19)


def test_forty_hexadecimal_digits_are_twenty_octets() -> None:
    assert padded_password(Secret(b"00ff" * 10), "nul") == Secret(b"\0\xff" * 10)


@pytest.mark.parametrize("password", [b"x" * 21, b"x" * 40, b"00 ff00 ff00 ff00 ff00 ff00 ff00 ff00 ff0"])
def test_passwords_that_do_not_fit(password: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        padded_password(Secret(password), "nul")
    assert password.decode() not in str(caught.value)


@pytest.mark.parametrize("user", ["x" * 11, "Zähler"])
def test_users_that_do_not_fit(user: str) -> None:
    with pytest.raises(UsageError):
        padded_user(user, "space")
