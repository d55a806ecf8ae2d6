"""One open Modbus line: pymodbus frames, decodes and carries; this adds what it does not tell.

That is: every octet as it comes and goes, why a line was lost, at once and not at the next time-out, and an answer that
cannot be decoded as an error of the request rather than of the line. Retries are the client's business. The only
modules that import pymodbus are this one and `opening`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FRAMER_NAME_TO_CLASS, FramerType
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams

from drivers.errors import LineLost

Trace = Callable[[str, bytes], None]  # direction ">" or "<", octets
KEPT: Final = 4096  # octets of what came in since the last request, for an explanation
CLOSE_S: Final = 0.5  # to say good-bye, then the connection is cut
_FOREVER: Final = 1 << 60

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)  # it logs as errors what we report or retry


class Channel(TransactionManager):
    """A line to one meter or gateway. One request at a time."""

    def __init__(self, params: CommParams, framer: FramerType, name: str, trace: Trace) -> None:
        super().__init__(params, FRAMER_NAME_TO_CLASS[framer](DecodePDU(False)), 0, False, None, None, None)
        self.max_until_disconnect = self.count_until_disconnect = _FOREVER  # time-outs are counted by the client
        self.response_future: asyncio.Future[ModbusPDU] = self.loop.create_future()
        self.came = b""  # since the last request
        self.sent = self.received = 0  # octets
        self.last_ns = 0
        self.lost: LineLost | None = None
        self._name = name
        self._trace = trace
        self._gone = asyncio.Event()

    async def exchange(self, request: ModbusPDU, timeout_s: float) -> ModbusPDU:
        """Send a request and return what answers it. Raises `TimeoutError`, `LineLost`, or pymodbus' own error."""
        if self.lost is not None:
            raise self.lost
        request.transaction_id = self.getNextTID()
        self.came = b""
        self.response_future = self.loop.create_future()
        try:
            self.pdu_send(request)
            async with asyncio.timeout(timeout_s):
                return await self.response_future
        finally:
            self.response_future.cancel()  # what comes later is nobody's

    def send(self, data: bytes, addr: tuple[object, ...] | None = None) -> None:
        """Hand octets to the line."""
        self.sent += len(data)
        self._trace(">", data)
        super().send(data, addr)

    def data_received(self, data: bytes) -> None:
        """Take in what the line brings."""
        self.received += len(data)
        self.came = (self.came + data)[-KEPT:]
        self._trace("<", data)
        try:
            super().data_received(data)
        except ModbusException as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why the line ended, and tell who waits for an answer."""
        why = f": {getattr(exc, 'strerror', None) or exc}" if exc is not None else ""
        ended = "broke" if exc is not None else "was closed by the other side"
        self.lost = self.lost or LineLost(
            f"the connection to {self._name} {ended}{why}",
            advice="a gateway may allow few clients, and may want a certificate of them; is the line still plugged in?",
        )
        self._fail(self.lost)
        self._gone.set()
        super().connection_lost(exc)

    async def aclose(self) -> None:
        """Give the line back; never raises, never takes over a second."""
        transport: asyncio.BaseTransport | None = self.transport
        self.lost = self.lost or LineLost(f"the connection to {self._name} is closed")
        if transport is None:
            return
        self.is_closing = True
        try:
            transport.close()
            if self.comm_params.host and not self.comm_params.baudrate > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await self._gone.wait()
        finally:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def _fail(self, error: Exception) -> None:
        if not self.response_future.done():
            self.response_future.set_exception(error)
            self.response_future.exception()  # seen, should nobody wait
