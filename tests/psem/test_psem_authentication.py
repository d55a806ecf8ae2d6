"""Authenticate: known answers, what is sent and never sent, and what a wrong key or a wrong proof leads to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import MeterRefused, ProtocolError, UsageError
from drivers.psem import IdentifyReply, PsemClient, PsemOptions, ResponseCode
from drivers.psem.authentication import Challenge, NotAuthentic, encipher, key_of, ticket_of
from drivers.psem.packet import Packet
from drivers.psem.replies import Authentication, DeviceClass
from drivers.secret import Secret
from tests.psem.lines import Line, Tables, clock, flipping, nothing, run, visit

VECTORS = Path(__file__).parents[1] / "vectors" / "c12.json"
KEY = Secret(b"00000000")
TICKET = bytes.fromhex("3B1F0A7C55D2E490")
KEY_1 = PsemOptions(key_id=1)


def frame(name: str) -> bytes:
    frames: list[dict[str, Any]] = json.loads(VECTORS.read_text())["frames"]
    return bytes.fromhex(next(one["hex"] for one in frames if one["name"] == name))


def keyed(**more: Any) -> Tables:
    return Tables({1: b"first"}, password=b"00000000", keys={1: KEY.reveal()}, reply=IdentifyReply(2, 1, 0), **more)


# -- known answers


def test_single_des_is_triple_des_with_one_key() -> None:
    known = encipher(Secret(bytes.fromhex("133457799BBCDFF1")), bytes.fromhex("0123456789ABCDEF"))
    assert known.hex().upper() == "85E813540F0AB405"


def test_the_worked_exchange() -> None:
    reply = IdentifyReply.decode(Packet.parse(frame("identify_resp_c1221_ticket")).data[1:])
    assert ticket_of(reply) == TICKET
    challenge = Challenge(ticket_of(reply), 1, KEY)
    assert challenge.request().encode() == Packet.parse(frame("authenticate_req_des")).data
    answer = Packet.parse(frame("authenticate_resp_des")).data
    assert answer == b"\0" + challenge.answer()
    challenge.verify(answer[1:])


def test_the_worked_exchange_on_a_line() -> None:
    line = visit(nothing, keyed(), options=KEY_1, password=KEY)
    assert [secret.removeprefix(b"\6") for secret in line.secrets] == [
        Packet(Packet.parse(frame("authenticate_req_des")).data, toggle=line.secrets[0][-17] & 0x20 > 0).to_bytes()
    ]
    assert line.requests() == ["Identify", "Negotiate", "Logon", "Authenticate", "Logoff", "Terminate"]


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8), st.integers(0, 255))
def test_a_key_that_differs_only_in_parity_is_the_same_key(key: bytes, ticket: bytes, key_id: int) -> None:
    other = bytes(octet ^ 1 for octet in key)
    mine, theirs = Challenge(ticket, key_id, Secret(key)), Challenge(ticket, key_id, Secret(other))
    assert mine.request() == theirs.request()
    theirs.verify(mine.answer())


@given(st.binary(max_size=20))
def test_only_the_one_right_answer_proves_anything(payload: bytes) -> None:
    challenge = Challenge(TICKET, 1, KEY)
    if payload != challenge.answer():
        with pytest.raises(NotAuthentic):
            challenge.verify(payload)


@pytest.mark.parametrize(
    ("password", "key"),
    [
        (b"00000000", b"00000000"),
        (b"PASSWORD01", b"PASSWORD"),
        (b"133457799BBCDFF1", bytes.fromhex("133457799BBCDFF1")),
        (b"133457799BBCDFFX", b"13345779"),
        (b"short", b"short\0\0\0"),
        (b"41" * 20, b"AAAAAAAA"),
    ],
)
def test_the_key_is_made_of_the_password(password: bytes, key: bytes) -> None:
    assert key_of(Secret(password), "nul") == Secret(key)


def test_a_short_key_is_padded_as_passwords_are() -> None:
    assert key_of(Secret(b"short"), "space") == Secret(b"short   ")


def test_a_password_that_no_service_carries_makes_no_key() -> None:
    with pytest.raises(UsageError):
        key_of(Secret(b"x" * 21), "nul")


def test_nothing_of_it_shows() -> None:
    challenge = Challenge(TICKET, 1, KEY)
    assert "00000000" not in repr(challenge)
    assert repr(challenge.request()) == "Authenticate(body=***)"


# -- which of the two


def test_a_password_is_not_sent_where_a_key_will_do() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        assert await client.read_table(1) == b"first"

    tables = keyed()
    visit(story, tables, options=KEY_1, password=KEY)
    assert tables.passwords == []
    assert len(tables.bodies) == 1


@pytest.mark.parametrize(
    "feature",
    [
        Authentication(1, 0),
        Authentication(0, 0, TICKET),
        Authentication(1, 0xFF, TICKET * 2),
        Authentication(1, 0, TICKET[:4]),
        DeviceClass(6, b"\1\2"),
    ],
    ids=["without a ticket", "not usable", "other algorithm", "short ticket", "other feature"],
)
def test_security_where_authenticate_cannot_be(feature: Authentication | DeviceClass) -> None:
    reply = IdentifyReply(2, 1, 0, (feature,))
    tables = Tables({1: b"first"}, password=b"00000000", reply=reply)
    line = visit(nothing, tables, password=KEY)
    assert line.requests() == ["Identify", "Negotiate", "Logon", "Security", "Logoff", "Terminate"]


def test_security_where_the_profile_says_so() -> None:
    tables = keyed()
    line = visit(nothing, tables, options=PsemOptions(authenticate="never"), password=KEY)
    assert "Authenticate" not in line.requests()
    assert len(tables.passwords) == 1


def test_security_after_a_meter_that_gives_a_ticket_and_knows_no_authenticate() -> None:
    tables = keyed(says={0x53: [ResponseCode.SNS]})
    line = visit(nothing, tables, options=KEY_1, password=KEY)
    assert line.requests()[2:5] == ["Logon", "Authenticate", "Security"]


@pytest.mark.parametrize("says", [{}, {0x53: [ResponseCode.SNS]}], ids=["no ticket", "SNS"])
def test_the_password_is_never_sent_where_the_key_is_required(says: dict[int, list[ResponseCode]]) -> None:
    tables = keyed(gives_ticket=bool(says), says=says)
    with pytest.raises((NotAuthentic, MeterRefused)):
        visit(nothing, tables, options=PsemOptions(authenticate="required", key_id=1), password=KEY)
    assert tables.passwords == []


def test_without_a_password_nothing_is_proved() -> None:
    line = visit(nothing, keyed(), options=KEY_1)
    assert line.secrets == []


# -- wrong


def test_a_wrong_key_is_tried_once_and_the_error_says_what_to_do() -> None:
    tables = keyed()
    with pytest.raises(MeterRefused, match=r"Authenticate: .*key or its number is wrong.*not tried again.*key_id"):
        visit(nothing, tables, options=KEY_1, password=Secret(b"WRONGKEY"))
    assert len(tables.bodies) == 1
    assert tables.passwords == []
    assert tables.logoffs == 2  # Logoff, and the end of the session


def test_a_wrong_key_is_not_tried_again_by_the_same_client_in_any_way() -> None:
    tables = keyed()

    async def main() -> None:
        line = Line(tables)
        client = PsemClient(line, KEY_1, clock=clock)
        for _ in range(3):
            with pytest.raises(MeterRefused, match="key or its number is wrong"):
                async with client.session(Secret(b"WRONGKEY")):
                    pass
        async with client.session(KEY):
            assert await client.read_table(1) == b"first"

    run(main())
    assert len(tables.bodies) == 2
    assert tables.passwords == []


def test_the_number_of_the_key_counts() -> None:
    tables = keyed()
    with pytest.raises(MeterRefused):
        visit(nothing, tables, options=PsemOptions(key_id=2), password=KEY)


def test_a_meter_that_proves_nothing_is_left_unread() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        raise AssertionError

    tables = keyed(impostor=True)
    with pytest.raises(NotAuthentic, match="does not prove that it knows the key: its proof is wrong"):
        visit(story, tables, options=KEY_1, password=KEY)
    assert tables.logoffs == 2  # Logoff, and the end of the session
    assert len(tables.bodies) == 1


def test_an_error_of_authentication_is_no_reason_to_try_again() -> None:
    assert issubclass(NotAuthentic, ProtocolError)
    assert not NotAuthentic.retry


# -- tickets


def test_each_session_proves_itself_with_a_ticket_of_its_own() -> None:
    tables = keyed()

    async def story(client: PsemClient, line: Line) -> None:
        line.meter.power_fail()
        assert await client.read_table(1) == b"first"

    line = visit(story, tables, options=KEY_1, password=KEY)
    assert line.requests().count("Identify") == 2
    assert len(set(tables.bodies)) == 2


def test_renegotiation_in_an_authenticated_session_takes_a_new_ticket() -> None:
    tables = keyed()
    tables.tables[64] = bytes(range(256)) * 40

    async def story(client: PsemClient, line: Line) -> None:
        line.there.damage = flipping(0.003, 5)
        line.back.damage = flipping(0.003, 6)
        assert await client.read_table(64, size=10240) == tables.tables[64]
        line.there.damage = line.back.damage = lambda chunk: chunk

    line = visit(story, tables, options=KEY_1, password=KEY)
    assert len(set(tables.bodies)) == line.requests().count("Negotiate") > 1
    assert ResponseCode.ERR not in {code for _, code in line.served()}


def test_a_busy_meter_is_shown_the_same_cipher_again() -> None:
    tables = keyed(says={0x53: [ResponseCode.BSY, ResponseCode.BSY]})
    visit(nothing, tables, options=KEY_1, password=KEY)
    assert len(tables.bodies) == 3
    assert len(set(tables.bodies)) == 1
