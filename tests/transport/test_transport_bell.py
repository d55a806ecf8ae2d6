"""A bell wakes who waits for it, and a waiter who gives up never takes another's place."""

from __future__ import annotations

import asyncio

from drivers.transport.bell import Bell


async def waiting(bell: Bell) -> asyncio.Task[None]:
    task = asyncio.create_task(bell.heard())
    await asyncio.sleep(0)
    return task


async def test_it_wakes_the_one_who_waits() -> None:
    bell = Bell()
    task = await waiting(bell)
    bell.ring()
    bell.ring()
    await asyncio.sleep(0)
    assert task.done()


async def test_what_rang_before_is_not_heard() -> None:
    bell = Bell()
    bell.ring()
    task = await waiting(bell)
    assert not task.done()
    bell.ring()
    await asyncio.sleep(0)
    assert task.done()


async def test_one_who_is_cancelled_late_does_not_silence_the_next() -> None:
    bell = Bell()
    first = await waiting(bell)
    first.cancel()
    second = await waiting(bell)  # begins to wait before the first has let go
    assert first.cancelled()
    bell.ring()
    await asyncio.sleep(0)
    assert second.done()
