from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from drivers.transport.urls import ReplayAddress, SerialAddress, TcpAddress, fastest_baud, parse_url


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("/dev/ttyUSB0", SerialAddress("/dev/ttyUSB0")),
        ("/dev/ttyUSB0?baud=300", SerialAddress("/dev/ttyUSB0", baud=300)),
        ("serial:///dev/ttyUSB0", SerialAddress("/dev/ttyUSB0")),
        ("SERIAL:///dev/serial/by-id/usb-FTDI%3F", SerialAddress("/dev/serial/by-id/usb-FTDI?")),
        (
            "serial:///dev/ttyS0?baud=19200&dtr=off&rts=leave&warmup_ms=50&echo=on",
            SerialAddress("/dev/ttyS0", baud=19200, dtr="off", rts="leave", warmup_ms=50, echo="on"),
        ),
        ("tcp://10.0.0.5:4001", TcpAddress("10.0.0.5", 4001)),
        ("tcp://meter.example:4001/?echo=off&settle_ms=20", TcpAddress("meter.example", 4001, "off", 20)),
        ("tcp://[2001:db8::1]:4001", TcpAddress("2001:db8::1", 4001)),
        ("tcp://[fe80::1%25eth0]:4001?connect_ms=500", TcpAddress("fe80::1%eth0", 4001, connect_ms=500)),
        ("replay:///var/lib/a%20b.rec", ReplayAddress("/var/lib/a b.rec")),
        ("replay://recordings/a.rec?pace=real&session=2", ReplayAddress("recordings/a.rec", "real", 2)),
    ],
)
def test_what_an_address_means(url: str, meant: object) -> None:
    assert parse_url(url) == meant


def test_the_query_wins_over_the_configuration() -> None:
    address = parse_url("/dev/ttyS0?baud=1200", {"baud": "19200", "echo": "off"})
    assert address == SerialAddress("/dev/ttyS0", baud=1200, echo="off")


def test_an_ipv6_address_is_shown_as_it_is_written() -> None:
    assert str(parse_url("tcp://[2001:db8::1]:4001")) == "tcp://[2001:db8::1]:4001"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ttyUSB0", "serial:///dev/ttyUSB0, tcp://HOST:PORT, replay://FILE"),
        ("ftp://host/x", "replay://FILE"),
        ("", "tcp://HOST:PORT"),
        ("serial://dev/ttyUSB0", "three slashes"),
        ("serial://", "three slashes"),
        ("/dev/tty\0", "device"),
        ("/dev/ttyS0?speed=9600", "baud, dtr, rts, warmup_ms, echo"),
        ("/dev/ttyS0?baud=fast", "50 to 4000000"),
        ("/dev/ttyS0?baud=-9600", "50 to 4000000"),
        ("/dev/ttyS0?baud=٣٠٠", "50 to 4000000"),
        ("/dev/ttyS0?baud=99999999999999999999", "50 to 4000000"),
        ("/dev/ttyS0?baud=", "50 to 4000000"),
        ("/dev/ttyS0?dtr=yes", "on, off, leave"),
        ("/dev/ttyS0?echo=maybe", "auto, on, off"),
        ("/dev/ttyS0?baud=300&baud=600", "twice"),
        ("/dev/ttyS0?baud", "NAME=VALUE"),
        ("tcp://10.0.0.5", "HOST:PORT"),
        ("tcp://10.0.0.5:0", "HOST:PORT"),
        ("tcp://10.0.0.5:70000", "HOST:PORT"),
        ("tcp://:4001", "HOST:PORT"),
        ("tcp://[2001:db8::1:4001", "HOST:PORT"),
        ("tcp://10.0.0.5:4001/path", "HOST:PORT"),
        ("tcp://10.0.0.5:4001?baud=9600", "echo, settle_ms, connect_ms"),
        ("replay://", "replay://FILE"),
        ("replay://a.rec?pace=slow", "fast, real"),
        ("replay://a.rec?echo=on", "pace, session"),
    ],
)
def test_a_mistake_names_what_is_allowed(url: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert told in str(caught.value)


def test_options_of_the_configuration_are_checked_too() -> None:
    with pytest.raises(UsageError, match="no option 'baudrate'"):
        parse_url("/dev/ttyS0", {"baudrate": "9600"})


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_url("tcp://user:sesame@host:x")
    assert "sesame" not in str(caught.value)


@given(st.one_of(st.text(), st.text().map("tcp://".__add__), st.text().map("serial:///".__add__)))
def test_any_text_is_an_address_or_a_usage_error(url: str) -> None:
    with suppress(UsageError):
        assert parse_url(url)


@pytest.mark.parametrize(
    ("url", "options", "fastest"),
    [
        ("/dev/ttyUSB0", {}, 0),
        ("serial:///dev/ttyUSB0?fastest=57600", {}, 57_600),
        ("/dev/ttyUSB0", {"fastest": "19200"}, 19_200),
        ("tcp://meter:4001", {}, 0),
        ("replay:///tmp/a.rec", {}, 0),
    ],
)
def test_the_fastest_speed_of_a_probe(url: str, options: dict[str, str], fastest: int) -> None:
    assert fastest_baud(url, options) == fastest


def test_a_fastest_speed_that_is_none() -> None:
    with pytest.raises(UsageError, match="fastest"):
        fastest_baud("/dev/ttyUSB0?fastest=quick")
