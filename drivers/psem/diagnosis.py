"""What is wrong with a line on which no meter answers Identify, judged from the octets that did come in.

Pure: octets in, words out. Each finding rests on a pattern that chance does not make, or says "probably".

    heard                                         finding
    nothing; echo only                            the meter hears nothing, or does not speak to us: probe, power, sleep
    00 00 00 …                                    breaks: light where darkness should be; reversed polarity
    packets after inverting or mirroring octets   reversed polarity
    even parity in every octet                    a line of 7 data bits and a parity bit
    /LGZ5…                                        a meter of IEC 62056-21 (IEC 1107)
    7E A0 … 7E                                    a meter of DLMS/COSEM over HDLC
    60 …                                          a meter of C12.22 (ASN.1)
    FF FD …                                       a Telnet server instead of a raw connection
    80 C0 E0 F0 F8 …                              a sender much slower than our speed
    06 … or 15 … alone                            the meter hears us, its answers do not come through; or half of ours
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.psem.crc import crc16
from drivers.psem.packet import HEADER, LARGEST_SIZE, OVERHEAD, START
from drivers.transport.echo_report import EchoReport

_ENOUGH: Final = 8  # octets from which a pattern in every octet is no chance (1 in 256 for parity)
_VARIED: Final = 5  # different octets among them
_MOST: Final = 0.9  # share of the octets that a pattern must fit
_SHOWN: Final = 24
_SLOW: Final = frozenset({0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF})  # one edge in a whole octet
_MIRROR: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_INVERT: Final = bytes(octet ^ 0xFF for octet in range(256))
_SEVEN: Final = bytes(octet & 0x7F for octet in range(256))
_IEC_NAME: Final = re.compile(rb"/([A-Za-z]{3})([0-9A-Za-z])([!-~ ]{0,20})")
_TELNET: Final = re.compile(rb"\xff[\xfb-\xfe][\x00-\x2c]")
_MODEM: Final = re.compile(rb"NO CARRIER|NO DIAL ?TONE|BUSY|RING|CONNECT[ 0-9A-Z/]*|ERROR")
_HDLC: Final = 0x7E

_TURN: Final = (
    "turn the probe by 180° (ANSI and IEC heads differ), check its power (dtr, rts), the baud rate, and whether the "
    "meter's port sleeps; an IEC 62056-21 meter does not speak C12.18"
)
_SPEED: Final = "check baud rate and parity (9600 8N1), the seat of the probe, and that it is a C12.18 meter"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`text`: what was found, in words; `advice`: what the operator can do."""

    text: str
    advice: str


def diagnose(heard: bytes, sent: bytes, *, baud: int, echo: EchoReport | None = None) -> Diagnosis:
    """Return the likeliest reason why `sent` (an Identify packet) was not answered, given all that was `heard` since.

    `baud`: the speed of the line, 0 where it has none; `echo`: what echo cancelling was set to, and took out.
    """
    echo = echo or EchoReport()
    rest = heard.replace(sent, b"")
    echoed = len(heard) > len(rest) or echo.removed > 0
    if not rest:
        return _silence(baud, echo, echoed=echoed)
    for judge in _JUDGES:
        found = judge(rest)
        if found is not None:
            return found
    text = f"what comes in makes no sense: {_show(rest)}"
    if echo.mode == "on" and not echo.removed:
        return Diagnosis(text, "the line is set to echo=on, but no echo comes: leave echo=auto")
    return Diagnosis(text, _SPEED if baud else "check the serial server's speed and parity (9600 8N1, raw)")


def _silence(baud: int, echo: EchoReport, *, echoed: bool) -> Diagnosis:
    if echoed:
        where = "the probe" if baud else "the far end"
        unset = "; the line echoes: set echo=auto" if echo.mode == "off" else ""
        return Diagnosis(
            f"only the echo of what was sent comes back, so {where} works and the meter says nothing", (_TURN + unset)
        )
    if echo.mode == "on":
        return Diagnosis(
            "nothing comes in, not even the echo that echo=on expects",
            f"check that the probe has power (dtr, rts) and is plugged in, or leave echo=auto; then {_TURN}",
        )
    if not baud:
        return Diagnosis(
            "nothing comes in",
            "check that the serial server is set to raw TCP, 9600 8N1, and what is wired to it; "
            "an IEC 62056-21 meter does not speak C12.18, and a probe there may have to be turned by 180°",
        )
    return Diagnosis("nothing comes in", _TURN)


