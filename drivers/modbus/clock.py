"""The meter's clock from its registers."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from drivers.data import ClockSample
from drivers.errors import DataError
from drivers.modbus.schema import Clock
from drivers.modbus.values import Order, in_order


def clock_sample(
    clock: Clock, octets: bytes, stamps: tuple[int, int], zone: tzinfo | None, *, order: tuple[Order, Order]
) -> ClockSample:
    """Return one look at the clock. `stamps`: monotonic nanoseconds before and after; `order`: words, octets within.

    Raises `DataError` for what is no time, and for local time where the site's zone is not known.
    """
    shown, resolution_s = _shown(clock, in_order(octets, *order))
    ambiguous = False
    if clock.zone == "utc":
        at = shown.replace(tzinfo=UTC)
    elif zone is None:
        raise DataError(f"the meter shows local time {shown}, and the site's zone is not known", advice="set the zone")
    else:
        local = shown.replace(tzinfo=zone)
        ambiguous = local.utcoffset() != local.replace(fold=1).utcoffset()
        at = local.astimezone(UTC)
    return ClockSample(at, *stamps, Decimal(0), Decimal(0), resolution_s, ambiguous=ambiguous)


def _shown(clock: Clock, octets: bytes) -> tuple[datetime, Decimal]:
    """Return the time on the meter's clock, and the step that it counts in, in seconds."""
    number = [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)]
    try:
        match clock.format:
            case "unix":
                at = datetime.fromtimestamp(int.from_bytes(octets, "big"), UTC).replace(tzinfo=None)
                return at, Decimal(1)
            case "fields":
                year, month, day, hour, minute, second = number
                return datetime(year, month, day, hour, minute, second), Decimal(1)  # noqa: DTZ001 - the zone follows
            case "iec870":
                year, date, time, milliseconds = number
                at = datetime(  # noqa: DTZ001 - the zone follows
                    2000 + (year & 0x7F), date >> 8 & 0x0F, date & 0x1F, time >> 8 & 0x1F, time & 0x3F,
                    milliseconds // 1000, milliseconds % 1000 * 1000,
                )  # fmt: skip
                return at, Decimal("0.001")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{octets.hex(' ')} is no time: {error}") from error
