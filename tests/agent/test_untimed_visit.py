"""A box that does not know the time reads what needs none, and stamps it by its boot instead of inventing a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock
from agent.clock.untimed import UntimedReadings
from agent.document import encode
from agent.errors import ClockForbids
from agent.order import Order
from agent.visit import Box, visit
from metersim.meter.serving import running_meter
from tests.young_meters import young

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
NOBODY = ClockSettings(sources=("ntp",), ntp=("127.0.0.1:1",), ntp_timeout_s=0.2, ntp_samples=1)


async def test_cumulative_registers_come_home_without_a_time(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("00000000")
    password.chmod(0o600)
    async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as meter:
        order = Order(url=meter.address, cumulative_without_clock=True, password_file=str(password))
        outcome = await visit(order, Box("gw-1", SystemClock(), clock_settings=NOBODY))
    document = json.loads(encode(outcome.reading))
    assert "read_started_at" not in document
    assert "read_finished_at" not in document
    assert "agent_utc" not in document["clock"]
    assert document["clock"]["agent_boot_id"]
    assert {register["kind"] for register in document["registers"]} == {"cumulative"}
    assert document["interval_blocks"] == []
    assert outcome.memory is None
    assert outcome.untimed is not None
    readings = UntimedReadings(tmp_path / "untimed")
    readings.hold(outcome.untimed)
    (waiting,) = readings.waiting()
    assert waiting.reading == outcome.reading
    assert waiting.finished.boottime_ns > waiting.started.boottime_ns


async def test_without_that_leave_nothing_is_read() -> None:
    async with running_meter(young("residential-tou", NOW), now=NOW, tcp=0, rate=0) as meter:
        with pytest.raises(ClockForbids):
            await visit(Order(url=meter.address), Box("gw-1", SystemClock(), clock_settings=NOBODY))
