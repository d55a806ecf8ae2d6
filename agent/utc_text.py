"""Moments as documents and people write them: RFC 3339, UTC, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """Write an aware time as RFC 3339 UTC with `Z`, to the microsecond where it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
