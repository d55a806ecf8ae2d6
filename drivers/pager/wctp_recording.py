"""The bodies that are exchanged with a gateway, in the recording format: requests as `>`, answers as `<`.

Security codes are written as asterisks, in the answers, too, should a gateway repeat them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

from drivers.secret import Secret
from drivers.transport.base import Transport
from drivers.transport.recording import start_recording

_CODE = re.compile(rb"""((?:securityCode|authorizationCode)\s*=\s*)("[^"]*"|'[^']*')""")
SHORTEST = 4  # octets of a code that is looked for anywhere; a shorter one is hidden where it is named as such


class Recorder:
    """Writes bodies into a recording, if there is one."""

    def __init__(self, line: _Bodies, recording: Transport | None, code: Secret | None) -> None:
        self._line = line
        self._recording = recording
        self._code = code

    async def sent(self, body: bytes) -> None:
        """Note a request, before it goes out."""
        if self._recording is not None:
            await self._recording.write(masked(body, self._code))

    async def received(self, body: bytes) -> None:
        """Note an answer."""
        if self._recording is not None and body:
            self._line.bodies.append(masked(body, self._code))
            await self._recording.read()


def masked(body: bytes, code: Secret | None) -> bytes:
    """Return a body with as many asterisks in place of every security code."""
    body = _CODE.sub(lambda found: found[1] + found[2][:1] + b"*" * (len(found[2]) - 2) + found[2][-1:], body)
    if code is None or len(code.reveal()) < SHORTEST:
        return body
    text = code.reveal().decode("utf-8", "replace")
    for written in {text, escape(text, {'"': "&quot;"})}:
        for codec in ("utf-8", "utf-16-le", "utf-16-be"):
            octets = written.encode(codec)
            body = body.replace(octets, b"*" * len(octets))
    return body


@asynccontextmanager
async def recorded(
    name: str, path: Path | None, code: Secret | None, monotonic_ns: Callable[[], int], started: datetime
) -> AsyncIterator[Recorder]:
    """Record at the end of `path`, if there is one. Raises `UsageError` if it cannot be written."""
    line = _Bodies(name)
    if path is None:
        yield Recorder(line, None, code)
        return
    recording = start_recording(line, path, started=started, monotonic_ns=monotonic_ns)
    try:
        yield Recorder(line, recording, code)
    finally:
        await recording.close()


class _Bodies:
    """The line under the recorder: carries what it is given, whole bodies at a time."""

    baud = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.bodies: deque[bytes] = deque()

    async def read(self) -> bytes:
        return self.bodies.popleft()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        """Do nothing: aiohttp sends it."""

    def discard_input(self) -> int:
        return 0

    async def set_baud(self, baud: int) -> None:
        """Do nothing: there is no speed."""

    async def close(self) -> None:
        """Do nothing: aiohttp closes."""
