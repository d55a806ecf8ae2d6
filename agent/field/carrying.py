"""One job carried out: the visit, its reading into the spool, its stop settled; whatever ends it on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from agent.box import SERVICE, sessions_of
from agent.errors import LocalTrouble, MrspError, UsageError
from agent.field.job import BUG, Job
from agent.field.keeper import Keeper
from agent.field.kept_work import Owed
from agent.field.task import Task
from agent.keeping import refuse_if_full
from agent.together import end_all
from agent.visit import Box, Outcome, visit
from drivers.errors import printable
from drivers.person import Answer, Question
from drivers.registry import scheme_of
from drivers.visual.trouble import NotRead

BorrowLine = Callable[[str], AbstractAsyncContextManager[None]]
NAMEPLATE = Question("nameplate", "type or scan the number on the meter's nameplate", example="00123456")

_log = logging.getLogger("agent.field")


class Routes(Protocol):
    """What the desk tells the book of routes."""

    async def settle(
        self,
        stop_id: str,
        by: str,
        reading_id: str,
        method: Literal["keyed", "interrogated"],
        checks_failed: tuple[str, ...],
        /,
    ) -> object:
        """A reading of this stop is in the spool. May be told again after a crash."""
        ...


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries out the jobs of one agent."""

    keeper: Keeper
    routes: Routes | None
    borrow: BorrowLine
    now: Callable[[], datetime]

    async def visited(self, job: Job) -> Outcome:
        """Make the visit of a job. Cancelled, it leaves the meter logged off."""
        task, keeper = job.task, self.keeper
        async with AsyncExitStack() as line:
            if task.line is not None:
                await line.enter_async_context(self.borrow(task.line))
            job.came_to("reading")
            await refuse_if_full(keeper.spool)
            await keeper.asked(task.order)

            async def ask(question: Question) -> Answer:
                if question.topic == "nameplate":
                    await line.aclose()  # it is asked when the probe has hung up: somebody else may have the line
                return await job.person.ask(question)

            if _will_ask(task):
                job.person.expect(NAMEPLATE)
            box = replace(keeper.box, ask=ask, progress=job.progressed)
            return await visit(task.order, self._by_person(box, task.by), via=task.url)

    async def live(self, job: Job, *, stopping: Callable[[], bool]) -> None:
        """See a job through, whose visit has begun. Never raises.

        What a person typed stays on the disk while it can still become a reading: where the agent stops, or has
        trouble of its own. It is taken up at the next start, unless it is typed anew.
        """
        try:
            outcome = await _ended(job)
        except asyncio.CancelledError:
            if not stopping():
                await self._over(job)
            job.cancelled()
            return
        except Exception as error:  # noqa: BLE001 - a bug met at one meter must not keep the others from being read
            await self.keeper.failed(job.task.order, self.now(), error)
            if isinstance(error, NotRead) or (isinstance(error, UsageError) and not job.taken_up):
                await self._over(job)
            _end_failed(job, error)
            return
        try:
            job.came_to("checking")
            await self._kept(job, outcome)
        except asyncio.CancelledError:
            job.cancelled()
        except Exception as error:  # noqa: BLE001 - as above
            _end_failed(job, error)

    async def settle(self, owed: Owed) -> str:
        """Tell the book of routes of a reading that is stored; return why that cannot be, in words."""
        said = ""
        if owed.stop_id is not None and self.routes is not None:
            try:
                await self.routes.settle(owed.stop_id, owed.by, owed.reading_id, owed.method, owed.checks_failed)
            except LocalTrouble as error:
                _log.error("job %s: its stop is settled at the next start: %s", owed.job_id, error)
                await asyncio.to_thread(self.keeper.work.over, owed.job_id)
                return str(error)
            except MrspError as error:  # a stop that is gone
                said = str(error)
            except Exception:  # noqa: BLE001 - the reading is safe
                _log.exception("job %s: settling its stop met a bug", owed.job_id)
                said = BUG
        await asyncio.to_thread(self.keeper.work.fulfilled, owed)
        return said

    async def _kept(self, job: Job, outcome: Outcome) -> None:
        task = job.task
        failed = tuple(dict.fromkeys(one.check for one in outcome.reading.checks if one.outcome == "fail"))
        owed = Owed(
            outcome.reading.reading_id,
            task.job_id,
            task.by,
            "keyed" if task.way == "visual" else "interrogated",
            task.stop_id,
            failed,
        )
        reading = await self.keeper.keep(task.order, outcome, owed)
        stop_error = await self.settle(owed)
        sequence = reading.sequence if outcome.untimed is None else None
        job.read(reading, outcome.broken, sequence=sequence, stop_error=stop_error)

    async def _over(self, job: Job) -> None:
        if job.task.way == "visual":
            await asyncio.to_thread(self.keeper.work.over, job.task.job_id)

    def _by_person(self, box: Box, by: str) -> Box:
        """Return the box with the person in the audit log."""
        if box.sessions is None:
            return box
        return replace(box, sessions=sessions_of(self.keeper.config, f"{SERVICE}, for {printable(by)} at the console"))


async def _ended(job: Job) -> Outcome:
    """Wait for the visit of a job; where that wait is cancelled, the visit is ended first."""
    visiting = job.visiting
    assert visiting is not None  # noqa: S101 - a job is begun with its visit
    try:
        await asyncio.wait({visiting})
    except asyncio.CancelledError:
        await end_all([visiting])
        raise
    return visiting.result()


def _end_failed(job: Job, error: Exception) -> None:
    if not isinstance(error, MrspError):
        _log.error("job %s met a bug", job.task.job_id, exc_info=error)
    job.failed(error)


def _will_ask(task: Task) -> bool:
    """Tell whether the nameplate will be asked for, which a person can answer while the meter is read."""
    order = task.order
    by_probe = task.way == "probe" and scheme_of(task.url) == "serial"
    return by_probe and order.expected_meter_id is not None and order.nameplate_id is None
