"""A meter behind Debian's ser2net: a whole visit over RFC 2217, the speed negotiated and set on the far port."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import LineLost
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from drivers.transport.recording_file import Event, read_sessions
from metersim.meter import running_meter
from tests.transport.real_ser2net import real_ser2net, ser2net
from tests.young_meters import young

NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)
OPTIONS = {"echo": "off", "dtr": "leave", "rts": "leave", "fastest": "28800"}

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(120),
    pytest.mark.skipif(ser2net() is None, reason="Debian's ser2net is not installed (scripts/test installs it)"),
]


async def visit(task: Task) -> MeterData:
    """Read; ser2net takes one client at a time, and a moment to let go of who looked whether it listens."""
    while True:
        try:
            return await PsemDriver().read(task)
        except LineLost:  # it has answered that it is still in use
            pass


async def test_a_whole_visit_through_ser2net(tmp_path: Path) -> None:
    record = tmp_path / "visit.rec"
    async with (
        running_meter(young("profile-35d", NOW), now=NOW, rate=0) as meter,
        real_ser2net(meter.address, tmp_path) as url,
    ):
        data = await visit(Task(url=url, password=Secret(b"00000000"), options=OPTIONS, record=record))
        truth = meter.truth()
    assert data.broken is None
    assert sorted(str(r.value) for r in data.registers) == sorted(str(r.value) for r in truth.registers)
    assert [block.counts for block in data.blocks] == [block.counts for block in truth.blocks]
    (session,) = read_sessions(record)
    bauds = [one.value for one in session.records if isinstance(one, Event) and one.name == "baud"]
    assert bauds == [28_800, 9_600]
