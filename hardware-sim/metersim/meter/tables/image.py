"""All tables of one simulated meter as octets, each a snapshot of the moment at which it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.c1219.codec import encode
from drivers.c1219.context import Context
from drivers.c1219.decade0 import ProcedureResponse
from drivers.c1219.record import Table
from metersim.meter.model import Meter, ScenarioError
from metersim.meter.tables.clock import ClockTables
from metersim.meter.tables.firmware import context_quirks
from metersim.meter.tables.identity import general_configuration, identity_tables, mode_status, source_tables
from metersim.meter.tables.logs import LogTables
from metersim.meter.tables.profile import ProfileTables
from metersim.meter.tables.registers import RegisterTables
from metersim.meter.tables.stamp import Stamp

_PROCEDURES = frozenset({7, 8})

Maker = Callable[[int], Table]


@dataclass
class Image:
    """The meter's tables. Raises `ScenarioError` if the scenario's numbers do not fit its number formats."""

    meter: Meter
    context: Context = field(init=False)
    response: ProcedureResponse | None = None  # ST08, once a procedure was tried

    def __post_init__(self) -> None:
        scenario = self.meter.scenario
        self.context = Context(context_quirks(scenario.quirks))
        stamp = Stamp(self.meter.calendar, scenario.layout.time_format)
        registers = RegisterTables(self.meter, stamp)
        fixed = [*identity_tables(self.meter), *source_tables(self.meter), *registers.fixed()]
        self._live: dict[int, Maker] = {3: lambda _now: mode_status(self.meter), 23: registers.current}
        chosen = scenario.registers
        if chosen.demands or chosen.reset_day:
            self._live[25] = registers.previous_reset
        if scenario.tou and len(scenario.tou.seasons) > 1:
            self._live[24] = registers.previous_season
        if chosen.self_reads:
            self._live[26] = registers.self_reads
        if chosen.present_demands or chosen.present_values:
            self._live[28] = registers.present
        if scenario.clock is not None:
            clock = ClockTables(self.meter, stamp)
            fixed += clock.fixed()
            self._live |= {52: clock.clock, 55: clock.state}
            if scenario.tou:
                self._live[56] = clock.remaining
        if scenario.log is not None:
            log = LogTables(self.meter, stamp, scenario.log)
            fixed += log.fixed()
            self._live[76] = log.events
            if scenario.log.history_entries:
                self._live[74] = log.history
        self._profile = ProfileTables(self.meter, stamp, scenario.profile) if scenario.profile else None
        self._data: dict[int, tuple[object, bytes]] = {}
        self._fixed = self._encode_fixed(fixed)
        self._try_all()

    @property
    def _data_tables(self) -> dict[int, int]:
        """Table number → data set."""
        return {63 + number: number for number in self.meter.memories}

    @property
    def tables(self) -> frozenset[int]:
        """The numbers of all tables."""
        return frozenset({0, *_PROCEDURES, *self._fixed, *self._live, *self._data_tables})

    def _encode_fixed(self, fixed: list[Table]) -> dict[int, bytes]:
        """Encode what never changes, and set up the context that everything else is encoded in."""
        numbers = {0, *_PROCEDURES, *(table.number for table in fixed), *self._live, *self._data_tables}
        if self._profile is not None:
            numbers |= {61, 62, 63}
            self._live[63] = self._profile.status
        configuration = general_configuration(self.meter, frozenset(numbers))
        self.context = self.context.with_tables(configuration, *fixed)
        if self._profile is not None:
            control = self._profile.control()
            sized = self.context.with_tables(self._profile.limits(0), control)
            octets = sum(self._profile.octets(number, sized) for number in self.meter.memories)
            fixed = [*fixed, self._profile.limits(octets), control]
            self.context = self.context.with_tables(*fixed)
        return {table.number: _written(table, self.context) for table in (configuration, *fixed)}

    def _try_all(self) -> None:
        for number in self.tables:
            try:
                self.octets(number, self.meter.start_us)
            except ValueError as error:
                raise ScenarioError(f"ST{number:02} cannot be written: {error}") from error

    def octets(self, number: int, true_us: int) -> bytes | None:
        """The whole table at this true time; None if there is none to be read (ST07 is for writing)."""
        if number in self._fixed:
            return self._fixed[number]
        if number in self._live:
            return encode(self._live[number](true_us), self.context)
        if number in self._data_tables:
            return self._data_set(number, true_us)
        if number == 8:
            return encode(self.response, self.context) if self.response else b""
        return None

    def _data_set(self, number: int, true_us: int) -> bytes:
        """ST64–ST67, encoded anew only when another interval has ended."""
        assert self._profile is not None  # noqa: S101 - there are data sets
        memory = self.meter.memories[self._data_tables[number]]
        key = (memory.completed(self.meter.now(true_us)), self.meter.clock)
        if number not in self._data or self._data[number][0] != key:
            self._data[number] = key, self._profile.data(self._data_tables[number], true_us, self.context)
        return self._data[number][1]


def _written(table: Table, context: Context) -> bytes:
    try:
        return encode(table, context)
    except ValueError as error:
        raise ScenarioError(f"ST{table.number:02} cannot be written: {error}") from error
