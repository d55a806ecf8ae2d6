"""Ask one meter for registers: repeated where that helps, and with every failure in the errors of the drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from drivers.errors import LocalProtocolError
from drivers.modbus.address import ModbusAddress
from drivers.modbus.channel import Channel
from drivers.modbus.failures import GATEWAY_PATH, GATEWAY_SILENT, LATER, refused, silent
from drivers.modbus.image import Answer, Span

BUSY_TRIES: Final = 5  # a meter that stays busy for longer is another visit's
_REQUESTS: Final = {3: ReadHoldingRegistersRequest, 4: ReadInputRegistersRequest}
_BITS_PER_OCTET: Final = 11  # on a serial line, with parity or a second stop bit
_FAST_BAUD: Final = 19_200
_FAST_SILENCE_S: Final = 0.00175  # between frames above that speed (Serial Line V1.02 §2.5.1.1)


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. `answer_s`: for an answer; `pause_s`: from an answer to the next request."""

    answer_s: float
    pause_s: float
    busy_s: float

    @classmethod
    def of(cls, address: ModbusAddress) -> Waits:
        """Return those of an address in which everything is settled."""
        silence = 0.0
        if address.device:
            baud = address.baud or 9600
            silence = _FAST_SILENCE_S if baud > _FAST_BAUD else 3.5 * _BITS_PER_OCTET / baud
        answer_ms = address.timeout_ms if address.timeout_ms is not None else 1000 if address.device else 3000
        return cls(answer_ms / 1000, max(silence, (address.pause_ms or 0) / 1000), address.busy_wait_ms / 1000)


class Client:
    """Speaks to the unit of one address on an open channel."""

    def __init__(self, channel: Channel, address: ModbusAddress, now_ns: Callable[[], int]) -> None:
        self.retries = 0  # requests that had to be repeated
        self._channel = channel
        self._address = address
        self._now_ns = now_ns
        self._waits = Waits.of(address)
        self._owed: Span | None = None  # asked for in RTU, where an answer does not say to which request it belongs

    @property
    def owes(self) -> bool:
        """Whether an answer may still come that nobody waits for."""
        return self._owed is not None

    async def ask(self, span: Span) -> Answer:
        """Return the registers of `span`.

        Raises `MeterRefused`, `MeterSilent`, `MeterProtocolError`, `LineLost`, `TransportError`.
        """
        if span.count < 1 or span.end > 65_536:
            raise LocalProtocolError(f"{span} was asked for, which are no registers")
        busy, tries = 0, 0
        while True:
            before = self._now_ns()
            response = await self._attempt(span)
            if response is None:
                tries += 1
                if tries > self._address.retries:
                    came, wait_s = self._channel.came, self._waits.answer_s
                    raise silent(span, str(self._address), tries, wait_s, came, framing=self._address.framing)
            elif isinstance(response, ExceptionResponse):
                code = response.exception_code
                error = refused(code, span, str(self._address))
                if code in LATER and busy < BUSY_TRIES:
                    busy += 1
                    await asyncio.sleep(self._waits.busy_s * 2 ** (busy - 1))
                elif code in (GATEWAY_PATH, GATEWAY_SILENT) and tries < self._address.retries:
                    tries += 1
                else:
                    raise error
            else:
                octets = b"".join(word.to_bytes(2, "big") for word in response.registers)
                return Answer(octets, before, self._now_ns())
            self.retries += 1

    async def _attempt(self, span: Span) -> ModbusPDU | None:
        """Ask once; None if no answer that can be one came in time."""
        await self._settle(span)
        await asyncio.sleep(self._waits.pause_s)
        request = _REQUESTS[span.code](address=span.first, count=span.count, dev_id=self._address.unit)
        late, self._owed = self._owed, span
        try:
            response = await self._channel.exchange(request, self._waits.answer_s)
        except TimeoutError:
            return None
        except ModbusException:
            return None  # octets that no decoder takes; `came` has them
        if not self._fits(request, response):
            return None
        if late is None or self._address.framing == "tcp":
            self._owed = None  # else the answer may be that to the try before, and another one is on its way
        return response

    async def _settle(self, span: Span) -> None:
        """Before another question is asked in RTU, wait until a late answer to the last one cannot come any more."""
        if self._address.framing == "rtu" and self._owed not in (None, span):
            await asyncio.sleep(self._waits.answer_s)
            self._owed = None

    def _fits(self, request: ModbusPDU, response: ModbusPDU) -> bool:
        if response.function_code & 0x7F != request.function_code:
            return False
        if not isinstance(response, ExceptionResponse) and len(response.registers) != request.count:
            return False
        return response.transaction_id == request.transaction_id and response.dev_id == self._address.unit
