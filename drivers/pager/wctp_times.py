"""Time stamps of WCTP: `2026-11-21T20:00:00`, without a zone, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_STAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>[.,]\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)


def stamp(at: datetime) -> str:
    """Return the time as WCTP writes it, to the second. `at` is aware."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def moment(text: str) -> datetime | None:
    """Return the time that a stamp means, to the second, aware UTC; None for what is no time stamp.

    A stamp with a zone, which the protocol does not have, is taken at its word.
    """
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        return None
    zone = (found["zone"] or "Z").upper()
    try:
        return datetime.fromisoformat(found[0][:19] + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
