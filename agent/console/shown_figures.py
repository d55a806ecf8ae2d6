"""How figures, times and spans stand on a page: filters of the templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

_NO_BREAK = "\N{NO-BREAK SPACE}"
_UNITS = ("octets", "kB", "MB", "GB", "TB")


def local_in(zone: tzinfo) -> Callable[[datetime, str], str]:
    """Return the filter that writes an aware time in the site's zone: `at | local("%H:%M")`."""

    def local(at: datetime, form: str) -> str:
        return at.astimezone(zone).strftime(form)

    return local


def octets(count: int) -> str:
    """Write a size with three digits: `12.3 MB`."""
    size, unit = float(count), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"


def span(time: timedelta) -> str:
    """Write a span in its two largest units: `3 d 4 h`, `12 min`, `40 s`; no line breaks before a unit."""
    seconds = max(0, int(time.total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((k for k, (amount, _) in enumerate(parts) if amount), 3)
    return " ".join(f"{amount}{_NO_BREAK}{unit}" for amount, unit in parts[first : first + 2] if amount or first == 3)
