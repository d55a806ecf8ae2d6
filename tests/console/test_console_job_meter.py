"""A simulated meter is read through the console: what the page is told at the end is what is in the spool."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from metersim.meter import running_meter
from tests.console.test_console_job import events_in
from tests.console.walking_kit import walking
from tests.field.field_kit import opened_house, probe

NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)


async def test_a_read_is_followed_to_its_reading(tmp_path: Path) -> None:
    async with (
        opened_house(tmp_path) as house,
        running_meter("residential-tou", now=NOW, rate=0) as meter,
        walking(tmp_path, desk=house.desk) as walker,
    ):
        view = await house.desk.start(probe(meter.address), by="ann")
        assert 'sse-swap="progress"' in await walker.get(f"/jobs/{view.job_id}")
        told = events_in((await walker.client.get(f"/jobs/{view.job_id}/live?asked=0")).text)
        stored = await house.stored(house.desk.job(view.job_id))
        profile = (await walker.client.get(f"/jobs/{view.job_id}/profile")).json()
    assert told[-1][0] == "over"
    assert {name for name, _, _ in told[:-1]} == {"progress", "spoken"}
    values = [text for one in profile["channels"] for block in one["blocks"] for text in block["values"]]
    assert sorted(values) == sorted(text for block in stored.interval_blocks for text in block.values if text)
    figures = set(re.findall(r'<span class="hidden">([^<]+)</span>', told[-1][2]))
    assert figures == {f"{one.value} {one.unit}" for one in stored.registers}
