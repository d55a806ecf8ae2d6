"""Questions to the person at a terminal: asked on standard error, answered by a line."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TextIO

from drivers.errors import printable
from drivers.person import Answer, Ask, Question

MOST = 4096  # octets of an answer; a terminal's line is no longer


def ask_on_terminal() -> Ask | None:
    """Return how to ask the person at this terminal; None where nobody could see or answer a question."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return TerminalAsk(sys.stdin.fileno(), sys.stderr)


class TerminalAsk:
    """Asks line by line. An empty line says: cannot tell. What comes after a `#` is the reason."""

    def __init__(self, descriptor: int, output: TextIO) -> None:
        """`descriptor`: a terminal, or anything else that can be waited for."""
        self._descriptor = descriptor
        self._output = output
        self._rest = b""

    async def __call__(self, question: Question) -> Answer:
        """Ask, and wait for the line. The end of the input is an answer, too: nobody is there any more."""
        if question.because:
            self._output.write(f"{printable(question.because)}\n")
        example = f" (like {printable(question.example)}; empty: cannot tell)" if question.example else ""
        self._output.write(f"{printable(question.text)}{example}: ")
        self._output.flush()
        said, _, remark = (await self._line()).partition("#")
        return Answer(said.strip() or None, remark.strip())

    async def _line(self) -> str:
        loop = asyncio.get_running_loop()
        while b"\n" not in self._rest and len(self._rest) < MOST:
            ready = loop.create_future()
            loop.add_reader(self._descriptor, _wake, ready)
            try:
                await ready
            finally:
                loop.remove_reader(self._descriptor)
            try:
                chunk = os.read(self._descriptor, MOST)
            except OSError:  # the terminal hung up
                chunk = b""
            if not chunk:
                break
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace")


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
