"""What is taken out of texts that leave the box: secrets in every spelling, customers, users of URLs."""

from __future__ import annotations

import base64
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redaction import HIDDEN, Scrubber, plain_urls, redacted


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("password", "hunter22", HIDDEN),
        ("wake_password", "hunter22", HIDDEN),
        ("pin", "1234", HIDDEN),
        ("security_code", 77, HIDDEN),
        ("token", ["a", "b"], HIDDEN),
        ("site", {"customer_name": "A. Smith"}, HIDDEN),
        ("number", "555 0100", HIDDEN),
        ("password_file", "/etc/mrsp/meter.password", "/etc/mrsp/meter.password"),
        ("spin", "fast", "fast"),
        ("encrypt", True, True),
        ("password", None, None),
        ("listen", "127.0.0.1:8443", "127.0.0.1:8443"),
    ],
)
def test_a_key_of_the_configuration_says_whether_its_value_may_be_shown(key: str, value: object, shown: object) -> None:
    assert redacted({"a": [{key: value}]}) == {"a": [{key: shown}]}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("modem:///dev/ttyS0?dial=5550100&tone=on", "modem:///dev/ttyS0?dial=***&tone=on"),
        ("https://ann:pw@host:80/x", "https://***@host:80/x"),
        ("wctp://host/?pin=123&sender", "wctp://host/?pin=***&***"),
        ("see tcp://10.0.0.1:4001?echo=on, then", "see tcp://10.0.0.1:4001?echo=on, then"),
        ("serial:///dev/ttyUSB0?baud=9600", "serial:///dev/ttyUSB0?baud=9600"),
        ("no url: a?b=c", "no url: a?b=c"),
    ],
)
def test_urls_lead_to_no_person(url: str, shown: str) -> None:
    assert plain_urls(url) == shown


@settings(max_examples=60)
@given(st.binary(min_size=4, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_a_secret_is_found_in_every_spelling(secret: bytes, before: str, after: str) -> None:
    spelled = [secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode()]
    with suppress(UnicodeDecodeError):
        spelled += [secret.decode(), quote(secret.decode(), safe="")]
    scrubber = Scrubber([secret])
    for text in spelled:
        assert HIDDEN in scrubber.scrubbed(f"{before}{text}{after}")
        assert not scrubber.clean(f"{before}{text}{after}")


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nabc and no end",
        "AGE-SECRET-KEY-1QQQQ",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
        "Authorization: Bearer abcdefghijklm",
        "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
    ],
)
def test_what_looks_like_a_key_or_token_is_hidden_whoever_it_is_of(text: str) -> None:
    shown = Scrubber([]).scrubbed(f"before {text} after")
    assert HIDDEN in shown
    assert "abc" not in shown
    assert "c2ln" not in shown
    assert Scrubber([]).clean(shown)


def test_ordinary_words_stay() -> None:
    text = "the bearer of this; a public key: -----BEGIN CERTIFICATE-----"
    assert Scrubber([b"abc", b""]).scrubbed(text) == text
