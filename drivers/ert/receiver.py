"""rtl_433 run, watched and started again.

Its exit status says nothing: it ends with 0 when its receiver is gone, and stays when the samples stop. So it is taken
to be alive as long as it tells of noise or signal, every second, and to have failed whenever it ends unasked. That no
meter is heard is no failure.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import TransportError, UsageError
from drivers.ert.command import Tuning, live, recorded
from drivers.ert.lines import Lines
from drivers.ert.message import Kind
from drivers.ert.parse import LONGEST_LINE
from drivers.ert.supervision import Patience, Supervision

HEARTBEAT = (b"Current noise level", b"Current signal level", b"Estimated noise level")
TERMINATE_S = 2.0  # from SIGTERM to SIGKILL
LONGEST_ERROR_LINE = 4096
MOST_ERROR_LINES = 6  # kept to say why it ended
INSTALL = "install it: apt-get install rtl-433"
ADVICE = (
    ("No supported devices found", "plug in the receiver, or name it: rtl_tcp:HOST:PORT, :SERIAL"),
    (
        "usb_claim_interface",
        "another program has the receiver, or the kernel's television driver: see librtlsdr's blacklist",
    ),
    ("usb_open error", "this user may not open it: the udev rules of librtlsdr belong to the group plugdev"),
    ("Connection refused", "start rtl_tcp there, or name another host and port"),
    ("Bad rtl_tcp header", "whatever listens there is no rtl_tcp"),
)

_log = logging.getLogger(__name__)
Take = Callable[[bytes | None], None]  # a line of its standard output; None: one that was too long


@dataclass(frozen=True, slots=True)
class _Ended:
    """How one run of the program ended."""

    status: int | None
    why: str
    ran_s: float
    worked: bool


class Rtl433:
    """One receiver. `report` is told in a sentence what happens to it."""

    def __init__(
        self,
        tuning: Tuning,
        kinds: Iterable[Kind],
        *,
        program: str = "rtl_433",
        patience: Patience | None = None,
        report: Callable[[str], None] = _log.info,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.tuning = tuning
        self._kinds = tuple(kinds)
        self._program = program
        self._patience = patience or Patience()
        self._report = report
        self._pause = pause

    async def receive(self, take: Take) -> None:
        """Give every line that a live receiver prints to `take`, for ever.

        Raises `UsageError` if the program is not there, `TransportError` when it failed too often within an hour.
        """
        program = self._found()
        supervision = Supervision(self._patience)
        loop = asyncio.get_running_loop()
        while True:
            with _place() as (directory, conf):
                run = _Run(live(program, conf, self.tuning, self._kinds), directory, take)
                ended = await run.to_its_end(asyncio.subprocess.DEVNULL, self._patience.silence_s, self._report)
            wait_s = supervision.failed(loop.time(), ran_s=ended.ran_s, worked=ended.worked)
            if wait_s is None:
                raise TransportError(
                    f"the receiver {self.tuning.device} failed {supervision.failures} times in an hour: {ended.why}",
                    advice=_advice(ended.why),
                )
            self._report(f"the receiver {self.tuning.device} failed: {ended.why}; started again in {wait_s:g} s")
            await self._pause(wait_s)

    async def decode(self, descriptor: int, take: Take) -> None:
        """Give every line that it decodes from I/Q samples to `take`, to their end. `descriptor`: open for reading.

        Raises `UsageError` if the program is not there, `TransportError` if it refuses to work.
        """
        program = self._found()
        with _place() as (directory, conf):
            run = _Run(recorded(program, conf, self.tuning, self._kinds), directory, take)
            ended = await run.to_its_end(descriptor, None, self._report)
        if ended.status != 0:
            raise TransportError(f"rtl_433 does not decode the samples: {ended.why}", advice=_advice(ended.why))

    def _found(self) -> str:
        found = shutil.which(self._program)
        if found is None:
            raise UsageError(f"the program {self._program}, which receives radio meters, is not there", advice=INSTALL)
        return found


@contextmanager
def _place() -> Iterator[tuple[str, str]]:
    """Give a private directory with an empty configuration file: the program looks for others where it stands."""
    with tempfile.TemporaryDirectory(prefix="mrsp-rtl433-") as directory:
        conf = Path(directory) / "empty.conf"
        conf.touch()
        yield directory, str(conf)


class _Run(asyncio.SubprocessProtocol):
    """One run of the program, in a process group of its own."""

    def __init__(self, command: Sequence[str], directory: str, take: Take) -> None:
        self._command = command
        self._directory = directory
        self._take = take
        self._lines = {1: Lines(LONGEST_LINE), 2: Lines(LONGEST_ERROR_LINE)}
        self._errors: deque[str] = deque(maxlen=MOST_ERROR_LINES)
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()  # it ended, or is to end
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()
        self._bug: BaseException | None = None
        self._alive_s = self._began_s = self._loop.time()
        self._worked = False
        self._is_live = False
        self._report: Callable[[str], None] = _log.info

    async def to_its_end(self, stdin: int, silence_s: float | None, report: Callable[[str], None]) -> _Ended:
        """Run until it ends, or shows no life for `silence_s` and is ended. Cancelled, it is ended, too."""
        self._report = report
        self._is_live = silence_s is not None
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self._directory, "LC_ALL": "C"}
        try:
            transport, _ = await self._loop.subprocess_exec(
                lambda: self,
                *self._command,
                stdin=stdin,
                cwd=self._directory,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return _Ended(None, f"{self._command[0]} cannot be started: {error.strerror}", 0.0, worked=False)
        silent = False
        try:
            silent = await self._watched(silence_s)
        finally:
            await self._ended(transport)
        if self._bug is not None:
            raise self._bug
        why = "no samples arrive any more" if silent else self._why(transport.get_returncode())
        return _Ended(transport.get_returncode(), why, self._loop.time() - self._began_s, self._worked)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what it printed."""
        self._heard(fd, self._lines[fd].feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Take what was left without a line feed."""
        if fd in self._lines:
            self._heard(fd, self._lines[fd].end())

    def process_exited(self) -> None:
        self._exited.set()
        self._over.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._closed.set()

    async def _watched(self, silence_s: float | None) -> bool:
        """Wait for its end; return whether it fell silent before."""
        while not self._over.is_set():
            timeout = None if silence_s is None else self._alive_s + silence_s - self._loop.time()
            if timeout is not None and timeout <= 0:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), timeout)
        return False

    async def _ended(self, transport: asyncio.SubprocessTransport) -> None:
        """See that nothing of it is left: TERM, then KILL; and that what it printed last was taken."""
        try:
            if not self._exited.is_set():
                self._signal(transport, signal.SIGTERM)
            with suppress(TimeoutError):  # a child of its own may hold the pipes
                await asyncio.wait_for(self._closed.wait(), TERMINATE_S)
        finally:
            if not self._closed.is_set():
                self._signal(transport, signal.SIGKILL)
                await self._exited.wait()
            transport.close()

    def _signal(self, transport: asyncio.SubprocessTransport, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), number)

    def _heard(self, fd: int, lines: list[bytes | None]) -> None:
        try:
            for line in lines:
                if fd == 1:
                    self._take(line)
                elif line is not None:
                    self._told(line)
        except BaseException as bug:  # noqa: BLE001 - raised by `to_its_end`: in here the event loop would swallow it
            self._bug = bug
            self._over.set()

    def _told(self, line: bytes) -> None:
        """Take a line of its standard error: a sign of life, or words."""
        if line.startswith(HEARTBEAT):
            self._alive_s = self._loop.time()
            if not self._worked and self._is_live:
                self._report("the receiver receives samples")
            self._worked = True
            return
        text = "".join(letter if letter.isprintable() else "?" for letter in line.decode(errors="replace")).strip()
        if text:
            self._errors.append(text[:200])
            _log.debug("rtl_433: %s", text)

    def _why(self, status: int | None) -> str:
        return f"rtl_433 ended with status {status}; its last words: {' / '.join(self._errors) or 'none'}"


def _advice(why: str) -> str:
    return next((advice for words, advice in ADVICE if words in why), "`rtl_433` by hand shows more")
