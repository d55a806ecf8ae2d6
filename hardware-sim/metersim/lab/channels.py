"""The intervals of a meter, channel by channel: what the checks of interval data are foretold from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from metersim.meter.memory import Counting
from metersim.meter.model import Meter
from metersim.meter.truth import Truth

Number = Decimal | int
_PREFIXES = {"": 0, "k": 3, "M": 6}
_ENERGY = ("varh", "VAh", "Wh")


@dataclass(frozen=True, slots=True)
class Slot:
    """One interval as a reader must see it; `end` in seconds since 1970 by the meter's clock."""

    end: int
    count: Number | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel, its intervals oldest first and without a gap."""

    number: int
    unit: str
    direction: str
    interval_s: int
    multiplier: Decimal
    maximum: int | None  # the largest count that its item can hold
    slots: tuple[Slot, ...]

    @property
    def kind(self) -> str:
        """`Wh`, `varh`, `VAh`."""
        return energy_of(self.unit)

    def after(self, since: int | None) -> tuple[Slot, ...]:
        """Return the intervals that ended after `since`; all, if there is no such time."""
        return self.slots if since is None else tuple(slot for slot in self.slots if slot.end > since)

    def where(self, holds: Callable[[Slot], bool]) -> tuple[int, ...]:
        """Return the ends of the intervals of which something holds."""
        return tuple(slot.end for slot in self.slots if holds(slot))


def energy_of(unit: str) -> str:
    """Return what energy a unit is of, without its prefix; empty for anything else."""
    return next((word for word in _ENERGY if unit.endswith(word)), "")


def scale(of: str, to: str) -> Decimal:
    """Return what a number in unit `of` is multiplied by to be in unit `to`, both of one kind of energy."""
    word = energy_of(of)
    return Decimal(1).scaleb(_PREFIXES[of[: -len(word)]] - _PREFIXES[to[: -len(word)]])


def channels_of(meter: Meter, truth: Truth) -> tuple[Channel, ...]:
    """Return the channels of a meter with the intervals that it holds."""
    slots: dict[int, list[Slot]] = {}
    for block in truth.blocks:
        ends = (int(end.timestamp()) for end in block.ends)
        into = slots.setdefault(block.channel, [])
        into += map(Slot, ends, block.counts, block.status)
    found = {block.channel: block for block in truth.blocks}
    countings = list(_countings(meter))
    return tuple(
        Channel(
            number, block.unit, block.direction, block.interval_s, block.multiplier,
            countings[number - 1].maximum, tuple(slots[number]),
        )
        for number, block in sorted(found.items())
    )  # fmt: skip


def _countings(meter: Meter) -> Iterable[Counting]:
    for _, memory in sorted(meter.memories.items()):
        yield from memory.countings


def utc(at: datetime | int) -> str:
    """Write a moment as RFC 3339 UTC with `Z`."""
    moment = datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")
