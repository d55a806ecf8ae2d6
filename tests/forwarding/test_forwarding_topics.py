"""What a broker sends on a topic that is not ours is neither an acknowledgement nor a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import aiomqtt

from agent.forward.mqtt import _MqttUplink


@dataclass
class Messages:
    """As the library gives them."""

    left: list[aiomqtt.Message]

    def __len__(self) -> int:
        return len(self.left)

    def __aiter__(self) -> AsyncIterator[aiomqtt.Message]:
        return self

    async def __anext__(self) -> aiomqtt.Message:
        return self.left.pop(0)


@dataclass
class Client:
    messages: Messages = field(default_factory=lambda: Messages([]))


def message(topic: str, payload: bytes) -> aiomqtt.Message:
    return aiomqtt.Message(topic, payload, 1, retain=False, mid=1, properties=None)


async def test_only_our_topics_count() -> None:
    sent = [
        message("mrsp/v1/gw-1/status", b"{}"),
        message("mdsp/v1/gw-1/acks", b"ack"),
        message("mdsp/v1/gw-1/requests", b"request"),
        message("mdsp/v1/gw-2/acks", b"of another"),
    ]
    asked: list[bytes] = []
    client = Client(Messages(sent))
    uplink = _MqttUplink(
        client,  # type: ignore[arg-type]
        1.0,
        nullcontext,
        "mdsp/v1/gw-1/acks",
        {"mdsp/v1/gw-1/requests": asked.append},
    )
    assert await uplink.received() == [b"ack"]
    assert asked == [b"request"]
