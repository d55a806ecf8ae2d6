"""From confirmed receptions to the reading document: the clock proof, the data, the checks, the recording.

What a visit is to a meter that answers, this is to one that is only heard: the time of the reading is the time at which
its newest message was heard, and everything else goes the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import msgspec

from agent.checks import RuleSet, load_rule_set
from agent.clock.boot import BootStamp
from agent.clock.document_part import agent_clock_part
from agent.clock.instant import Instant, read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.proof import ClockProof, Permit, Policy
from agent.clock.untimed import UntimedReading
from agent.document import Visit, build_reading
from agent.history import History, PastRegister, before_of
from agent.judging import Judged, Judging
from agent.listening.board import Ready
from agent.listening.hearing import ASSUMED_AGE, ENOUGH, Hearing, Last
from agent.listening.pace import Pace
from agent.listening.plan import PlannedMeter
from agent.listening.reception import Confirmed, Ear
from agent.listening.recorded import record
from agent.meter_record import MeterRecord
from agent.order import Order, Purpose, Site
from agent.reading import CheckResult, Reading
from agent.taking import taken
from agent.visit import BENCH, Box, Outcome
from drivers.data import Direction, Heard, MeterData, MeterStatus, Problem
from drivers.memory import MeterMemory

TAMPERED = "tamper_detect"
#: Checks whose failure is confirmed when another message says the same: the second look of what cannot be asked.
CONFIRMED_BY_ANOTHER = frozenset({"implausible_jump", "register_advance", "dial_count"})
AGE_ASSUMED = "the read plan does not say when its last reading was taken: it is taken to be 45 days old"
COMPARED = frozenset({"implausible_jump", "register_advance"})


@dataclass(frozen=True, slots=True)
class Terms:
    """How what is heard is judged."""

    rule_set: str = "ubp-2000"
    purpose: Purpose = "cycle"
    clock_check: bool = True  # False on a bench only; recorded in the document


class Deliverer:
    """Makes the readings of one ear. `box`: where it listens."""

    def __init__(self, ear: Ear, box: Box, terms: Terms) -> None:
        """Raise `UsageError` for a rule set that is not there."""
        self._ear = ear
        self._box = box
        self._terms = terms
        self._rules: RuleSet = load_rule_set(terms.rule_set, box.rule_set_dirs)
        self._keeper = box.keeper or ProofKeeper(box.clock_settings, box.clock)
        self._proof = self._unproven()

    async def prove(self) -> ClockProof:
        """Measure the clock, unless that was done a moment ago."""
        if self._terms.clock_check:
            self._proof = await self._keeper.prove()
        return self._proof

    def utc(self, at: BootStamp | None = None) -> datetime:
        """Return the time, as good as it was last measured: now, or at an earlier moment of this boot."""
        return self._proof.utc_at(self._box.clock.boottime_ns() if at is None else at.boottime_ns)

    def hearing_of(self, planned: PlannedMeter) -> Hearing:
        """Begin to listen to a planned meter: with what is on record of its last reading."""
        pace = Pace.of(planned, self._rules.implausible_jump.service_limit)
        return Hearing(planned, pace, _last(planned, self.record_of(planned)))

    def record_of(self, planned: PlannedMeter) -> MeterRecord:
        """Return what the agent remembers of a planned meter."""
        records = self._box.records
        return records.of(self.order_of(planned)) if records is not None else MeterRecord("")

    def order_of(self, planned: PlannedMeter, *, heard: datetime | None = None) -> Order:
        """Return the order that the plan amounts to for one meter; `heard`: when, for what has no time on record."""
        message = planned.message
        site = Site(service_delivery_point_id=planned.service_delivery_point_id, account_id=planned.account_id)
        return Order(
            url=f"{'pager' if message == 'pager' else 'radio'}://{message}/{planned.meter_id}",
            purpose=self._terms.purpose,
            expected_meter_id=planned.meter_id,
            dials=planned.dials,
            rule_set=self._terms.rule_set,
            clock_check=self._terms.clock_check,
            site=site,
            history=_history(planned, heard),
        )

    async def outcome(self, ready: Ready) -> tuple[Order, Outcome]:
        """Make the reading of what is ready. Raises nothing of its own."""
        proof = await self.prove()
        known = self.record_of(ready.planned)
        stamp = ready.newest.at
        utc = proof.utc_at(stamp.boottime_ns)
        order = self.order_of(ready.planned, heard=utc)
        if known.memory is not None and known.memory.sets and known.last_read_at is not None:
            order = msgspec.structs.replace(order, last_read_at=known.last_read_at)
        confirmed = Confirmed(ready.planned, ready.newest, ready.receptions, utc, known.memory)
        data = replace(self._ear.data(confirmed), heard=_heard(ready, confirmed))
        data = replace(data, problems=(*data.problems, *_suspicions(ready)))
        async with taken(self._box.recordings, None) as taking:
            if taking.path is not None:
                try:
                    await asyncio.to_thread(record, taking.path, self._ear.name, confirmed)
                except OSError as error:
                    taking.remark(f"it could not be written: {error.strerror}")
            recording = await taking.part(utc)
        data = replace(data, problems=(*data.problems, *taking.problems))
        judged = self._judged(order, data, proof, stamp, known)
        results = tuple(self._remarked(judged.results, ready))
        zone = self._box.clock_settings.zone
        time_known = proof.tells_time or not order.clock_check
        clock = msgspec.structs.replace(
            agent_clock_part(proof, stamp, claimed=not order.clock_check),
            agent_check=None if order.clock_check else False,
        )
        frame = Visit(self._box.agent_id, utc, utc, zone, time_known=time_known)
        shown = replace(judged.data, events=data.events, status=_status(data, ready, known))
        reading = build_reading(order, shown, frame, clock, results, recording)
        if not time_known:
            reading = _without_times(reading)
        return order, Outcome(
            reading,
            None,
            memory=_memory(data, judged.data, known) if time_known else None,
            before=before_of(data, utc) if time_known else None,
            untimed=None if time_known else UntimedReading(stamp, stamp, reading),
        )

    def _judged(self, order: Order, data: MeterData, proof: ClockProof, stamp: BootStamp, known: MeterRecord) -> Judged:
        """Run the checks, on what the meter's messages say. A tamper counter is no report of the meter's health."""
        now = read_instant(self._box.clock)
        heard = Instant(stamp.boottime_ns, stamp.boottime_ns + now.difference_ns)
        zone = ZoneInfo(named) if (named := self._box.clock_settings.zone) else None
        interval, tou = (self._permit(order, proof, now, kind == "tou", zone) for kind in ("interval", "tou"))
        totals_only = interval.reason if data.blocks and not interval.allowed else ""
        judging = Judging(
            order, self._rules, proof, (interval, tou), self._box.clock, heard, zone, totals_only, known.before
        )
        return judging.judge(replace(data, events=(), status=None), heard)

    def _permit(self, order: Order, proof: ClockProof, now: Instant, tou: bool, zone: ZoneInfo | None) -> Permit:
        if not order.clock_check:
            return Permit(allowed=True, reason=BENCH)
        limit_s = self._rules.agent_clock.tolerance_s
        return proof.permits("tou" if tou else "interval", now, limit_s=limit_s, zone=zone)

    def _remarked(self, results: Iterable[CheckResult], ready: Ready) -> Iterable[CheckResult]:
        """Say of the checks that compare what they could not know themselves."""
        planned = ready.planned
        assumed = planned.last_reading is not None and planned.last_read_at is None
        for result in results:
            reasons = [result.reason] if result.reason else []
            outcome = result.outcome
            if result.check in CONFIRMED_BY_ANOTHER and outcome == "fail" and ready.agreeing >= ENOUGH:
                outcome = "verified"
                reasons.append(f"{ready.agreeing} receptions agree")
            if assumed and result.check in COMPARED and outcome != "skipped":
                reasons.append(AGE_ASSUMED)
            yield msgspec.structs.replace(result, outcome=outcome, reason="; ".join(reasons) or None)

    def _unproven(self) -> ClockProof:
        now = read_instant(self._box.clock)
        reasons = ("it was not measured yet",) if self._terms.clock_check else (BENCH,)
        return ClockProof(synchronized=False, source="none", measured=now, policy=Policy(), reasons=reasons)


def _last(planned: PlannedMeter, known: MeterRecord) -> Last | None:
    """Return the last reading in counts: as the agent remembers it, else as the plan has it."""
    direction = "net" if planned.message == "netidm" else "delivered"
    for register in known.before.registers if known.before is not None else ():
        if register.direction == direction and register.tier == 0:
            try:
                return Last(Decimal(register.raw), known.before.read_at if known.before is not None else None)
            except InvalidOperation:
                break
    if planned.last_reading is None:
        return None
    return Last(planned.last_reading / planned.multiplier, planned.last_read_at)


def _history(planned: PlannedMeter, heard: datetime | None) -> History | None:
    at = planned.last_read_at or (heard - ASSUMED_AGE if heard is not None else None)
    registers: tuple[PastRegister, ...] = ()
    if planned.last_reading is not None and at is not None:
        direction: Direction = "net" if planned.message == "netidm" else "delivered"
        registers = (PastRegister(quantity=planned.unit, value=planned.last_reading, at=at, direction=direction),)
    if not registers and planned.service_limit is None:
        return None
    return History(registers=registers, service_limit=planned.service_limit)


def _heard(ready: Ready, confirmed: Confirmed) -> Heard:
    return Heard(
        count=ready.count,
        first_at=confirmed.utc_of(ready.first),
        last_at=confirmed.heard_utc,
        best_rssi_db=ready.best.rssi_db,
        best_snr_db=ready.best.snr_db,
        position=ready.position,
    )


def _suspicions(ready: Ready) -> list[Problem]:
    found = [f"another sender uses it, whose register tells {other.count}" for other in ready.others]
    if ready.flooded:
        found.append("more messages were heard under it than a meter sends")
    return [Problem("identification", why, lost=False) for why in found]


def _status(data: MeterData, ready: Ready, known: MeterRecord) -> MeterStatus | None:
    """Return what is known of tampering as the meter's status; None while there is nothing to compare with."""
    if data.status is not None:
        return data.status
    moved = any(event.name == "tamper_attempt" for event in data.events)
    if not (moved or ready.others or (known.memory is not None and known.memory.logs)):
        return None
    return MeterStatus(mode=(), flags=(TAMPERED,) if moved or ready.others else ())


def _memory(data: MeterData, kept: MeterData, known: MeterRecord) -> MeterMemory:
    """Return what to remember. Intervals that were left out of the reading are still to be delivered."""
    memory = data.memory or MeterMemory(data.identity.meter_id)
    if not data.blocks or kept.blocks:
        return memory
    same = known.memory is not None and known.memory.meter_id == memory.meter_id
    return replace(memory, sets=known.memory.sets if same and known.memory is not None else ())


def _without_times(reading: Reading) -> Reading:
    if reading.heard is None:
        return reading
    return msgspec.structs.replace(reading, heard=msgspec.structs.replace(reading.heard, first_at=None, last_at=None))
