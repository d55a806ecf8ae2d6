from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import serialx
from serialx.platforms.serial_posix import PosixSerial

from drivers.errors import LineLost, TransportError, UsageError
from drivers.transport import open_transport, serial
from drivers.transport.port_errors import explain_open, line_lost
from drivers.transport.serial import SerialTransport, _warmup_s, open_serial
from drivers.transport.urls import SerialAddress
from tests.transport.lines import PtyPeer


@asynccontextmanager
async def pty() -> AsyncIterator[PtyPeer]:
    peer = PtyPeer()
    try:
        yield peer
    finally:
        await peer.hang_up()


def test_without_lines_to_power_a_probe_nothing_is_waited_for() -> None:
    assert _warmup_s(SerialAddress("/dev/null")) == 0.2
    assert _warmup_s(SerialAddress("/dev/null", dtr="off", rts="leave")) == 0.0
    assert _warmup_s(SerialAddress("/dev/null", warmup_ms=50)) == 0.05
    master, slave = os.openpty()
    assert _warmup_s(SerialAddress(os.ttyname(slave))) == 0.0
    assert _warmup_s(SerialAddress(os.ttyname(slave), warmup_ms=7)) == 0.007
    os.close(master)
    os.close(slave)


async def test_settings_that_a_pty_cannot_do_are_no_obstacle() -> None:
    async with pty() as peer:
        transport = await open_transport(f"{peer.path}?baud=12345&dtr=on&rts=off&warmup_ms=1")
        await transport.set_baud(57600)
        await transport.set_baud(256000)
        await transport.write(b"\x06")
        assert await peer.receive(1) == b"\x06"
        await transport.close()


async def test_the_port_is_raw() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path)
        iflag, oflag, cflag, lflag, _ispeed, ospeed, _cc = termios.tcgetattr(peer._slave)
        assert (iflag, oflag & termios.OPOST, lflag & (termios.ECHO | termios.ICANON | termios.ISIG)) == (0, 0, 0)
        assert cflag & termios.CSIZE == termios.CS8
        assert cflag & (termios.PARENB | termios.CSTOPB) == 0
        assert ospeed == termios.B9600
        await transport.set_baud(19200)
        assert termios.tcgetattr(peer._slave)[5] == termios.B19200
        await transport.close()


async def test_stale_input_is_gone_after_opening() -> None:
    async with pty() as peer:
        await peer.send(b"stale")
        transport = await open_transport(peer.path)
        await peer.send(b"\x06")
        assert await transport.read() == b"\x06"
        await transport.close()


async def test_input_just_before_a_discard_or_a_speed_change_does_not_look_like_an_unplugged_port() -> None:
    """serialx takes an empty read for the end; a flush between its poll and its read would give it one."""
    async with pty() as peer:
        transport = await open_transport(peer.path, {"echo": "off"})
        for baud in (19200, 9600) * 20:
            os.write(peer._master, b"noise")
            await asyncio.sleep(0)  # one poll of the loop: the read is scheduled
            transport.discard_input()
            os.write(peer._master, b"noise")
            await transport.set_baud(baud)
            transport.discard_input()
        await asyncio.sleep(0)
        os.write(peer._master, b"\x06")
        heard = b""
        while b"\x06" not in heard:
            heard += await transport.read()
        assert heard.strip(b"noise") == b"\x06"
        assert transport.baud == 9600
        await transport.close()


async def test_there_is_no_such_port() -> None:
    with pytest.raises(TransportError, match="there is no /dev/ttyNOPE") as caught:
        await open_transport("/dev/ttyNOPE")
    assert "plugged in" in caught.value.advice


@pytest.mark.parametrize("path", ["/etc/passwd", "/tmp", "/dev/null"])  # noqa: S108 - a folder, not a file of ours
async def test_a_file_is_not_a_port(path: str) -> None:
    with pytest.raises(UsageError, match="is not a serial port"):
        await open_transport(path)


async def test_a_second_opening_names_the_lock_and_who_has_it() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path)
        with pytest.raises(TransportError, match=rf"is busy: locked \(flock\) by .+ \(process {os.getpid()}\)"):
            await open_transport(peer.path)
        await transport.close()
        again = await open_transport(peer.path)
        await again.close()


async def test_a_port_that_another_program_has_exclusively() -> None:
    error = explain_open("/dev/ttyS0", OSError(errno.EBUSY, "Device or resource busy"), 9600)
    assert "TIOCEXCL" in str(error)


async def test_no_permission_tells_the_group() -> None:
    error = explain_open("/dev/ttyNOPE", PermissionError(errno.EACCES, "Permission denied"), 9600)
    assert isinstance(error, TransportError)
    assert "add user to group dialout" in error.advice


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EIO, "Input/output error"), "plug it in again"),
        (OSError(errno.EINVAL, "Invalid argument"), "cannot do 115200 baud"),
        (serialx.UnsupportedSetting("no such speed"), "cannot do 115200 baud 8N1: no such speed"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "cannot be opened: Cannot allocate"),
        (OSError(errno.ENOTTY, "Not a typewriter"), "is not a serial port"),
    ],
)
def test_what_the_system_says_about_a_port(error: Exception, told: str) -> None:
    assert told in str(explain_open("/dev/ttyS0", error, 115200))


def test_why_a_port_was_lost() -> None:
    assert "unplugged" in str(line_lost("/dev/ttyS0", OSError(errno.EIO, "x")))
    assert str(line_lost("/dev/ttyS0", None)) == "/dev/ttyS0 went away"
    assert "weird" in str(line_lost("/dev/ttyS0", RuntimeError("weird")))


