"""Whatever arrives on the request topic: refused, or what the MDSP said; nothing else, and nothing breaks."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.keys import import_jwk
from agent.requests.message import Authentic, Malformed, Message, NotTaken, authenticate
from agent.requests.rates import Rates
from agent.requests.settings import RequestSettings
from tests.requests.requests_kit import AGENT, KEY, jwk, said, signed

KEYS = (import_jwk(jwk(KEY)),)
CONTENT = said()
TOKEN = signed(CONTENT)


def read(token: bytes) -> Message | None:
    """Return what a token says to the agent; None if it is not taken."""
    try:
        return authenticate(token, KEYS, agent_id=AGENT).message()
    except (NotTaken, Malformed):
        return None


MEANT = read(TOKEN)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    token = bytearray(TOKEN)
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, len(token) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                token[where] = draw(st.integers(0, 255))
            case 1:
                del token[where]
            case 2:
                token[where:where] = draw(st.binary(min_size=1, max_size=4))
            case _:
                other = draw(st.integers(0, len(token) - 1))
                token[where], token[other] = token[other], token[where]
    return bytes(token)


@given(mutations())
@settings(max_examples=300, deadline=None)
def test_a_changed_token_is_refused_or_says_the_same(token: bytes) -> None:
    said_now = read(token)
    assert said_now is None or said_now == MEANT


@given(st.sampled_from([0, 1, 2]), st.binary(max_size=200))
def test_a_part_put_in_the_place_of_another_is_refused(part: int, octets: bytes) -> None:
    parts = TOKEN.split(b".")
    parts[part] = urlsafe_b64encode(octets).rstrip(b"=")
    assert read(b".".join(parts)) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*CONTENT, "nbf", "cancels", "deadline", "service_period", "more"]), anything)
@settings(max_examples=300)
def test_what_the_mdsp_signs_wrongly_is_refused_or_read_as_it_stands(name: str, value: Any) -> None:
    payload = json.dumps({**CONTENT, name: value}).encode()
    refused = ""
    try:
        found = getattr(Authentic("kid", "message-0001", 1, payload).message(), name)
    except Malformed as refusal:
        refused = str(refusal)
    else:
        assert found == json.loads(json.dumps(value)) or isinstance(value, str | dict)
    assert len(refused) <= 300


@given(st.binary(max_size=300))
def test_rubbish_is_refused(octets: bytes) -> None:
    assert read(octets) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=200))
def test_a_key_never_gets_more_than_its_share(steps: list[tuple[float, bool]]) -> None:
    limits = RequestSettings(burst=10, per_hour=120)
    rates, now_s, taken, untold = Rates(limits), 0.0, 0, 0
    for passed_s, _ in steps:
        now_s += passed_s
        wait_s, told = rates.of_key("kid", now_s)
        if wait_s == 0:
            taken += 1
            untold = 0
        else:
            untold += not told
            assert untold == 1
            assert wait_s <= 30
    assert taken <= limits.burst + limits.per_hour * now_s / 3_600 + 1
