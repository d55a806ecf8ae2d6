"""A transport: bytes to and from one meter, nothing else. Protocol cores never see it; the thin clients do."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """One open line. All times are the caller's: wrap calls in `asyncio.timeout`.

    `read` is safe to cancel: no byte is lost. Both raise `drivers.errors.LineLost` once the line is gone.
    """

    @property
    def name(self) -> str:
        """For messages and logs; without secrets, e.g. `/dev/ttyUSB0` or `tcp://10.0.0.5:4001`."""
        ...

    @property
    def baud(self) -> int:
        """Bits per second of the line now; 0 where that means nothing (TCP)."""
        ...

    async def read(self) -> bytes:
        """Wait for input; return all that is there, at least one byte."""
        ...

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        """Hand over `chunk` and wait until the line took it (for a serial line: until it is about to be sent).

        `secret`: the octets carry a password; a recording masks them.
        """
        ...

    def discard_input(self) -> int:
        """Drop what has come in and was not read; return how many bytes."""
        ...

    async def set_baud(self, baud: int) -> None:
        """Change the speed after all output is out; nothing happens where speed means nothing (TCP)."""
        ...

    async def close(self) -> None:
        """Power the probe down as configured and give the line back. Never raises.

        Takes a second at most; a dialled line hangs up first, which takes some seconds, and half a minute at the worst.
        The line is given back also if this is cancelled: a call is hung up to the end first.
        """
        ...
