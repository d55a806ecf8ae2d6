"""A new certificate proves itself at the broker, and until then the one before is kept as the way back.

Wraps the dialling: each attempt reads the files anew, so a renewal is used from the next connection on, and a changed
certificate ends the connection that was made with the old one. A certificate that the broker refuses is tried in turn
with the one before; the first success of the new one lets go of the old.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from agent.errors import LocalTrouble
from agent.forward.settings import ForwardSettings
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.uplink import Dial, Uplink
from agent.identity.install import worked
from agent.identity.layout import PREVIOUS_CERTIFICATE_FILE, PREVIOUS_KEY_FILE
from agent.identity.present import file_state

# TLS 1.3 shows a refused certificate late or not at all; a broker may know it and still not its bearer.
_MAY_BE_REFUSED = frozenset({Cause.CLIENT_CERTIFICATE, Cause.NOT_AUTHORISED, Cause.TIMED_OUT, Cause.LOST, Cause.LOCAL})
_log = logging.getLogger("agent.identity")


def proven_dial(settings: ForwardSettings, connect: Callable[[ForwardSettings], Dial]) -> Dial:
    """Return the dialling over MQTT as `settings` say, with a way back while a new certificate is not proven.

    `connect` makes the dialling with one pair of certificate and key. What was before lies beside the certificate;
    without it this is the plain dialling.
    """
    certificate = Path(settings.certificate)
    before = certificate.with_name(PREVIOUS_CERTIFICATE_FILE)
    key_before = Path(settings.key).with_name(PREVIOUS_KEY_FILE)

    def previous(will: bytes) -> AbstractAsyncContextManager[Uplink]:
        key = str(key_before) if key_before.exists() else settings.key  # a renewal keeps the key, a rotation does not
        return connect(msgspec.structs.replace(settings, certificate=str(before), key=key))(will)

    return ProvenDial(certificate, connect(settings), previous).dial


class ProvenDial:
    """`Dial` that shows `certificate` by `present`, and, while that one is not proven, the one before by `previous`."""

    def __init__(self, certificate: Path, present: Dial, previous: Dial) -> None:
        self._certificate = certificate
        self._present = present
        self._previous = previous
        self._back = False  # the next attempt is with the certificate before

    @asynccontextmanager
    async def dial(self, will: bytes) -> AsyncIterator[Uplink]:
        """Connect; raises what the wrapped dialling raises."""
        back = self._back and self._way_back()
        self._back = False
        shown = file_state(self._certificate)
        async with AsyncExitStack() as stack:
            try:
                link = await stack.enter_async_context(self._previous(will) if back else self._present(will))
            except (ForwardTrouble, LocalTrouble) as err:
                cause = err.cause if isinstance(err, ForwardTrouble) else Cause.LOCAL
                self._back = not back and cause in _MAY_BE_REFUSED and self._way_back()
                raise
            if back:
                _log.warning(
                    "the broker accepts the certificate before the one in %s, not that: have it issued again",
                    self._certificate,
                )
            elif self._way_back() and file_state(self._certificate) == shown:
                await asyncio.to_thread(self._let_go)
            yield _RenewableUplink(link, self._certificate, shown)

    def _let_go(self) -> None:
        try:
            worked(self._certificate.parent)
        except (OSError, LocalTrouble) as err:  # no reason to give up a connection that works
            _log.warning("the broker accepted the new certificate, but the one before cannot be removed: %s", err)
        else:
            _log.info("the broker accepted the new certificate; the one before is gone")

    def _way_back(self) -> bool:
        return self._certificate.with_name(PREVIOUS_CERTIFICATE_FILE).exists()


class _RenewableUplink:
    """`Uplink` that ends when another certificate has been installed than the one it was made with."""

    def __init__(self, link: Uplink, certificate: Path, shown: object) -> None:
        self._link = link
        self._certificate = certificate
        self._shown = shown

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        if (found := file_state(self._certificate)) != self._shown and found is not None:
            raise ForwardTrouble("another certificate was installed: connecting again with it", cause=Cause.LOST)
        await self._link.publish(topic, body, retain=retain)

    async def received(self) -> list[bytes]:
        return await self._link.received()
