"""Checks of the registers: digits, how far they moved, whether the rates add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from drivers.decimal_text import plain
from metersim.lab.channels import energy_of
from metersim.lab.foretold import Foretold, Visit, judged
from metersim.meter.truth import TruthRegister

_MOST_OF_DIAL = Decimal("0.5")  # that a rollover may be; what seems more went backwards


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a register moved since it was read last, in its unit; over one rollover where the dials are known."""

    register: TruthRegister
    earlier: Decimal
    turn: Decimal | None

    @property
    def rolled_over(self) -> bool:
        return self.turn is not None and self.register.value < self.earlier < self.turn

    @property
    def moved(self) -> Decimal:
        moved = self.register.value - self.earlier
        return moved + self.turn if self.rolled_over and self.turn is not None else moved

    @property
    def name(self) -> str:
        tier = f", rate {self.register.tier}" if self.register.tier else ""
        return f"{self.register.quantity} {self.register.direction}{tier}"


def advances_of(visit: Visit) -> list[Advance]:
    """Compare the summations with those on record."""
    past = {(one.quantity, one.direction, one.tier, one.phase): Decimal(one.value) for one in visit.record.registers}
    found = []
    for one in visit.summations():
        key = (one.quantity, one.direction, one.tier, one.phase)
        if key in past:
            turn = None if visit.record.dials is None else one.multiplier.scaleb(visit.record.dials)
            found.append(Advance(one, past[key], turn))
    return found


def register_checks(visit: Visit) -> Iterator[Foretold]:
    """Foretell `dial_count`, `register_advance`, `zero_consumption` and `tou_sum`."""
    dials = visit.record.dials
    if dials is not None:
        shown = [one for one in visit.truth.registers if one.kind == "cumulative"]
        long = [f"{plain(one.raw)} has more digits than {dials}" for one in shown if int(one.raw) >= 10**dials]
        yield judged("dial_count", long[:1])
    moved = advances_of(visit)
    one_way = [advance for advance in moved if advance.register.direction != "net"]
    if one_way:
        back = [f"{one.name} went backwards from {plain(one.earlier)}" for one in one_way if _went_back(one)]
        yield judged("register_advance", back)
    billed = [one for one in moved if _is_billed(one.register) and one.moved >= 0]
    if billed:
        yield judged("zero_consumption", [f"{one.name} has not moved" for one in billed if not one.moved])
    if any(one.tier for one in visit.summations()):
        yield judged("tou_sum", list(_tou_sums(visit)))


def _went_back(advance: Advance) -> bool:
    """Whether no rollover explains what a register shows."""
    if advance.rolled_over and advance.turn is not None:
        return advance.moved > _MOST_OF_DIAL * advance.turn
    return advance.moved < 0


def _is_billed(register: TruthRegister) -> bool:
    delivers = register.direction in ("delivered", "total") and energy_of(register.unit) in ("Wh", "VAh")
    return delivers and register.tier == 0 and not register.phase


def _tou_sums(visit: Visit) -> Iterator[str]:
    """Yield what does not add up, in the meter's own units: |sum of the rates − total| against one for each rate."""
    limits, dials = visit.limits, visit.record.dials
    groups: dict[str, list[TruthRegister]] = {}
    for one in visit.truth.registers:
        if one.kind == "cumulative" and one.period == "present" and one.table in ("ST23", "ST24"):
            groups.setdefault(f"{one.quantity} {one.direction}{one.phase}", []).append(one)
    for name, registers in groups.items():
        total = next(_own_units(one) for one in registers if one.table == "ST23" and not one.tier)
        now = [_own_units(one) for one in registers if one.table == "ST23" and one.tier]
        before = (
            [_own_units(one) for one in registers if one.table == "ST24" and one.tier]
            if limits.tou_previous_season
            else []
        )
        tiers = [one.tier for one in registers if one.tier and (limits.tou_previous_season or one.table == "ST23")]
        counted = {tier for tier, raw in zip(tiers, (*now, *before), strict=True) if raw or not limits.tou_active_only}
        sums = [sum(now, Decimal(0)), *([sum((*now, *before), Decimal(0))] if before else [])]
        apart = min(_around(each - total, dials) for each in sums)
        if apart > len(counted):
            yield f"{name}: {len(counted)} rates and the total are {plain(apart)} apart"


def _own_units(register: TruthRegister) -> Decimal:
    """Return a register in the meter's own units; a constant that is added to its value counts."""
    return register.value / register.multiplier


def _around(difference: Decimal, dials: int | None) -> Decimal:
    if dials is None:
        return abs(difference)
    turn = Decimal(10) ** dials
    rest = abs(difference) % turn
    return min(rest, turn - rest)
