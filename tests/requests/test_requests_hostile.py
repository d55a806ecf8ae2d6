"""Whatever arrives on the request topic: refused, or what the MDSP said; nothing else, and nothing breaks."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.keys import import_jwk
from agent.requests.message import Authentic, Malformed, Message, NotTaken, authenticate
from agent.requests.rates import Rates
from agent.requests.settings import RequestSettings
from agent.requests.walk import is_past
from tests.requests.requests_kit import AGENT, KEY, NOW, jwk, said, signed, with_route

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


@given(st.sampled_from(["day", "zone", "deadline", "orders", ""]), anything)
@settings(max_examples=200)
def test_any_value_in_the_place_of_a_route_is_read_and_judged_later(name: str, value: Any) -> None:
    walk = {"day": "2026-11-23", "zone": "UTC", "deadline": "17:00"} | {name: value} if name else value
    payload = json.dumps(with_route(1, walk)).encode()
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError:  # NaN, half a character
        walk = None
    found = read(signed(payload))
    assert (found is None) == (walk is None)
    if found is not None:
        assert json.loads(bytes(found.route)) == walk
        assert is_past(bytes(found.route), NOW) in {False, True}


@given(st.binary(max_size=200))
def test_whether_a_route_is_past_is_told_of_any_octets(octets: bytes) -> None:
    assert not is_past(octets, NOW)


@pytest.mark.parametrize(
    ("head", "past"),
    [
        ({"day": "2026-11-22", "zone": "UTC", "deadline": None}, True),
        ({"day": "2026-11-22", "zone": "UTC", "deadline": "04:00 next day"}, False),
        ({"day": "2026-11-23", "zone": "UTC", "deadline": "03:00"}, True),
        ({"day": "2026-11-23", "zone": "UTC", "deadline": "03:01"}, False),
        ({"day": "9999-12-31", "zone": "Pacific/Kiritimati"}, False),
        ({"day": "0001-01-01", "zone": "Pacific/Kiritimati"}, True),
    ],
)
def test_a_route_is_past_half_a_day_after_its_end(head: dict[str, Any], *, past: bool) -> None:
    assert is_past(json.dumps(head).encode(), NOW) is past


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
