"""A probe on a serial port: 8N1, probe power by DTR and RTS, speed changes. The only place that knows serialx.

The lock on the port (flock) is advisory: two of us never share one, but a program that asks for no lock gets in.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import cast

import serialx

from drivers.errors import LineLost
from drivers.transport.pins import Carrier
from drivers.transport.port_errors import check_port, explain_open, is_pty, line_lost
from drivers.transport.stream import StreamProtocol
from drivers.transport.urls import SerialAddress, Switch

WARMUP_S = 0.2  # after power comes on; published clients wait 50 ms, probes with a capacitor need up to 500 ms
BITS_PER_OCTET = 10  # start bit, 8 data bits, stop bit
DRAIN_SLACK_S = 2.0  # what output may need to leave beyond its time on the wire: USB adapters queue
CLOSE_S = 0.8  # all of closing; the drain before power goes down gets half
ABORT_S = 0.15

_CARRIER = {
    serialx.PinState.HIGH: Carrier.UP,
    serialx.PinState.LOW: Carrier.DOWN,
    serialx.PinState.UNDEFINED: Carrier.UNKNOWN,
}
_PIN = {"on": serialx.PinState.HIGH, "off": serialx.PinState.LOW, "leave": serialx.PinState.UNDEFINED}


class SerialTransport:
    """One open port."""

    def __init__(self, address: SerialAddress, transport: serialx.BaseSerialTransport, stream: StreamProtocol) -> None:
        self._address = address
        self._transport = transport
        self._stream = stream
        self._baud = address.baud
        self._is_pty = is_pty(address.device)
        self._out_at = 0.0  # when the last octet handed over has left, as far as the speed tells

    @property
    def name(self) -> str:
        return self._address.device

    @property
    def baud(self) -> int:
        return self._baud

    async def read(self) -> bytes:
        return await self._stream.read()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - for recordings only
        self._stream.check()
        now = asyncio.get_running_loop().time()
        self._out_at = max(now, self._out_at) + len(chunk) * BITS_PER_OCTET / self._baud
        try:
            self._transport.write(chunk)
        except OSError as error:
            raise line_lost(self.name, error) from error
        await self._stream.output_taken()

    def discard_input(self) -> int:
        return self._stream.discard(self._transport.serial.fileno())

    async def set_baud(self, baud: int) -> None:
        """Change the speed once the last octet is on the wire; what came in before is dropped.

        Raises `TransportError` if the port cannot do `baud`, `LineLost` if its output does not leave.
        """
        if baud == self._baud:
            return
        self._stream.check()
        await self._drain(DRAIN_SLACK_S)
        self._stream.discard(self._transport.serial.fileno())
        # serialx flushes the input here; see StreamProtocol.discard for why reading has to be paused meanwhile.
        self._transport.pause_reading()
        try:
            await self._transport.reconfigure_port(baudrate=baud)
        except (OSError, ValueError, serialx.SerialException) as error:
            raise explain_open(self.name, error, baud) from error
        finally:
            self._transport.resume_reading()
        self._baud = baud

    async def set_dtr(self, on: bool) -> None:
        """Raise or lower DTR: a modem hangs up by it. Raises `LineLost`."""
        self._stream.check()
        try:
            await self._transport.set_modem_pins(serialx.ModemPins(dtr=_PIN["on" if on else "off"]))
        except OSError as error:
            raise line_lost(self.name, error) from error

    async def carrier(self) -> Carrier:
        """Return what DCD says; a pseudo-terminal has no such line. Raises `LineLost`."""
        self._stream.check()
        if self._is_pty:
            return Carrier.UNKNOWN
        try:
            return _CARRIER[(await self._transport.get_modem_pins()).car]
        except OSError as error:
            raise line_lost(self.name, error) from error

    async def close(self) -> None:
        self._stream.lose(LineLost(f"{self.name} is closed"))
        try:
            async with asyncio.timeout(CLOSE_S):
                if not self._transport.is_closing():
                    await self._power_down()
                await self._stream.wait_closed()
        except TimeoutError:
            pass
        finally:
            self._abort()
        try:
            async with asyncio.timeout(ABORT_S):
                await self._stream.wait_closed()
        except TimeoutError:
            pass  # the kernel still holds it; a thread of its own waits for that

    async def warm_up(self) -> None:
        """Wait until a probe that has just been powered works, and drop what it uttered meanwhile."""
        await asyncio.sleep(_warmup_s(self._address))
        self.discard_input()

    async def _drain(self, slack_s: float) -> None:
        """Wait until all output is on the wire: taken by the driver, sent by it, and the time for that has passed."""
        loop = asyncio.get_running_loop()
        left_s = max(0.0, self._out_at - loop.time())
        try:
            async with asyncio.timeout(left_s + slack_s):
                await self._stream.output_taken()
                await self._sent()
        except TimeoutError as error:
            raise LineLost(f"{self.name}: output does not leave the port", advice="unplug and plug the adapter") from (
                error
            )
        except OSError as error:
            raise line_lost(self.name, error) from error

    async def _sent(self) -> None:
        await self._transport.flush()
        # Many USB adapters report an empty buffer while their own still sends.
        await asyncio.sleep(self._out_at - asyncio.get_running_loop().time())

    async def _power_down(self) -> None:
        """Let the last octets out, lower the lines that were raised, to spare a probe's battery, and close."""
        try:
            await asyncio.wait_for(self._sent(), CLOSE_S / 2)
            is_sent = True
        except (OSError, TimeoutError, RuntimeError):
            is_sent = False
        lower = serialx.ModemPins(dtr=_lowered(self._address.dtr), rts=_lowered(self._address.rts))
        with suppress(OSError):  # unplugged: there is nothing left to power down
            await self._transport.set_modem_pins(lower)
        if is_sent:
            self._transport.close()
        else:
            self._abort()

    def _abort(self) -> None:
        """Close without what is unsent, for which the kernel would hold the port; nothing if it is being closed."""
        if not self._transport.is_closing():
            with suppress(OSError):
                self._transport.serial.reset_write_buffer()
            self._transport.abort()


