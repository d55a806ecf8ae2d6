"""Addresses of Modbus lines."""

from __future__ import annotations

import pytest

from drivers.errors import UsageError
from drivers.modbus.address import line_key, parse_address
from drivers.registry import driver_for


def test_a_serial_line() -> None:
    one = parse_address("modbus:///dev/ttyUSB1?unit=7&baud=19200&parity=even&stop=2&echo=on")
    assert (one.device, one.unit, one.baud, one.parity, one.stop, one.echo) == (
        "/dev/ttyUSB1",
        7,
        19200,
        "even",
        2,
        True,
    )
    assert (one.framing, str(one)) == ("rtu", "/dev/ttyUSB1, unit 7")


def test_network_lines_and_their_ports() -> None:
    tcp = parse_address("modbus+tcp://meter.example?unit=0")
    assert (tcp.host, tcp.port, tcp.unit, tcp.framing) == ("meter.example", 502, 0, "tcp")
    tls = parse_address("modbus+tls://[2001:db8::1]?ca=/etc/ca.pem", {"timeout_ms": "500"})
    assert (tls.host, tls.port, tls.ca, tls.timeout_ms) == ("2001:db8::1", 802, "/etc/ca.pem", 500)
    assert str(tls) == "modbus+tls://[2001:db8::1]:802, unit 1"
    gateway = parse_address("modbus+rtu+tcp://10.0.0.5:4001?unit=12")
    assert (gateway.framing, gateway.port) == ("rtu", 4001)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("modbus://ttyUSB1", "three slashes"),
        ("modbus:///dev/ttyUSB1?unit=0", "1 to 247"),
        ("modbus:///dev/ttyUSB1?unit=248", "1 to 247"),
        ("modbus+tcp://h?unit=256", "0 to 255"),
        ("modbus+tcp://h?ca=x", "no option 'ca'"),
        ("modbus+tls://h?verify=off", "always verified"),
        ("modbus+tls://h?key=x", "without a certificate"),
        ("modbus+tls://h?ca=", "names nothing"),
        ("modbus+rtu+tcp://h", "not a host and a port"),
        ("modbus+tcp://u:secret@h", "no user or password"),
        ("modbus+tcp://u:secret@h?unit=1&unit=2", "no user or password"),
        ("modbus://u:secret@/dev/ttyUSB1", "no user or password"),
        ("modbus:///dev/ttyUSB1?parity=mark", "not one of none, even, odd"),
        ("modbus+tcp://h?timeout_ms=9", "10 to 60000"),
        ("modbus+tcp://h?unit", "not NAME=VALUE"),
        ("modbus+tcp://h?unit=1&unit=2", "twice"),
        ("modbus+tcp://h:99999", "HOST:PORT"),
        ("modbus+tcp://h?parity=even", "no option 'parity'"),
        ("http://h", "not the address of a Modbus line"),
    ],
)
def test_what_makes_no_sense_is_named(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)


def test_units_behind_one_gateway_share_a_key() -> None:
    keys = {line_key(f"modbus+tcp://Gateway.:502?unit={unit}") for unit in range(20)}
    assert keys == {"gateway:502"}
    assert line_key("modbus+rtu+tcp://gateway:502") == "gateway:502"
    assert line_key("modbus+tcp://gateway:503") != "gateway:502"


def test_the_registry_knows_the_driver() -> None:
    for scheme in ("modbus", "modbus+tcp", "modbus+tls", "modbus+rtu+tcp"):
        assert scheme in driver_for(f"{scheme}://x").schemes
