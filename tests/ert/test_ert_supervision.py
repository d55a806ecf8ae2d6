"""The receiver program is watched by its signs of life, started again with patience, and ended without a rest."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import TransportError, UsageError
from drivers.ert.command import Tuning, live, recorded
from drivers.ert.lines import Lines
from drivers.ert.parse import LONGEST_LINE
from drivers.ert.receiver import Rtl433
from drivers.ert.supervision import Patience, Supervision

ALIVE = "echo 'Current noise level -20.0 dB' >&2"


def program(directory: Path, *lines: str) -> str:
    """A stand-in for rtl_433."""
    path = directory / "rtl_433"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


class Listened:
    """A receiver on a stand-in; back-off waits are noted, not waited."""

    def __init__(self, program: str, patience: Patience | None = None) -> None:
        self.lines: list[bytes | None] = []
        self.said: list[str] = []
        self.waits: list[float] = []
        self.heard = asyncio.Event()
        self.receiver = Rtl433(
            Tuning(),
            ("scm",),
            program=program,
            patience=patience or Patience(most_an_hour=4, most_at_start=4),
            report=self.said.append,
            pause=self._pause,
        )

    def take(self, line: bytes | None) -> None:
        self.lines.append(line)
        self.heard.set()

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"  # its parent, init of this box, has yet to collect it


def test_the_command_names_everything_and_no_shell() -> None:
    command = live("rtl_433", "/x/empty.conf", Tuning(device="rtl_tcp:h:1", gain="40"), ("scm", "idm"))
    assert command[:3] == ["rtl_433", "-c", "/x/empty.conf"]
    assert [command[k + 1] for k, word in enumerate(command) if word == "-R"] == ["149", "160"]
    assert {"noise:1", "time:unix:usec:utc", "autolevel", "magest"} <= set(command)
    assert "cu8:-" in recorded("rtl_433", "c", Tuning(), ("netidm",))


async def test_an_exit_with_status_0_is_a_failure(tmp_path: Path) -> None:
    heard = Listened(program(tmp_path, "echo one", "echo 'Library error 0, exiting...' >&2", "exit 0"))
    with pytest.raises(TransportError, match="Library error 0") as raised:
        await heard.receiver.receive(heard.take)
    assert heard.lines == [b"one"] * 4
    assert heard.waits == [1.0, 2.0, 4.0]
    assert raised.value.exit_code == 3


async def test_no_receiver_is_told_with_what_to_do(tmp_path: Path) -> None:
    heard = Listened(program(tmp_path, "echo 'No supported devices found.' >&2", "exit 2"))
    with pytest.raises(TransportError, match="plug in the receiver"):
        await heard.receiver.receive(heard.take)


async def test_an_absent_program_names_the_package() -> None:
    heard = Listened("/nowhere/rtl_433")
    with pytest.raises(UsageError, match="apt-get install rtl-433"):
        await heard.receiver.receive(heard.take)


async def test_a_stall_is_ended_though_the_program_stays(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    stalling = program(tmp_path, ALIVE, f"echo $$ > {pid}", "echo 'Async read stalled, exiting!' >&2", "exec sleep 600")
    heard = Listened(stalling, Patience(most_an_hour=2, most_at_start=2, silence_s=0.3))
    with pytest.raises(TransportError, match="no samples arrive any more"):
        await heard.receiver.receive(heard.take)
    assert heard.said[0] == "the receiver receives samples"
    assert gone(int(pid.read_text()))


async def test_one_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stubborn = program(
        tmp_path, "trap '' TERM", "sleep 600 &", f"echo $$ $! > {pids}", "echo ready", "while true; do wait; done"
    )
    heard = Listened(stubborn)
    running = asyncio.create_task(heard.receiver.receive(heard.take))
    await heard.heard.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(gone(int(pid)) for pid in pids.read_text().split())


async def test_floods_and_endless_lines_are_bounded(tmp_path: Path) -> None:
    flooding = program(
        tmp_path, "head -c 5000000 /dev/zero | tr '\\0' x", "echo", "yes '{}' | head -n 10000", "printf last", "exit 0"
    )
    heard = Listened(flooding, Patience(most_an_hour=1, most_at_start=1))
    with pytest.raises(TransportError):
        await heard.receiver.receive(heard.take)
    assert heard.lines[0] is None
    assert heard.lines[1:-1] == [b"{}"] * 10_000
    assert heard.lines[-1] == b"last"


async def test_what_the_taker_raises_ends_the_run(tmp_path: Path) -> None:
    heard = Listened(program(tmp_path, "echo one", "exec sleep 600"))

    def broken(_line: bytes | None) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await heard.receiver.receive(broken)


async def test_the_program_stands_in_a_private_place_without_our_environment(tmp_path: Path) -> None:
    shows = program(tmp_path, "pwd", "ls", 'echo "$SETTING_OF_THE_AGENT"', "exit 0")
    os.environ["SETTING_OF_THE_AGENT"] = "hush"
    try:
        heard = Listened(shows, Patience(most_an_hour=1, most_at_start=1))
        with pytest.raises(TransportError):
            await heard.receiver.receive(heard.take)
    finally:
        del os.environ["SETTING_OF_THE_AGENT"]
    assert heard.lines[1:] == [b"empty.conf", b""]
    place = heard.lines[0]
    assert place is not None
    with pytest.raises(FileNotFoundError):
        os.stat(place)  # noqa: PTH116 - nothing is there to wait for


async def test_samples_that_are_refused_are_trouble(tmp_path: Path) -> None:
    heard = Listened(program(tmp_path, "cat > /dev/null", "exit 1"))
    with (tmp_path / "rtl_433").open("rb") as samples, pytest.raises(TransportError, match="status 1"):
        await heard.receiver.decode(samples.fileno(), heard.take)


def test_waits_grow_and_begin_anew_after_a_good_run() -> None:
    watch = Supervision(Patience(most_an_hour=100, most_at_start=100))
    waits = [watch.failed(k, ran_s=0.1, worked=False) for k in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert watch.failed(1_000, ran_s=300, worked=True) == 1


def test_failures_of_the_hour_before_are_forgiven() -> None:
    watch = Supervision(Patience(most_an_hour=3, most_at_start=3))
    assert [watch.failed(at, ran_s=1, worked=True) for at in (0, 1_800, 3_601, 3_700)] == [1, 2, 4, None]


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20))
def test_lines_are_the_same_however_they_arrive(chunks: list[bytes], longest: int) -> None:
    whole, bytewise, apart = (Lines(longest) for _ in range(3))
    octets = b"".join(chunks)
    expected = whole.feed(octets) + whole.end()
    assert [line for chunk in chunks for line in apart.feed(chunk)] + apart.end() == expected
    assert [line for k in range(len(octets)) for line in bytewise.feed(octets[k : k + 1])] + bytewise.end() == expected
    parts = octets.split(b"\n")
    parts = parts if parts[-1] else parts[:-1]
    assert expected == [part.rstrip(b"\r") if len(part) <= longest else None for part in parts]


def test_the_longest_line_is_that_of_the_parser() -> None:
    lines = Lines(LONGEST_LINE)
    assert lines.feed(b"x" * LONGEST_LINE + b"\n") == [b"x" * LONGEST_LINE]
    assert lines.feed(b"x" * (LONGEST_LINE + 1) + b"\n") == [None]
