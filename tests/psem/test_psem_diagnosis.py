"""What is said about a line on which Identify is not answered, from what was heard there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.psem.crc import crc16
from drivers.psem.diagnosis import diagnose
from drivers.psem.packet import Packet
from drivers.transport.echo_report import EchoReport

SENT = bytes.fromhex("EE 00 00 00 00 01 20 13 10")
REPLY = bytes.fromhex("EE 00 00 00 00 05 00 00 01 00 00 C6 B5")
IEC = b"/LGZ5\\2ZMD3104407.B14\r\n"
MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def seven(text: bytes, *, odd: bool = False) -> bytes:
    """What a line of 8N1 hears of a sender of 7E1 or 7O1."""
    return bytes(octet & 0x7F | ((octet & 0x7F).bit_count() & 1 ^ odd) << 7 for octet in text)


def at_300(text: bytes) -> bytes:
    """What a line of 9600 baud hears of a sender of 300 baud: each bit lasts 32 of ours."""
    levels: list[int] = []
    for octet in text:
        bits = [0, *((octet >> n) & 1 for n in range(7)), octet.bit_count() & 1, 1]
        levels += [bit for bit in bits for _ in range(32)]
    heard, at = bytearray(), 0
    while at + 10 <= len(levels):
        if levels[at]:
            at += 1
            continue
        heard.append(sum(levels[at + 1 + n] << n for n in range(8)))
        at += 10
    return bytes(heard)


def hdlc(body: bytes) -> bytes:
    head = (0xA000 | len(body) + 4).to_bytes(2, "big")
    return b"\x7e" + head + body + crc16(head + body).to_bytes(2, "little") + b"\x7e"


@pytest.mark.parametrize(
    ("heard", "text", "advice"),
    [
        (b"", "nothing comes in", "180°"),
        (SENT * 4, "only the echo", "180°"),
        (SENT * 4, "only the echo", "echo=auto"),
        (bytes(7), "breaks", "shield"),
        (b"\xff" * 5, "flashes", "shield"),
        (REPLY.translate(bytes(255 - n for n in range(256))), "inverted", "polarity"),
        (REPLY.translate(MIRROR), "last bit first", "polarity"),
        (b"\x06" * 4, "acknowledges Identify", "busy"),
        (b"\x15" * 4, "damaged", "parity"),
        (REPLY + REPLY, "whole PSEM packets", "half a minute"),
        (IEC, "IEC 62056-21", "driver for IEC"),
        (seven(IEC), "7 data bits with even parity (7E1)", "driver for IEC"),
        (b"\x06" + seven(REPLY), "7E1", "8N1"),
        (seven(REPLY), "PSEM packets are in it", "8N1"),
        (seven(bytes(range(32, 60)), odd=True), "odd parity (7O1)", "8N1"),
        (at_300(b"/ABB4\r\n"), "long runs", "lower baud"),
        (hdlc(bytes.fromhex("03 21 13 00 00")), "HDLC", "DLMS"),
        (b"\x60\x04\xa1\x02\x06\x00", "C12.22", "port"),
        (b"\xff\xfd\x18\xff\xfb\x01", "Telnet", "raw"),
        (b"\r\nNO CARRIER\r\n", "NO CARRIER", "dial"),
        (b"\r\nmoxa login: ", "moxa login", "address"),
        (bytes.fromhex("A5 13 7C 99 02 41 E7 30 5B"), "no sense", "9600 8N1"),
    ],
)
def test_what_is_heard_is_named(heard: bytes, text: str, advice: str) -> None:
    found = diagnose(heard, SENT, baud=9600)
    assert text in found.text
    assert advice in found.advice


@pytest.mark.parametrize(
    ("heard", "echo", "text", "advice"),
    [
        (b"", EchoReport("auto", 36), "only the echo", "180°"),
        (b"", EchoReport("on", 0), "not even the echo", "power"),
        (b"\xa5\x13\x7c\x99\x02", EchoReport("on", 0), "no sense", "no echo comes"),
    ],
)
def test_the_echo_against_its_setting(heard: bytes, echo: EchoReport, text: str, advice: str) -> None:
    found = diagnose(heard, SENT, baud=9600, echo=echo)
    assert text in found.text
    assert advice in found.advice


def test_a_network_line_has_a_serial_server() -> None:
    assert "serial server" in diagnose(b"", SENT, baud=0).advice
    assert "serial server" in diagnose(b"\xa5\x13\x7c\x99\x02\x41", SENT, baud=0).advice


@given(st.binary(max_size=200), st.sampled_from([0, 9600]), st.booleans())
def test_any_octets_get_a_diagnosis(heard: bytes, baud: int, doubled: bool) -> None:
    found = diagnose(heard + (SENT if doubled else b""), SENT, baud=baud)
    assert found.text
    assert found.advice
    assert "\n" not in found.text + found.advice
    assert found.text.isprintable()


@given(st.binary(min_size=1, max_size=40), st.booleans())
def test_a_packet_is_recognised_wherever_it_stands(data: bytes, toggle: bool) -> None:
    raw = b"\x06" + Packet(data, toggle=toggle).to_bytes()
    assert "PSEM packets" in diagnose(raw, SENT, baud=9600).text
