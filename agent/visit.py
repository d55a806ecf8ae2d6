"""One visit to one meter, start to finish: order → clock proof → driver → checks → reading document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.audit import AuditLog
from agent.checks import load_rule_set
from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.measure import prove
from agent.clock.proof import ClockProof, Permit, Policy
from agent.clock.settings import ClockSettings
from agent.credentials import load_password
from agent.document import Visit, build_reading
from agent.errors import ClockForbids, UsageError
from agent.judging import Judging
from agent.meter_clock import MeterOffset, meter_offset
from agent.meter_record import MeterRecord, MeterRecords
from agent.order import Order
from agent.reading import ClockPart, Reading
from agent.recordings import Recordings
from agent.taking import taken
from agent.utc_text import utc_text
from drivers.base import Progress, Task
from drivers.data import MeterData
from drivers.decimal_text import plain
from drivers.memory import MeterMemory
from drivers.registry import driver_for
from drivers.writes import ClockOrder

BENCH = "the order waived the clock check (bench)"


@dataclass(frozen=True, slots=True)
class Box:
    """What a visit needs to know of the box it runs on."""

    agent_id: str
    clock: Clock
    clock_settings: ClockSettings = field(default_factory=ClockSettings)
    profile_dirs: tuple[Path, ...] = ()
    rule_set_dirs: tuple[Path, ...] = ()
    records: MeterRecords | None = None  # what earlier visits learnt of their meters
    recordings: Recordings | None = None  # that keep what was said on the line
    audit: Callable[[], AuditLog] | None = None  # opens the log of all writes to meters; None: nothing is written
    progress: Callable[[Progress], None] = lambda _progress: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished visit. `broken` is what ended it early, if the reading is only what was whole by then.

    `memory` is for the next visit: to be kept once the reading itself is in the spool, not before.
    """

    reading: Reading
    broken: Exception | None
    memory: MeterMemory | None


async def visit(order: Order, box: Box, *, record: Path | None = None) -> Outcome:
    """Carry out `order` and return the reading with its checks.

    Raises what the driver raises when nothing billable was obtained, `ClockForbids` when the proof does not permit the
    data that the order asks for, `UsageError` for an order that makes no sense. `record`: write the recording here,
    rather than among those of the box.
    """
    rules = load_rule_set(order.rule_set, box.rule_set_dirs)
    driver = driver_for(order.url)
    known = box.records.of(order) if box.records is not None else MeterRecord("")
    if order.last_read_at is None and known.last_read_at is not None:
        order = msgspec.structs.replace(order, last_read_at=known.last_read_at)
    task = _task(order, box, known.memory)
    started = read_instant(box.clock)
    if order.clock_check:
        proof = await prove(box.clock_settings, box.clock)
        started = read_instant(box.clock)
    else:
        proof = ClockProof(synchronized=False, source="none", measured=started, policy=Policy(), reasons=(BENCH,))
    interval, tou = (_permit(order, proof, started, kind) for kind in ("interval", "tou"))
    wanted = tou if order.registers_only else interval
    reduced = not wanted.allowed
    if reduced and not (order.registers_only or order.cumulative_without_clock):
        raise ClockForbids(
            f"the clock proof does not permit this read: {wanted.reason}",
            advice="`mrsp clock` explains it; --registers-only takes cumulative registers without it",
        ).at(order.url)
    clock_order = _clock_order(order, box, proof) if order.set_clock else None
    judging = Judging(
        order, rules, proof, (interval, tou), box.clock, started, task.site_zone, wanted.reason if reduced else ""
    )
    task = replace(
        task,
        registers_only=order.registers_only or reduced,
        clock_order=clock_order,
        second_look=judging.asks,
    )
    async with taken(box.recordings, record) as taking:
        data = await driver.read(replace(task, record=taking.path))
        finished = read_instant(box.clock)
        recording = await taking.part(proof.utc_at(finished.boottime_ns))
    judged = judging.judge(replace(data, problems=(*data.problems, *taking.problems)), finished)
    data, subject = judged.data, judged.subject
    frame = Visit(box.agent_id, subject.read_started_at, subject.read_at, order.site.zone or box.clock_settings.zone)
    clock = _clock_part(order, proof, finished, data, judged.offset)
    reading = build_reading(order, data, frame, clock, judged.results, recording)
    return Outcome(reading, data.broken, None if data.broken or task.registers_only else data.memory)


def _task(order: Order, box: Box, memory: MeterMemory | None) -> Task:
    return Task(
        url=order.url,
        profile=order.profile,
        profile_dirs=box.profile_dirs,
        user_id=order.user_id,
        user=order.user,
        password=load_password(Path(order.password_file)) if order.password_file else None,
        site_zone=_zone(named) if (named := order.site.zone or box.clock_settings.zone) else None,
        since=None if order.whole_profile else order.last_read_at,
        memory=memory,
        progress=box.progress,
        monotonic_ns=box.clock.boottime_ns,
    )


def _clock_order(order: Order, box: Box, proof: ClockProof) -> ClockOrder:
    """Return the leave to set the meter's clock. Raises if this box cannot prove its own, or not write it down."""
    if box.audit is None:
        raise UsageError(
            "the order authorises setting the meter's clock, and there is no audit log to write it to",
            advice="name one by --audit-log, or be a configured agent by --config",
        ).at(order.url)
    if not proof.synchronized:
        raise ClockForbids(
            "this box's own clock is not proven: the meter's clock is not set by it",
            advice="`mrsp clock` explains it; leave out --set-clock to read only",
        ).at(order.url)
    settings = box.clock_settings
    journal = box.audit().journal(authorized_by=f"order {order.order_id or 'without id'}", reason="set_clock")
    return ClockOrder(proof.utc_at, journal, over_s=settings.meter_over_s, most_s=settings.meter_most_s)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


def _permit(order: Order, proof: ClockProof, now: Instant, kind: str) -> Permit:
    if not order.clock_check:
        return Permit(allowed=True, reason=BENCH)
    return proof.permits("tou" if kind == "tou" else "interval", now)


def _clock_part(
    order: Order, proof: ClockProof, now: Instant, data: MeterData, offset: MeterOffset | None
) -> ClockPart:
    uncertainty = proof.uncertainty_at(now.boottime_ns)
    change = data.clock_change
    after = change.after if change else None
    return ClockPart(
        agent_source=proof.source,
        corrected=change is not None and change.outcome == "set",
        agent_utc=utc_text(proof.utc_at(now.boottime_ns)),
        agent_uncertainty_s=None if uncertainty is None else plain(uncertainty),
        agent_offset_s=None if proof.offset_s is None else plain(proof.offset_s),
        agent_synchronized_at=utc_text(proof.synchronized_at) if proof.synchronized_at else None,
        agent_check=None if order.clock_check else False,
        meter_time=utc_text(data.clock.meter_time) if data.clock else None,
        meter_offset_s=plain(offset.offset_s) if offset else None,
        link_latency_s=plain(offset.latency_s) if offset else None,
        correction=change.outcome if change else None,
        correction_reason=change.reason or None if change else None,
        meter_time_after=utc_text(after.meter_time) if after else None,
        meter_offset_after_s=plain(meter_offset(after, proof).offset_s) if after else None,
        intervals_changed=change.intervals or None if change else None,
    )
