"""What happens to a meter in the course of its life, as a scenario tells it: loads, clocks, tampering, quirks."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, field

from metersim.meter.part import Moment, Part, Percent

#: Points of one day, evenly spread from midnight to midnight (standard time), in thousandths of the top.
Curve = Annotated[
    tuple[Annotated[int, Meta(ge=0, le=1000)], ...],
    Meta(min_length=24, max_length=96),
]
CURVE_LENGTHS = (24, 48, 96)
TamperKind = Literal["bypass", "reversed", "lost_phase", "opened", "reprogrammed"]


class Shape(Part, frozen=True):
    """A load shape of one's own. A kind of day without a curve is as `day`; months are percentages, January first."""

    name: Annotated[str, Meta(min_length=1)]
    day: Curve
    saturday: Curve | None = None
    sunday: Curve | None = None
    holiday: Curve | None = None  # without it a holiday is as Sunday
    months: Annotated[tuple[Percent, ...], Meta(min_length=12, max_length=12)] | None = None


class Strand(Part, frozen=True):
    """One use of energy: pulses per hour at the top of its shape, with seeded noise."""

    pulses_per_hour: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    shape: str = "residential"
    weekend_percent: Annotated[int, Meta(ge=0, le=400)] = 100
    summer_percent: Annotated[int, Meta(ge=0, le=400)] = 100  # of July against January
    noise_percent: Annotated[int, Meta(ge=0, le=100)] = 30
    days_percent: Annotated[int, Meta(ge=1, le=100)] = 100  # so many of a hundred days it is used at all, by seed


class Change(Part, frozen=True, kw_only=True):
    """From then on, or until then, a load is another percentage of itself: vacant, a new machine, one wild interval."""

    begins: Moment = field(name="from")
    until: Moment | None = None
    percent: Percent
    why: str = ""


class Load(Strand, frozen=True, kw_only=True):
    """What turns the meter: the sum of a strand and, in `part`, any number of others."""

    name: str
    start_pulses: Annotated[int, Meta(ge=0, le=1_000_000_000_000_000)] = 0  # on the registers at first
    parts: tuple[Strand, ...] = field(name="part", default=())
    changes: tuple[Change, ...] = field(name="change", default=())

    @property
    def strands(self) -> tuple[Strand, ...]:
        """Everything that it is the sum of."""
        return self, *self.parts


class ClockSetting(Part, frozen=True):
    """Somebody set the clock: by so many seconds, or right."""

    at: Moment
    by_s: Decimal | None = None
    right: bool = False


class Tamper(Part, frozen=True, kw_only=True):
    """Something is wrong with how the meter is connected, or somebody was at it.

    `bypass`: `percent` of the load does not go through the meter, and nothing shows it. `reversed`: the load turns the
    register of the load `into` instead of its own. `lost_phase`: `percent` (33) is not measured, and the meter says so.
    `opened`: the cover. `reprogrammed`: MULTIPLIER of `source` in ST15 is `multiplier` from then on; what the meter
    counts stays right, what a reader makes of it does not.
    """

    kind: TamperKind
    begins: Moment = field(name="from")
    until: Moment | None = None
    load: str = ""  # empty: all of them
    percent: Annotated[int, Meta(ge=1, le=100)] | None = None
    into: str = ""
    source: str = ""
    multiplier: Decimal | None = None


class Quirks(Part, frozen=True):
    """How the firmware departs from C12.19 or from its usual reading; the keys are those of `[c1219]` in a profile."""

    scaling: Literal["undo", "multiply", "none"] = "undo"  # what a reader does with SCALAR and DIVISOR of ST62
    status_nibbles: Literal["high_first", "low_first"] = "high_first"
    simple_status: Literal["valid", "inverted"] = "valid"
    open_block_end: Literal["last_interval", "block_grid"] = "last_interval"
    block_order: Literal["flag", "ascending", "descending"] = "flag"  # else this is so, and ORDER of ST63 denies it
    meter_id_at: Literal["st05", "st06"] = "st05"  # where the meter id is; ST05 then has the serial number
    no_offset: bool = False  # entries of ST15 end before OFFSET
    bcd_point: Annotated[int, Meta(ge=0, le=7)] = 0  # digits after the point of the BCD formats
    register_scale: Decimal = Decimal(1)  # what a reader has to multiply registers with, besides all that is written
    interval_scale: Decimal = Decimal(1)  # the same for intervals

    def departures(self) -> dict[str, str | int | Decimal]:
        """The quirks that are none by default, by name: what a reader must be told."""
        usual = Quirks()
        return {
            name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) != getattr(usual, name)
        }
