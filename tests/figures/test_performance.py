"""The performance report: once a day after 21:00, for every day, sealed and numbered, and printed by `mrsp report`."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli import report as command
from agent.errors import LocalTrouble, UsageError
from agent.figures import Period
from agent.keys import create_device_key
from agent.ledger import LEDGER, Ledger
from agent.performance import daily_report, figures_of, make_report, report_of
from agent.seal import Sealer
from agent.spool import Spool
from drivers.errors import MeterSilent
from tests.figures.figures_kit import DENVER, at, daily, reading

MONDAY = date(2026, 3, 2)
EVENING = at(3, 4, 15) + timedelta(seconds=1)  # 21:15:01 of Monday in Denver
CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
[clock]
zone = "America/Denver"
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / LEDGER)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    path = tmp_path / "state" / "spool.sqlite"
    sealer = Sealer(key)
    async with await Spool.open(path, agent_id="gw-1", sealer=sealer, now=lambda: at(2, 7)) as opened:
        yield opened


async def a_day(ledger: Ledger, spool: Spool) -> None:
    """Two meters of one account: one is read and acknowledged, the other silent."""
    await ledger.begin([daily("a", account="A7"), daily("b", account="A7")], at(2, 5))
    await ledger.came("a", at(2), reading("r-a", at(2, 6, 1)))
    await spool.add("reading", "r-a", lambda _sequence: b"{}")
    await spool.acknowledge(["r-a"])
    await ledger.failed("b", at(2), at(2, 6, 2), MeterSilent("nothing answered"))


async def documents(spool: Spool) -> list[dict[str, Any]]:
    found = []
    for entry in await spool.entries():
        if entry.kind == "report":
            body = (await spool.show(entry.document_id)).document
            assert body is not None
            found.append(json.loads(body))
    return found


async def test_the_report_says_all_of_a_day(ledger: Ledger, spool: Spool) -> None:
    await a_day(ledger, spool)
    await make_report(ledger, spool, MONDAY, DENVER, EVENING, reporting_entity="MRSP-1")
    (document,) = await documents(spool)
    assert document.pop("report_id")
    assert document == {
        "schema": "mrsp.report/1",
        "agent_id": "gw-1",
        "sequence": 1,
        "reporting_entity": "MRSP-1",
        "made_at": "2026-03-03T04:15:01Z",
        "first_day": "2026-03-02",
        "last_day": "2026-03-02",
        "zone": "America/Denver",
        "period_begin": "2026-03-02T04:00:00Z",
        "period_end": "2026-03-03T04:00:00Z",
        "meters": {"received": 1, "expected": 2, "percent": "50.00"},
        "accounts": {"received": 0, "expected": 1, "percent": "0.00"},
        "timeliness": {"received": 1, "expected": 1, "percent": "100.00"},
        "off_cycle": {"received": 0, "expected": 0},
        "deadline": "21:00",
        "off_cycle_business_days": 5,
        "exceptions": [{"reason": "silent", "count": 1, "meters": ["b"]}],
    }


async def test_a_day_is_reported_once_even_if_it_was_not_noted(ledger: Ledger, spool: Spool) -> None:
    await a_day(ledger, spool)
    for _ in range(2):
        await make_report(ledger, spool, MONDAY, DENVER, EVENING)
    assert len(await documents(spool)) == 1
    assert ledger.last_reported() == MONDAY


async def until_reported(ledger: Ledger, spool: Spool, now: datetime, days: int) -> list[str]:
    """Run the task until so many reports are in the spool, then stop it; return their days."""
    task = asyncio.create_task(daily_report(ledger, spool, lambda: now, DENVER))
    while True:
        spool.changed.clear()
        if len(await documents(spool)) >= days:
            break
        await spool.changed.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [document["first_day"] for document in await documents(spool)]


async def test_the_task_reports_each_day_and_makes_up_for_those_it_missed(ledger: Ledger, spool: Spool) -> None:
    await a_day(ledger, spool)
    assert await until_reported(ledger, spool, EVENING, 1) == ["2026-03-02"]
    late = EVENING + timedelta(days=3)
    assert await until_reported(Ledger(ledger._directory), spool, late, 4) == [
        f"2026-03-0{day}" for day in (2, 3, 4, 5)
    ]
    assert [document["sequence"] for document in await documents(spool)] == [1, 2, 3, 4]


async def test_after_a_long_absence_only_the_last_month_is_made_up_for(ledger: Ledger, spool: Spool) -> None:
    await a_day(ledger, spool)
    found = await until_reported(ledger, spool, EVENING + timedelta(days=100), 31)
    assert (len(found), found[-1]) == (31, "2026-06-10")


async def test_before_the_evening_nothing_is_reported_and_trouble_is_survived(
    ledger: Ledger, spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await a_day(ledger, spool)
    waits: list[float] = []
    times = iter([None, EVENING - timedelta(seconds=2), EVENING, EVENING])
    add, refusals = spool.add, iter([True])

    async def refuse_once(*arguments: Any, **options: Any) -> Any:
        if next(refusals, False):
            raise LocalTrouble("disk full")
        return await add(*arguments, **options)

    async def slept(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(spool, "add", refuse_once)
    monkeypatch.setattr("agent.performance.asyncio.sleep", slept)
    with pytest.raises(asyncio.CancelledError):
        await daily_report(ledger, spool, lambda: next(times), DENVER)
    assert "cannot be made yet" in caplog.text
    assert len(await documents(spool)) == 1
    assert waits[0] == 60.0  # the time is not known yet
    assert 0 < waits[1] <= 1.1
    assert waits[2] == waits[3] == 900.0


async def test_the_figures_take_what_the_spool_knows_before_the_ledger(ledger: Ledger, spool: Spool) -> None:
    await a_day(ledger, spool)
    period = Period(MONDAY, MONDAY, DENVER)
    assert figures_of(ledger, period, EVENING).meters.part == 0
    assert figures_of(ledger, period, EVENING, {"r-a": at(2, 7)}).meters.part == 1


def ran(tmp_path: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    config = tmp_path / "mrsp.toml"
    config.write_text(CONFIG)
    return command.run(parser.parse_args(["--config", str(config), *arguments]))


async def test_the_command_prints_a_table_and_json(
    tmp_path: Path, ledger: Ledger, spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_day(ledger, spool)
    assert await asyncio.to_thread(ran, tmp_path, "--day", "2026-03-02") == 0
    text = capsys.readouterr().out
    assert "gw-1, 2026-03-02 (America/Denver)" in text
    assert "reads received" in text
    assert "silent" in text
    assert await asyncio.to_thread(ran, tmp_path, "--day", "2026-03-01..2026-03-02", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["meters"] == {"received": 1, "expected": 2, "percent": "50.00"}
    assert (found["first_day"], "sequence" in found) == ("2026-03-01", False)


async def test_without_a_spool_the_ledger_alone_is_told(
    tmp_path: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    await ledger.begin([daily("a")], at(2, 5))
    assert await asyncio.to_thread(ran, tmp_path, "--day", "2026-03-02") == 0
    captured = capsys.readouterr()
    assert "may not be counted" in captured.err
    assert "not_attempted" in captured.out


def test_without_a_ledger_it_says_what_keeps_one(tmp_path: Path) -> None:
    with pytest.raises(LocalTrouble, match="there is no ledger"):
        ran(tmp_path)


async def test_a_day_before_the_ledger_is_refused_rather_than_shown_as_nothing(tmp_path: Path, ledger: Ledger) -> None:
    await ledger.begin([daily("a")], at(2, 5))
    with pytest.raises(UsageError, match="the ledger begins on 2026-03-02"):
        await asyncio.to_thread(ran, tmp_path, "--day", "2026-02-01")


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-03-02..2026-03-01", "2020-01-01..2026-01-01", ".."])
def test_a_day_that_is_none_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ran(tmp_path, "--day", text)
    assert ended.value.code == 2
    assert repr(text) in capsys.readouterr().err


def test_the_same_day_has_the_same_id_and_each_agent_its_own() -> None:
    ledger_figures = figures_of(Ledger(Path("/nonexistent")), Period(MONDAY, MONDAY, UTC), EVENING)
    one, again, other = (report_of(ledger_figures, agent_id=name, made_at=EVENING) for name in ("g", "g", "h"))
    assert one.report_id == again.report_id != other.report_id
