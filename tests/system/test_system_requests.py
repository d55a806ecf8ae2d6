"""`mrsp run`, `metersim request`: the MDSP asks for a read of a simulated meter and sends a route, and is answered."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.routes.routes_kit import octets, route
from tests.system.test_system_service import AGENT, Place, place, stopped
from tests.system.world import metersim, mrsp

__all__ = ["place"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def ask(place: Place, *arguments: str) -> dict[str, Any]:
    where = ["--broker", f"localhost:{place.port}", "--store", str(place.directory / "mdsp.db")]
    said = metersim("request", str(place.directory / "pki"), "--agent", AGENT, *where, *arguments)
    told: dict[str, Any] = json.loads(said)
    return told


def test_the_mdsp_asks_and_is_answered(place: Place) -> None:
    with place.config.open("a") as file:
        file.write('\n[requests]\n[console]\nlisten = "127.0.0.1:0"\n')
    day = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    (place.directory / "route.json").write_bytes(octets(route(day=day)))
    assert mrsp("config", "check", place.config).returncode == 0
    with place.broker(), place.mdsp() as events, place.agent() as agent:
        kinds = [next(events).get("kind")]  # the agent is at work, and knows the time
        assert kinds == ["readings"]
        asked = ask(place, "--meter", "M-1", "--action", "final", "--transaction", "T-1")
        ask(place, "--meter", "M-2", "--transaction", "T-2")
        ask(place, "--route", str(place.directory / "route.json"), "--transaction", "T-3")
        outcomes: list[tuple[str, str]] = []
        for event in events:
            if event.get("kind") == "responses":
                outcomes.append((event["transaction_id"], event["outcome"]))
            if len(outcomes) == 4:
                break
        status = json.loads(mrsp("route", "status", "--config", place.config, "--json").stdout)
        log = stopped(agent, signal.SIGTERM)
    assert sorted(outcomes) == [("T-1", "accepted"), ("T-1", "done"), ("T-2", "refused"), ("T-3", "accepted")], log
    assert [(one["route_id"], one["total"], one["loaded_by"]) for one in status["routes"]] == [("R-1", 3, "MDSP")]
    where = ["--store", str(place.directory / "mdsp.db"), "--list"]
    listed = [json.loads(line) for line in metersim("request", str(place.directory / "pki"), *where).splitlines()]
    done = next(one for one in listed if one["jti"] == asked["jti"])
    reading_id = done["answers"][1]["reading_id"]
    report = json.loads(
        metersim("verify", str(place.directory / "pki"), "--agent", AGENT, "--store", str(place.directory / "mdsp.db"))
    )
    assert report["sound"]
    assert reading_id