async def open_serial(address: SerialAddress) -> SerialTransport:
    """Open the port for us alone, power the probe, wait until it is warm.

    Raises `TransportError` that says what is wrong with the port, `UsageError` for a file that is no serial port.
    """
    # serialx logs every octet at DEBUG, passwords included.
    logging.getLogger("serialx").setLevel(logging.INFO)
    check_port(address.device)
    keep = "leave" in (address.dtr, address.rts)  # the kernel can lower both lines on close, or none
    try:
        transport, stream = await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: StreamProtocol(lambda exc: line_lost(address.device, exc)),
            address.device,
            baudrate=address.baud,
            exclusive=True,
            low_latency=True,  # ignored where the driver or our rights do not allow it
            close_timeout=CLOSE_S / 4,
            dtr_on_open=_PIN[address.dtr],
            rts_on_open=_PIN[address.rts],
            dtr_on_close=serialx.PinState.UNDEFINED if keep else serialx.PinState.LOW,
            rts_on_close=serialx.PinState.UNDEFINED if keep else serialx.PinState.LOW,
        )
    except (OSError, ValueError, serialx.SerialException) as error:
        raise explain_open(address.device, error, address.baud) from error
    line = SerialTransport(address, transport, cast("StreamProtocol", stream))
    try:
        await line.warm_up()
    except asyncio.CancelledError:
        await line.close()
        raise
    return line


def _warmup_s(address: SerialAddress) -> float:
    if address.warmup_ms is not None:
        return address.warmup_ms / 1000
    powered = "on" in (address.dtr, address.rts)
    return WARMUP_S if powered and not is_pty(address.device) else 0.0


def _lowered(switch: Switch) -> serialx.PinState:
    return serialx.PinState.LOW if switch == "on" else serialx.PinState.UNDEFINED
