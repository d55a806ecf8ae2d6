"""Routes for a person with a tablet: stops at simulated meters, and the files that are uploaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from playwright.sync_api import FilePayload

METER_ID = "87654321"  # of `metersim meter`, scenario residential-tou
ZONE = "America/Los_Angeles"  # of the simulated gateways
DAY = timedelta(days=1)


def as_file(route: dict[str, Any]) -> FilePayload:
    return {"name": "route.json", "mimeType": "application/json", "buffer": json.dumps(route).encode()}


def a_route(route_id: str, *stops: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a route of today."""
    return {
        "schema": "mrsp.route/1",
        "route_id": route_id,
        "name": f"Route {route_id}",
        "day": f"{datetime.now(ZoneInfo(ZONE)):%Y-%m-%d}",
        "zone": ZONE,
        "deadline": "17:00 next day",
        "orders": list(stops),
        **more,
    }


def by_probe(address: str, *, meter_id: str = METER_ID, **more: Any) -> dict[str, Any]:
    """Return a stop at a simulated meter."""
    order = {"order_id": f"WO {address}", "expected_meter_id": meter_id, "password_file": "meter.password"}
    return {"place": {"address": address}, "method": "probe", **more, "order": order | more.get("order", {})}


def by_eye(address: str, meter_id: str, *, stood_at: str = "12300", usage: str = "300", **more: Any) -> dict[str, Any]:
    """Return a stop at a meter with five dials that is read by eye: what it stood at, and what it uses in 30 days."""
    at = datetime.now(UTC).replace(microsecond=0) - 30 * DAY
    history = {
        "registers": [{"quantity": "kWh", "value": stood_at, "at": at.isoformat()}],
        "periods": [
            {"start": (at - 30 * k * DAY).isoformat(), "end": (at - 30 * (k - 1) * DAY).isoformat(), "usage": usage}
            for k in (1, 2, 3)
        ],
    }
    order = {"order_id": f"WO {address}", "expected_meter_id": meter_id, "dials": 5, "history": history}
    return {"place": {"address": address}, "method": "visual", **more, "order": order | more.get("order", {})}
