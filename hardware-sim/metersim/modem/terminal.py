"""A cable within this process: the modem's port on one side, a `Transport` with pins for the agent on the other.

Nothing of it needs a file or a socket, so that it works on an event loop of virtual time too.
"""

from __future__ import annotations

import asyncio

from drivers.errors import LineLost
from drivers.transport.pins import Carrier
from metersim.modem.station import Wires


class Terminal:
    """The agent's end (`drivers.transport.base.Transport`, `drivers.transport.pins.Pins`) and the modem's, in one."""

    def __init__(self, modem: Wires, name: str, *, has_dcd: bool = True, baud: int = 9600) -> None:
        self._modem = modem
        self._name = name
        self._has_dcd = has_dcd
        self._baud = baud
        self._input = bytearray()
        self._came = asyncio.Event()
        self._carrier = False
        self._open = True

    # -- the agent's end

    @property
    def name(self) -> str:
        return self._name

    @property
    def baud(self) -> int:
        return self._baud

    async def read(self) -> bytes:
        while not self._input:
            if not self._open:
                raise LineLost(f"{self._name} is closed")
            self._came.clear()
            await self._came.wait()
        taken = bytes(self._input)
        self._input.clear()
        return taken

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - for recordings only
        if not self._open:
            raise LineLost(f"{self._name} is closed")
        self._modem.received(chunk)

    def discard_input(self) -> int:
        dropped = len(self._input)
        self._input.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        self._baud = baud

    async def set_dtr(self, on: bool) -> None:
        """Move the pin DTR."""
        self._modem.dtr(on=on)

    async def carrier(self) -> Carrier:
        """Return what DCD says now."""
        if not self._has_dcd:
            return Carrier.UNKNOWN
        return Carrier.UP if self._carrier else Carrier.DOWN

    async def close(self) -> None:
        """Unplug: DTR falls."""
        if self._open:
            self._open = False
            self._came.set()
            self._modem.dtr(on=False)

    # -- the modem's end

    @property
    def address(self) -> str:
        return self._name

    def put(self, octets: bytes) -> None:
        """Hand over octets; those that nobody takes are lost."""
        if self._open:
            self._input += octets
            self._came.set()

    def heard_wrongly(self, chunk: bytes, *, line_rate: int) -> bytes:
        """Return the octets as they are, or noise if the terminal's speed is not that of a line passed through."""
        return chunk if not line_rate or line_rate == self._baud else bytes(octet ^ 0x5A for octet in chunk)

    def show_carrier(self, *, up: bool) -> None:
        """Move the pin DCD."""
        self._carrier = up
