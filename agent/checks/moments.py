"""Moments as results write them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(moment: datetime) -> str:
    """Write an aware `moment` in UTC to the second, e.g. `2026-03-01T00:15:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
