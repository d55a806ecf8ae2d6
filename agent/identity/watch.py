"""The service's eye on its own identity: expiry is warned of in time, and an interrupted rotation is finished."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from agent.errors import LocalTrouble
from agent.identity.install import settle
from agent.identity.status import certificate_days, key_status

LOOK_EVERY_S = 3600.0
LOOK_AGAIN_S = 30.0  # while the time is not known

_NUMBER = re.compile(r"\d+")  # the days left change in the middle of a day
_log = logging.getLogger("agent.identity")


class IdentityWatch:
    """Watches the identity in `directory`; `certificate` is the one the broker is shown."""

    def __init__(self, directory: Path, certificate: Path, now: Callable[[], datetime | None]) -> None:
        self._directory = directory
        self._certificate = certificate
        self._now = now  # None while the time is not known
        self._said: tuple[date | None, tuple[str, ...]] = (None, ())

    async def run(self) -> None:
        """Look now and every hour, more often while the time is not known, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_AGAIN_S if self._now() is None else LOOK_EVERY_S)

    def look(self) -> tuple[str, ...]:
        """Return what the operator should be told today; logged as a warning once a day, and when it changes."""
        now = self._now()
        remedy = "`mrsp keys renew` asks for a new certificate"
        try:
            settle(self._directory)
            found = key_status(self._directory, now=now, certificate=self._certificate).warnings if now else ()
        except LocalTrouble as err:
            found, remedy = (err.message,), err.advice
        said = (now.date() if now else None, tuple(_NUMBER.sub("", one) for one in found))
        if found and said != self._said:
            _log.warning("identity: %s; %s", "; ".join(found), remedy)
        self._said = said
        return found

    def days_left(self) -> int | None:
        """Return the days until the certificate expires, for the status message; None if that is not known."""
        now = self._now()
        return certificate_days(self._certificate, now) if now else None
