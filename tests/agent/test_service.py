"""The service holds on to a reading, and does not take one that it could not keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.errors import LocalTrouble
from agent.keeping import keep, keep_for_sure, refuse_if_full
from agent.keys import create_device_key
from agent.reading import ClockPart, MeterPart, Reading
from agent.seal import Sealer
from agent.spool import Spool
from agent.spool_store import SpoolFull


def reading(reading_id: str, *, padding: int = 0) -> Reading:
    return Reading(
        schema="mrsp.reading/1",
        reading_id=reading_id,
        agent_id="gw-1",
        sequence=0,
        purpose="cycle",
        method="optical",
        read_started_at="2026-03-01T12:00:00Z",
        read_finished_at="2026-03-01T12:00:40Z",
        meter=MeterPart(meter_id="x" * padding),
        clock=ClockPart(agent_source="none", corrected=False),
        registers=(),
        interval_blocks=(),
        events=(),
        checks=(),
        quality="raw",
    )


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(
        tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key), budget_octets=1_048_576
    ) as opened:
        yield opened


async def test_the_spool_gives_a_reading_its_place_in_the_stream(spool: Spool) -> None:
    for number in (1, 2, 3):
        entry = await keep(spool, reading(f"r-{number}"))
        shown = await spool.show(entry.document_id)
        assert entry.sequence == number
        assert shown.document is not None
        assert f'"sequence":{number},'.encode() in shown.document


async def test_a_reading_that_the_disk_refuses_is_held_and_stored_later(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add, refusals = spool.add, ["disk full", "disk full"]

    async def grudging(*arguments: object, **options: object) -> object:
        if refusals:
            raise LocalTrouble(refusals.pop())
        return await add(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(spool, "add", grudging)
    entry = await keep_for_sure(spool, reading("r-1"), name="main", wait_s=0)
    assert entry.sequence == 1
    assert caplog.text.count("held in memory") == 2


async def test_no_meter_is_visited_when_its_reading_would_not_fit(spool: Spool) -> None:
    for number in range(6):
        await refuse_if_full(spool)
        await keep(spool, reading(f"r-{number}", padding=100_000))
    with pytest.raises(SpoolFull, match="no meter is read until the MDSP has acknowledged some"):
        await refuse_if_full(spool)
