"""Times as this meter stores them: wall time in the sense of its TIME_DATE_QUAL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from metersim.meter.calendar import Calendar, wall

_FIELDS = (1, 2)  # TM_FORMATs that store calendar fields: unqualified, they are local standard time


@dataclass(frozen=True, slots=True)
class Stamp:
    """Turns meter time (UTC seconds by the meter's clock) into the naive wall time that `drivers.c1219` encodes."""

    calendar: Calendar
    time_format: int

    def __call__(self, at: int | None) -> datetime | None:
        """Return the wall time, or None for no time."""
        if at is None or self.time_format == 0:
            return None
        shown = self.calendar.shown(at)
        if self.calendar.clock.shows == "unqualified" and self.time_format in _FIELDS:
            shown += self.calendar.zone_s
        return wall(shown).replace(tzinfo=None)
