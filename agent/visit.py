"""One visit to one meter, start to finish: order → clock proof → driver → checks → reading document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.audit import AuditLog
from agent.audit_sessions import SessionLog, session_of
from agent.checks import RuleSet, load_rule_set
from agent.clock.boot import BootStamp, read_boot_stamp
from agent.clock.document_part import agent_clock_part
from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.measure import prove
from agent.clock.proof import ClockProof, Permit, Policy
from agent.clock.settings import ClockSettings
from agent.clock.untimed import UntimedReading
from agent.credentials import load_password
from agent.document import Visit, build_reading
from agent.errors import ClockForbids, UsageError
from agent.history import Before, before_of
from agent.judging import Judged, Judging
from agent.meter_clock import MeterOffset, meter_offset
from agent.meter_record import MeterRecord, MeterRecords
from agent.nameplate import with_nameplate
from agent.order import Order
from agent.reading import ClockPart, Reading
from agent.recordings import Recordings
from agent.taking import taken
from agent.utc_text import utc_text
from drivers.base import Progress, Task
from drivers.data import MeterData
from drivers.decimal_text import plain
from drivers.memory import MeterMemory
from drivers.person import Ask
from drivers.registry import driver_for, scheme_of
from drivers.transport.base import Transport
from drivers.writes import ClockOrder

BENCH = "the order waived the clock check (bench)"
BY_PERSON = "visual"  # the scheme of what a person read: no clock proof is needed for that
MINUTE = timedelta(minutes=1)  # by which the clock of a handheld may be ahead


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
    keeper: ProofKeeper | None = None  # of the clock proof; None: it is measured anew for each visit
    audit: Callable[[], AuditLog] | None = None  # opens the log of all writes to meters; None: nothing is written
    sessions: SessionLog | None = None  # sets every visit down; None: nobody keeps them
    asked_by: str = ""  # who asked for this visit out of the cycle
    ask: Ask | None = None  # the person at the meter; None: nobody is there, or nobody to be asked
    keep: Path | None = None  # where drivers keep what outlives a visit
    progress: Callable[[Progress], None] = lambda _progress: None
    met: Callable[[MeterData], None] = lambda _found: None  # is told what each session brought home


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished visit. `broken` is what ended it early, if the reading is only what was whole by then.

    `memory` and `before` are for the next visit: to be kept once the reading itself is in the spool, not before.
    `untimed`: this box does not know the time yet; the reading is to be held until it does.
    """

    reading: Reading
    broken: Exception | None
    memory: MeterMemory | None
    before: Before | None = None
    untimed: UntimedReading | None = None


