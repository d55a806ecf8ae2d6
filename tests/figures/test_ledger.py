"""What was expected and what came survives crashes, days without power and damage, and stays within its bounds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import MeterSection
from agent.errors import ClockForbids, ConfigError, LocalTrouble
from agent.keys import create_device_key
from agent.ledger import Ledger, acknowledged_of, lacking_of, reason_of, roster_of
from agent.ledger_lines import NOT_ATTEMPTED, Came, Failed, Line, Scheduled, folded
from agent.order import Order, Site
from agent.schedule import next_due
from agent.seal import Sealer
from agent.spool import Spool
from agent.spool_store import SpoolFull
from drivers.errors import (
    DataError,
    LineLost,
    LineTooBad,
    LocalProtocolError,
    MeterProtocolError,
    MeterRefused,
    MeterSilent,
    TransportError,
)
from tests.figures.figures_kit import DAY, HOUR, at, daily, found, only_file, reading, roster


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    key = create_device_key(tmp_path / "keys")
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as opened:
        yield opened


async def test_a_read_is_expected_from_the_schedule_and_what_came_of_it_is_told(ledger: Ledger) -> None:
    await ledger.begin([daily("a"), daily("b", 7)], at(1, 0))
    await ledger.came("a", at(1), reading("r-1", at(1, 6, 2)))
    await ledger.failed("b", at(1, 7), at(1, 7, 1), MeterSilent("nothing answered"))
    assert found(ledger, at(1, 0), at(2, 0)) == [("a", at(1), "r-1"), ("b", at(1, 7), "silent")]


async def test_the_meters_of_a_configuration_are_expected_when_the_service_visits_them(ledger: Ledger) -> None:
    site = Site(account_id="A7", first_cycle_until=date(2026, 3, 2))
    meter = MeterSection(url="x:", name="main", every="12h", at="90m", site=site)
    await ledger.begin(roster_of([meter]), at(1, 0))
    moment, dues = at(1, 0), []
    while moment < at(4, 0):
        moment = next_due(moment, meter.period, meter.offset)
        dues.append(moment)
    entries = list(ledger.entries(at(1, 0), at(4, 2)))
    assert [one.due for one in entries] == dues
    assert {(one.meter, one.account, one.first_cycle_until) for one in entries} == {("main", "A7", date(2026, 3, 2))}


async def test_days_without_power_are_expected_all_the_same(ledger: Ledger) -> None:
    await ledger.begin([daily("a")], at(1, 0))
    await ledger.came("a", at(1), reading("r-1", at(1, 6, 2)))
    again = Ledger(ledger._directory)
    await again.begin([daily("a")], at(4, 12))
    assert found(again, at(1, 0), at(5, 12)) == [
        ("a", at(1), "r-1"),
        *(("a", at(day), NOT_ATTEMPTED) for day in (2, 3, 4, 5)),
    ]


async def test_a_meter_is_expected_from_the_roster_that_names_it_to_the_one_that_does_not(ledger: Ledger) -> None:
    await ledger.begin([daily("a")], at(1, 12))
    await ledger.begin([daily("a", 18), daily("b")], at(3, 12))
    await ledger.begin([daily("b")], at(4, 12))
    due = [(meter, moment) for meter, moment, _ in found(ledger, at(1, 0), at(6, 0))]
    assert due == [("a", at(2)), ("a", at(3)), ("a", at(3, 18)), ("b", at(4)), ("b", at(5))]


async def test_each_day_can_be_understood_without_those_before_it(ledger: Ledger) -> None:
    await ledger.begin([daily("a")], at(1, 0))
    await ledger.came("a", at(3), reading("r-3", at(3, 6, 1)))
    only_file(ledger._directory, date(2026, 3, 1)).unlink()
    assert found(ledger, at(3, 0), at(4, 12)) == [("a", at(3), "r-3"), ("a", at(4), NOT_ATTEMPTED)]


async def test_the_first_actual_read_counts_whatever_came_around_it(ledger: Ledger) -> None:
    await ledger.begin([daily("a")], at(1, 0))
    await ledger.failed("a", at(1), at(1, 6, 1), LineLost("gone"))
    await ledger.came("a", at(1), reading("r-part", at(1, 6, 2)), LineLost("gone"))
    await ledger.came("a", at(1), reading("r-whole", at(1, 6, 5)))
    await ledger.failed("a", at(1), at(1, 6, 6), LineLost("gone"))
    (one,) = ledger.entries(at(1, 0), at(2, 0))
    assert (one.reading_id, one.read_at, one.attempts, one.reason) == ("r-whole", at(1, 6, 5), 4, "")


async def test_a_read_out_of_the_cycle_is_expected_from_its_request(ledger: Ledger) -> None:
    order = Order(
        url="x:", purpose="final", requested_at=at(2, 9), site=Site(account_id="A", first_cycle_until=date(2026, 3, 5))
    )
    await ledger.asked("a", order, at(2, 10))
    await ledger.came("a", at(2, 9), reading("r", at(3, 9)))
    (one,) = ledger.entries(at(2, 0), at(3, 0))
    assert (one.purpose, one.due, one.account, one.first_cycle_until) == ("final", at(2, 9), "A", date(2026, 3, 5))
    assert one.read_at == at(3, 9)


async def test_midnight_belongs_to_one_day_alone(ledger: Ledger) -> None:
    await ledger.begin([Scheduled("a", 43_200)], at(1, 1))
    due = [moment for _, moment, _ in found(ledger, at(1, 0), at(3, 0))]
    assert due == [at(1, 12), at(2, 0), at(2, 12), at(3, 0)]
    assert [moment for _, moment, _ in found(ledger, at(2, 0), at(2, 12))] == [at(2, 12)]


async def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.begin([daily("a"), daily("b", 7)], at(1, 0))
    path = only_file(ledger._directory, date(2026, 3, 1))
    with path.open("ab") as file:
        file.write(b'{"line":"came","meter":"a","due":"2026-03-0')
    await ledger.came("b", at(1, 7), reading("r-b", at(1, 7, 1)))
    assert found(ledger, at(1, 0), at(2, 0)) == [("a", at(1), NOT_ATTEMPTED), ("b", at(1, 7), "r-b")]
    assert "has a line that cannot be read" in caplog.text


@given(st.binary(max_size=300))
async def test_no_damage_breaks_it(tmp_path_factory: pytest.TempPathFactory, damage: bytes) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    await ledger.begin([daily("a")], at(1, 0))
    with only_file(ledger._directory, date(2026, 3, 1)).open("ab") as file:
        file.write(damage)
    await ledger.came("a", at(1), reading("r-1", at(1, 6, 1)))
    assert ("a", at(1), "r-1") in found(ledger, at(1, 0), at(2, 0))


async def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ledger").write_text("a file where the directory should be")
    ledger = Ledger(tmp_path / "ledger")
    await ledger.came("a", at(1), reading("r-1", at(1)))
    assert "does not take a line" in caplog.text


async def test_a_day_that_cannot_be_read_stops_no_start_and_is_no_figure(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    only_file(ledger._directory, date(2026, 3, 1)).mkdir(parents=True)
    await ledger.begin([daily("a")], at(2, 0))
    assert "cannot be tended" in caplog.text
    with pytest.raises(LocalTrouble, match="the ledger of 2026-03-01 cannot be read"):
        list(ledger.entries(at(1, 0), at(2, 12)))


async def test_only_so_many_days_and_octets_are_kept_and_the_oldest_go_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, most_days=3)
    for day in range(1, 7):
        await ledger.begin([daily("a")], at(day, 1))
    assert ledger.first_day() == date(2026, 3, 4)
    small = Ledger(tmp_path, most_octets=1)
    await small.begin([daily("a")], at(7, 1))
    assert [day for day, _path in small._files()] == [date(2026, 3, 7)]


async def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "2026-99-99.jsonl").write_text("not ours")
    ledger = Ledger(tmp_path, most_octets=1)
    await ledger.begin([], at(1))
    assert (tmp_path / "2026-99-99.jsonl").exists()
    assert ledger.first_day() == date(2026, 3, 1)


async def test_the_last_day_that_was_reported_is_known(ledger: Ledger) -> None:
    assert ledger.last_reported() is None
    await ledger.reported(date(2026, 3, 2), at(3))
    await ledger.reported(date(2026, 3, 1), at(4))
    assert ledger.last_reported() == date(2026, 3, 2)


async def test_what_the_mdsp_acknowledged_is_set_down_once(ledger: Ledger, spool: Spool) -> None:
    await ledger.begin([daily("a"), daily("b")], at(1, 0))
    for name in ("r-a", "r-b"):
        await ledger.came(name[-1], at(1), reading(name, at(1, 6, 1)))
        await spool.add("reading", name, lambda _sequence: b"{}")
    assert await ledger.note_acknowledged(spool) == 0
    await spool.acknowledge(["r-a"])
    again = Ledger(ledger._directory)  # a restart: found in the files
    assert await again.note_acknowledged(spool) == 1
    assert await again.note_acknowledged(spool) == 0
    first, second = again.entries(at(1, 0), at(2, 0))
    known = await acknowledged_of(spool, ["r-a", "r-b", "r-c"])
    assert (first.acknowledged_at, second.acknowledged_at) == (known["r-a"], None)
    assert set(known) == {"r-a"}


def test_what_was_set_down_survives_kill_9(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys; from pathlib import Path; from agent.ledger import Ledger\n"
        "from tests.figures.figures_kit import at, daily, reading\n"
        "async def main():\n"
        "    ledger = Ledger(Path(sys.argv[1])); await ledger.begin([daily('a')], at(1, 0))\n"
        "    await ledger.came('a', at(1), reading('r-1', at(1, 6, 1))); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert found(Ledger(tmp_path), at(1, 0), at(2, 0)) == [("a", at(1), "r-1")]
    assert os.stat(tmp_path / "2026-03-01.jsonl").st_mode & 0o777 == 0o600  # noqa: PTH116


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (MeterSilent("x"), "silent"),
        (LineLost("x"), "line_lost"),
        (TransportError("x"), "no_connection"),
        (LineTooBad("x"), "line_too_bad"),
        (MeterProtocolError("x"), "protocol"),
        (LocalProtocolError("x"), "protocol"),
        (MeterRefused("x", code=2), "refused"),
        (DataError("x"), "data"),
        (ClockForbids("x"), "clock"),
        (SpoolFull("x"), "local_trouble"),
        (LocalTrouble("x"), "local_trouble"),
        (ConfigError("x"), "configuration"),
        (ZeroDivisionError(), "other"),
    ],
)
def test_each_failure_has_its_word(error: BaseException, word: str) -> None:
    assert reason_of(error) == word


def test_what_is_no_actual_read() -> None:
    assert lacking_of(reading("r", at(1)), None) is None
    assert lacking_of(reading("r", at(1), "spike", "meter_clock"), None) is None
    assert lacking_of(reading("r", at(1)), LineLost("x")) == "incomplete"
    assert lacking_of(reading("r", at(1), "agent_clock"), None) == "clock"
    assert lacking_of(reading("r", at(1), "meter_id_internal"), LineLost("x")) == "wrong_meter"


attempts = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 6), st.sampled_from(("silent", "incomplete", None))), max_size=30
)


@given(attempts, st.integers(0, 3))
def test_every_expected_read_is_one_entry_whatever_was_tried(
    tried: list[tuple[str, int, str | None]], restarts: int
) -> None:
    lines: list[Line] = [roster(at(1, 0) + k * HOUR, daily("a"), daily("b", 9)) for k in range(restarts + 1)]
    for number, (meter, day, word) in enumerate(tried):
        due = at(day, 6 if meter == "a" else 9)
        if word == "silent":
            lines.append(Failed(meter, due, due, word))
        else:
            lines.append(Came(meter, due, due + timedelta(minutes=number), f"r-{number}", word))
    entries = folded(lines, at(1, 0), at(7, 0))
    assert [(one.meter, one.due) for one in entries] == [
        (meter, datetime(2026, 3, 1, hour, tzinfo=UTC) + k * DAY)
        for k in range(6)
        for meter, hour in (("a", 6), ("b", 9))
    ]
    assert sum(one.attempts for one in entries) == len(tried)
    read = {(meter, day) for meter, day, word in tried if word is None}
    assert {(one.meter, one.due.day) for one in entries if one.reading_id} == read
    assert all(bool(one.reason) == (one.reading_id is None) for one in entries)
