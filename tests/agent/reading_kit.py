"""Readings for tests of what is made of them: one meter, as little as a reading can have, and what is asked for."""

from __future__ import annotations

from typing import Any

from agent.reading import BlockPart, ClockPart, MeterPart, Reading, RegisterPart, SitePart

READ = "2026-11-21T15:06:59.25Z"


def block(**changes: Any) -> BlockPart:
    """Return four quarters of an hour, the third not collected; with changes."""
    whole: dict[str, Any] = {
        "channel": 1,
        "quantity": "kWh",
        "direction": "delivered",
        "unit": "kWh",
        "interval_s": 900,
        "first_interval_end": "2026-11-21T08:15:00Z",
        "pulses": (125, 131, None, 98),
        "multiplier": "0.01",
        "values": ("1.25", "1.31", None, "0.98"),
        "status": ((), (), ("missing",), ()),
    }
    return BlockPart(**(whole | changes))


def register(**changes: Any) -> RegisterPart:
    """Return a dial that counts energy; with changes."""
    whole: dict[str, Any] = {
        "quantity": "kWh",
        "direction": "delivered",
        "kind": "cumulative",
        "tier": 0,
        "season": "current",
        "period": "present",
        "raw": "0012345",
        "unit": "kWh",
        "multiplier": "40",
        "value": "493800",
    }
    return RegisterPart(**(whole | changes))


def reading(**changes: Any) -> Reading:
    """Return a reading of no values; with changes."""
    whole: dict[str, Any] = {
        "schema": "mrsp.reading/1",
        "reading_id": "0193",
        "agent_id": "gw-0001",
        "sequence": 1,
        "purpose": "cycle",
        "method": "optical",
        "read_started_at": READ,
        "read_finished_at": READ,
        "meter": MeterPart(meter_id="E1A044321789"),
        "site": SitePart(service_delivery_point_id="ACCT004417", account_id="SA98765432"),
        "clock": ClockPart(agent_source="ntp", corrected=False),
        "registers": (),
        "interval_blocks": (),
        "events": (),
        "checks": (),
        "quality": "raw",
    }
    return Reading(**(whole | changes))
