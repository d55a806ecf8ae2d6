"""Two pseudo-terminals joined like the two ends of a serial wire, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty

_CHUNK = 4096


class PtyPair:
    """What is written into one end comes out of the other. Frames are far smaller than what a terminal holds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        (self._one, self._one_slave), (self._two, self._two_slave) = os.openpty(), os.openpty()
        for slave in (self._one_slave, self._two_slave):
            tty.setraw(slave)  # and kept open, so that programs may come and go
        self.inside, self.outside = os.ttyname(self._one_slave), os.ttyname(self._two_slave)
        self._join(self._one, self._two)
        self._join(self._two, self._one)

    def _join(self, source: int, sink: int) -> None:
        os.set_blocking(source, False)

        def move() -> None:
            with contextlib.suppress(BlockingIOError):
                os.write(sink, os.read(source, _CHUNK))

        self._loop.add_reader(source, move)

    def close(self) -> None:
        """Close both ends; whoever has one open sees it go away."""
        for master in (self._one, self._two):
            self._loop.remove_reader(master)
        for descriptor in (self._one, self._two, self._one_slave, self._two_slave):
            os.close(descriptor)
