"""Decade 2 of a simulated meter: registers now, at the last reset, at the last change of season, and self reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from drivers.c1219 import decade2
from drivers.c1219.record import Table
from metersim.meter.billing import DataBlock, DemandState, Occurrence, RegisterSet
from metersim.meter.lists import SELF_READS
from metersim.meter.model import Meter, PastSet
from metersim.meter.tables.place import arrange
from metersim.meter.tables.stamp import Stamp


@dataclass(frozen=True, slots=True)
class RegisterTables:
    """Builds ST21 to ST28 from the model."""

    meter: Meter
    stamp: Stamp

    def fixed(self) -> list[Table]:
        """ST21, ST22 and ST27."""
        chosen = self.meter.scenario.registers
        tou = self.meter.scenario.tou
        index = {name: scaling.index for name, scaling in self.meter.scalings.items()}
        return [
            decade2.RegistersLimits(
                season_info_field=chosen.season_field,
                date_time_field=chosen.times,
                demand_reset_ctr=chosen.reset_counter,
                cum_demand=chosen.cumulative and bool(chosen.demands),
                cont_cum_demand=chosen.continuous and bool(chosen.demands),
                time_remaining=self._time_remaining,
                self_read_seq_nbr=chosen.self_reads > 0,
                daily_self_read=chosen.self_reads > 0,
                nbr_self_reads=chosen.self_reads,
                nbr_summations=len(chosen.summations),
                nbr_demands=len(chosen.demands),
                nbr_coin_values=len(chosen.coincidents),
                nbr_occur=chosen.occurrences,
                nbr_tiers=tou.tiers if tou else 0,
                nbr_present_demands=len(chosen.present_demands),
                nbr_present_values=len(chosen.present_values),
            ),
            decade2.DataSelection(
                summation_select=tuple(index[name] for name in chosen.summations),
                demand_select=tuple(index[demand.source] for demand in chosen.demands),
                min_or_max_flags=frozenset(k for k, demand in enumerate(chosen.demands) if not demand.minimum),
                coincident_select=tuple(index[coincident.source] for coincident in chosen.coincidents),
                coin_demand_assoc=tuple(coincident.demand for coincident in chosen.coincidents),
            ),
            decade2.PresentSelection(
                present_demand_select=tuple(index[name] for name in chosen.present_demands),
                present_value_select=tuple(index[name] for name in chosen.present_values),
            ),
        ]

    @property
    def _time_remaining(self) -> bool:
        return self.meter.scenario.clock is not None and bool(self.meter.scenario.registers.present_demands)

    def current(self, true_us: int) -> decade2.CurrentRegisters:
        """ST23."""
        return decade2.CurrentRegisters(data=self._data(self.meter.registers(true_us)))

    def previous_season(self, true_us: int) -> decade2.PreviousSeason:
        """ST24."""
        past = self.meter.previous_season(true_us)
        return decade2.PreviousSeason(info=self._info(past), data=self._data(past.registers if past else None))

    def previous_reset(self, true_us: int) -> decade2.PreviousReset:
        """ST25."""
        past = self.meter.previous_reset(true_us)
        return decade2.PreviousReset(info=self._info(past), data=self._data(past.registers if past else None))

    def self_reads(self, true_us: int) -> decade2.SelfReads:
        """ST26, first in first out."""
        past = self.meter.self_reads(true_us)
        capacity = self.meter.scenario.registers.self_reads
        cleared, read = (which.get(SELF_READS, 0) for which in (self.meter.done.cleared, self.meter.last_read))
        kept = [(past_set.sequence, past_set) for past_set in past if past_set.sequence > cleared]
        placed = arrange(kept, capacity, descending=False, circular=False)
        return decade2.SelfReads(
            nbr_valid_entries=placed.valid,
            last_entry_element=placed.last,
            last_entry_seq_nbr=past[-1].sequence if past else 0,
            nbr_unread_entries=sum(sequence > read for sequence, _ in kept),
            entries=tuple(
                decade2.SelfRead(
                    sequence=stored.sequence if stored else 0,
                    info=self._info(stored),
                    data=self._data(stored.registers if stored else None),
                )
                for stored in placed.elements
            ),
        )

    def present(self, true_us: int) -> decade2.PresentRegisters:
        """ST28."""
        chosen, scalings = self.meter.scenario.registers, self.meter.scalings
        demands = []
        for name in chosen.present_demands:
            pulses, left = self.meter.present_demand(name, true_us)
            remaining = timedelta(seconds=left) if self._time_remaining else None
            demands.append(decade2.PresentDemand(time_remaining=remaining, demand_value=scalings[name].raw_of(pulses)))
        totals = [scalings[name].raw_of(self.meter.total_pulses(name, true_us)) for name in chosen.present_values]
        return decade2.PresentRegisters(present_demands=tuple(demands), present_values=tuple(totals))

    def _info(self, past: PastSet | None) -> decade2.RegisterInformation:
        chosen = self.meter.scenario.registers
        return decade2.RegisterInformation(
            end_date_time=self.stamp(past.end) if past and chosen.times else None,
            season=(past.registers.season if past else 0) if chosen.season_field else None,
        )

    def _data(self, registers: RegisterSet | None) -> decade2.RegisterData:
        """The layout of ST23; None is a meter to which this has not happened yet."""
        resets = registers.resets % 256 if registers else 0
        tiers = self.meter.scenario.tou.tiers if self.meter.scenario.tou else 0
        blocks = [registers.total, *registers.tiers] if registers else [self._never()] * (1 + tiers)
        return decade2.RegisterData(
            nbr_demand_resets=resets if self.meter.scenario.registers.reset_counter else None,
            total=self._block(blocks[0]),
            tiers=tuple(self._block(block) for block in blocks[1:]),
        )

    def _never(self) -> DataBlock:
        chosen = self.meter.scenario.registers
        coincident = [tuple(0 for c in chosen.coincidents if c.demand == k) for k in range(len(chosen.demands))]
        demands = tuple(DemandState((Occurrence(coincident=none),) * chosen.occurrences, 0) for none in coincident)
        return DataBlock((0,) * len(chosen.summations), demands)

    def _block(self, block: DataBlock) -> decade2.DataBlock:
        chosen, scalings = self.meter.scenario.registers, self.meter.scalings
        taken = [0] * len(chosen.demands)
        coincidents = []
        for coincident in chosen.coincidents:
            position = taken[coincident.demand]
            taken[coincident.demand] += 1
            occurrences = block.demands[coincident.demand].occurrences
            scaling = scalings[coincident.source]
            values = tuple(scaling.raw_of(occurrence.coincident[position]) for occurrence in occurrences)
            coincidents.append(decade2.CoincidentRecord(values=values))
        return decade2.DataBlock(
            summations=tuple(
                scalings[name].raw_of(pulses) for name, pulses in zip(chosen.summations, block.summations, strict=True)
            ),
            demands=tuple(
                self._demand(demand.source, state) for demand, state in zip(chosen.demands, block.demands, strict=True)
            ),
            coincidents=tuple(coincidents),
        )

    def _demand(self, name: str, state: DemandState) -> decade2.DemandRecord:
        chosen, scaling = self.meter.scenario.registers, self.meter.scalings[name]
        running = state.cumulative + state.occurrences[0].pulses
        return decade2.DemandRecord(
            event_time=tuple(self.stamp(o.at) for o in state.occurrences) if chosen.times else None,
            cum_demand=scaling.raw_of(state.cumulative) if chosen.cumulative else None,
            cont_cum_demand=scaling.raw_of(running) if chosen.continuous else None,
            demand=tuple(scaling.raw_of(occurrence.pulses) for occurrence in state.occurrences),
        )
