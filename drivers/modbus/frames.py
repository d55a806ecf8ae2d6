"""Frames on the wire, as a recording holds them: requests for registers and what answers them. Pure.

RTU   unit | function | data … | CRC-16, low octet first           (Serial Line V1.02 §2.5.1)
TCP   transaction | 0 0 | length | unit | function | data …        (Messaging on TCP/IP V1.0b §3.1.3)

request   function 03 or 04 | first register, 2 octets | how many, 2 octets
answer    function | number of octets | registers …     or   function + 80h | exception code
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.modbus.address import Framing

_REQUEST: Final = 6  # octets of unit, function, first and count
_MBAP: Final = 6  # octets before the unit
_READS: Final = frozenset({3, 4})


@dataclass(frozen=True, slots=True)
class Request:
    """A request to read registers."""

    unit: int
    function: int
    first: int
    count: int
    transaction: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """What answers one: octets of registers, or an exception code (`function` then has 80h added)."""

    unit: int
    function: int
    octets: bytes = b""
    code: int = 0
    transaction: int = 0

    def answers(self, asked: Request) -> bool:
        """Whether it can be the answer to `asked`."""
        if self.unit != asked.unit or self.transaction != asked.transaction or self.function & 0x7F != asked.function:
            return False
        return bool(self.code) or len(self.octets) == 2 * asked.count


def crc16(octets: bytes) -> int:
    """Return the CRC of an RTU frame (Serial Line V1.02 §6.2.2)."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def request_of(sent: bytes, framing: Framing) -> Request | None:
    """Return the request that was sent; None for anything else."""
    if framing == "tcp":
        if len(sent) != _MBAP + _REQUEST or sent[2:6] != b"\x00\x00\x00\x06":
            return None
        transaction, body = int.from_bytes(sent[:2], "big"), sent[_MBAP:]
    else:
        if len(sent) != _REQUEST + 2 or crc16(sent[:-2]) != int.from_bytes(sent[-2:], "little"):
            return None
        transaction, body = 0, sent[:-2]
    if body[1] not in _READS:
        return None
    return Request(body[0], body[1], int.from_bytes(body[2:4], "big"), int.from_bytes(body[4:6], "big"), transaction)


def responses(came: bytes, framing: Framing) -> list[Response]:
    """Return the whole answers that are in what came, in their order; damaged and foreign octets are skipped."""
    found: list[Response] = []
    at = 0
    while at < len(came):
        response, length = _tcp(came[at:]) if framing == "tcp" else _rtu(came[at:])
        if response is not None:
            found.append(response)
        at += length or 1
    return found


def _tcp(came: bytes) -> tuple[Response | None, int]:
    """Return an answer at the begin, if there is one, and how many octets it takes."""
    if len(came) < _MBAP + 3 or came[2:4] != b"\0\0":
        return None, 0
    length = int.from_bytes(came[4:6], "big")
    if not 3 <= length <= 254 or len(came) < _MBAP + length:
        return None, 0
    body = came[_MBAP : _MBAP + length]
    return _response(body, int.from_bytes(came[:2], "big")), _MBAP + length


def _rtu(came: bytes) -> tuple[Response | None, int]:
    if len(came) < 5:
        return None, 0
    length = 3 if came[1] & 0x80 else 3 + came[2]
    if len(came) < length + 2 or crc16(came[:length]) != int.from_bytes(came[length : length + 2], "little"):
        return None, 0
    return _response(came[:length], 0), length + 2


def _response(body: bytes, transaction: int) -> Response | None:
    unit, function = body[0], body[1]
    if function & 0x80:
        return Response(unit, function, code=body[2], transaction=transaction) if len(body) == 3 else None
    if function not in _READS or len(body) != 3 + body[2]:
        return None
    return Response(unit, function, body[3:], transaction=transaction)
