"""Replies that a carrier pushes are taken while the service runs; where they cannot be, meters are read without."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from drivers.errors import MrspError
from drivers.pager.push_settings import PushSettings
from drivers.pager.wctp_push import serve_push

TRY_AGAIN_S = 60.0

_log = logging.getLogger("agent.service")


async def keep_taking(settings: PushSettings, requests: Path) -> None:
    """Serve `[pager_push]` until cancelled. A port that is taken, or a certificate of no use, is tried again."""
    while True:
        try:
            await serve_push(settings, requests)
        except MrspError as error:
            _log.error("%s; it is tried again in %g s", error, TRY_AGAIN_S)
        await asyncio.sleep(TRY_AGAIN_S)
