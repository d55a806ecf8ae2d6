"""Frames as a recording holds them, against those that pymodbus makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FRAMER_NAME_TO_CLASS, FramerType
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
)

from drivers.modbus.frames import Request, Response, crc16, request_of, responses

FRAMERS = {"rtu": FramerType.RTU, "tcp": FramerType.SOCKET}
framings = st.sampled_from(["rtu", "tcp"])


def built(framing: str, pdu: object) -> bytes:
    frame: bytes = FRAMER_NAME_TO_CLASS[FRAMERS[framing]](DecodePDU(False)).buildFrame(pdu)  # type: ignore[arg-type]
    return frame


@given(framings, st.integers(1, 247), st.integers(0, 65_000), st.integers(1, 125), st.integers(0, 65_535))
def test_requests(framing: str, unit: int, first: int, count: int, transaction: int) -> None:
    for kind in (ReadHoldingRegistersRequest, ReadInputRegistersRequest):
        pdu = kind(address=first, count=count, dev_id=unit, transaction_id=transaction)
        number = transaction if framing == "tcp" else 0
        assert request_of(built(framing, pdu), framing) == Request(  # type: ignore[arg-type]
            unit, kind.function_code, first, count, number
        )


@given(framings, st.integers(1, 247), st.lists(st.integers(0, 65_535), min_size=1, max_size=125), st.binary(max_size=5))
def test_answers_are_found_after_noise(framing: str, unit: int, words: list[int], noise: bytes) -> None:
    pdu = ReadHoldingRegistersResponse(registers=words, dev_id=unit, transaction_id=7)
    octets = b"".join(word.to_bytes(2, "big") for word in words)
    wanted = Response(unit, 3, octets, transaction=7 if framing == "tcp" else 0)
    assert responses(built(framing, pdu), framing) == [wanted]  # type: ignore[arg-type]
    if framing == "rtu":
        assert wanted in responses(noise + built(framing, pdu), framing)  # type: ignore[arg-type]


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_refusals(framing: str) -> None:
    pdu = ExceptionResponse(3, 2, device_id=9, transaction=7)
    number = 7 if framing == "tcp" else 0
    assert responses(built(framing, pdu), framing) == [  # type: ignore[arg-type]
        Response(9, 0x83, code=2, transaction=number)
    ]
    assert Response(9, 0x83, code=2).answers(Request(9, 3, 0, 4))
    assert not Response(9, 3, b"\0\0").answers(Request(9, 3, 0, 4))
    assert not Response(8, 3, b"\0\0").answers(Request(9, 3, 0, 1))


@given(framings, st.binary(max_size=300))
def test_any_octets_are_taken(framing: str, octets: bytes) -> None:
    taken = [len(found.octets) for found in responses(octets, framing)]  # type: ignore[arg-type]
    assert sum(taken) < max(1, len(octets))
    request = request_of(octets, framing)  # type: ignore[arg-type]
    assert request is None or len(octets) == len(built(framing, ReadHoldingRegistersRequest(address=0, count=1)))


def test_the_checksum_of_the_specification() -> None:
    assert crc16(bytes.fromhex("0207")).to_bytes(2, "little").hex() == "4112"
