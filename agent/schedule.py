"""When the next visit is due: a grid on the clock, so that a restart neither shifts nor doubles it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> timedelta:
    """Return `15m`, `1h`, `1d`, `90s` as a duration. Raises `ValueError` saying what is accepted."""
    found = re.fullmatch(r"\s*([1-9][0-9]{0,5})\s*([smhd])\s*", text)
    if not found:
        msg = f"{text!r} is not a duration; write for example 15m, 1h or 1d"
        raise ValueError(msg)
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def next_due(now: datetime, every: timedelta, offset: timedelta = timedelta(0)) -> datetime:
    """Return the first grid time strictly after `now`: multiples of `every` since 1970 UTC, plus `offset`."""
    passed = (now - EPOCH - offset) // every
    return EPOCH + offset + (passed + 1) * every
