"""Which times cannot be true. Pure.

A clock without a battery starts in 1970 or 2000, a satellite receiver whose ten-bit week counter has rolled over is
1024 weeks off, an unset server says anything. Nothing was read by this program before it existed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Before this the program did not exist.
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
#: One turn of the week counter of GPS: of all times that a rolled over receiver can tell, one lies in this span.
ROLLOVER = timedelta(weeks=1024)


def after_epoch(nanoseconds: int) -> datetime | None:
    """Return Unix nanoseconds as UTC to the microsecond; None outside the years that have a date."""
    try:
        return EPOCH + timedelta(microseconds=nanoseconds // 1_000)
    except OverflowError:
        return None


def why_not(unix_ns: int) -> str:
    """Say why a time cannot be true; empty if it may be."""
    at = after_epoch(unix_ns)
    if at is None:
        return "it tells a time that no calendar has"
    if at < EARLIEST:
        return f"it tells {at:%Y-%m-%d}, before this program existed ({EARLIEST:%Y-%m-%d})"
    return ""


def rolled_over(at: datetime) -> str:
    """Say why a receiver's date cannot be true; empty if it may be."""
    if at < EARLIEST:
        return f"it tells {at:%Y-%m-%d}, before this program existed: its week counter may have rolled over"
    if at >= EARLIEST + ROLLOVER:
        return f"it tells {at:%Y-%m-%d}, beyond the weeks that its counter can tell apart: it has rolled over"
    return ""
