"""multimon-ng under supervision: audio in, lines out.

    audio file, FIFO ─────┐
                          ├── we count the octets ──> multimon-ng ──> lines
    rtl_fm (a receiver) ──┘

multimon-ng gives no sign of life and never ends by itself for want of a signal: what is watched is the audio. Without
audio at the rate that was asked for, or when either program ends, both are started again, ever more slowly. They are
stopped together, whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from drivers.errors import TransportError
from drivers.pager.multimon_lines import LONGEST_LINE
from drivers.pager.multimon_programs import CHUNK, SAMPLE_RATE, Audio, AudioFile, Decoder, Receiver, opened, running

OCTETS_A_SECOND = 2 * SAMPLE_RATE
WATCH_S = 10.0  # over which the audio is counted
LEAST = OCTETS_A_SECOND // 2  # octets a second of a receiver that works
PAUSES_S = (1.0, 2.0, 5.0, 15.0)  # after the first failure, the second …
HOPELESS = 5  # failures in a row
_KEPT = 200  # characters of what a program complains about
_QUEUED = 256  # lines
_NS = 1_000_000_000

_log = logging.getLogger(__name__)

_Queue = asyncio.Queue["Line | Exception | None"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line as printed, without its line feed. `moment_ns`: of the audio fed by then, or of the caller's clock."""

    octets: bytes
    moment_ns: int


class Multimon:
    """One source of audio, decoded. `restarts` and `overlong` count what went wrong; `complaint`: what was said last.

    `monotonic_ns`: the clock that lines of a receiver are stamped by. Files have their own time: that of the audio fed
    by then, exact to a few seconds, since a pipe holds as much.
    """

    def __init__(
        self,
        source: AudioFile | Receiver,
        decoder: Decoder,
        monotonic_ns: Callable[[], int],
        *,
        watch_s: float = WATCH_S,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self.source = source
        self.decoder = decoder
        self.restarts = 0
        self.overlong = 0
        self.complaint = ""
        self._monotonic_ns = monotonic_ns
        self._watch_s = watch_s
        self._pauses_s = pauses_s
        self._fed = 0  # octets, of this start

    async def lines(self) -> AsyncGenerator[Line, None]:
        """Yield lines until a file ends; of a receiver for ever.

        Raises `UsageError` if a program or the file is missing or is no such audio, `TransportError` when no audio
        comes again and again. Closing the iterator ends the programs.
        """
        queue: _Queue = asyncio.Queue(_QUEUED)
        work = asyncio.create_task(self._work(queue), name=f"multimon {self.source}")
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self, queue: _Queue) -> None:
        try:
            if isinstance(self.source, AudioFile):
                await self._once(queue)
            else:
                await self._again_and_again(queue)
        except Exception as error:  # noqa: BLE001 - raised again to whoever takes the lines
            await queue.put(error)
        else:
            await queue.put(None)

    async def _again_and_again(self, queue: _Queue) -> None:
        failures = 0
        while True:
            try:
                await self._once(queue)
            except TransportError as error:
                _log.warning("%s", error)
            worked = self._fed >= LEAST * self._watch_s
            failures = 1 if worked else failures + 1
            if failures == HOPELESS:
                raise TransportError(
                    f"{self.source}: {HOPELESS} starts in a row failed{self._said()}",
                    advice="is the receiver plugged in, and used by nobody else? `rtl_test` tells",
                )
            self.restarts += 1
            await asyncio.sleep(self._pauses_s[min(failures, len(self._pauses_s)) - 1])

    async def _once(self, queue: _Queue) -> None:
        """Put the lines of one start; return when a file ends. Raises `TransportError` when anything else ends it."""
        self._fed = 0
        async with contextlib.AsyncExitStack() as stack:
            audio, feeder = await self._audio(stack)
            decoder = await stack.enter_async_context(running(self.decoder.command(), "multimon-ng", stdin=True))
            feeding = asyncio.create_task(self._feed(audio, decoder))
            others = [asyncio.create_task(self._listen(one)) for one in (decoder, feeder) if one is not None]
            try:
                await self._read(decoder, queue)
                if not feeding.done():
                    raise TransportError(f"{self.source}: multimon-ng ended by itself{self._said()}")
                await feeding
                if await decoder.wait():
                    raise TransportError(f"multimon-ng ended with status {decoder.returncode}{self._said()}")
            finally:
                for task in (feeding, *others):
                    task.cancel()
                await asyncio.gather(feeding, *others, return_exceptions=True)

    async def _audio(self, stack: contextlib.AsyncExitStack) -> tuple[Audio, Process | None]:
        if isinstance(self.source, AudioFile):
            return await opened(self.source.path, stack), None
        feeder = await stack.enter_async_context(running(self.source.command(), "rtl-sdr", stdin=False))
        assert feeder.stdout is not None  # noqa: S101 - we asked for the pipe
        return feeder.stdout.read, feeder

    async def _feed(self, audio: Audio, decoder: Process) -> None:
        """Hand the audio on, counted; ends multimon-ng's input, however it ends itself."""
        stdin = decoder.stdin
        assert stdin is not None  # noqa: S101 - we asked for the pipe
        watched = isinstance(self.source, Receiver)
        try:
            while True:
                before = self._fed
                try:
                    async with asyncio.timeout(self._watch_s if watched else None):
                        while chunk := await audio(CHUNK):
                            self._fed += len(chunk)
                            stdin.write(chunk)
                            await stdin.drain()
                        if watched:
                            raise TransportError(f"{self.source} ended by itself{self._said()}")
                        return
                except TimeoutError:
                    rate = int((self._fed - before) / self._watch_s)
                    if rate < LEAST:
                        raise TransportError(
                            f"{self.source}: {rate:,} octets of audio a second, not {OCTETS_A_SECOND:,}{self._said()}"
                        ) from None
        except (BrokenPipeError, ConnectionResetError) as error:
            raise TransportError(f"{self.source}: multimon-ng takes no more audio{self._said()}") from error
        finally:
            stdin.close()

    async def _read(self, decoder: Process, queue: _Queue) -> None:
        """Put whole lines into the queue; one that is too long is counted and dropped."""
        assert decoder.stdout is not None  # noqa: S101 - we asked for the pipe
        rest, skipping = b"", False
        while chunk := await decoder.stdout.read(LONGEST_LINE):
            *whole, rest = (rest + chunk).split(b"\n")
            for octets in whole:
                if not skipping and len(octets) <= LONGEST_LINE:
                    await queue.put(Line(octets, self._moment_ns()))
                else:
                    self.overlong += 1
                skipping = False
            if len(rest) > LONGEST_LINE:
                rest, skipping = b"", True

    def _moment_ns(self) -> int:
        if isinstance(self.source, Receiver):
            return self._monotonic_ns()
        return self._fed * _NS // OCTETS_A_SECOND

    async def _listen(self, process: Process) -> None:
        """Keep what a program complains about last."""
        assert process.stderr is not None  # noqa: S101 - we asked for the pipe
        while said := await process.stderr.read(LONGEST_LINE):
            lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
            self.complaint = lines[-1][:_KEPT] if lines else self.complaint

    def _said(self) -> str:
        return f": {self.complaint}" if self.complaint else ""