async def visit(
    order: Order,
    box: Box,
    *,
    record: Path | None = None,
    via: str | None = None,
    line: Transport | None = None,
    stay: bool = False,
) -> Outcome:
    """Carry out `order` and return the reading with its checks.

    Raises what the driver raises when nothing billable was obtained, `ClockForbids` when the proof does not permit the
    data that the order asks for, `UsageError` for an order that makes no sense, `LocalTrouble` where the session cannot
    be set down: then the meter is left alone. `record`: write the recording here, rather than among those of the box.
    `via`: the URL to go by, where the order's own only names a bank of modems. `line`: the meter has called, and this
    is the open line; `stay`: leave it open.
    """
    async with session_of(box.sessions, order, via=via, called=line is not None, asked_by=box.asked_by) as session:
        rules = load_rule_set(order.rule_set, box.rule_set_dirs)
        driver = driver_for(via or order.url)
        known = box.records.of(order) if box.records is not None else MeterRecord("")
        if order.last_read_at is None and known.last_read_at is not None:
            order = msgspec.structs.replace(order, last_read_at=known.last_read_at)
        task = _task(order, box, known.memory)
        proof = await _prove(order, box, known, task.site_zone)
        started, start_stamp = read_instant(box.clock), read_boot_stamp(box.clock)
        interval, tou = (_permit(order, proof, started, kind, rules, task.site_zone) for kind in ("interval", "tou"))
        wanted = tou if order.registers_only else interval
        by_person = scheme_of(order.url) == BY_PERSON
        reduced = not wanted.allowed and not by_person
        if reduced and not (order.registers_only or order.cumulative_without_clock):
            raise ClockForbids(
                f"the clock proof does not permit this read: {wanted.reason}",
                advice="`mrsp clock` explains it; --registers-only takes cumulative registers without it",
            ).at(order.url)
        clock_order = _clock_order(order, box, proof, session.number) if order.set_clock else None
        totals_only = wanted.reason if reduced else ""
        judging = Judging(
            order, rules, proof, (interval, tou), box.clock, started, task.site_zone, totals_only, known.before
        )
        task = replace(
            task,
            url=via or order.url,
            line=line,
            stay=stay,
            registers_only=order.registers_only or reduced,
            clock_order=clock_order,
            second_look=judging.asks,
        )
        async with taken(box.recordings, record) as taking:
            data = await driver.read(replace(task, record=taking.path))
            box.met(data)
            finished, finish_stamp = read_instant(box.clock), read_boot_stamp(box.clock)
            recording = await taking.part(proof.utc_at(finished.boottime_ns))
        time_known = proof.tells_time or not order.clock_check
        if time_known and data.read_at is not None and data.read_at > proof.utc_at(finished.boottime_ns) + MINUTE:
            raise UsageError(f"the reading says that it is of {utc_text(data.read_at)}, which is to come").at(order.url)
        order = await with_nameplate(order, data, box.ask)
        judging = replace(judging, order=order)
        judged = judging.judge(replace(data, problems=(*data.problems, *taking.problems)), finished)
        data, subject = judged.data, judged.subject
        zone = order.site.zone or box.clock_settings.zone
        frame = Visit(box.agent_id, subject.read_started_at, subject.read_at, zone, time_known=time_known)
        clock = _clock_part(order, proof, finish_stamp, data, judged.offset if time_known else None)
        reading = build_reading(order, data, frame, clock, judged.results, recording)
        session.took(reading, data.broken)
        whole = not data.broken and not task.registers_only and time_known
        return Outcome(
            reading,
            data.broken,
            memory=data.memory if whole else None,
            before=before_of(data, subject.read_at) if whole and _is_evidence(judged) else None,
            untimed=None if time_known else UntimedReading(start_stamp, finish_stamp, reading, data.clock),
        )


async def _prove(order: Order, box: Box, known: MeterRecord, zone: tzinfo | None) -> ClockProof:
    """Return the clock proof to go by; a bench order waives it."""
    if not order.clock_check:
        now = read_instant(box.clock)
        return ClockProof(synchronized=False, source="none", measured=now, policy=Policy(), reasons=(BENCH,))
    if box.keeper is not None:
        return await box.keeper.prove(floor=known.last_read_at, zone=zone)
    return await prove(box.clock_settings, box.clock, floor=known.last_read_at)


def _is_evidence(judged: Judged) -> bool:
    """Whether the next visit may compare with this one: it was the right meter, and no second look contradicts."""
    wrong = any(one.check.startswith("meter_id") and one.outcome == "fail" for one in judged.results)
    return not wrong and not judged.contradicted


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
        keep=box.keep,
        ask=box.ask,
        progress=box.progress,
        monotonic_ns=box.clock.boottime_ns,
    )


def _clock_order(order: Order, box: Box, proof: ClockProof, session: int) -> ClockOrder:
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
    leave = f"order {order.order_id or 'without id'}"
    journal = box.audit().journal(authorized_by=leave, reason="set_clock", session=session)
    return ClockOrder(proof.utc_at, journal, over_s=settings.meter_over_s, most_s=settings.meter_most_s)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


def _permit(order: Order, proof: ClockProof, now: Instant, kind: str, rules: RuleSet, zone: tzinfo | None) -> Permit:
    if not order.clock_check:
        return Permit(allowed=True, reason=BENCH)
    limit_s = rules.agent_clock.tolerance_s
    return proof.permits("tou" if kind == "tou" else "interval", now, limit_s=limit_s, zone=zone)


def _clock_part(
    order: Order, proof: ClockProof, at: BootStamp, data: MeterData, offset: MeterOffset | None
) -> ClockPart:
    change = data.clock_change
    after = change.after if change else None
    return msgspec.structs.replace(
        agent_clock_part(proof, at, claimed=not order.clock_check),
        corrected=change is not None and change.outcome == "set",
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
