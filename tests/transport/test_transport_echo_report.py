"""What is known about the echo of a line can be asked of any transport above it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drivers.transport import start_recording
from drivers.transport.base import Transport
from drivers.transport.echo_report import EchoReport, echo_of
from drivers.transport.echoing import EchoTransport
from drivers.transport.urls import EchoMode

IDENTIFY = bytes.fromhex("EE 00 00 00 00 01 20 13 10")


class Echoing:
    """A probe that returns what is sent, and nothing else but an ACK."""

    name = "probe"
    baud = 9600

    def __init__(self) -> None:
        self.back = b""

    async def read(self) -> bytes:
        chunk, self.back = self.back, b""
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - of `Transport`
        self.back += chunk + b"\x06"

    def discard_input(self) -> int:
        return 0

    async def set_baud(self, baud: int) -> None:
        pass

    async def close(self) -> None:
        pass


def test_a_line_without_echo_cancelling_reports_nothing() -> None:
    assert echo_of(Echoing()) == EchoReport("off", 0)


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_what_was_taken_out_is_counted(mode: EchoMode) -> None:
    line = EchoTransport(Echoing(), mode)
    assert echo_of(line) == EchoReport(mode, 0)
    await line.write(IDENTIFY)
    assert await line.read() == b"\x06"
    assert echo_of(line) == EchoReport(mode, 9)


async def test_a_recording_passes_the_question_on(tmp_path: Path) -> None:
    inner: Transport = EchoTransport(Echoing(), "auto")
    line = start_recording(inner, tmp_path / "a.rec", monotonic_ns=time.monotonic_ns)
    await line.write(IDENTIFY)
    await line.read()
    assert echo_of(line) == EchoReport("auto", 9)
    await line.close()
