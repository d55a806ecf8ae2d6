from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LineLost, UsageError
from drivers.transport import RecordingTransport, open_transport, start_recording
from drivers.transport.echoing import EchoTransport
from drivers.transport.masking import MAX_HELD, SecretWindow
from drivers.transport.recording_file import Octets, Session, read_sessions
from tests.transport.lines import STARTED, PtyPeer, read_octets

SECRET = b"\xee\x00\x20\x00\x00\x15\x51" + b"sesame42" + bytes(12) + b"\xa1\xb2"
GRANTED = bytes.fromhex("06 EE 00 20 00 00 01 00 80 51")


class Memory:
    """A line in memory: `answers` come in, what is written is kept."""

    name = "memory"
    baud = 9600

    def __init__(self, *answers: bytes | LineLost) -> None:
        self.answers = list(answers)
        self.written: list[tuple[bytes, bool]] = []
        self.closed = False

    async def read(self) -> bytes:
        if not self.answers:
            await asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0)
        if isinstance(answer, LineLost):
            raise answer
        return answer

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self.written.append((chunk, secret))

    def discard_input(self) -> int:
        dropped = sum(len(answer) for answer in self.answers if isinstance(answer, bytes))
        self.answers.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        self.baud = baud

    async def close(self) -> None:
        self.closed = True


def recorder(inner: Memory, path: Path) -> RecordingTransport:
    ticks = count(5_000, 1_000)
    return start_recording(inner, path, started=STARTED, monotonic_ns=lambda: next(ticks))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def text(path: Path) -> str:
    return path.read_text()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def only(path: Path) -> Session:
    (session,) = read_sessions(path)
    return session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visit.rec"


async def test_the_format(path: Path) -> None:
    transport = recorder(Memory(b"\x06\xee", b"\x00", b"dropped"), path)
    await transport.write(b"\xee\x00\x20")
    assert await transport.read() == b"\x06\xee"
    assert await transport.read() == b"\x00"
    assert transport.discard_input() == 7
    assert transport.discard_input() == 0
    await transport.set_baud(19200)
    await transport.set_baud(19200)
    await transport.close()
    assert text(path) == (
        '{"mrsp-recording":1,"line":"memory","baud":9600,"started":"2026-11-21T21:02:00.000000Z"}\n'
        '{"t":1000,"dir":">","hex":"ee0020"}\n'
        '{"t":2000,"dir":"<","hex":"06ee"}\n'
        '{"t":3000,"dir":"<","hex":"00"}\n'
        '{"t":4000,"event":"discard","value":7}\n'
        '{"t":5000,"event":"baud","value":19200}\n'
        '{"t":6000,"event":"close","value":""}\n'
    )
    assert mode(path) == 0o600


async def test_each_line_is_in_the_file_at_once(path: Path) -> None:
    """A crash leaves everything up to it."""
    transport = recorder(Memory(b"\x06"), path)
    await transport.write(b"\x01")
    assert lines(path)[-1]["hex"] == "01"
    await transport.read()
    assert lines(path)[-1]["hex"] == "06"
    await transport.close()


async def test_a_password_is_masked_with_its_length(path: Path) -> None:
    inner = Memory(GRANTED)
    transport = recorder(inner, path)
    await transport.write(SECRET, secret=True)
    assert inner.written == [(SECRET, True)]
    assert await transport.read() == GRANTED
    await transport.write(b"\x06")
    await transport.close()
    assert [line.get("hex") for line in lines(path)[1:4]] == ["**" * len(SECRET), GRANTED.hex(), "06"]
    assert no_trace(path, b"sesame42")


async def test_a_repeated_password_is_masked_each_time(path: Path) -> None:
    transport = recorder(Memory(b"\x15", GRANTED), path)
    for _ in range(2):
        await transport.write(SECRET, secret=True)
        await transport.read()
    await transport.write(b"\x06")
    await transport.close()
    assert [line.get("hex") for line in lines(path)[1:6]] == [
        "**" * len(SECRET),
        "15",
        "**" * len(SECRET),
        GRANTED.hex(),
        "06",
    ]


