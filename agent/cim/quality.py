"""ReadingQuality: what is to be known about an interval, as `system.category.index` of IEC 61968-9 annex D.

System 1 is the end device: its own status flags are passed on, nothing is judged by them.
"""

from __future__ import annotations

from collections.abc import Iterable

_CODES = {
    "power_outage": "1.2.32",
    "overflow": "1.4.1",
    "partial": "1.4.2",
    "short": "1.4.2",
    "long": "1.4.3",
    "skipped": "1.4.4",
    "test_mode": "1.4.5",
    "missing": "1.5.259",
    "clock_adjusted": "1.1.9",
}
_OTHER = "1.4.0"  # data collection, not further said; the comment says it


def quality_codes(status: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return code and word for each status word of an interval; daylight saving is no quality."""
    return tuple((_CODES.get(word, _OTHER), word) for word in status if word != "daylight_saving")
