"""The desk of the field work: begins jobs, shows how they go, takes answers, and ends them with nothing lost.

    desk = FieldDesk(Keeper(config, box, spool, follower, ledger), borrow_line=schedule.borrow, routes=book)
    job = await desk.start(Work("probe", order, url="serial:///dev/ttyUSB0", stop_id=stop.stop_id), by="j.doe")
    async for view in desk.watch(job.job_id):
        …                                         # ends with the last picture of the job

A job belongs to the desk, not to who looks at it: it goes on when every watcher is gone. What a person typed is on the
disk when its job begins, and what a meter said is in the spool before its job is done.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.checks import load_rule_set
from agent.errors import LocalTrouble, UsageError
from agent.field.bell import Bell
from agent.field.carrying import BorrowLine, Carrier, Routes
from agent.field.errors import NoSuchJob, NotAsked, TooManyJobs
from agent.field.job import Clocks, Job
from agent.field.keeper import Keeper
from agent.field.kept_work import TypedWork
from agent.field.own_lines import OwnLines
from agent.field.task import Task, complete_entry, probe_task, visual_task
from agent.field.views import Asked, CheckView, ErrorView, JobView, ProgressView, State, Way, Work
from agent.field.visual import Odd, looks_odd
from agent.order import Order
from agent.scheduling.scheduler import Moment
from agent.together import end_all
from drivers.person import Answer
from drivers.visual.entry import ShownRegister

PATIENCE_S = 300.0  # for the answer to a question
MOST_RUNNING = 16
MOST_ENDED = 64  # that are still shown
MOST_DOCUMENTS = 16 * 1024 * 1024  # octets of the readings of ended jobs
ENDING_S = 20.0  # for what is under way when the agent stops: a logoff, a reading on its way into the spool

_log = logging.getLogger("agent.field")


class FieldDesk:
    """Every job of one agent. All calls are made on its event loop."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        routes: Routes | None = None,
        borrow_line: BorrowLine | None = None,
        now: Callable[[], Moment] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`borrow_line` lends a line by its key; by default the desk has them all to itself. `now`: the agent's time.

        `patience_s`: for which a question waits for its answer; then the job goes on to its end without.
        """
        self._keeper = keeper
        self._now = now or self._box_time
        self._carrier = Carrier(keeper, routes, borrow_line or OwnLines(), lambda: self._now().at)
        self._clocks = Clocks(lambda: self._now().at, keeper.box.clock.boottime_ns)
        self._patience_s = patience_s
        self._bell = Bell()
        self._jobs: dict[str, Job] = {}  # oldest first
        self._stopping = False
        self.caught_up = asyncio.Event()  # what a crash left is under way, or over

    async def run(self) -> None:
        """Make up for what a crash left; when cancelled, end every job properly. A job of the service."""
        try:
            await self._catch_up()
            self.caught_up.set()
            await asyncio.get_running_loop().create_future()
        finally:
            await self.close()

    async def close(self) -> None:
        """End every job: meters are logged off, what was read is kept, what was typed is taken up at the next start."""
        self._stopping = True
        living = [job.living for job in self._jobs.values() if job.living is not None and not job.living.done()]
        for job in self._jobs.values():
            _break_off(job)
        if living:
            await asyncio.wait(living, timeout=ENDING_S)
        await end_all(living)

    async def start(self, work: Work, by: str) -> JobView:
        """Begin a job of the person `by`; return its first picture. An entry that was typed is on the disk by then.

        Raises `UsageError` for work that makes no sense or is under way, `TooManyJobs`, `LocalTrouble` of the disk.
        """
        self._refuse(work)
        job_id = secrets.token_urlsafe(12)
        if work.way == "probe":
            return self._begin(self._known(probe_task(self._keeper.config, work, by, job_id)))
        moment = self._now()
        typed_at = moment.at if moment.known else None
        typed = TypedWork(job_id, by, work.order, complete_entry(work, by), work.stop_id, typed_at)
        job = self._known(self._typed_task(typed))
        try:
            await asyncio.to_thread(self._keep, typed)
            self._refuse_if_stopping()
        except BaseException:
            del self._jobs[job_id]
            await asyncio.to_thread(self._keeper.work.over, job_id)
            raise
        return self._begin(job)

    async def looks_odd(
        self, order: Order, shown: Sequence[ShownRegister], *, stop_id: str | None = None
    ) -> tuple[Odd, ...]:
        """Return what is odd about what a person has typed so far: see `agent.field.visual`. Nothing is set down.

        Raises `UsageError` for a rule set that is not there.
        """
        box = self._keeper.box
        filed = visual_task(order, "", "", Path(), stop_id).order
        rules = await asyncio.to_thread(load_rule_set, order.rule_set, box.rule_set_dirs)
        known = await asyncio.to_thread(box.records.of, filed) if box.records is not None else None
        zone = _zone(order.site.zone or box.clock_settings.zone)
        return looks_odd(filed, shown, rules, self._now().at, before=known.before if known else None, zone=zone)

    def jobs(self) -> tuple[JobView, ...]:
        """Return the jobs that are known, newest first: those under way, and the last that ended."""
        return tuple(job.view() for job in reversed(self._jobs.values()))

    def job(self, job_id: str) -> JobView:
        """Return the present picture of a job. Raises `NoSuchJob`."""
        return self._of(job_id).view()

    def answer(self, job_id: str, number: int, answer: Answer) -> JobView:
        """Answer the question of that number. Raises `NoSuchJob`, and `NotAsked` where that question does not wait."""
        job = self._of(job_id)
        if job.ended or not job.person.answer(number, answer):
            raise NotAsked("that question does not wait for an answer any more")
        return job.view()

    async def cancel(self, job_id: str) -> JobView:
        """End a job; return its last picture when the meter is logged off. One that has ended stays as it is.

        What was read by probe is kept where only the person's answer is missing, and what is on its way into the spool
        gets there. Raises `NoSuchJob`.
        """
        job = self._of(job_id)
        _break_off(job)
        if job.living is not None:
            await asyncio.wait({job.living})
        return job.view()

    def watch(self, job_id: str) -> AsyncGenerator[JobView, None]:
        """Yield the present picture of a job, then each newer one, up to the last. Who is slow misses some between.

        Raises `NoSuchJob`, at once.
        """
        return _watched(self._of(job_id))

    def changes(self) -> AsyncGenerator[JobView, None]:
        """Yield the newest picture of each job that changes from now on; for ever."""
        return self._changed_after(self._bell.count)

    async def _changed_after(self, seen: int) -> AsyncGenerator[JobView, None]:
        while True:
            rung = await self._bell.after(seen)
            for job in sorted(self._jobs.values(), key=lambda one: one.version):
                if job.version > seen:
                    yield job.view()
            seen = rung

    def _refuse(self, work: Work) -> None:
        """Refuse work that cannot begin now."""
        self._refuse_if_stopping()
        running = [job for job in self._jobs.values() if not job.ended]
        for job in running:
            if work.stop_id is not None and job.task.stop_id == work.stop_id:
                advice = "wait for it, or end it first"
                raise UsageError(f"this meter is being read by {job.task.by} already", advice=advice)
        if len(running) >= MOST_RUNNING:
            raise TooManyJobs(f"{len(running)} jobs go on already", advice="wait until one of them has ended")

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise UsageError("the agent is stopping", advice="try again in a minute")

    def _known(self, task: Task) -> Job:
        """Return the job of a task, which is known from now on."""
        job = self._jobs[task.job_id] = Job(task, self._clocks, self._bell, self._patience_s)
        return job

    def _begin(self, job: Job) -> JobView:
        name, carrier = job.task.job_id, self._carrier
        job.visiting = asyncio.create_task(carrier.visited(job), name=f"visit of job {name}")
        job.living = asyncio.create_task(carrier.live(job, stopping=lambda: self._stopping), name=f"job {name}")
        job.changed()
        self._forget_oldest()
        return job.view()

    def _typed_task(self, typed: TypedWork) -> Task:
        file = self._keeper.work.entry_file(typed.job_id)
        return visual_task(typed.order, typed.by, typed.job_id, file, typed.stop_id)

    def _keep(self, typed: TypedWork) -> None:
        """Keep what was typed, in place of what was left of the same stop: it was typed anew."""
        work = self._keeper.work
        work.give_entry(typed.job_id, typed.entry)
        work.keep(typed)
        for left in work.works():
            if typed.stop_id is not None and left.stop_id == typed.stop_id and left.job_id != typed.job_id:
                work.over(left.job_id)

    async def _catch_up(self) -> None:
        """Carry out what a crash left: settle the stops of readings that were stored, take up what was typed."""
        keeper, work = self._keeper, self._keeper.work
        try:
            for owed in await asyncio.to_thread(work.owed):
                if await keeper.stored(owed.reading_id):
                    await self._carrier.settle(owed)
                else:
                    await asyncio.to_thread(work.withdrawn, owed)
            for typed in await asyncio.to_thread(work.works):
                await asyncio.to_thread(work.give_entry, typed.job_id, typed.taken_up(self._now().at))
                _log.info("job %s: what was typed before the agent was started again is taken up", typed.job_id)
                job = self._known(self._typed_task(typed))
                job.taken_up = True
                self._begin(job)
        except LocalTrouble as error:
            _log.error("what was left of the field work is taken up at the next start: %s", error)

    def _of(self, job_id: str) -> Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            advice = "a reading that was taken is in the spool; see its stop"
            raise NoSuchJob("there is no such job (any more)", advice=advice) from None

    def _forget_oldest(self) -> None:
        """Let go of the jobs that ended first, and their documents, but for the newest one."""
        ended = [job for job in self._jobs.values() if job.ended]
        count, octets = len(ended), sum(job.octets for job in ended)
        for job in ended[:-1]:
            if count <= MOST_ENDED and octets <= MOST_DOCUMENTS:
                break
            count, octets = count - 1, octets - job.octets
            del self._jobs[job.task.job_id]

    def _box_time(self) -> Moment:
        return Moment(datetime.now(UTC), known=True, boottime_ns=self._keeper.box.clock.boottime_ns())


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None  # the visit refuses such an order


def _break_off(job: Job) -> None:
    """Let a job come to its end: nothing that was read by probe is thrown away while a person is asked."""
    if job.task.way == "probe" and job.person.waited_for:
        job.person.leave()
    elif job.visiting is not None and not job.given_up:
        job.given_up = True
        job.visiting.cancel()


async def _watched(job: Job) -> AsyncGenerator[JobView, None]:
    while True:
        rung = job.bell.count
        view = job.view()
        yield view
        if view.ended:
            return
        await job.bell.after(rung)


__all__ = [
    "Asked",
    "BorrowLine",
    "CheckView",
    "ErrorView",
    "FieldDesk",
    "JobView",
    "Keeper",
    "NoSuchJob",
    "NotAsked",
    "ProgressView",
    "Routes",
    "State",
    "TooManyJobs",
    "Way",
    "Work",
]
