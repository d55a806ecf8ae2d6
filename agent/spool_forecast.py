"""How long the box can stay without a link at the present rate: what comes in a day, and the room left for it. Pure.

Ordinary documents (readings, reports) are taken up to one limit, urgent ones (safety) up to a higher one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

WINDOW = timedelta(days=7)  # a working week with its weekend
LEAST = timedelta(hours=1)  # from less than that no rate is told
WARN_DAYS = 7
PAGE_OCTETS = 4096
CELL_OCTETS = 10  # around a row within its page
MOST_LOCAL, LEAST_LOCAL = PAGE_OCTETS - 35, (PAGE_OCTETS - 12) * 32 // 255 - 23  # of a row that stay in its own page
ROW_OCTETS = 740  # what is kept of a document beside its sealed form, indices included; measured
_TENTH = Decimal("0.1")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in since some moment, urgent or not. `octets` of the file."""

    documents: int
    octets: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days until no more is taken, to a tenth, rounded down; None: nothing comes in, or it is not known yet."""

    days: Decimal | None  # until readings are no longer taken
    urgent_days: Decimal | None  # until not even safety-related reports are
    documents_per_day: Decimal | None  # None: not known yet

    @property
    def warns(self) -> bool:
        return self.days is not None and self.days < WARN_DAYS


UNKNOWN = Forecast(None, None, None)


def taken_octets(sealed_octets: int) -> int:
    """Return what a document of so many sealed octets takes in the file, by SQLite's format of pages (§1.5, §1.6).

    A row that does not fit into a page has overflow pages of its own for all but the part that stays.
    """
    row, overflow = sealed_octets + CELL_OCTETS, PAGE_OCTETS - 4
    local = row
    if row > MOST_LOCAL:
        local = LEAST_LOCAL + (row - LEAST_LOCAL) % overflow
        local = local if local <= MOST_LOCAL else LEAST_LOCAL
    pages = -(-(row - local) // overflow)
    rows_in_page = max(1, (PAGE_OCTETS - 12) // local)
    return pages * PAGE_OCTETS + PAGE_OCTETS // rows_in_page + ROW_OCTETS


def forecast(ordinary: Flow, urgent: Flow, *, over: timedelta, room: int, reserve: int) -> Forecast:
    """Return how long the room lasts if as much comes in as did `over` the time until now.

    `room`: octets until the limit of ordinary documents; `reserve`: those above it, for urgent ones alone.
    """
    if over < LEAST or not ordinary.documents + urgent.documents:
        return UNKNOWN
    days = Decimal(over // timedelta(seconds=1)) / Decimal(_DAY // timedelta(seconds=1))
    a_day, urgent_a_day = (ordinary.octets + urgent.octets) / days, urgent.octets / days
    lasts = room / a_day if a_day else None
    urgent_lasts = lasts + reserve / urgent_a_day if lasts is not None and urgent_a_day else None
    count = (ordinary.documents + urgent.documents) / days
    return Forecast(_tenths(lasts), _tenths(urgent_lasts), _tenths(count))


def window_start(now: datetime, first: datetime | None) -> datetime:
    """Return since when the rate is taken: the last days, or all that is remembered if that is less."""
    start = now - WINDOW
    return start if first is None else max(start, min(first, now))


def _tenths(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_TENTH, ROUND_FLOOR)
