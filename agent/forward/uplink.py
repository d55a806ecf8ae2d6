"""What the forwarder needs of a connection: publish, and hear acknowledgements. MQTT is one way to have it."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from agent.errors import ConfigError
from agent.spool import Kind

_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a level of a topic, and an MQTT client identifier


class Uplink(Protocol):
    """One live connection. Every method raises `ForwardTrouble` when it is lost."""

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Hand one message to the broker and wait until it took it. That is no acknowledgement of the MDSP."""

    async def received(self) -> list[bytes]:
        """Wait for messages on the acknowledgement topic; return all that are there."""


class Dial(Protocol):
    """Makes a new connection for every attempt; `will` is what the broker says on the status topic if we vanish."""

    def __call__(self, will: bytes) -> AbstractAsyncContextManager[Uplink]: ...


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one agent, version 1 of the contract."""

    agent_id: str

    def __post_init__(self) -> None:
        if not _AGENT_ID.fullmatch(self.agent_id):
            raise ConfigError(
                f"{self.agent_id!r} cannot be an agent_id", advice="1 to 64 letters, digits, '.', '_' or '-'"
            )

    def of(self, kind: Kind) -> str:
        """Return where documents of `kind` go."""
        plural = {"reading": "readings", "anomaly": "anomalies", "report": "reports", "response": "responses"}
        return f"mrsp/v1/{self.agent_id}/{plural[kind]}"

    @property
    def status(self) -> str:
        return f"mrsp/v1/{self.agent_id}/status"

    @property
    def requests(self) -> str:
        return f"mdsp/v1/{self.agent_id}/requests"

    @property
    def acks(self) -> str:
        return f"mdsp/v1/{self.agent_id}/acks"
