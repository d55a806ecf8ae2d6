"""Moments as documents and people write them: RFC 3339, UTC, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """Write an aware time as RFC 3339 UTC with `Z`, to the microsecond where it has any."""
    at = at.astimezone(UTC)
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"
