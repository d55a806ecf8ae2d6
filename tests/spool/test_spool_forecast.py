"""How long the spool lasts without a link: what it says beforehand, against filling it to the brim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.spool import _ahead
from agent.seal import Sealer
from agent.spool import Priority, Spool
from agent.spool_forecast import LEAST, UNKNOWN, WINDOW, Flow, forecast, window_start
from agent.spool_store import SpoolFull
from tests.spool.spool_kit import AGENT, device_key, document

START = datetime(2026, 11, 1, tzinfo=UTC)
BUDGET = 800_000


class Box:
    """A spool whose time goes on with every document."""

    def __init__(self, directory: Path, every: timedelta) -> None:
        self.now = START
        self._every = every
        self._directory = directory
        self._count = 0

    async def open(self) -> Spool:
        return await Spool.open(
            self._directory / "spool.db",
            agent_id=AGENT,
            sealer=Sealer(device_key(self._directory)),
            budget_octets=BUDGET,
            now=lambda: self.now,
        )

    async def add(self, spool: Spool, octets: int, priority: Priority = Priority.ORDINARY) -> None:
        self.now += self._every
        self._count += 1
        kind = "anomaly" if priority is Priority.URGENT else "reading"
        await spool.add(kind, f"d-{self._count}", document("x" * octets), priority=priority)  # type: ignore[arg-type]

    async def fill(self, spool: Spool, octets: int, priority: Priority = Priority.ORDINARY) -> None:
        while True:
            await self.add(spool, octets, priority)


@pytest.mark.parametrize("octets", [200, 1_500, 6_000, 60_000])
async def test_what_it_says_beforehand_comes_true(tmp_path: Path, octets: int) -> None:
    """Within a tenth, for readings of registers only as for those with a month of intervals."""
    box = Box(tmp_path, timedelta(minutes=31))
    async with await box.open() as spool:
        while (await spool.status()).percent < 30:
            for _ in range(5):
                await box.add(spool, octets)
        told, asked_at = (await spool.status()).forecast.days, box.now
        with pytest.raises(SpoolFull):
            await box.fill(spool, octets)
        lasted = Decimal((box.now - asked_at) // timedelta(seconds=1)) / 86_400
    assert told is not None
    assert abs(told - lasted) <= lasted / 10 + Decimal("0.1")


async def test_what_is_urgent_has_a_reserve_and_then_an_end(tmp_path: Path) -> None:
    box = Box(tmp_path, timedelta(minutes=31))
    async with await box.open() as spool:
        await box.add(spool, 200, Priority.URGENT)
        with pytest.raises(SpoolFull, match="95 %"):
            await box.fill(spool, 6_000)
        ahead = (await spool.status()).forecast
        assert ahead.days == 0
        assert ahead.urgent_days is not None
        assert ahead.urgent_days > 0
        await box.add(spool, 200, Priority.URGENT)
        with pytest.raises(SpoolFull, match="99 %"):
            await box.fill(spool, 6_000, Priority.URGENT)
        assert (await spool.verify()).sound


async def test_a_new_spool_tells_nothing_that_it_cannot_know(tmp_path: Path) -> None:
    box = Box(tmp_path, timedelta(minutes=1))
    async with await box.open() as spool:
        assert (await spool.status()).forecast == UNKNOWN
        for _ in range(10):
            await box.add(spool, 100)
        assert (await spool.status()).forecast == UNKNOWN
        box.now += timedelta(days=9)  # nothing came in for longer than the window
        assert (await spool.status()).forecast.days is None


async def test_a_disk_smaller_than_the_budget_is_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, timedelta(hours=1))
    async with await box.open() as spool:
        for _ in range(48):
            await box.add(spool, 200)
        before = (await spool.status()).forecast.days
        monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 20_000}))
        after = (await spool.status()).forecast.days
    assert before is not None
    assert after is not None
    assert after < 1 < before


def test_it_is_said_in_words() -> None:
    week = timedelta(days=7)
    ahead = forecast(Flow(700, 7_000_000), Flow(7, 7_000), over=week, room=3_993_000, reserve=40_000)
    assert _ahead(ahead) == (
        "at 101 documents a day there is room for 3.9 days without a link, safety-related reports for 43.9; "
        "restore the link, or raise the budget\n"
    )
    assert not _ahead(UNKNOWN)


def test_the_window() -> None:
    assert window_start(START, None) == START - WINDOW
    assert window_start(START, START - timedelta(days=1)) == START - timedelta(days=1)
    assert window_start(START, START - timedelta(days=30)) == START - WINDOW
    assert window_start(START, START + timedelta(days=1)) == START  # the clock was stepped back


sizes = st.integers(0, 10**12)


@given(sizes, sizes, st.timedeltas(timedelta(0), timedelta(days=8)), sizes, sizes)
def test_never_raises_and_never_promises_less_for_the_urgent(
    ordinary: int, urgent: int, over: timedelta, room: int, reserve: int
) -> None:
    ahead = forecast(Flow(9, ordinary), Flow(9, urgent), over=over, room=room, reserve=reserve)
    assert (ahead == UNKNOWN) == (over < LEAST)
    if ahead.days is not None and ahead.urgent_days is not None:
        assert 0 <= ahead.days <= ahead.urgent_days
