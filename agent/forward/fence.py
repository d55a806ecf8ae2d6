"""One identity, one live box: each box says on the status topic which one it is, and looks there before it connects.

    another box of a later generation             it has taken over: this one must not forward any more
    another box of the same generation            two boxes have one identity: neither knows of the other
    an older box that says `online`, and goes on  it is still alive: it must be stopped first
    an older box that says `offline`, or nothing  it is gone: this one goes on

The look is a connection of its own, under another client name: the broker would close that of the live box otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Protocol

import msgspec

from agent.errors import LocalTrouble
from agent.forward.uplink import Dial, Topics, Uplink
from agent.instance import Instance

LIVE_S = 150.0  # a live box says so every minute; one that is dead says nothing, whatever the broker has kept of it
_log = logging.getLogger("agent.forward")


class OtherBox(LocalTrouble):
    """Another box has this identity; nothing was sent."""


class Look(Protocol):
    """A connection that only listens to this agent's status topic."""

    async def next(self, within_s: float | None) -> bytes | None:
        """Return the next status; the first is the one that the broker has kept. None if there is none `within_s`.

        `within_s` None: as long as a broker takes to send what it has kept.
        """


class Looking(Protocol):
    """Makes such a connection. Raises `ForwardTrouble`, `LocalTrouble`."""

    def look(self) -> AbstractAsyncContextManager[Look]: ...


class _Said(msgspec.Struct, frozen=True):
    state: Literal["online", "offline"]
    instance: str
    generation: int


def said(status: bytes | None) -> _Said | None:
    """Return which box a status is of; None if it does not say so."""
    if not status:
        return None
    try:
        return msgspec.json.decode(status, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class FencedDial:
    """A `Dial` that looks before it connects, and says which box this is in every status."""

    def __init__(self, dial: Dial, looking: Looking, own: Instance, *, agent_id: str, live_s: float = LIVE_S) -> None:
        self._dial = dial
        self._looking = looking
        self._own = own
        self._status = Topics(agent_id).status
        self._live_s = live_s
        self._over: OtherBox | None = None  # it stays so: nothing is asked again

    @asynccontextmanager
    async def __call__(self, will: bytes) -> AsyncIterator[Uplink]:
        """Connect, if no other box forwards; raises `OtherBox` otherwise."""
        if self._over is not None:
            raise self._over
        await self._look()
        async with self._dial(self._signed(will)) as link:
            yield _Speaking(link, self._status, self._signed)

    async def _look(self) -> None:
        async with self._looking.look() as look:
            heard = said(await look.next(None))
            if heard is None or heard.instance == self._own.instance_id:
                return
            if heard.generation >= self._own.generation:
                self._over = self._superseded(heard)
                raise self._over
            if heard.state == "online" and await self._lives(look):
                raise OtherBox(
                    f"the box that this one replaces is still alive (instance {heard.instance}): nothing is forwarded",
                    advice="stop it for good; then this one goes on by itself",
                )
        _log.warning("this box takes over from instance %s, which is gone", heard.instance)

    async def _lives(self, look: Look) -> bool:
        """Whether the older box still speaks, or does no more than be remembered by the broker."""
        _log.warning("an older box seems to be online: waiting %g s for a sign of life", self._live_s)
        heard = said(await look.next(self._live_s))
        return heard is not None and heard.state == "online" and heard.instance != self._own.instance_id

    def _superseded(self, heard: _Said) -> OtherBox:
        who = f"instance {heard.instance}, generation {heard.generation}"
        if heard.generation == self._own.generation:
            return OtherBox(
                f"another box has this identity ({who}): nothing is forwarded until one of them takes over",
                advice="stop the other one; on the one that stays, `mrsp backup takeover`",
            )
        return OtherBox(
            f"another box has taken over from this one ({who}): nothing is forwarded any more",
            advice="what waits here: `mrsp spool export`; if this one is to go on after all: `mrsp backup takeover`",
        )

    def _signed(self, status: bytes) -> bytes:
        told: dict[str, Any] = msgspec.json.decode(status)
        told |= {"instance": self._own.instance_id, "generation": self._own.generation}
        return msgspec.json.encode(told)


class _Speaking:
    """An uplink whose statuses say which box speaks."""

    def __init__(self, link: Uplink, status: str, sign: Callable[[bytes], bytes]) -> None:
        self._link = link
        self._status = status
        self._sign = sign

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        await self._link.publish(topic, self._sign(body) if topic == self._status else body, retain=retain)

    async def received(self) -> list[bytes]:
        return await self._link.received()
