"""One at a time: meters behind one gateway, or on one wire, are never asked in parallel.

A gateway with one serial wire behind it mixes up answers of requests that overlap, or refuses them. The lock is per
process and event loop, by `ModbusAddress.key_of_line`; a scheduler that knows the same key need not even wait here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary


@dataclass(slots=True)
class Gateway:
    """A wire. `quiet_at`: loop time from which on an answer to an earlier visit cannot come any more."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    quiet_at: float = 0.0
    waiting: int = 0


_GATEWAYS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Gateway]] = WeakKeyDictionary()


@asynccontextmanager
async def alone_on(key: str) -> AsyncIterator[Gateway]:
    """Wait for our turn on the line of this key, and for late answers to the visit before to be over."""
    loop = asyncio.get_running_loop()
    known = _GATEWAYS.setdefault(loop, {})
    gateway = known.setdefault(key, Gateway())
    gateway.waiting += 1
    try:
        async with gateway.lock:
            left_s = gateway.quiet_at - loop.time()
            if left_s > 0:
                await asyncio.sleep(left_s)
            yield gateway
    finally:
        gateway.waiting -= 1
        if not gateway.waiting and gateway.quiet_at <= loop.time():
            known.pop(key, None)
