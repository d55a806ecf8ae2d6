"""What a correct reader must find at every visit to the meter of a scenario, computed from the model of its physics.

Nothing here decodes a table: registers, intervals and events are those of `metersim.meter.truth`, and the checks are
foretold from them by the published rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from drivers.c1219.event_names import EVENT_NAMES
from drivers.decimal_text import plain
from drivers.errors import UsageError
from metersim.lab.channels import channels_of, utc
from metersim.lab.document import (
    SCHEMA,
    BlockPart,
    ClockPart,
    EventPart,
    ExpectationPart,
    MeterPart,
    RegisterPart,
    StatusPart,
    VisitPart,
)
from metersim.lab.foretold import Visit
from metersim.lab.interval_checks import interval_checks
from metersim.lab.limits import Limits, limits_of
from metersim.lab.meter_checks import meter_checks
from metersim.lab.place import energy_of, happenings_of
from metersim.lab.record import record_of
from metersim.lab.register_checks import register_checks
from metersim.lab.spike import spike_check
from metersim.lab.sum_check import sum_check
from metersim.meter.compose import Composed
from metersim.meter.faults import faults_of
from metersim.meter.model import Meter, microseconds
from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import scenario_of
from metersim.meter.truth import Truth, TruthBlock, TruthEvent, TruthRegister, truth_of


@dataclass(frozen=True)
class Laboratory:
    """One scenario with a seed: its meter at any visit, and what must be found then."""

    scenario: Scenario
    seed: int = 1
    sha256: str = ""  # of what the scenario was made of

    @classmethod
    def of(cls, made: Composed, seed: int = 1) -> Laboratory:
        """Return the laboratory of a composition. Raises `UsageError` if that is no scenario."""
        digest = hashlib.sha256(msgspec.json.encode(made.document, order="deterministic"))
        return cls(scenario_of(made), seed, digest.hexdigest())

    def meter(self, at: datetime) -> Meter:
        """Return the meter as `metersim meter --now` starts it. Raises `ScenarioError`."""
        return Meter(self.scenario, self.seed, microseconds(at), faults_of(self.scenario).mishaps)

    def visits(self, asked: Sequence[datetime] = ()) -> tuple[datetime, ...]:
        """Return when the meter is read, in order: as asked, else as the scenario says. Raises `UsageError`."""
        planned = self.scenario.clock.start if self.scenario.clock else None
        visits = tuple(asked) or self.scenario.visits or ((planned,) if planned else ())
        if not visits:
            raise UsageError("the scenario has neither `visits` nor `clock.start`", advice="say when by --at TIME")
        return tuple(sorted(at.astimezone(UTC) for at in visits))

    def expect(self, asked: Sequence[datetime] = (), *, rule_set: str = "ubp-2000") -> ExpectationPart:
        """Return what must be found at each visit, the visits in order. Raises `UsageError`."""
        limits = limits_of(rule_set)
        departures = {name: str(value).lower() for name, value in self.scenario.quirks.departures().items()}
        return ExpectationPart(
            schema=SCHEMA,
            scenario=self.scenario.title,
            scenario_sha256=self.sha256,
            seed=self.seed,
            rule_set=limits.name,
            profile=departures or None,
            visits=tuple(self._visits(self.visits(asked), limits)),
        )

    def _visits(self, visits: Sequence[datetime], limits: Limits) -> Iterator[VisitPart]:
        before: Truth | None = None
        since: datetime | None = None
        for at in visits:
            meter = self.meter(at)
            truth = truth_of(meter, meter.start_us)
            record = record_of(meter, before, since)
            visit = Visit(meter, truth, channels_of(meter, truth), record, since, limits)
            yield _visit_part(visit, at)
            before, since = truth, at


def _visit_part(visit: Visit, at: datetime) -> VisitPart:
    truth, meter = visit.truth, visit.meter
    begin = meter.begin_us if visit.since is None else microseconds(visit.since)
    checks = [*meter_checks(visit), *register_checks(visit), *interval_checks(visit), *sum_check(visit)]
    checks += spike_check(visit)
    offset = truth.clock_offset_s
    clock = None
    if truth.meter_time is not None and offset is not None:
        clock = ClockPart(meter_time=utc(truth.meter_time), meter_offset_s=plain(offset))
    return VisitPart(
        at=utc(at),
        record=visit.record,
        meter=MeterPart(
            meter_id=truth.meter_id,
            serial_number=truth.serial_number,
            manufacturer=truth.manufacturer,
            model=truth.model,
            hardware_version=truth.hardware_version,
            firmware_version=truth.firmware_version,
        ),
        clock=clock,
        meter_status=StatusPart(mode=truth.mode, flags=truth.flags),
        registers=tuple(map(_register, truth.registers)),
        interval_blocks=tuple(map(_block, truth.blocks, [_per_pulse(meter, block) for block in truth.blocks])),
        events=tuple(map(_event, truth.events)),
        checks=tuple(one.part() for one in checks),
        energy=energy_of(meter, visit.since, at),
        really=tuple(one.part() for one in happenings_of(meter) if begin < one.at_us <= microseconds(at)),
    )


def _register(one: TruthRegister) -> RegisterPart:
    return RegisterPart(
        table=one.table,
        quantity=one.quantity,
        direction=one.direction,
        kind=one.kind,
        tier=one.tier,
        season=one.season,
        period=one.period,
        raw=plain(one.raw),
        value=plain(one.value),
        multiplier=plain(one.multiplier),
        unit=one.unit,
        occurred_at=None if one.occurred_at is None else utc(one.occurred_at),
        period_end=None if one.period_end is None else utc(one.period_end),
        phase=one.phase or None,
        extreme="minimum" if one.minimum else None,
        continuous=one.continuous or None,
        occurrence=one.occurrence or None,
        self_read=one.self_read or None,
    )


def _per_pulse(meter: Meter, block: TruthBlock) -> Decimal:
    """Return what one pulse of a channel is really worth."""
    counting = [c for _, memory in sorted(meter.memories.items()) for c in memory.countings][block.channel - 1]
    return counting.scaling.per_pulse


def _block(one: TruthBlock, per_pulse: Decimal) -> BlockPart:
    passed = tuple(per_pulse * pulses for pulses in one.pulses)
    return BlockPart(
        channel=one.channel,
        quantity=one.quantity,
        direction=one.direction,
        unit=one.unit,
        interval_s=one.interval_s,
        first_interval_end=utc(one.ends[0]),
        pulses=tuple(_count(count) for count in one.counts),
        multiplier=plain(one.multiplier),
        values=tuple(None if value is None else plain(value) for value in one.values),
        status=one.status,
        data_set=one.data_set if one.data_set != 1 else None,
        sequence=one.sequence,
        start_register=None if one.start_register is None else plain(one.start_register),
        stop_register=None if one.stop_register is None else plain(one.stop_register),
        passed=None if passed == one.values else tuple(map(plain, passed)),
    )


def _count(count: Decimal | int | None) -> int | str | None:
    return count if count is None or isinstance(count, int) else plain(count)


def _event(one: TruthEvent) -> EventPart:
    return EventPart(
        log=one.log,
        sequence=one.sequence,
        at=utc(one.at),
        code=one.code,
        name=EVENT_NAMES[one.code],
        user_id=one.user_id,
        argument=one.argument or None,
        ambiguous=one.ambiguous or None,
    )