# -- one pattern each, the most certain first


def _packets(heard: bytes) -> Diagnosis | None:
    if not _has_packet(heard):
        return None
    return Diagnosis(
        "whole PSEM packets come in, but no answer to Identify",
        "the meter may be in another's session: wait half a minute; or clean and seat the probe",
    )


def _reversed(heard: bytes) -> Diagnosis | None:
    for table, how in ((_INVERT, "inverted"), (_MIRROR, "last bit first")):
        if _has_packet(heard.translate(table)):
            return Diagnosis(
                f"PSEM packets come in {how}",
                "the polarity of the probe or of a converter is reversed: set its inverter or swap the two wires",
            )
    return None


def _seven_bits(heard: bytes) -> Diagnosis | None:
    """Seven bits and a parity bit take the place of eight bits: the parity shows in the highest bit of every octet."""
    parity = _parity(heard)
    if parity is None:
        return None
    text = heard.translate(_SEVEN)
    what = f"a line of 7 data bits with {parity} parity (7{parity[0].upper()}1)"
    name = _IEC_NAME.search(text)
    if name:
        return _iec(name, f", on {what}")
    inside = "; PSEM packets are in it, their eighth bit is lost" if _has_seven_bit_packet(text) else ""
    return Diagnosis(
        f"the octets come over {what}{inside}",
        "set the meter's port, its modem or the serial server to 8N1: PSEM needs all eight bits",
    )


def _iec_meter(heard: bytes) -> Diagnosis | None:
    name = _IEC_NAME.search(heard)
    return _iec(name, "") if name and _printable(heard) else None


def _iec(name: re.Match[bytes], how: str) -> Diagnosis:
    return Diagnosis(
        f"a meter of IEC 62056-21 (IEC 1107) names itself {name.group().decode('ascii').strip()!r}{how}",
        "this meter does not speak C12.18: read it with a driver for IEC 62056-21",
    )


def _dlms(heard: bytes) -> Diagnosis | None:
    for start in (at for at, octet in enumerate(heard) if octet == _HDLC):
        if start + 3 > len(heard) or heard[start + 1] & 0xF0 != 0xA0:
            continue
        end = start + 1 + (int.from_bytes(heard[start + 1 : start + 3], "big") & 0x07FF)
        frame = heard[start + 1 : end]
        checked = len(frame) > 4 and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")
        if checked or (end < len(heard) and heard[end] == _HDLC):
            return Diagnosis(
                "frames of HDLC come in (7E A0 … 7E)",
                "this is a meter of DLMS/COSEM (IEC 62056-46): it does not speak C12.18",
            )
    return None


def _c12_22(heard: bytes) -> Diagnosis | None:
    if heard[0] != 0x60 or len(heard) < 4 or heard[1] != len(heard) - 2 or heard[2] & 0xE0 != 0xA0:
        return None
    return Diagnosis("a message of C12.22 comes in (60 …)", "this is a node of C12.22: use its C12.18 or C12.21 port")


def _telnet(heard: bytes) -> Diagnosis | None:
    if not _TELNET.search(heard):
        return None
    return Diagnosis(
        "the far end negotiates Telnet options (FF FB … FF FD …)",
        "set the serial server's port to raw TCP: Telnet and RFC 2217 alter octets of value FF",
    )


def _modem(heard: bytes) -> Diagnosis | None:
    found = _MODEM.search(heard)
    if not found or not _printable(heard):
        return None
    return Diagnosis(
        f"a modem says {found.group().decode('ascii').strip()!r}", "the call is not connected: dial first, or again"
    )


