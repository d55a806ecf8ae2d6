"""A dead man's handle: a process of its own that turns the source off when the test ends without a word.

    async with watching(target) as watchdog:      # it is ready: only now anything is energised
        watchdog.released = False                 # the source is to go on
        ...
        watchdog.check()                          # raises BenchTrouble if it has gone, or has turned the source off
        ...
        watchdog.released = True                  # the source was seen off

The two are joined by a pipe. The test says `.` every second and `done` at its end, after the source was seen off. When
the pipe closes without that (the test was killed, by `kill -9` too), or nothing is said for ten seconds (it hangs), the
watchdog turns the source off over a connection of its own, and asks until the source says that it is off.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from agent.bench.errors import BenchTrouble

BEAT_S = 1.0
READY, TURNED_OFF = b"ready\n", b"off\n"
BEAT, DONE = b".\n", b"done\n"
_START_S = 30.0  # a small box takes some seconds to load the instruments' library
_END_S = 10.0
_OFF_S = 600.0  # it tries for some minutes to turn a source off that does not answer


class Target(msgspec.Struct, frozen=True):
    """The source that is to be turned off."""

    profile: str  # file
    resource: str
    visa_library: str
    silent_s: float = 10.0  # so long nothing is said until the test is taken for dead


@dataclass(slots=True)
class Watchdog:
    """The running process. `trouble`: why it is `gone`; `released`: it has nothing to do."""

    process: asyncio.subprocess.Process
    trouble: str = ""
    released: bool = True
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def check(self) -> None:
        """Raise `BenchTrouble` if nobody would turn the source off any more, or it has been turned off."""
        if self.trouble:
            raise BenchTrouble(f"the test was ended: {self.trouble}", advice="the source is turned off")

    async def watch(self) -> None:
        """Beat, and notice when the process goes. Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beats())
            group.create_task(self._ends())

    async def say(self, word: bytes) -> None:
        """Write one word; that the process has gone is noticed elsewhere."""
        pipe = self.process.stdin
        if pipe is not None:
            with suppress(ConnectionError):
                pipe.write(word)
                await pipe.drain()

    async def _beats(self) -> None:
        while True:
            await self.say(BEAT)
            await asyncio.sleep(BEAT_S)

    async def _ends(self) -> None:
        out = self.process.stdout
        said = await out.readline() if out is not None else b""
        self.trouble = (
            "its watchdog heard nothing of it and has turned the source off"
            if said == TURNED_OFF
            else "its watchdog has gone"
        )
        self.gone.set()


@asynccontextmanager
async def watching(target: Target) -> AsyncIterator[Watchdog]:
    """Start the watchdog, and end it; unless it is `released` by then, it turns the source off.

    Raises `BenchTrouble` if it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent.bench.watchdog_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the terminal, or the end of the session, is not for it
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_root()), os.environ.get("PYTHONPATH"))))},
    )
    watchdog = Watchdog(process)
    try:
        await _begun(watchdog, target)
        task = asyncio.create_task(watchdog.watch(), name="watchdog")
        try:
            yield watchdog
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if watchdog.released:
                await asyncio.shield(watchdog.say(DONE))
    finally:
        await asyncio.shield(_ended(process, _END_S if watchdog.released else _OFF_S))


async def _begun(watchdog: Watchdog, target: Target) -> None:
    """Tell it what to watch and wait until it is ready."""
    await watchdog.say(msgspec.json.encode(target) + b"\n")
    out = watchdog.process.stdout
    said = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            said = await out.readline() if out is not None else b""
    if said != READY:
        raise BenchTrouble("the watchdog of the source does not start", advice="nothing was energised")


async def _ended(process: asyncio.subprocess.Process, wait_s: float) -> None:
    """Close the pipe and wait for the process; one that was not told `done` turns the source off first."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(wait_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _root() -> Path:
    return Path(__file__).resolve().parents[2]
