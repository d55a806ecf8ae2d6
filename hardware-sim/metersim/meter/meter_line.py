"""Simulated meters behind any byte line, in this process: a modem's telephone line, a socket, a pipe.

    async with meter_line([serving], send, hang_up) as line:
        line.received(b"...")    # octets that the caller sent, in whatever pieces
        line.carrier_lost()      # the call ended: sessions end, and what was on its way is lost

The meters outlive calls; the line neither delays nor damages anything beyond the faults of each `Serving`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import msgspec

from drivers.errors import UsageError
from metersim.meter.fleet import nth
from metersim.meter.ports import Port, PtyPort, TcpPort
from metersim.meter.serving import RunningMeter, Serving, serve_meter

MOST_IDENTITY = 255
Send = Callable[[bytes], Awaitable[None]]


@dataclass
class MeterLine:
    """The far end of one line: a meter, or several that share it and answer to their identity octets (C12.21)."""

    meters: list[RunningMeter] = field(default_factory=list)
    _ears: list[Callable[[bytes], None]] = field(default_factory=list)

    def received(self, chunk: bytes) -> None:
        """Let every meter on the line hear these octets; the one that is addressed answers."""
        for hear in self._ears:
            hear(chunk)

    def join(self, other: MeterLine) -> None:
        """Take the meters of another line onto this one."""
        self.meters += other.meters
        self._ears += other._ears

    def carrier_lost(self) -> None:
        """End all sessions without a word, and drop what has not been sent. The line may be used again at once."""
        for meter in self.meters:
            meter.line.carrier_lost()


@asynccontextmanager
async def meter_line(
    servings: Sequence[Serving],
    send: Send,
    hang_up: Callable[[], None] = lambda: None,
    *,
    address: str = "line",
) -> AsyncIterator[MeterLine]:
    """Serve meters on one line while the context lasts.

    `send` is awaited with what the meters say. `hang_up` is called when a meter drops the call: after a Disconnect that
    was answered (C12.21), and by the fault `drop_after`. Of several meters only the first answers identity 0. The speed
    is the line's: Negotiate changes none. Raises `ScenarioError`.
    """
    line = MeterLine()

    async def opened(received: Callable[[bytes], None]) -> Port:
        line._ears.append(received)  # noqa: SLF001 - made here
        return _Shared(send, hang_up, address)

    async with AsyncExitStack() as stack:
        for number, serving in enumerate(servings):
            mine = replace(serving, baud=0, any_identity=number == 0 or len(servings) == 1)
            line.meters.append(await stack.enter_async_context(serve_meter(mine, opened)))
        yield line


@asynccontextmanager
async def serve_multidrop(serving: Serving, count: int) -> AsyncIterator[tuple[RunningMeter, ...]]:
    """Serve `count` meters on one port, as `serving` says, while the context lasts.

    Their identity octets count up from that of the scenario, which is 1 at least; see `meter_line` for the rest. A
    Disconnect cuts a TCP client off. Raises `OSError` if the port cannot be had.
    """
    first = max(1, serving.scenario.psem.identity)
    if first + count - 1 > MOST_IDENTITY:
        raise UsageError(f"{count} meters from identity {first} on do not fit one line")
    servings = [_identified(nth(serving, number), first + number) for number in range(count)]
    line = MeterLine()
    port: Port = await TcpPort(line.received).listen(serving.tcp) if serving.tcp is not None else PtyPort(line.received)
    hang_up = port.hang_up if serving.tcp is not None else lambda: None
    try:
        async with meter_line(servings, port.send, hang_up, address=port.address) as made:
            line.join(made)
            yield tuple(made.meters)
    finally:
        await port.close()


def _identified(serving: Serving, identity: int) -> Serving:
    scenario = serving.scenario
    psem = msgspec.structs.replace(scenario.psem, identity=identity)
    return replace(serving, scenario=msgspec.structs.replace(scenario, psem=psem))


@dataclass(frozen=True, slots=True)
class _Shared:
    """One meter's end of the line (`metersim.meter.ports.Port`)."""

    _send: Send
    _hang_up: Callable[[], None]
    address: str

    def client_baud(self) -> int | None:
        """Nobody knows."""
        return None

    async def send(self, chunk: bytes) -> None:
        """Put octets on the line."""
        await self._send(chunk)

    def discard(self) -> None:
        """What was sent is on its way."""

    def hang_up(self) -> None:
        """Drop the call."""
        self._hang_up()

    async def close(self) -> None:
        """Nothing to give back."""
