"""The phases that one message goes through on the link (C12.18 §5, §8)."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What our own message is doing."""

    IDLE = "nothing to send, nothing to wait for"
    QUEUED = "a packet is to be sent"
    ACK = "a packet is out, its ACK is not in"
    REPLY = "all is acknowledged, the answer is not complete"
