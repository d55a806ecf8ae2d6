from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UsageError
from drivers.transport.dialling import Call
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.urls import (
    BankAddress,
    ModemAddress,
    ReplayAddress,
    Rfc2217Address,
    SerialAddress,
    TcpAddress,
    fastest_baud,
    parse_url,
)

MODEM_PORT = SerialAddress("/dev/ttyS0", echo="off")


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
        ("tcp://10.0.0.5:4001?identity=7", TcpAddress("10.0.0.5", 4001, identity=7)),
        ("rfc2217://10.0.0.5:4001", Rfc2217Address("10.0.0.5", 4001)),
        (
            "rfc2217://[2001:db8::1]:4001?baud=1200&dtr=off&rts=leave&echo=off&fastest=19200&identity=255",
            Rfc2217Address(
                "2001:db8::1", 4001, baud=1200, dtr="off", rts="leave", echo="off", fastest=19_200, identity=255
            ),
        ),
        ("modem:///dev/ttyS0", ModemAddress(MODEM_PORT)),
        ("modem:///dev/ttyS0?dial=(555)+01-00", ModemAddress(MODEM_PORT, Call("(555) 01-00"))),
        (
            "modem:///dev/ttyS0?dial=0,5550100&tone=pulse&wait_s=45&settle_ms=500&max_call_s=600&baud=2400"
            "&init=%26K0|AT\\N0&results=numeric&speed=follow&identity=3&echo=auto",
            ModemAddress(
                SerialAddress("/dev/ttyS0", baud=2400, echo="off"),
                Call("0,5550100", "pulse", 45, 500, 600),
                ModemSettings(extra=("AT&K0", "AT\\N0"), numeric=True, follow_rate=True),
                echo="auto",
                identity=3,
            ),
        ),
        (
            "modem+tcp://10.0.0.5:4001?dial=+1+555+0100&connect_ms=3000",
            ModemAddress(TcpAddress("10.0.0.5", 4001, "off", connect_ms=3000), Call("+1 555 0100")),
        ),
        ("modem://north?dial=5550100&identity=2", BankAddress("north", Call("5550100"), identity=2)),
        (
            "modem://north?dial=5550100&init=%2BMS%3DV22B",
            BankAddress("north", Call("5550100", init=("AT+MS=V22B",))),
        ),
        ("replay://a.rec?identity=9", ReplayAddress("a.rec", identity=9)),
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
        ("ttyUSB0", "serial:///dev/ttyUSB0, tcp://HOST:PORT, rfc2217://HOST:PORT, modem:///dev/ttyS0?dial=NUMBER"),
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
        ("tcp://10.0.0.5:4001?identity=256", "0 to 255"),
        ("rfc2217://10.0.0.5", "rfc2217://HOST:PORT"),
        ("rfc2217://10.0.0.5:4001?parity=even", "baud, dtr, rts, echo, settle_ms, connect_ms"),
        ("modem://", "modem:///dev/ttyS0?dial=NUMBER"),
        ("modem://dev/ttyS0?dial=1", "three slashes"),
        ("modem://north", "names no number to call"),
        ("modem://north?dial=5550100&baud=1200", "dial, tone, wait_s"),
        ("modem:///dev/ttyS0?dial=", "not a telephone number"),
        ("modem:///dev/ttyS0?dial=555%3B0100", "off the hook"),
        ("modem:///dev/ttyS0?dial=5550100%0DATH0", "not a telephone number"),
        ("modem:///dev/ttyS0?dial=5550100%0A", "not a telephone number"),
        ("modem:///dev/ttyS0?dial=---", "not a telephone number"),
        ("modem:///dev/ttyS0?dial=CALLME", "not a telephone number"),
        ("modem:///dev/ttyS0?dial=%D9%A3%D9%A0%D9%A0", "not a telephone number"),
        (f"modem:///dev/ttyS0?dial={'5' * 61}", "at most 60"),
        ("modem:///dev/ttyS0?dial=5&tone=loud", "tone, pulse"),
        ("modem:///dev/ttyS0?dial=5&wait_s=5", "10 to 255"),
        ("modem:///dev/ttyS0?dial=5&max_call_s=0", "30 to 86400"),
        ("modem:///dev/ttyS0?dial=5&init=%0DATDT911", "modem commands"),
        ("modem:///dev/ttyS0?dial=5&init=X4||M0", "modem commands"),
        ("modem:///dev/ttyS0?dial=5&connect_ms=5", "dial, tone, wait_s"),
        ("modem+tcp://host?dial=5", "modem+tcp://HOST:PORT"),
        ("modem+tcp://host:1?dial=5&baud=300", "connect_ms"),
        ("replay://", "replay://FILE"),
        ("replay://a.rec?pace=slow", "fast, real"),
        ("replay://a.rec?echo=on", "pace, session, identity"),
    ],
)
def test_a_mistake_names_what_is_allowed(url: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert told in str(caught.value)


def test_options_of_the_configuration_are_checked_too() -> None:
    with pytest.raises(UsageError, match="no option 'baudrate'"):
        parse_url("/dev/ttyS0", {"baudrate": "9600"})


@pytest.mark.parametrize(
    "url",
    ["tcp://u:sesame@host:x", "TCP://u:sesame@host:1?echo", "rfc2217://u:sesame@h:1?a=1&a=2", "modem://u:sesame@north"],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="takes no user or password") as caught:
        parse_url(url)
    assert "sesame" not in str(caught.value)


def test_a_file_may_have_an_at_sign_in_its_name() -> None:
    assert parse_url("/dev/serial/by-id/probe@3") == parse_url("serial:///dev/serial/by-id/probe%403")
    assert parse_url("replay://visit@noon.rec") == parse_url("replay://visit%40noon.rec")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("modem:///dev/ttyS0?dial=555-0100&tone=pulse", "modem:///dev/ttyS0?dial=5550100"),
        ("modem+tcp://[2001:db8::1]:4001", "modem+tcp://[2001:db8::1]:4001"),
        ("modem://north?dial=9W555", "modem://north?dial=9W555"),
        ("rfc2217://host:1?baud=300", "rfc2217://host:1"),
    ],
)
def test_an_address_is_shown_as_it_can_be_given(url: str, shown: str) -> None:
    assert str(parse_url(url)) == shown


def test_how_long_dialling_takes() -> None:
    assert Call("5550100").dialling_s == pytest.approx(1.4)
    assert Call("0,555", tone="pulse").dialling_s > 4 * Call("0555").dialling_s
    assert Call("9W555").dialling_s > 10


_MODEM_URLS = st.text().map("modem:///dev/ttyS0?dial=".__add__)


@given(st.one_of(st.text(), st.text().map("tcp://".__add__), st.text().map("serial:///".__add__), _MODEM_URLS))
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
        ("rfc2217://meter:4001", {"fastest": "28800"}, 28_800),
        ("modem:///dev/ttyS0?dial=1", {}, 0),
        ("replay:///tmp/a.rec", {}, 0),
    ],
)
def test_the_fastest_speed_of_a_probe(url: str, options: dict[str, str], fastest: int) -> None:
    assert fastest_baud(url, options) == fastest


def test_a_fastest_speed_that_is_none() -> None:
    with pytest.raises(UsageError, match="fastest"):
        fastest_baud("/dev/ttyUSB0?fastest=quick")
