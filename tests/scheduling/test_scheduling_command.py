"""`mrsp schedule` and `mrsp config check`, as a person and a script meet them."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli import schedule as command
from agent.cli.config import describe
from agent.cli.schedule import show_schedule
from agent.config import load_config
from agent.errors import LocalTrouble, UsageError
from agent.scheduling.asking import request_for
from agent.scheduling.overview import dues, overview
from agent.scheduling.reads import Missed, Read
from agent.scheduling.store import SCHEDULE_FILE, ScheduleStore
from tests.scheduling.scheduling_kit import BEGIN, SILENT, asked_for, standing, utc

CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
[clock]
zone = "America/Denver"
[[modem_banks]]
name = "city"
lines = ["/dev/ttyS0", "/dev/ttyS1"]
[[meters]]
name = "house"
url = "/dev/ttyUSB0"
cycle = "daily at 00:15"
[[meters]]
name = "farm"
url = "modem://city?dial=5550100"
cycle = "daily at 22:30"
call_window = "22:00-05:00"
call_days = "mon-fri"
deadline = "05:00"
"""
DUE = utc(2026, 3, 6, 7, 15)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mrsp.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def store(tmp_path: Path) -> ScheduleStore:
    return ScheduleStore(tmp_path / "state" / SCHEDULE_FILE, create=True)


def run(config: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*arguments, "--config", str(config)]))


def read_of(meter: str, due: datetime, attempts: int = 1) -> Read:
    one = standing(meter)
    return Read(one, due, one.deadline_of(due), one.until(due, due), 12, attempts=attempts)


def test_before_the_service_ever_ran_the_next_due_times_are_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "show", "--json", "--days", "3") == 0
    document = json.loads(capsys.readouterr().out)
    reads = {one["meter"]: one for one in document["reads"]}
    assert {one["state"] for one in reads.values()} == {"waiting"}
    assert reads["farm"]["line"] == "bank city"
    assert reads["farm"]["number"] == "5550100"
    assert reads["farm"]["call_window"] == "22:00-05:00 mon-fri (America/Denver)"
    assert reads["house"]["next_due_local"].split()[1] == "00:15:00"
    assert datetime.fromisoformat(reads["house"]["next_due"]) > datetime.fromisoformat(document["at"])
    assert len(document["due"]) == 6
    assert run(config, "show", "--days", "1") == 0
    out = capsys.readouterr().out
    assert "gw-1, " in out
    assert "2 reads (2 waiting)" in out


def test_late_ones_come_first_with_their_reason(store: ScheduleStore) -> None:
    standings = [standing(name) for name in ("given", "done", "trying", "silent", "new", "unseen")]
    store.set_cursors(dict.fromkeys(("given", "done", "trying", "silent", "unseen"), BEGIN))
    for name in ("trying", "silent"):
        read = read_of(name, DUE, attempts=4)
        read.failure, read.next_try = SILENT, DUE + timedelta(hours=1)
        store.failed(read, DUE)
    store.note_done("done", DUE, DUE, "r-1")
    store.settle([Missed("given", DUE, DUE, 1, DUE)])
    store.ask(asked_for("done", "t-1"))
    now = DUE + timedelta(minutes=30)
    kept = store.load()
    shown = overview(standings, store.rows(BEGIN), kept.cursors, store.requests_since(BEGIN), now)
    assert [(one.standing.meter, one.state) for one in shown] == [
        ("given", "given up"), ("silent", "trying"), ("trying", "trying"), ("unseen", "due"), ("done", "due"),
        ("new", "waiting"), ("done", "done"),
    ]  # fmt: skip
    text = show_schedule(shown, "gw-1", now)
    assert "7 reads (1 given up, 2 trying, 2 due, 1 waiting, 1 done)" in text
    assert "silent: nothing answered; next try 2026-03-06 01:15:00 MST" in text
    assert "done (final)" in text
    evening = overview(standings, store.rows(BEGIN), kept.cursors, (), utc(2026, 3, 7, 5))
    assert [one.state for one in evening][:3] == ["late"] * 3
    store.close()


def test_due_times_of_the_days_to_come_are_listed() -> None:
    found = list(dues([standing("a"), standing("b", "on 2026-03-07 at 12:00")], BEGIN, BEGIN + timedelta(days=2)))
    assert [(due, one.meter) for due, one in found] == [
        (DUE, "a"), (DUE + timedelta(days=1), "a"), (utc(2026, 3, 7, 19), "b")
    ]  # fmt: skip


def test_a_request_is_queued_once_for_the_running_service(
    config: Path, store: ScheduleStore, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("request", "house", "--purpose", "final", "--by", "the office", "--id", "t-1", "--json")
    assert run(config, *ask) == 0
    first = json.loads(capsys.readouterr().out)
    assert run(config, *ask) == 0
    assert json.loads(capsys.readouterr().out) == first
    (request,) = store.requests()
    assert (request.request_id, request.purpose, request.requested_by) == ("t-1", "final", "the office")
    assert (request.order.order_id, request.order.purpose) == ("t-1", "final")
    assert request.order.requested_at == request.requested_at
    assert request.deadline - request.requested_at > timedelta(days=5)
    with pytest.raises(LocalTrouble, match="the id t-1 was used before, for a final read of house"):
        run(config, "request", "farm", "--by", "x", "--id", "t-1")
    assert run(config, "request", "farm", "--by", "x") == 0
    assert "farm: asked for a read (off_cycle) as local-" in capsys.readouterr().out
    store.close()


def test_a_request_that_makes_no_sense_is_refused(config: Path, store: ScheduleStore) -> None:
    store.close()
    with pytest.raises(UsageError, match="no meter 'barn' is in the configuration"):
        run(config, "request", "barn", "--by", "x")
    with pytest.raises(UsageError, match="has passed"):
        run(config, "request", "house", "--by", "x", "--deadline", "2026-01-01T00:00:00Z")
    with pytest.raises(UsageError, match="a cycle read is not asked for out of the cycle"):
        request_for(load_config(config).settings.meters[0].order(), "house", by="x", now=BEGIN)


@pytest.mark.parametrize("who", ["", " ", "a\x1b[2J", "a\nb", "a" * 201])
def test_who_asks_has_a_name(config: Path, who: str) -> None:
    with pytest.raises(UsageError, match="--by"):
        run(config, "request", "house", "--by", who)


@pytest.mark.parametrize("deadline", ["tomorrow", "2026-03-01T00:00:00"])
def test_a_deadline_is_a_moment(config: Path, deadline: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(config, "request", "house", "--by", "x", "--deadline", deadline)
    assert deadline in capsys.readouterr().err


def test_without_a_schedule_there_is_nobody_to_ask(config: Path) -> None:
    with pytest.raises(LocalTrouble, match=r"there is no schedule at .* yet"):
        run(config, "request", "house", "--by", "x")


def test_config_check_says_each_meters_cycle_in_words(config: Path) -> None:
    meaning: dict[str, Any] = describe(load_config(config))
    house, farm = meaning["meter"]
    assert house.startswith("house at /dev/ttyUSB0, every day at 00:15 (America/Denver) (next ")
    assert ", by 21:00 local, profile recognised, ubp-2000" in house
    assert "visited 22:00-05:00 mon-fri (America/Denver) only, by any of 2 modems of city" in farm
    assert meaning["bank"] == ["city: /dev/ttyS0, /dev/ttyS1"]
