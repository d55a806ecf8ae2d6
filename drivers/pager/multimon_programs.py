"""Where the audio comes from, which programs are run, and how they are started and stopped: never by a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivers.errors import UsageError

SAMPLE_RATE = 22_050  # a second; 16 bits each, signed, little-endian, one channel
CHUNK = SAMPLE_RATE // 5 * 2  # octets
STOP_S = 2.0
_HEADERS = (b"RIFF", b"RIFX", b"OggS", b"fLaC", b"FORM", b".snd")

Audio = Callable[[int], Awaitable[bytes]]  # reads so many octets at most; none at the end
Coding = Literal["alpha", "numeric", "auto"]


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A recording of a discriminator's audio, or a FIFO that something writes it to."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver that rtl_fm drives."""

    frequency_hz: int
    device: str = "0"  # index or serial number
    gain_db: str | None = None  # None: by itself
    correction_ppm: int = 0
    program: str = "rtl_fm"

    def command(self) -> tuple[str, ...]:
        """Return the program and its arguments."""
        gain = ("-g", self.gain_db) if self.gain_db is not None else ()
        correction = ("-p", str(self.correction_ppm)) if self.correction_ppm else ()
        frequency = ("-M", "fm", "-f", str(self.frequency_hz), "-s", str(SAMPLE_RATE))
        return (self.program, "-d", self.device, *frequency, *gain, *correction, "-")

    def __str__(self) -> str:
        return f"rtl_fm -d {self.device} at {self.frequency_hz} Hz"


@dataclass(frozen=True, slots=True)
class Decoder:
    """How multimon-ng is run. `coding`: `auto` takes function 0 as numeric and the others as text (ITU-R M.584)."""

    coding: Coding = "alpha"
    rates: tuple[int, ...] = (512, 1200, 2400)
    inverted: bool = False  # also prints ghost pages without text, which are dropped
    flex: bool = False
    program: str = "multimon-ng"

    def command(self) -> tuple[str, ...]:
        """Return the program and its arguments."""
        modes = [f"POCSAG{rate}" for rate in self.rates] + (["FLEX"] if self.flex else [])
        chosen = [word for mode in modes for word in ("-a", mode)]
        force = () if self.coding == "auto" else ("-f", self.coding)
        invert = ("-i",) if self.inverted else ()
        return (self.program, "-q", "-c", *chosen, *force, *invert, "-e", "-t", "raw", "-")


async def opened(path: Path, stack: contextlib.AsyncExitStack) -> Audio:
    """Open audio for reading. Raises `UsageError` if it cannot be, or is evidently something else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO without a writer must not stop us
        file = stack.enter_context(os.fdopen(descriptor, "rb", buffering=0))
        kind = os.fstat(descriptor).st_mode
    except OSError as error:
        raise UsageError(f"audio {path} cannot be read: {error.strerror}") from error
    if stat.S_ISFIFO(kind):
        reader = asyncio.StreamReader(CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        stack.callback(transport.close)
        return reader.read
    if not stat.S_ISREG(kind):
        raise UsageError(f"audio {path} is neither a file nor a FIFO")
    if file.read(4) in _HEADERS:
        raise UsageError(
            f"audio {path} has a header: raw samples are read, 16 bits signed, {SAMPLE_RATE} a second, one channel",
            advice=f"sox {path} -t raw -e signed -b 16 -c 1 -r {SAMPLE_RATE} audio.raw",
        )
    file.seek(0)

    async def read(most: int) -> bytes:
        return file.read(most)

    return read


@contextlib.asynccontextmanager
async def running(command: tuple[str, ...], package: str, *, stdin: bool) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program for as long as the block; stopped kindly, then by force. Raises `UsageError` if there is none."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe if stdin else null, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise UsageError(
            f"{command[0]} cannot be started: {error.strerror}", advice=f"apt install {package}, or name its path"
        ) from error
    try:
        yield process
    finally:
        await asyncio.shield(_stopped(process))


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """End a program and what it started; its pipes are emptied meanwhile, or its end would not be seen."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(process.wait(), _emptied(process.stdout)), STOP_S)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - its pipes stay open otherwise
    await process.wait()


async def _emptied(pipe: asyncio.StreamReader | None) -> None:
    while pipe is not None and await pipe.read(CHUNK):
        pass
