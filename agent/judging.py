"""What a visit brought home, judged: by its order, the clock proof and the rules, with second looks where these ask."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import tzinfo

from agent.checks import ClockFacts, RuleSet, Subject, run_checks
from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.proof import ClockProof, Permit
from agent.history import Before
from agent.meter_clock import MeterOffset, meter_offset
from agent.order import Order
from agent.reading import CheckResult
from agent.second_look import contradictions, verified, wants
from drivers.data import MeterData, Problem, Register

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """A visit's data as they go into the reading, and the results of the checks."""

    data: MeterData
    subject: Subject
    offset: MeterOffset | None  # of the meter's clock
    results: tuple[CheckResult, ...]
    contradicted: bool = False  # a second look showed another value, or what it showed could not be judged


@dataclass(frozen=True, slots=True)
class Judging:
    """By what one visit is judged. `totals_only`: why nothing that depends on time may be kept, or empty."""

    order: Order
    rules: RuleSet
    proof: ClockProof
    permits: tuple[Permit, Permit]  # for interval data, for TOU registers
    clock: Clock
    started: Instant
    site_zone: tzinfo | None = None
    totals_only: str = ""
    before: Before | None = None  # what the agent remembers of the last good read

    def asks(self, data: MeterData) -> tuple[str, ...]:
        """Return the tables to be read once more while the session is open. Never raises."""
        try:
            kept = self._kept(data)
            return wants(self._subject(kept, read_instant(self.clock), self._offset(kept)), self.rules)
        except Exception:  # noqa: BLE001 - a bug in here must not cost the reading
            _log.exception("whether anything is to be read again is not known")
            return ()

    def judge(self, data: MeterData, finished: Instant) -> Judged:
        """Run every check, on what may be kept of the data."""
        data = self._kept(data)
        offset = self._offset(data)
        subject = self._subject(data, finished, offset)
        if not data.again:
            return Judged(data, subject, offset, run_checks(subject, self.rules))
        contradicted = True
        try:
            found = contradictions(subject, self.rules)
            contradicted = bool(found)
            data = replace(data, problems=(*data.problems, *found))
            subject = replace(subject, data=data)
            results = verified(run_checks(subject, self.rules), subject, self.rules)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("what the second look makes of the checks is not known")
            results = run_checks(subject, self.rules)
        return Judged(data, subject, offset, results, contradicted)

    def _offset(self, data: MeterData) -> MeterOffset | None:
        return meter_offset(data.clock, self.proof) if data.clock else None

    def _kept(self, data: MeterData) -> MeterData:
        """Leave out what depends on a clock that is not proven, and name it."""
        if not self.totals_only:
            return data
        kept = _totals(data.registers)
        left_out = len(data.registers) - len(kept)
        reason = f"{left_out} registers and all intervals left out: {self.totals_only}"
        note = Problem("time-differentiated data", reason, lost=False)
        again = tuple(replace(look, registers=_totals(look.registers)) for look in data.again)
        return replace(data, registers=kept, again=again, blocks=(), problems=(*data.problems, note))

    def _subject(self, data: MeterData, at: Instant, offset: MeterOffset | None) -> Subject:
        order, proof = self.order, self.proof
        began, ended = (proof.utc_at(moment.boottime_ns) for moment in (self.started, at))
        read_at = data.read_at or ended  # a person, or a message that was on its way, says when that was
        return Subject(
            data=data,
            clock=self._facts(at, offset),
            read_started_at=min(began, read_at),
            read_at=read_at,
            expected_meter_id=order.expected_meter_id,
            nameplate_id=order.nameplate_id,
            dials=order.dials,
            decimals=order.decimals,
            last_read_at=order.last_read_at,
            purpose=order.purpose,
            registers_only=order.registers_only,
            site_zone=self.site_zone,
            history=order.history,
            before=self.before,
        )

    def _facts(self, now: Instant, offset: MeterOffset | None) -> ClockFacts:
        interval, tou = self.permits
        bound = self.proof.error_bound_at(now.boottime_ns)
        own = self.proof.offset_s
        return ClockFacts(
            permits_interval=interval.allowed,
            permits_tou=tou.allowed,
            reason=interval.reason,
            source=self.proof.source,
            offset_s=own,
            uncertainty_s=None if bound is None or own is None else bound - abs(own),
            meter_offset_s=offset.offset_s if offset else None,
            meter_offset_uncertainty_s=offset.uncertainty_s if offset else None,
            agent_checked=self.order.clock_check,
        )


def _totals(registers: tuple[Register, ...]) -> tuple[Register, ...]:
    return tuple(register for register in registers if register.kind == "cumulative" and register.tier == 0)
