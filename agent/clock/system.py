"""The clocks of this box. The only place in the product that reads one."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ZONE_LINK = Path("/etc/localtime")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clocks of the kernel."""

    def boottime_ns(self) -> int:
        """Nanoseconds since boot, suspend included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def realtime_ns(self) -> int:
        """Nanoseconds of Unix time as the system clock has it."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def monotonic_ns(self) -> int:
        """Nanoseconds since boot, without those asleep."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def raw_ns(self) -> int:
        """Nanoseconds since boot as the oscillator counts them, without those asleep."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def boot_id(self) -> str:
        """Random at each boot (random(4)); empty where /proc does not show it."""
        try:
            return BOOT_ID.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError):
            return ""


def box_zone(link: Path = ZONE_LINK) -> tzinfo:
    """Find the time zone that the box is set to (`TZ`, else /etc/localtime); UTC if it is set to none."""
    name = os.environ.get("TZ", "").removeprefix(":") or _name_of(link)
    try:
        if name:
            return ZoneInfo(name)
        with link.open("rb") as rules:  # a copy of the rules instead of a link to them
            return ZoneInfo.from_file(rules, key="local")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _name_of(link: Path) -> str:
    """`…/zoneinfo/America/Denver` gives `America/Denver`; an empty name if the link is none."""
    _, found, name = str(link.resolve()).partition("/zoneinfo/")
    return name if found else ""