def _text(heard: bytes) -> Diagnosis | None:
    if len(heard) < _ENOUGH or not _printable(heard):
        return None
    return Diagnosis(
        f"text comes in: {_quoted(heard)}",
        "this is no C12.18 meter, or something else uses the line: check the address",
    )


def _breaks(heard: bytes) -> Diagnosis | None:
    if heard.strip(b"\0"):
        return None
    return Diagnosis(
        f"only breaks come in ({len(heard)} octets of 00)",
        "light falls where the meter is dark: turn the probe by 180°, seat it, shield it from the sun; "
        "if it stays so, the polarity of probe or converter is reversed",
    )


def _glitches(heard: bytes) -> Diagnosis | None:
    if heard.strip(b"\xff"):
        return None
    return Diagnosis(
        f"only short flashes come in ({len(heard)} octets of FF)",
        "shield the probe from lamps and the sun and seat it; the meter may send at a much higher speed",
    )


def _slow_sender(heard: bytes) -> Diagnosis | None:
    slow = sum(octet in _SLOW for octet in heard)
    if len(heard) < _ENOUGH or slow < _MOST * len(heard) or len(set(heard)) < 3:
        return None
    return Diagnosis(
        f"the octets have long runs of equal bits: {_show(heard)}",
        "the sender is probably much slower than this line, as an IEC 62056-21 meter at 300 baud: set a lower baud",
    )


def _controls(heard: bytes) -> Diagnosis | None:
    if not heard.strip(b"\x06"):
        return Diagnosis(
            "the meter acknowledges Identify and does not answer it",
            "clean and seat the probe; the meter may be busy, or in another's session: wait half a minute",
        )
    if not heard.strip(b"\x15\x06"):
        return Diagnosis(
            "the meter hears us, but damaged (NAK)",
            "clean and seat the probe; check parity (8N1) and that nothing on the way alters octets",
        )
    return None


_JUDGES: Final[tuple[Callable[[bytes], Diagnosis | None], ...]] = (
    _controls,
    _packets,
    _reversed,
    _breaks,
    _glitches,
    _telnet,
    _dlms,
    _c12_22,
    _modem,
    _iec_meter,
    _seven_bits,
    _text,
    _slow_sender,
)

# -- what octets look like


def _has_packet(octets: bytes) -> bool:
    at = octets.find(START)
    while at >= 0:
        length = int.from_bytes(octets[at + 4 : at + HEADER], "big")
        end = at + length + OVERHEAD
        whole = 1 <= length <= LARGEST_SIZE and end <= len(octets)
        if whole and crc16(octets[at : end - 2]) == int.from_bytes(octets[end - 2 : end], "little"):
            return True
        at = octets.find(START, at + 1)
    return False


def _has_seven_bit_packet(octets: bytes) -> bool:
    """Whether a packet whose data had no eighth bit is in there; the CRC is compared as far as it is left."""
    start = START & 0x7F
    at = octets.find(start)
    while at >= 0:
        length = int.from_bytes(octets[at + 4 : at + HEADER], "big")
        end = at + length + OVERHEAD
        if 1 <= length < 128 and end <= len(octets):
            body = bytes((START,)) + octets[at + 1 : end - 2]
            if crc16(body).to_bytes(2, "little").translate(_SEVEN) == octets[end - 2 : end]:
                return True
        at = octets.find(start, at + 1)
    return False


def _parity(octets: bytes) -> str | None:
    if len(octets) < _ENOUGH or len(set(octets)) < _VARIED:
        return None
    odd = sum(octet.bit_count() & 1 for octet in octets)
    if odd == 0:
        return "even"
    return "odd" if odd == len(octets) else None


def _printable(octets: bytes) -> bool:
    text = sum(0x20 <= octet < 0x7F or octet in b"\r\n\t\x02\x03" for octet in octets)
    return text >= _MOST * len(octets)


def _quoted(octets: bytes) -> str:
    return repr(octets[:_SHOWN].decode("ascii", "replace").strip()) + (" …" if len(octets) > _SHOWN else "")


def _show(octets: bytes) -> str:
    return octets[:_SHOWN].hex(" ").upper() + (" …" if len(octets) > _SHOWN else "")