async def test_unplugging_is_told_with_advice() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path)
        reading = asyncio.create_task(transport.read())
        await asyncio.sleep(0)
        await peer.hang_up()
        with pytest.raises(LineLost, match=r"went away.*unplugged"):
            await reading
        with pytest.raises(LineLost):
            await transport.set_baud(19200)
        await transport.close()


async def test_unplugging_while_writing() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path, {"echo": "off"})
        writing = asyncio.create_task(transport.write(bytes(1024 * 1024)))
        await peer.receive(1000)
        assert not writing.done()
        await peer.hang_up()
        with pytest.raises(LineLost):
            await writing
        await transport.close()


async def test_closing_takes_less_than_a_second_though_nobody_takes_the_output() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path, {"echo": "off"})
        writing = asyncio.create_task(transport.write(bytes(1024 * 1024)))
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await transport.close()
        with pytest.raises(LineLost):
            await writing


async def test_a_cancelled_close_still_gives_the_port_back() -> None:
    async with pty() as peer:
        transport = await open_transport(peer.path, {"echo": "off"})
        writing = asyncio.create_task(transport.write(bytes(1024 * 1024)))
        closing = asyncio.create_task(transport.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(LineLost):
            await writing
        while True:  # until the port is free
            try:
                again = await open_transport(peer.path)
                break
            except TransportError:
                continue
        await again.close()


async def test_cancelling_the_warm_up_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    warming = asyncio.Event()
    warm_up = SerialTransport.warm_up

    async def tell(transport: SerialTransport) -> None:
        warming.set()
        await warm_up(transport)

    monkeypatch.setattr(SerialTransport, "warm_up", tell)
    async with pty() as peer:
        opening = asyncio.create_task(open_transport(f"{peer.path}?warmup_ms=60000"))
        await warming.wait()
        assert not _can_lock(peer.path)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert _can_lock(peer.path)


def _can_lock(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@pytest.mark.parametrize(
    ("options", "opened", "closed", "kernel"),
    [
        ("dtr=on&rts=on", ("HIGH", "HIGH"), ("LOW", "LOW"), "LOW"),
        ("dtr=on&rts=off", ("HIGH", "LOW"), ("LOW", "UNDEFINED"), "LOW"),
        ("dtr=off&rts=on", ("LOW", "HIGH"), ("UNDEFINED", "LOW"), "LOW"),
        ("dtr=off&rts=leave", ("LOW", "UNDEFINED"), ("UNDEFINED", "UNDEFINED"), "UNDEFINED"),
        ("dtr=leave&rts=leave", ("UNDEFINED", "UNDEFINED"), ("UNDEFINED", "UNDEFINED"), "UNDEFINED"),
    ],
)
async def test_probe_power(
    monkeypatch: pytest.MonkeyPatch, options: str, opened: tuple[str, str], closed: tuple[str, str], kernel: str
) -> None:
    pins: list[tuple[str, str]] = []
    monkeypatch.setattr(PosixSerial, "_set_modem_pins", lambda _self, p: pins.append((p.dtr.name, p.rts.name)))
    async with pty() as peer:
        transport = await open_transport(f"{peer.path}?{options}&echo=off")
        assert isinstance(transport, SerialTransport)
        port = transport._transport.serial
        assert (port.dtr_on_close.name, port.rts_on_close.name) == (kernel, kernel)
        await transport.close()
    assert pins == [opened, closed]


async def test_power_goes_down_only_after_the_last_octet_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    flush = PosixSerial._flush

    def drain(port: PosixSerial) -> None:
        flush(port)
        steps.append("drained")

    monkeypatch.setattr(PosixSerial, "_flush", drain)
    monkeypatch.setattr(PosixSerial, "_set_modem_pins", lambda _self, p: steps.append(p.dtr.name))
    async with pty() as peer:
        transport = await open_transport(peer.path)
        await transport.write(b"\x06")
        await transport.close()
        assert await peer.receive(1) == b"\x06"
    assert steps == ["HIGH", "drained", "LOW"]


async def test_the_serial_library_logs_no_octets(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("serialx").setLevel(logging.NOTSET)
    with caplog.at_level(logging.DEBUG):
        async with pty() as peer:
            transport = await open_transport(peer.path, {"echo": "off"})
            await transport.write(b"sesame-sesame-sesame", secret=True)
            await peer.send(b"sesame")
            await transport.read()
            await transport.close()
    assert "sesame" not in caplog.text


async def test_a_speed_that_the_port_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pty() as peer:
        transport = await open_serial(SerialAddress(peer.path))

        async def refuse(**_settings: object) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(transport._transport, "reconfigure_port", refuse)
        with pytest.raises(TransportError, match="cannot do 128000 baud"):
            await transport.set_baud(128000)
        assert transport.baud == 9600
        await peer.send(b"\x06")
        assert await transport.read() == b"\x06"
        await transport.close()


async def test_output_that_never_leaves_is_a_lost_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "DRAIN_SLACK_S", 0.01)
    async with pty() as peer:
        transport = await open_transport(peer.path, {"echo": "off", "baud": "4000000"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await transport.write(bytes(100_000))
        with pytest.raises(LineLost, match="does not leave"):
            await transport.set_baud(9600)
        await transport.close()


async def test_open_ports_are_found_in_the_advice(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"ports? here|no serial port is plugged in here"):
        await open_transport("/dev/ttyNOPE")
