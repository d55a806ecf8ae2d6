"""A pymodbus server over simulated meters: strict about addresses, counts and units, and faulty where told to."""

from __future__ import annotations

import asyncio
import logging
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from metersim.modbus.faults import Faults
from metersim.modbus.link import PtyPair
from metersim.modbus.world import World

_READS = frozenset({3, 4})
_LARGEST = 125

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)  # it takes what is meant to fail for errors


@dataclass(slots=True)
class Tally:
    """What happened so far, for tests. `requests`: as (unit, function, first, count)."""

    requests: list[tuple[int, int, int, int]] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    answers: int = 0
    torn: int = 0
    writes: int = 0


class Store(SimCore):
    """The registers of the meters behind one line, by unit; what is not in a map is not there."""

    def __init__(self, worlds: dict[int, World], faults: Faults, tally: Tally) -> None:
        super().__init__(SimDevice(id=0, simdata=[SimData(0, values=0, datatype=DataType.UINT16)]))
        self._worlds = worlds
        self._faults = faults
        self._tally = tally

    def device_ids(self) -> list[int]:
        """Return the units."""
        return list(self._worlds)

    async def async_getValues(  # noqa: N802 - pymodbus' name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        """Answer a request for registers."""
        faults, tally = self._faults, self._tally
        tally.requests.append((device_id, func_code, address, count))
        if device_id not in self._worlds:
            raise NoSuchIdException(f"no unit {device_id}")
        if faults.slow_ms:
            await asyncio.sleep(faults.slow_ms / 1000)
        if faults.exception:
            return ExcCodes(faults.exception)
        if len(tally.requests) <= faults.busy:
            return ExcCodes.DEVICE_BUSY
        if func_code not in _READS:
            return ExcCodes.ILLEGAL_FUNCTION
        if not 1 <= count <= (faults.most or _LARGEST):
            return ExcCodes.ILLEGAL_VALUE
        world = self._worlds[device_id]
        words = [world.words.get((func_code, at)) for at in range(address, address + count)]
        if None in words:
            return ExcCodes.ILLEGAL_ADDRESS
        return self._torn(world, func_code, address, [word for word in words if word is not None])

    def _torn(self, world: World, code: int, address: int, words: list[int]) -> list[int]:
        """Make the high registers of counters those from before a carry, as often as the fault says."""
        held = [(first, size) for kind, first, size in world.counters if kind == code and size > 1]
        inside = [(first - address, size) for first, size in held if address <= first < address + len(words) - 1]
        if not inside or self._tally.torn >= self._faults.torn:
            return words
        self._tally.torn += 1
        for at, size in inside:
            words[at + size - 2] = (words[at + size - 2] - 1) & 0xFFFF
        return words

    async def async_setValues(  # noqa: N802 - pymodbus' name
        self,
        device_id: int,  # noqa: ARG002
        func_code: int,  # noqa: ARG002
        address: int,  # noqa: ARG002
        values: list[int] | list[bool],  # noqa: ARG002
    ) -> ExcCodes | None:
        """Refuse every write, and count it: a reader must not try."""
        self._tally.writes += 1
        return ExcCodes.ILLEGAL_FUNCTION


class FaultyHandler(ServerRequestHandler):
    """One connection, with answers that go wrong as they are told to."""

    def __init__(self, owner: Any, faults: Faults, tally: Tally) -> None:
        super().__init__(owner, None, None, None)  # type: ignore[no-untyped-call]
        self._faults = faults
        self._tally = tally
        self._held: list[bytes] = []
        tally.connections += 1
        tally.open_now += 1
        tally.most_open = max(tally.most_open, tally.open_now)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Count the connection out."""
        self._tally.open_now -= 1
        super().callback_disconnected(exc)

    def server_send(self, pdu: ModbusPDU, addr: Any) -> None:
        """Send an answer, or what the faults make of it."""
        faults, tally = self._faults, self._tally
        tally.answers += 1
        number = tally.answers
        if number <= faults.silent:
            return
        if faults.cut and number == faults.cut:
            self.transport.abort()  # type: ignore[attr-defined]
            return
        if number <= faults.short and len(pdu.registers) > 1:
            pdu.registers = pdu.registers[:-1]
        if number <= faults.wrong_unit:
            pdu.dev_id = pdu.dev_id % 247 + 1
        frame = self._damaged(self.framer.buildFrame(pdu), number)
        if number <= faults.late:
            self._held.append(frame)
            return
        for held in (*self._held, frame):
            self.send(held, addr)
        self._held.clear()

    def _damaged(self, frame: bytes, number: int) -> bytes:
        faults = self._faults
        if number <= faults.wrong_transaction:
            return bytes((frame[0] ^ 0x40,)) + frame[1:]
        if number <= faults.garble:
            return frame[:2] + b"\xff" + frame[3:]
        return frame


@dataclass(slots=True)
class RunningModbus:
    """Meters that can be read at `address`, by their units."""

    address: str
    worlds: dict[int, World]
    tally: Tally


def _prepared(worlds: dict[int, World], faults: Faults) -> None:
    """Put faults into the values themselves."""
    for world in worlds.values():
        if faults.absent and world.counters:
            world.drop(*world.counters[0])
        if faults.specials:
            floats = (struct.pack(">f", float("nan")), struct.pack(">f", float("inf")))
            for (code, first, _), octets in zip(world.counters, floats, strict=False):
                world.put(code, first, [int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big")])


@asynccontextmanager
async def running_modbus(
    worlds: dict[int, World],
    *,
    faults: Faults | None = None,
    tcp: int | None = 0,
    rtu: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RunningModbus]:
    """Serve meters by unit, on a TCP port of 127.0.0.1 (0: any free one), or with `tcp=None` on a pty.

    `rtu`: RTU frames over TCP, as a serial gateway passes them on; `tls`: with this context. Raises `OSError`.
    """
    faults, tally = faults or Faults(), Tally()
    _prepared(worlds, faults)
    store = Store(worlds, faults, tally)
    device = SimDevice(id=0, simdata=[SimData(0, values=0, datatype=DataType.UINT16)])
    pair: PtyPair | None = None
    server: ModbusTcpServer | ModbusSerialServer
    if tcp is None:
        pair = PtyPair()
        server = ModbusSerialServer(device, port=pair.inside, baudrate=9600, framer=FramerType.RTU)
        server.ignore_missing_devices = True
    elif tls is not None:
        server = ModbusTlsServer(device, address=("127.0.0.1", tcp), sslctx=tls, framer=FramerType.SOCKET)
    else:
        framer = FramerType.RTU if rtu else FramerType.SOCKET
        server = ModbusTcpServer(device, address=("127.0.0.1", tcp), framer=framer, ignore_missing_devices=rtu)
    server.context = store
    server.callback_new_connection = lambda: FaultyHandler(server, faults, tally)  # type: ignore[method-assign]
    try:
        if not await server.listen():
            raise OSError(f"port {tcp} cannot be had")
        await asyncio.sleep(0)  # a serial server begins to read in the turn after the next one
        await asyncio.sleep(0)
        yield RunningModbus(_address(server, pair, rtu=rtu, tls=tls is not None), worlds, tally)
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
        if pair is not None:
            pair.close()


def _address(server: Any, pair: PtyPair | None, *, rtu: bool, tls: bool) -> str:
    if pair is not None:
        return f"modbus://{pair.outside}"
    port = server.transport.sockets[0].getsockname()[1]
    scheme = "modbus+tls" if tls else "modbus+rtu+tcp" if rtu else "modbus+tcp"
    return f"{scheme}://127.0.0.1:{port}"
