"""A reading as CMEP lines. What the format cannot say is left out and named: the reading document has it.

    interval blocks              MEPMD01 in KWH, KVARH …, stamped by the end of each interval, quality R or N
    cumulative registers         MEPMD01 in KWHREG …: the dial reading, with the constant that turns it into kWh
    rates and demands            MEPMD02: energy by the labels agreed with the partner, demand of the total

Nothing is sent as validated: the at-read checks are not the validation that an empty flag claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from agent.cmep.dialect import Dialect
from agent.cmep.records import LABELS, Head, IntervalRecord, Point, Purpose, TouRecord, TouValue
from agent.cmep.text import Inexpressible, date_time, interval, line_of, minute, number
from agent.reading import BlockPart, Reading, RegisterPart

_WORDS = ("varh", "VAh", "Wh", "var", "VA", "W")  # the longer first
_PREFIXES = {"": -3, "k": 0, "M": 3, "G": 6}  # powers of ten, to the kilo that CMEP has
_SENT_RECEIVED = {"delivered": "", "received": "G"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """`lines` with their ends; `left_out` says in words what of the reading is not in them."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.lines)


def rendered(reading: Reading, dialect: Dialect, *, made_at: datetime, purpose: Purpose = "OK") -> Rendered:
    """Write a reading in a partner's dialect; `purpose` is `RESEND` for one that was sent before. Pure.

    A reading whose meter, or whose account, has no name that CMEP can carry gives no line at all.
    """
    work = _Rendering(reading, dialect, minute(made_at), purpose)
    for index, block in enumerate(reading.interval_blocks):
        work.attempt(f"interval_blocks[{index}]", lambda block=block: work.intervals(block))  # type: ignore[misc]
    for index, register in enumerate(reading.registers):
        if register.tier == 0 and register.kind == "cumulative":
            work.attempt(f"registers[{index}]", lambda register=register: work.dial(register))  # type: ignore[misc]
    work.periods()
    return Rendered(tuple(work.lines), tuple(work.left_out))


