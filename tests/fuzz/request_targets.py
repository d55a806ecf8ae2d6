"""Target of requests that come by the broker: bent tokens, and payloads of any octets that the MDSP did sign."""

from __future__ import annotations

import json
from collections.abc import Iterator

from joserfc import jws

from agent.requests.message import Authentic, Malformed, NotTaken, authenticate
from tests.fuzz.chance import Chance
from tests.fuzz.target import Target
from tests.fuzz.text_targets import AGENT, device_key

MESSAGE = {
    "schema": "mrsp.request/1", "jti": "0123456789", "aud": AGENT, "iat": 1_790_000_000, "exp": 1_790_003_600,
    "transaction_id": "t-1", "action": "special", "sender": "mdsp", "receiver": "mrsp", "meter_id": "100",
}  # fmt: skip


def signed(payload: bytes) -> bytes:
    """Return a request as the MDSP signs it, whatever it says."""
    key = device_key()
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "mdsp-request+jws"}
    return jws.serialize_compact(header, payload, key.signing_key(), algorithms=[key.algorithm]).encode()


def check_request(octets: bytes) -> None:
    """Nothing is taken but what the MDSP signed for this agent; what it signed is a message, or told what it lacks."""
    chance = Chance(octets)
    bent = chance.flag()
    payload = json.dumps(MESSAGE).encode() if bent else chance.rest()
    token = bytearray(signed(payload))
    while bent and chance:
        at = chance.below(len(token) + 1)
        token[at : at + chance.below(3)] = chance.take(chance.below(3))
    try:
        taken = authenticate(bytes(token), [device_key().public_key()], agent_id=AGENT)
    except NotTaken:
        return
    assert isinstance(taken, Authentic)
    assert taken.payload == payload
    try:
        message = taken.message()
    except Malformed:
        return
    assert message.aud == AGENT
    assert message.content == taken.message().content


def request_seeds() -> Iterator[bytes]:
    yield b"\1"
    yield b"\1\5\1\1x"
    yield b"\0" + json.dumps(MESSAGE).encode()
    yield b"\0" + json.dumps({**MESSAGE, "action": "cancel", "cancels": "t-0"}).encode()
    yield b"\0" + json.dumps(MESSAGE).encode().replace(b'"mdsp"', b'"\xff"')
    yield b"\0" + json.dumps(MESSAGE).encode().replace(b"0123456789", b"012345\xff89")
    yield b'\0{"x":' + b"[" * 1500


TARGETS = (Target("request", check_request, request_seeds, longest=2048),)
