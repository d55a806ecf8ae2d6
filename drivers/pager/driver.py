"""The driver for two-way pager meters behind a WCTP gateway: ask by a page, wait for the reply, read its text."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from drivers.base import Progress, Task
from drivers.data import ClockSample, Identity, LineReport, MeterData, Problem
from drivers.errors import DataError, MrspError, UsageError
from drivers.pager.formats import load_format
from drivers.pager.formats_message import MESSAGE, MessageFormat, Parsed
from drivers.pager.formats_schema import TimeField
from drivers.pager.jobs import Job, Jobs, Reply
from drivers.pager.settings import WctpAddress, parse_address
from drivers.pager.wctp_client import Counts, WctpClient
from drivers.pager.wctp_http import open_gateway
from drivers.pager.wctp_recording import recorded
from drivers.pager.wctp_visit import NS, WctpVisit


class PagerDriver:
    """Reads one meter through its carrier. Stateless: what must outlive a visit is in `Task.keep`."""

    schemes = ("wctp+http", "wctp+https")

    async def read(self, task: Task) -> MeterData:
        """Visit the meter; see `drivers.base.Driver.read`.

        A visit that follows one without an answer first takes the late reply, and pages again only if there is none
        and none can come any more. Raises `MeterSilent` where no reply came in time, `TransportError` where the limits
        allow no page now, `MeterRefused` for a final no of the carrier, `DataError` for a reply that is no reading.
        """
        address = parse_address(task.url, task.options)
        form = load_format(address.format, task.profile_dirs)
        _check_zone(form, task)
        started_ns = task.monotonic_ns()
        try:
            async with AsyncExitStack() as stack:
                jobs = await stack.enter_async_context(Jobs.open(task.keep or default_keep()))
                recorder = await stack.enter_async_context(
                    recorded(f"wctp+{address.gateway}", task.record, task.password, task.monotonic_ns, _now())
                )
                gateway = await stack.enter_async_context(open_gateway(address))
                client = WctpClient(gateway, jobs, task.password, recorder, _now)
                visit = WctpVisit(client, jobs, address, _now, task.monotonic_ns)
                task.progress(Progress("page"))
                job = await visit.ask(form.ask(address.meter, now=_now(), site_zone=task.site_zone))
                task.progress(Progress("reply"))
                job = await visit.reply(job)
                parsed = await _parsed(jobs, form, job, task)
        except MrspError as error:
            raise error.at(task.url) from error.__cause__
        return _Told(task, address, form, job, parsed, started_ns, visit.asked_ns).data(client.counts)


@dataclass(frozen=True, slots=True)
class _Told:
    """A reply, how it came, and what it means."""

    task: Task
    address: WctpAddress
    form: MessageFormat
    job: Job
    parsed: Parsed
    started_ns: int
    asked_ns: int | None  # None: an earlier visit asked

    def data(self, counts: Counts) -> MeterData:
        """Return the meter's data. Anybody who knows the carrier's door could have sent it: not authenticated."""
        parsed, now_ns = self.parsed, self.task.monotonic_ns()
        age_ns = max(0, round((_now() - _reply_of(self.job).arrived_at).total_seconds() * NS))
        arrived_ns = now_ns - age_ns if self.asked_ns is None else max(now_ns - age_ns, self.asked_ns)
        return MeterData(
            identity=Identity(parsed.meter_id),
            profile=self.form.name,
            method="pager",
            registers=parsed.registers,
            registers_ns=arrived_ns,
            clock=self._clock(arrived_ns),
            has_clock=parsed.at is not None,
            problems=tuple(self._remarks(counts)),
            tables={MESSAGE: parsed.text.encode()},
            line=LineReport(
                seconds=Decimal(now_ns - self.started_ns) / NS,
                bytes_sent=counts.octets_sent,
                bytes_received=counts.octets_received,
            ),
            authenticated=False,
            read_at=_reply_of(self.job).arrived_at if self.asked_ns is None else None,
        )

    def _clock(self, arrived_ns: int) -> ClockSample | None:
        """Return the meter's clock, if the text tells it and this visit saw both the request and the reply."""
        name = self.form.reply_means.at
        if self.parsed.at is None or self.asked_ns is None or name is None:
            return None
        kind = self.form.reply_fields[name]
        has_seconds = isinstance(kind, TimeField) and "ss" in kind.layout
        return ClockSample(
            meter_time=self.parsed.at,
            before_ns=self.asked_ns,
            after_ns=arrived_ns,
            request_s=Decimal(0),
            reply_s=Decimal(0),
            resolution_s=Decimal(1 if has_seconds else 60),
            ambiguous=self.parsed.ambiguous,
            note="by page: anywhere between the request and the reply",
        )

    def _remarks(self, counts: Counts) -> list[Problem]:
        job, remarks = self.job, []
        if self.asked_ns is None:
            given = ", given again" if job.taken_at is not None else ""
            text = f"it came at {_time(_reply_of(job).arrived_at)}, to the request of {_time(job.created_at)}{given}"
            remarks.append(Problem("page", text, lost=False))
        if self.task.password is not None and not self.address.secure:
            remarks.append(Problem("line", "the security code went over plain http", lost=False))
        remarks += [
            Problem("page", f"a message went into quarantine: {reason}", lost=False)
            for reason in sorted(set(counts.taken.quarantined))
        ]
        return remarks


async def _parsed(jobs: Jobs, form: MessageFormat, job: Job, task: Task) -> Parsed:
    """Return what the reply says, noted as brought home. One that is no reading is not given again."""
    try:
        parsed = form.parse(_reply_of(job).text(), site_zone=task.site_zone)
    except DataError as error:
        await jobs.call(jobs.store.mark_taken, job.message_id, _now(), rejected=error.message)
        raise
    await jobs.call(jobs.store.mark_taken, job.message_id, _now())
    return parsed


def _check_zone(form: MessageFormat, task: Task) -> None:
    """Raise `UsageError` before anything is sent if the reply's times could not be read."""
    times = (kind for kind in form.reply_fields.values() if isinstance(kind, TimeField))
    if task.site_zone is None and any(kind.zone == "site" for kind in times):
        raise UsageError(
            f"times of the message format {form.name} are in the zone of the site, and none is given",
            advice="add --site-zone, or `zone` to the site of the order; nobody was paged",
        ).at(task.url)


def default_keep() -> Path:
    """Return where requests are kept by a visit that is told no place: a page costs money, so they are kept anyway."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "mrsp" / "pager"


def _reply_of(job: Job) -> Reply:
    if job.reply is None:
        raise DataError(f"the request {job.message_id} has no reply")
    return job.reply


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _now() -> datetime:
    return datetime.now(UTC)