async def test_a_line_that_ends_after_the_password_keeps_the_answer(path: Path) -> None:
    transport = recorder(Memory(GRANTED), path)
    await transport.write(SECRET, secret=True)
    await transport.read()
    await transport.close()
    assert [line.get("hex") for line in lines(path)[1:3]] == ["**" * len(SECRET), GRANTED.hex()]


@pytest.mark.parametrize("pieces", [1, 4, 100])
@pytest.mark.parametrize("damage", [lambda e: e, lambda e: e[1:], lambda e: e[:9] + b"?" + e[10:], lambda e: e[5:12]])
async def test_an_echo_that_echo_cancelling_let_through_is_masked(path: Path, damage: Any, pieces: int) -> None:
    received = damage(SECRET) + GRANTED
    transport = recorder(Memory(*(received[at : at + pieces] for at in range(0, len(received), pieces))), path)
    await transport.write(SECRET, secret=True)
    assert await read_octets(transport, len(received)) == received
    await transport.write(b"\x06")
    await transport.close()
    assert no_trace(path, b"sesame42")
    assert lines(path)[-2]["hex"] == "06"


async def test_an_echo_that_comes_after_the_client_went_on_is_masked(path: Path) -> None:
    transport = recorder(Memory(SECRET, GRANTED, b"\x06"), path)
    await transport.write(SECRET, secret=True)
    await transport.write(b"\xee\x00\x00\x00\x00\x01\x21")  # nothing came: terminate
    assert await transport.read() == SECRET
    await transport.write(b"\x06")
    assert await transport.read() == GRANTED
    await transport.close()
    assert no_trace(path, b"sesame42")
    assert [line.get("hex") for line in lines(path)[4:6]] == ["06", GRANTED.hex()]


async def test_over_an_echoing_probe_no_password_gets_into_the_file(path: Path) -> None:
    """The recorder stands above echo cancelling: a real line, a real echo, nothing but the answers in the file."""
    peer = PtyPeer()
    inner = await open_transport(peer.path, {"echo": "off"})
    transport = start_recording(EchoTransport(inner, "on"), path)
    for chunk, secret, answer in ((b"\xee identify", False, b"\x06 meter"), (SECRET, True, GRANTED)):
        await transport.write(chunk, secret=secret)
        await peer.send(await peer.receive(len(chunk)) + answer)
        assert await read_octets(transport, len(answer)) == answer
    await transport.close()
    await peer.hang_up()
    assert no_trace(path, b"sesame42")
    received = b"".join(r.octets or b"" for r in only(path).records if isinstance(r, Octets) and r.direction == "<")
    assert received == b"\x06 meter" + GRANTED


def no_trace(path: Path, password: bytes) -> bool:
    """Whether no three octets of the password stand in the file, plain or in hexadecimal."""
    runs = [password[at : at + 3] for at in range(len(password) - 2)]
    content = path.read_bytes()
    return not any(run in content or run.hex().encode() in content.lower() for run in runs)


@given(password=st.binary(min_size=3, max_size=20), answer=st.binary(max_size=60), cut=st.integers(1, 20))
def test_whatever_comes_back_the_password_does_not_pass(password: bytes, answer: bytes, cut: int) -> None:
    window = SecretWindow()
    secret = b"\xee\x00\x20\x00\x00\x15\x51" + password
    passed = window.sent(Octets(0, ">", secret, len(secret)), secret=True)
    received = answer + secret
    for at in range(0, len(received), cut):
        part = received[at : at + cut]
        passed += window.received(Octets(1, "<", part, len(part)))
    passed += window.sent(Octets(2, ">", b"\x06", 1), secret=False)
    assert sum(record.length for record in passed if isinstance(record, Octets)) == len(secret) + len(received) + 1
    if set(password[:3]) - set(b"\x00\x20\xff\x06\x15\xee"):
        assert all(record.octets is None for record in passed if isinstance(record, Octets) and record.t < 2)


