"""One link driven by hand, octet by octet and second by second, and the packets to feed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drivers.psem.link import Link
from drivers.psem.link_events import LinkEvent, Manner
from drivers.psem.options import PsemOptions
from drivers.psem.packet import Packet

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
ROBUST: dict[str, Any] = {vector["name"]: vector for vector in VECTORS["robustness"]}
ANSWER = b"\0\0\1\0\0"


class Hand:
    """One link, and a hand on the clock and the line."""

    def __init__(self, options: PsemOptions | None = None, *, baud: int = 9600) -> None:
        self.now = 50.0
        self.link = Link(options or PsemOptions(), self.now, baud=baud)

    def ask(self, data: bytes = b"\x20", manner: Manner | None = None) -> bytes:
        """Send a request that wants an answer; return what went out."""
        self.link.send_message(data, self.now, wants_reply=True, manner=manner or Manner())
        return self.out()

    def out(self) -> bytes:
        """Wait for the turn-around time and take what is sent."""
        if self.link.has_output:
            self.now = max(self.now, self.link.deadline() or 0.0)
        return self.link.take_output(self.now)

    def hear(self, *chunks: bytes) -> list[LinkEvent]:
        self.now += 0.1
        return [event for chunk in chunks for event in self.link.feed(chunk, self.now)]

    def wait(self) -> list[LinkEvent]:
        """Let the next deadline pass."""
        deadline = self.link.deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        return self.link.tick(self.now)

    def ignored_until(self) -> float:
        deadline = self.link.deadline()
        assert deadline is not None
        return deadline - self.now


def packet(
    data: bytes = ANSWER, *, toggle: bool = False, seq: int = 0, multi: bool = False, first: bool = False
) -> bytes:
    return Packet(data, seq=seq, multi=multi, first=first, toggle=toggle).to_bytes()


def octets(text: str) -> bytes:
    return bytes.fromhex(text)