@dataclass(slots=True)
class _Rendering:
    reading: Reading
    dialect: Dialect
    made_at: datetime
    purpose: Purpose
    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def attempt(self, what: str, write: Callable[[], list[str]]) -> None:
        """Add the lines of one part of the reading, all or none."""
        try:
            self.lines += write()
        except Inexpressible as error:
            self.left_out.append(f"{what}: {error}")

    def intervals(self, block: BlockPart) -> list[str]:
        """Return the records of one block. Raises `Inexpressible`."""
        units, scale = _units(block.unit, block.direction)
        length, spelled = timedelta(seconds=block.interval_s), interval(block.interval_s)
        first = datetime.fromisoformat(block.first_interval_end)
        points = [
            Point(first + k * length, "N" if value is None else "R", None if value is None else Decimal(value) * scale)
            for k, value in enumerate(block.values)
        ]
        most = self.dialect.most_triples
        parts = (points[start : start + most] for start in range(0, len(points), most))
        return [self.points(IntervalRecord(self._head(units), Decimal(1), length, tuple(p)), spelled) for p in parts]

    def dial(self, register: RegisterPart) -> list[str]:
        """Return the record of one cumulative register as its dials show it. Raises `Inexpressible`."""
        units, scale = _units(register.unit, register.direction, energy=True)
        at = self._time_of(register)
        if register.value is None:
            raise Inexpressible("it has no value")
        if register.phase:
            raise Inexpressible(f"CMEP has no phase {register.phase}")
        value, constant = Decimal(register.raw), Decimal(register.multiplier) * scale
        if register.offset or value * constant != Decimal(register.value) * scale:
            value, constant = Decimal(register.value) * scale, Decimal(1)  # no constant says it all
        head = self._head(f"{units}REG")
        return [self.points(IntervalRecord(head, constant, None, (Point(minute(at), "R", value),)), "")]

    def periods(self) -> None:
        """Add a record for each quantity that has rates, and for each demand."""
        groups: dict[tuple[object, ...], list[tuple[int, RegisterPart]]] = {}
        for index, register in enumerate(self.reading.registers):
            if register.kind == "demand" or (register.kind == "cumulative" and register.tier):
                if register.extreme or register.occurrence or register.phase:
                    self.left_out.append(f"registers[{index}]: CMEP has no minimum, further occurrence or phase")
                    continue
                of = (register.period, register.season, register.self_read, register.period_end)
                key = (register.kind, register.unit, register.direction, of)
                groups.setdefault(key, []).append((index, register))
            elif register.kind != "cumulative":
                self.left_out.append(f"registers[{index}]: CMEP has no {register.kind.replace('_', ' ')} register")
        for group in groups.values():
            named = [(index, register) for index, register in group if self._label(register)]
            self.left_out += [
                f"registers[{index}]: no label is agreed for rate {chr(ord('A') + register.tier - 1)} (`tou_labels`)"
                for index, register in group
                if not self._label(register)
            ]
            if named:
                what = ", ".join(f"registers[{index}]" for index, _ in named)
                members = [register for _, register in named]
                self.attempt(what, lambda members=members: self._tou(members))  # type: ignore[misc]

    def points(self, record: IntervalRecord, spelled: str) -> str:
        """Write MEPMD01; `spelled` is the length of its intervals."""
        zone = self.dialect.time_zone
        fields = [*self._first("MEPMD01", record.head), number(record.constant), spelled, str(len(record.points))]
        for k, point in enumerate(record.points):
            stamped = k == 0 or self.dialect.stamps == "all" or not spelled
            fields.append(date_time(point.at, zone) if stamped else "")
            fields += [point.quality, "" if point.value is None else number(point.value)]
            date_time(point.at, zone)  # also where it is not written it must be one that can be
        return line_of(fields, self.dialect)

    def _tou(self, registers: list[RegisterPart]) -> list[str]:
        """Return the record of the periods of one quantity. Raises `Inexpressible`."""
        first = registers[0]
        units, scale = _units(first.unit, first.direction, energy=first.kind == "cumulative")
        values = []
        if len({self._label(register) for register in registers}) < len(registers):
            raise Inexpressible("several of them would have the same label")
        for register in registers:
            if register.value is None:
                raise Inexpressible("one of them has no value")
            values.append(TouValue(self._label(register), "R", Decimal(register.value) * scale))
        values.sort(key=lambda value: LABELS.index(value.label))
        record = TouRecord(self._head(units), "", Decimal(1), None, minute(self._time_of(first)), tuple(values))
        return [self._tou_line(record)]

    def _tou_line(self, record: TouRecord) -> str:
        assert record.end is not None  # noqa: S101 - set above; for the type checker
        fields = [*self._first("MEPMD02", record.head), record.season, number(record.constant), ""]
        fields += [date_time(record.end, self.dialect.time_zone), str(len(record.values))]
        for value in record.values:
            fields += [value.label, value.quality, "" if value.value is None else number(value.value)]
        return line_of(fields, self.dialect)

    def _label(self, register: RegisterPart) -> str:
        return "TOTAL" if register.tier == 0 else self.dialect.tou_labels.get(str(register.tier), "")

    def _time_of(self, register: RegisterPart) -> datetime:
        """Return when a register stood where it does: now, or at the end of its period. Raises `Inexpressible`."""
        if register.period == "present" and register.season == "current":
            said = self.reading.read_finished_at
        else:
            said = register.period_end
        if said is None:
            raise Inexpressible("the time that it is of is not known")
        return datetime.fromisoformat(said)

    def _head(self, units: str) -> Head:
        meter, site, dialect = self.reading.meter.meter_id or "", self.reading.site, self.dialect
        if not meter:
            raise Inexpressible("the meter gave no identification")
        if len(meter) > dialect.meter_id_limit:
            raise Inexpressible(
                f"the meter id {meter} is longer than the {dialect.meter_id_limit} characters that receivers keep"
            )
        return Head(
            version=dialect.version,
            sender_id=dialect.sender_id or self.reading.agent_id[:16],
            sender_customer_id=(site and site.service_delivery_point_id) or "",
            receiver_id=dialect.receiver_id,
            receiver_customer_id=(site and site.account_id) or "",
            made_at=self.made_at,
            meter_id=meter,
            purpose=self.purpose,
            commodity="E",
            units=units,
        )

    def _first(self, kind: str, head: Head) -> Iterator[str]:
        assert head.made_at is not None  # noqa: S101 - set above
        yield from (kind, head.version, head.sender_id, head.sender_customer_id)
        yield from (head.receiver_id, head.receiver_customer_id, date_time(head.made_at, self.dialect.time_zone))
        yield from (head.meter_id, head.purpose, head.commodity, head.units)


def _units(unit: str, direction: str, *, energy: bool | None = None) -> tuple[str, Decimal]:
    """Return the Protocol Text of a unit, and what its numbers are multiplied by. Raises `Inexpressible`.

    `energy`: only energy will do (True), or only what is none (False).
    """
    if unit == "V" and energy is None:
        return "VOLTS", Decimal(1)
    word = next((word for word in _WORDS if unit.endswith(word) and unit[: -len(word)] in _PREFIXES), None)
    if word is None or (energy is not None and word.endswith("h") != energy):
        raise Inexpressible(f"CMEP has no unit for {unit} here")
    if direction not in _SENT_RECEIVED:
        raise Inexpressible(f"CMEP has no {direction} {unit}: delivered or received only")
    power = _PREFIXES[unit[: -len(word)]]
    return f"{_SENT_RECEIVED[direction]}K{word.upper()}", Decimal(1).scaleb(power)
