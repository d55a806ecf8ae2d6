"""One visit to one meter, start to finish: order → clock proof → driver → checks → reading document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.checks import ClockFacts, Subject, load_rule_set, run_checks
from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.measure import prove
from agent.clock.proof import ClockProof, Permit, Policy
from agent.clock.settings import ClockSettings
from agent.credentials import load_password
from agent.document import Visit, build_reading
from agent.errors import ClockForbids, UsageError
from agent.meter_clock import MeterOffset, meter_offset
from agent.meter_record import MeterRecord, MeterRecords
from agent.order import Order
from agent.reading import ClockPart, Reading
from agent.utc_text import utc_text
from drivers.base import Progress, Task
from drivers.data import MeterData, Problem
from drivers.decimal_text import plain
from drivers.memory import MeterMemory
from drivers.registry import driver_for
from drivers.writes import ClockOrder, Journal

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
    journal: Journal | None = None  # where writes to a meter are set down; without one nothing is written
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
    data that the order asks for, `UsageError` for an order that makes no sense.
    """
    rules = load_rule_set(order.rule_set, box.rule_set_dirs)
    driver = driver_for(order.url)
    known = box.records.of(order) if box.records is not None else MeterRecord("")
    if order.last_read_at is None and known.last_read_at is not None:
        order = msgspec.structs.replace(order, last_read_at=known.last_read_at)
    task = _task(order, box, record, known.memory)
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
    registers_only = order.registers_only or reduced
    data = await driver.read(replace(task, registers_only=registers_only, clock_order=clock_order))
    finished = read_instant(box.clock)
    if reduced:
        data = _cumulative_only(data, wanted.reason)
    offset = meter_offset(data.clock, proof) if data.clock else None
    subject = Subject(
        data=data,
        clock=_facts(order, proof, finished, (interval, tou), offset),
        read_started_at=proof.utc_at(started.boottime_ns),
        read_at=proof.utc_at(finished.boottime_ns),
        expected_meter_id=order.expected_meter_id,
        nameplate_id=order.nameplate_id,
        dials=order.dials,
        decimals=order.decimals,
        last_read_at=order.last_read_at,
        purpose=order.purpose,
        registers_only=order.registers_only,
        site_zone=task.site_zone,
    )
    frame = Visit(box.agent_id, subject.read_started_at, subject.read_at)
    clock = _clock_part(order, proof, finished, data, offset)
    reading = build_reading(order, data, frame, clock, run_checks(subject, rules))
    return Outcome(reading, data.broken, None if data.broken or registers_only else data.memory)


def _task(order: Order, box: Box, record: Path | None, memory: MeterMemory | None) -> Task:
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
        record=record,
        progress=box.progress,
        monotonic_ns=box.clock.boottime_ns,
    )


def _clock_order(order: Order, box: Box, proof: ClockProof) -> ClockOrder:
    """Return the leave to set the meter's clock. Raises where this box cannot prove its own, or has no audit log."""
    if box.journal is None:
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
    return ClockOrder(proof.utc_at, box.journal, over_s=settings.meter_over_s, most_s=settings.meter_most_s)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


def _permit(order: Order, proof: ClockProof, now: Instant, kind: str) -> Permit:
    if not order.clock_check:
        return Permit(allowed=True, reason=BENCH)
    return proof.permits("tou" if kind == "tou" else "interval", now)


def _cumulative_only(data: MeterData, reason: str) -> MeterData:
    """Keep what does not depend on a clock: the totals. What is left out is named."""
    kept = tuple(r for r in data.registers if r.kind == "cumulative" and r.tier == 0)
    left_out = len(data.registers) - len(kept)
    note = Problem("time-differentiated data", f"{left_out} registers and all intervals left out: {reason}", lost=False)
    return replace(data, registers=kept, blocks=(), problems=(*data.problems, note))


def _facts(
    order: Order, proof: ClockProof, now: Instant, permits: tuple[Permit, Permit], offset: MeterOffset | None
) -> ClockFacts:
    interval, tou = permits
    bound = proof.error_bound_at(now.boottime_ns)
    return ClockFacts(
        permits_interval=interval.allowed,
        permits_tou=tou.allowed,
        reason=interval.reason,
        source=proof.source,
        offset_s=proof.offset_s,
        uncertainty_s=None if bound is None or proof.offset_s is None else bound - abs(proof.offset_s),
        meter_offset_s=offset.offset_s if offset else None,
        meter_offset_uncertainty_s=offset.uncertainty_s if offset else None,
        agent_checked=order.clock_check,
    )


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
