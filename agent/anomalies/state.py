"""What is kept of a meter's findings between two visits, and through a crash in the middle of one."""

from __future__ import annotations

import msgspec

from agent.anomalies.watch import OpenFinding
from agent.anomaly import Anomaly

MOST_OWED = 16  # reports; while so many could not be stored, further findings wait to be found again


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is true of the meter as soon as the reading `reading_id` is in the spool, and of no account until then."""

    reading_id: str
    reports: tuple[Anomaly, ...] = ()
    open: tuple[OpenFinding, ...] = ()
    meter_id: str | None = None
    clock_failures: int = 0


class Watch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One meter's findings. Bounded: some 10 kB, and a few times that while reports are owed."""

    meter_id: str | None = None  # that the open findings were made at
    open: tuple[OpenFinding, ...] = ()  # reported, or owed, and not gone since; oldest first
    owed: tuple[Anomaly, ...] = ()  # reports that the spool did not take yet
    intent: Intent | None = None  # of a visit whose reading is being stored
