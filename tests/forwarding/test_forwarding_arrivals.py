"""What a broker sends faster than it is taken: so many messages, and so many octets, and no more."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest

from agent.forward.mqtt import MAX_QUEUED_OCTETS, _Arrivals


def message(octets: int) -> aiomqtt.Message:
    return aiomqtt.Message("mdsp/v1/gw-0001/requests", b"x" * octets, 1, False, 1, None)


def test_the_queue_is_full_by_octets_or_by_messages_and_empties_again() -> None:
    arrived = _Arrivals(maxsize=3)
    large = message(MAX_QUEUED_OCTETS // 2)
    arrived.put_nowait(large)
    arrived.put_nowait(large)
    with pytest.raises(asyncio.QueueFull):
        arrived.put_nowait(message(1))
    assert arrived.get_nowait() is large
    arrived.put_nowait(message(1))
    arrived.put_nowait(message(1))
    with pytest.raises(asyncio.QueueFull):
        arrived.put_nowait(message(1))
    for _ in range(3):
        arrived.get_nowait()
    assert arrived.empty()
    assert not arrived.full()
