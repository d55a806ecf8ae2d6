"""The figures in the service: served, written, or both. Trouble with that is said, and meters are read without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.errors import LocalTrouble
from agent.metrics.box_figures import Watched
from agent.metrics.exposition import exposition
from agent.metrics.server import Telling, serve_metrics
from agent.metrics.settings import MetricsSettings
from agent.together import together
from drivers.errors import MrspError

TRY_AGAIN_S = 60.0

_log = logging.getLogger("agent.metrics")


async def keep_metrics(config: Config, settings: MetricsSettings, watched: Watched) -> None:
    """Tell the figures where `[metrics]` says, until cancelled. Trouble with port, disk or spool is tried again."""

    async def text() -> str:
        return exposition(await watched.families())

    jobs: list[tuple[str, Coroutine[Any, Any, None]]] = []
    if settings.listen is not None:
        jobs.append(("metrics port", _kept_up(settings, text)))
    if settings.textfile is not None:
        jobs.append(("metrics file", _keep_file(config.path(settings.textfile), settings.every_s, text)))
    await together(jobs)


async def _kept_up(settings: MetricsSettings, text: Telling) -> None:
    host, port = settings.place()
    while True:
        try:
            await serve_metrics(host, port, text)
        except LocalTrouble as error:
            _log.error("%s; it is tried again in %g s", error, TRY_AGAIN_S)
        await asyncio.sleep(TRY_AGAIN_S)


async def _keep_file(path: Path, every_s: int, text: Telling) -> None:
    while True:
        try:
            await asyncio.to_thread(write_whole, path, await text())
        except (MrspError, OSError) as error:
            _log.error("the figures cannot be written to %s: %s", path, error)
        await asyncio.sleep(every_s)


def write_whole(path: Path, text: str) -> None:
    """Put `text` in the place of the file at once, readable by others: node_exporter must not read half of it.

    Not synced: the figures of before a power cut are of no use after it, and each sync wears the card.
    """
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, "utf-8")
    draft.chmod(0o644)
    draft.replace(path)
