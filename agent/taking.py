"""The recording of one visit while it is made.

    async with taken(recordings, file) as taking:
        data = await driver.read(replace(task, record=taking.path))
        part = await taking.part(finished_at)          # the line is closed by now
    …, problems=(*data.problems, *taking.problems)

A reading never waits for its recording: what stands in the way of keeping it becomes a remark in the document.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import LocalTrouble
from agent.reading import RecordingPart
from agent.recordings import Recordings, digest, has_content, is_complete
from drivers.data import Problem

_log = logging.getLogger("agent.recordings")


@dataclass(slots=True)
class Taking:
    """Give `path` to the driver; None: this visit is not recorded."""

    path: Path | None
    recordings: Recordings | None = None  # that keep it
    problems: list[Problem] = field(default_factory=list)  # what the document has to say about it

    async def part(self, now: datetime) -> RecordingPart | None:
        """Return what the document says of the recording, kept durably; `now` is the end of the visit, UTC.

        To be called once the line is closed. None, with a remark among `problems`, if it could not be kept; None
        without one where nothing was recorded. Never raises.
        """
        if self.path is None:
            return None
        try:
            if not await asyncio.to_thread(has_content, self.path):
                return None  # a technology without a line to record
            if not await asyncio.to_thread(is_complete, self.path):
                self.remark("it breaks off before the end of the visit: the disk was full")
            if self.recordings is None:
                return await asyncio.to_thread(digest, self.path)
            return await self.recordings.keep(self.path, now)
        except (LocalTrouble, OSError) as error:
            self.remark(f"it could not be kept: {error}")
            return None

    def remark(self, reason: str) -> None:
        """Note what the document has to say."""
        _log.warning("recording: %s", reason)
        self.problems.append(Problem("recording", reason, lost=False))


@asynccontextmanager
async def taken(recordings: Recordings | None, file: Path | None) -> AsyncIterator[Taking]:
    """Prepare to record one visit: to `file` if one is named, and for the agent's `recordings` if it has any.

    Raises nothing of its own. A visit that fails is kept, too, for whoever looks into the failure.
    """
    taking = Taking(file, recordings)
    if recordings is None or file is not None:
        yield taking
        return
    try:
        taking.path = await asyncio.to_thread(recordings.begin)
    except LocalTrouble as error:
        taking.remark(str(error))
    try:
        yield taking
    except Exception:
        part = await taking.part(datetime.now(UTC))
        if part is not None:
            _log.info("the recording of the visit that failed is %s", part.sha256)
        raise
    finally:
        if taking.path is not None:
            taking.path.unlink(missing_ok=True)