def test_a_window_holds_a_bounded_number_of_octets() -> None:
    window = SecretWindow()
    window.sent(Octets(0, ">", SECRET, len(SECRET)), secret=True)
    passed = []
    for _ in range(100):
        passed += window.received(Octets(1, "<", bytes(1024), 1024))
        assert sum(record.length for record in window._held if isinstance(record, Octets)) <= MAX_HELD + 1024
    assert passed
    assert all(isinstance(record, Octets) and record.octets is None for record in passed)


async def test_a_password_of_padding_alone_hides_nothing_else(path: Path) -> None:
    transport = recorder(Memory(GRANTED), path)
    await transport.write(bytes(20), secret=True)
    assert lines(path)[-1]["hex"] == "**" * 20
    await transport.read()
    assert lines(path)[-1]["hex"] == GRANTED.hex()
    await transport.close()


async def test_a_lost_line_is_recorded_once(path: Path) -> None:
    transport = recorder(Memory(LineLost("the probe is gone"), LineLost("the probe is gone")), path)
    for _ in range(2):
        with pytest.raises(LineLost):
            await transport.read()
    await transport.close()
    assert [line.get("event") for line in lines(path)[1:]] == ["lost", "close"]


async def test_long_chunks_take_several_lines(path: Path) -> None:
    chunk = bytes(range(256)) * 100
    transport = recorder(Memory(chunk), path)
    await transport.read()
    await transport.close()
    records = [record for record in only(path).records if isinstance(record, Octets)]
    assert len(records) == 7
    assert b"".join(record.octets or b"" for record in records) == chunk


async def test_a_second_visit_is_appended_also_after_a_crash(path: Path) -> None:
    await recorder(Memory(), path).close()
    with path.open("a") as file:
        file.write('{"t":1,"dir":">","he')  # a power cut
    await recorder(Memory(), path).close()
    first, second = read_sessions(path)
    assert first.header == second.header
    assert [len(first.records), len(second.records)] == [1, 1]


@pytest.mark.parametrize("content", ["a letter to somebody\n", "{}", '{"mrsp":1}\n'])
def test_a_file_of_something_else_is_kept(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(UsageError, match="exists and is not a recording"):
        start_recording(Memory(), path)
    assert path.read_text() == content


def test_an_empty_file_is_used(path: Path) -> None:
    path.touch()
    asyncio.run(recorder(Memory(), path).close())
    assert len(read_sessions(path)) == 1


async def test_two_recorders_do_not_share_a_file(path: Path) -> None:
    transport = recorder(Memory(), path)
    with pytest.raises(UsageError, match="being written by another program"):
        recorder(Memory(), path)
    await transport.close()


@pytest.mark.parametrize("name", ["no/such/folder/a.rec", "."])
def test_a_file_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        start_recording(Memory(), tmp_path / name)


async def test_a_full_disk_ends_the_recording_and_not_the_visit(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Memory(b"\x06", b"\x06")
    transport = recorder(inner, path)

    def full(_descriptor: int, _octets: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    await transport.write(b"\x01")
    assert await transport.read() == b"\x06"
    assert await transport.read() == b"\x06"
    await transport.close()
    assert transport.failure is not None
    assert inner.closed
    assert caplog.text.count("ends early: No space left on device") == 1


@asynccontextmanager
async def never_closing() -> AsyncIterator[Memory]:
    class Stuck(Memory):
        async def close(self) -> None:
            await asyncio.get_running_loop().create_future()

    yield Stuck()


async def test_a_cancelled_close_still_closes_the_file(path: Path) -> None:
    async with never_closing() as inner:
        closing = asyncio.create_task(recorder(inner, path).close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    assert lines(path)[-1]["event"] == "close"
