"""The service figures of UBP ("Percent Data Received", "Timeliness", "Off-Cycle Data"), from the ledger. Pure, exact.

A reporting day ends at 21:00 local, when the reads of the day must be with the MDSP: what is read later belongs to the
day after, whose 21:00 it can meet. "Received" means that the MDSP acknowledged an actual read: one of the right meter,
with what was asked for. An account's first billing cycle is left out of everything, the bench as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_DOWN, Decimal

from agent.business_days import within_business_days
from agent.ledger_lines import Entry

EVENING = time(21)  # local (UBP, data timeliness guidelines: by 9:00 PM on the day the readings occurred)
OFF_CYCLE_DAYS = 5  # business days of the request (UBP, off-cycle data)
NOT_ACKNOWLEDGED = "not_acknowledged"
MOST_NAMED = 20  # meters named with each reason

_DAY = timedelta(days=1)
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`."""

    part: int = 0
    whole: int = 0

    @property
    def percent(self) -> Decimal | None:
        """To two places, rounded down, so that 100.00 means all of them; None of nothing."""
        if not self.whole:
            return None
        return (Decimal(self.part * 100) / self.whole).quantize(_HUNDREDTH, ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Missed:
    """The reads that the MDSP does not have, for one reason."""

    reason: str
    count: int
    meters: tuple[str, ...]  # the first of them by name


@dataclass(frozen=True, slots=True)
class Period:
    """Reporting days from `first` to `last`, both included, in `zone`."""

    first: date
    last: date
    zone: tzinfo

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the period ends on {self.last}, before its first day {self.first}")

    @property
    def begin(self) -> datetime:
        """The moment (UTC) after which it begins: 21:00 of the day before."""
        return evening_of(self.first - _DAY, self.zone)

    @property
    def end(self) -> datetime:
        """Its last moment, UTC."""
        return evening_of(self.last, self.zone)


@dataclass(frozen=True, slots=True)
class Figures:
    """What an agent did in a period. `missed` adds up to what `meters` lacks."""

    period: Period
    meters: Share  # reads that the MDSP has, of those expected
    accounts: Share  # accounts and days with a read of every meter, of those expected
    timeliness: Share  # reads that the MDSP had by 21:00, of those taken whose 21:00 has passed
    off_cycle: Share  # requests served within 5 business days, of those served or overdue
    missed: tuple[Missed, ...] = ()  # most frequent first
    first_cycle: int = 0  # expected reads that were left out, of accounts in their first billing cycle
    without_account: int = 0  # meters that no account is on record for


@dataclass(slots=True)
class _Account:
    expected: set[str] = field(default_factory=set)
    received: set[str] = field(default_factory=set)


def evening_of(day: date, zone: tzinfo) -> datetime:
    """Return 21:00 of `day` in `zone`, as UTC."""
    return datetime.combine(day, EVENING, zone).astimezone(UTC)


def reporting_day(at: datetime, zone: tzinfo) -> date:
    """Return the reporting day that the instant `at` (aware) belongs to: until 21:00 sharp the local day."""
    day = at.astimezone(zone).date()
    return day if at <= evening_of(day, zone) else day + _DAY


def figures(entries: Iterable[Entry], period: Period, now: datetime) -> Figures:
    """Return the figures of `period` as they stand at `now`; what falls due after `now` is not expected yet.

    `entries` outside the period are passed over, but for reads out of the cycle, which count in the period in which
    they were made or became overdue. An account counts on a day if each of its meters that were to be read on it was
    read at least once.
    """
    received = taken = on_time = first_cycle = 0
    expected = 0
    missed: dict[str, list[str]] = {}
    accounts: dict[tuple[date, str], _Account] = {}
    without: set[str] = set()
    off_cycle = [0, 0]
    for entry in entries:
        if entry.purpose == "bench" or entry.due > now:
            continue
        if entry.purpose != "cycle":
            _count_off_cycle(entry, period, now, off_cycle)
            continue
        if not period.begin < entry.due <= period.end:
            continue
        day = reporting_day(entry.due, period.zone)
        if entry.first_cycle_until is not None and day <= entry.first_cycle_until:
            first_cycle += 1
            continue
        expected += 1
        has = entry.acknowledged_at is not None
        received += has
        if not has:
            reason = NOT_ACKNOWLEDGED if entry.reading_id is not None else entry.reason
            missed.setdefault(reason, []).append(entry.meter)
        if entry.account is None:
            without.add(entry.meter)
        else:
            account = accounts.setdefault((day, entry.account), _Account())
            account.expected.add(entry.meter)
            account.received.update([entry.meter] if has else [])
        in_time = _in_time(entry, period.zone, now)
        taken += in_time is not None
        on_time += in_time is True
    return Figures(
        period=period,
        meters=Share(received, expected),
        accounts=Share(sum(one.received == one.expected for one in accounts.values()), len(accounts)),
        timeliness=Share(on_time, taken),
        off_cycle=Share(*off_cycle),
        missed=_by_reason(missed),
        first_cycle=first_cycle,
        without_account=len(without),
    )


def _in_time(entry: Entry, zone: tzinfo, now: datetime) -> bool | None:
    """Tell whether a read was with the MDSP by 21:00 of its day; None if there is none, or it is not 21:00 yet."""
    if entry.read_at is None:
        return None
    deadline = evening_of(reporting_day(entry.read_at, zone), zone)
    if entry.acknowledged_at is not None and entry.acknowledged_at <= deadline:
        return True
    return False if now >= deadline else None


def _count_off_cycle(entry: Entry, period: Period, now: datetime, share: list[int]) -> None:
    """Count a request once: when it was served in time, or when its time ran out."""
    day = reporting_day(entry.due, period.zone)
    if entry.first_cycle_until is not None and day <= entry.first_cycle_until:
        return
    deadline = within_business_days(entry.due, OFF_CYCLE_DAYS, period.zone)
    served = entry.read_at is not None and entry.read_at <= deadline
    settled = entry.read_at if served and entry.read_at is not None else deadline
    if settled <= now and period.begin < settled <= period.end:
        share[0] += served
        share[1] += 1


def _by_reason(missed: dict[str, list[str]]) -> tuple[Missed, ...]:
    found = [Missed(reason, len(meters), tuple(sorted(set(meters))[:MOST_NAMED])) for reason, meters in missed.items()]
    return tuple(sorted(found, key=lambda one: (-one.count, one.reason)))
