"""Supervision of multimon-ng and its feeder, with programs that misbehave as real ones do."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.errors import TransportError, UsageError
from drivers.pager.multimon import HOPELESS, Line, Multimon
from drivers.pager.multimon_lines import LONGEST_LINE
from drivers.pager.multimon_programs import AudioFile, Decoder, Receiver

SILENCE = bytes(88_200)
ECHO = "cat >/dev/null; echo heard"  # what it is fed does not matter
FREQUENCY = 929_612_500


def program(directory: Path, name: str, script: str) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return str(path)


def audio(directory: Path, content: bytes = SILENCE) -> AudioFile:
    path = directory / "audio.raw"
    path.write_bytes(content)
    return AudioFile(path)


def of_file(directory: Path, script: str, content: bytes = SILENCE) -> Multimon:
    decoder = Decoder(program=program(directory, "decoder", script))
    return Multimon(audio(directory, content), decoder, time.monotonic_ns)


def live(directory: Path, feeder: str, script: str = ECHO, *, watch_s: float = 5.0) -> Multimon:
    source = Receiver(FREQUENCY, program=program(directory, "feeder", feeder))
    decoder = Decoder(program=program(directory, "decoder", script))
    return Multimon(source, decoder, time.monotonic_ns, watch_s=watch_s, pauses_s=(0.001,))


async def all_lines(heard: Multimon) -> list[bytes]:
    async with aclosing(heard.lines()) as lines:
        return [line.octets async for line in lines]


async def first_line(heard: Multimon) -> Line:
    async with aclosing(heard.lines()) as lines:
        async for line in lines:
            return line
    raise AssertionError("no line")


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


# -- how they are called


def test_the_commands() -> None:
    assert Decoder("alpha").command() == (
        *("multimon-ng", "-q", "-c", "-a", "POCSAG512", "-a", "POCSAG1200", "-a", "POCSAG2400"),
        *("-f", "alpha", "-e", "-t", "raw", "-"),
    )
    assert Decoder("auto", (1200,), inverted=True, flex=True).command() == (
        *("multimon-ng", "-q", "-c", "-a", "POCSAG1200", "-a", "FLEX", "-i", "-e", "-t", "raw", "-"),
    )
    receiver = Receiver(FREQUENCY, "00000001", "40.2", -3)
    assert receiver.command() == (
        *("rtl_fm", "-d", "00000001", "-M", "fm", "-f", "929612500", "-s", "22050"),
        *("-g", "40.2", "-p", "-3", "-"),
    )


# -- files


async def test_a_file_is_fed_to_its_end(tmp_path: Path) -> None:
    heard = of_file(tmp_path, 'n=$(wc -c); echo "$n octets"; printf torn')
    async with aclosing(heard.lines()) as lines:
        found = [line async for line in lines]
    assert found == [Line(b"88200 octets", 2_000_000_000)]


async def test_a_fifo_is_fed_until_its_writer_leaves(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    decoder = Decoder(program=program(tmp_path, "decoder", 'n=$(wc -c); echo "$n octets"'))
    taking = asyncio.create_task(all_lines(Multimon(AudioFile(fifo), decoder, time.monotonic_ns)))
    await asyncio.to_thread(fifo.write_bytes, SILENCE)
    assert await taking == [b"88200 octets"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"RIFF" + SILENCE, "has a header"), (None, "No such file")],
)
async def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    heard = of_file(tmp_path, ECHO, content or b"")
    if content is None:
        heard.source = AudioFile(tmp_path / "none")
    with pytest.raises(UsageError, match=reason):
        await all_lines(heard)


@pytest.mark.parametrize(("path", "reason"), [("/", "Is a directory"), ("/dev/null", "neither a file nor a FIFO")])
async def test_other_things_than_files_are_refused(tmp_path: Path, path: str, reason: str) -> None:
    heard = of_file(tmp_path, ECHO)
    heard.source = AudioFile(Path(path))
    with pytest.raises(UsageError, match=reason):
        await all_lines(heard)


async def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    heard = of_file(tmp_path, ECHO)
    heard.decoder = replace(heard.decoder, program=str(tmp_path / "none"))
    with pytest.raises(UsageError, match="apt install multimon-ng"):
        await all_lines(heard)
    gone = live(tmp_path, "true")
    gone.source = Receiver(FREQUENCY, program=str(tmp_path / "none"))
    with pytest.raises(UsageError, match="apt install rtl-sdr"):
        await all_lines(gone)


async def test_a_decoder_that_fails_is_reported_with_its_words(tmp_path: Path) -> None:
    heard = of_file(tmp_path, "cat >/dev/null; echo 'bad modes' >&2; exit 2")
    with pytest.raises(TransportError, match="status 2"):
        await all_lines(heard)


async def test_a_decoder_that_goes_away_is_reported(tmp_path: Path) -> None:
    heard = of_file(tmp_path, "exit 0", bytes(4_000_000))
    with pytest.raises(TransportError, match="multimon-ng"):
        await all_lines(heard)


async def test_a_line_of_a_megabyte_is_dropped_in_bounded_memory(tmp_path: Path) -> None:
    heard = of_file(tmp_path, "cat >/dev/null; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after")
    assert await all_lines(heard) == [b"after"]
    assert heard.overlong == 1


async def test_a_line_of_just_the_limit_passes(tmp_path: Path) -> None:
    heard = of_file(tmp_path, f"cat >/dev/null; head -c {LONGEST_LINE} /dev/zero | tr '\\0' x; echo")
    assert await all_lines(heard) == [b"x" * LONGEST_LINE]


# -- a receiver


async def test_a_receiver_that_ends_is_started_again(tmp_path: Path) -> None:
    marks = tmp_path / "starts"
    heard = live(tmp_path, f"echo >>{marks}; head -c 100000 /dev/zero")
    async with aclosing(heard.lines()) as lines:
        async for _ in lines:
            if heard.restarts == 2:
                break
    assert len(marks.read_text()) >= 3


async def test_one_that_never_works_is_given_up_with_its_words(tmp_path: Path) -> None:
    heard = live(tmp_path, "echo 'No supported devices found.' >&2; exit 1")
    with pytest.raises(TransportError, match=f"{HOPELESS} starts in a row failed.*"):
        await all_lines(heard)
    assert heard.complaint == "No supported devices found."
    assert heard.restarts == HOPELESS - 1


async def test_one_that_falls_silent_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard = live(tmp_path, "exec sleep 1000", watch_s=0.05)
    with pytest.raises(TransportError, match="starts in a row failed"):
        await all_lines(heard)
    assert "0 octets of audio a second, not 44,100" in caplog.text


async def test_leaving_ends_both_programs(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    feeder = f"echo $$ >>{pids}; exec cat /dev/zero"
    heard = live(tmp_path, feeder, f"echo $$ >>{pids}; echo heard; exec cat >/dev/null")
    assert (await first_line(heard)).octets == b"heard"
    found = [int(pid) for pid in pids.read_text().split()]
    assert found
    assert not [pid for pid in found if lives(pid)]


async def test_a_decoder_that_ignores_being_asked_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    heard = live(tmp_path, "exec cat /dev/zero", f"trap '' TERM; echo $$ >>{pids}; echo heard; while :; do :; done")
    await first_line(heard)
    assert not lives(int(pids.read_text()))
