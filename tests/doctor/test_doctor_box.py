"""What the doctor finds on the box itself: places, databases, power, ports, files, the service."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.doctor import service
from agent.doctor.finding import Finding, exit_status
from agent.keys import create_device_key
from agent.only_one import only_one
from agent.seal import Sealer
from agent.spool import Spool
from tests.doctor.doctor_kit import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "root").mkdir()
    return Case(tmp_path)


def test_a_state_directory_that_is_ours_alone_is_well(case: Case) -> None:
    assert case.worst("state_directory").level == "ok"


def test_a_missing_state_directory_is_told_with_the_command_that_makes_it(case: Case) -> None:
    case.state.rmdir()
    found = case.worst("state_directory")
    assert found.level == "fault"
    assert "install -d -m 700" in found.advice


def test_a_state_directory_open_to_others_is_told(case: Case) -> None:
    case.state.chmod(0o755)
    assert [(one.level, one.advice) for one in case.found("state_directory")] == [
        ("warning", f"`chmod 700 {case.state}`")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_and_a_doctor_of_another_user_are_told(case: Case) -> None:
    (case.state / "spool.sqlite").touch()
    os.chown(case.state / "spool.sqlite", 12345, -1)
    stranger = case.worst("state_directory")
    assert (stranger.level, "1 files" in stranger.said) == ("fault", True)
    os.chown(case.state, 12345, -1)
    assert "sudo -u 12345 mrsp doctor" in case.found("state_directory")[0].advice
    assert {case.worst(check).level for check in ("databases", "spool", "service")} == {"skipped"}


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (50_000_000, 10**10, "fault"),
        (5 * 10**8, 10**10, "warning"),
        (5 * 10**9, 10**10, "ok"),
        (10**9, 10**9, "warning"),
    ],
)
def test_a_disk_that_fills_or_is_smaller_than_the_budgets_is_told(
    case: Case, monkeypatch: pytest.MonkeyPatch, free: int, total: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free, total=total))
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_files=0, f_favail=0))
    assert case.worst("disk_space").level == level


def test_a_database_that_is_damaged_newer_or_put_aside_is_told(case: Case) -> None:
    for name, version in (("schedule.sqlite", 99), ("routes.sqlite", 1)):
        db = sqlite3.connect(case.state / name)
        db.execute(f"PRAGMA user_version = {version}")
        db.close()
    (case.state / "spool.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    (case.state / "requests.sqlite.damaged").touch()
    found = case.found("databases")
    assert [one.level for one in found] == ["fault", "fault", "warning", "ok"]
    assert "schema 99" in found[0].said
    assert "restart-chain" in found[1].advice
    assert "1 databases are whole" in found[3].said


async def _spooled(case: Case, days: int) -> None:
    sealer = Sealer(create_device_key(case.state / "keys"))
    then = datetime.now(UTC) - timedelta(days=days)
    async with await Spool.open(
        case.state / "spool.sqlite", agent_id="gw-7", sealer=sealer, now=lambda: then
    ) as opened:
        await opened.add("reading", "r-1", lambda _number: b"{}")


def test_the_queue_is_told_and_a_document_that_waits_too_long(case: Case) -> None:
    import asyncio

    assert case.worst("spool").level == "skipped"
    asyncio.run(_spooled(case, 3))
    found = case.found("spool")
    assert [one.level for one in found] == ["ok", "warning"]
    assert "since 3 days" in found[1].said
    assert "[forward]" in found[1].advice


def test_a_service_that_runs_is_told_from_one_that_does_not(case: Case) -> None:
    assert case.worst("service").level == "warning"
    with only_one(case.state):
        assert case.worst("service").said == f"`mrsp run` is process {os.getpid()}"
        assert [one.level for one in case.found("service")] == ["ok"]


def test_what_systemd_says_of_the_unit_is_judged() -> None:
    told = {"ActiveState": "active", "Result": "watchdog", "NRestarts": "3", "WatchdogUSec": "0"}
    assert [one.level for one in service.of_unit(told)] == ["fault", "warning", "warning"]
    assert [one.advice for one in service.of_unit({"UnitFileState": "disabled"})] == ["`systemctl enable mrsp`"]
    assert list(service.of_unit({})) == []
    assert list(service.of_unit({"ActiveState": "active", "Result": "success", "WatchdogUSec": "1min"})) == []
    # systemd tells of no watchdog where nothing runs
    assert list(service.of_unit({"ActiveState": "inactive", "Result": "success", "WatchdogUSec": "infinity"})) == []


def test_too_few_descriptors_are_told(case: Case) -> None:
    case.kernel("proc/sys/fs/file-nr", "95 0 100\n")
    case.kernel("proc/self/limits", "Limit  Soft Limit\nMax open files            64      4096   files\n")
    assert [one.level for one in case.found("descriptors")] == ["fault", "warning"]
    case.kernel("proc/sys/fs/file-nr", "5 0 100\n")
    case.kernel("proc/self/limits", "Max open files            1024      4096   files\n")
    assert [one.level for one in case.found("descriptors")] == ["ok"]


@pytest.mark.parametrize(
    ("throttled", "level"), [("0", "ok"), ("50005", "fault"), ("50000", "warning"), ("4", "warning"), ("?", "skipped")]
)
def test_the_supply_of_a_raspberry_pi_is_judged(case: Case, throttled: str, level: str) -> None:
    case.kernel("sys/devices/platform/soc/soc:firmware/get_throttled", throttled)
    assert case.worst("power").level == level


def test_an_alarm_of_the_voltage_and_heat_are_told(case: Case) -> None:
    case.kernel("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    case.kernel("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    case.kernel("sys/class/thermal/thermal_zone0/temp", "86000\n")
    assert [one.level for one in case.found("power")] == ["fault", "warning"]


def test_a_box_without_a_battery_clock_is_told_unless_it_can_do_without(case: Case) -> None:
    assert case.worst("battery_clock").level == "warning"
    case.text = '[[meters]]\nname = "m"\nurl = "tcp://h:1"\ncumulative_without_clock = true\n'
    assert case.worst("battery_clock").level == "ok"
    case.text = ""
    case.kernel("sys/class/rtc/rtc0/name")
    assert case.worst("battery_clock").level == "ok"


def test_a_core_dump_is_told(case: Case) -> None:
    assert case.worst("core_dumps").level == "ok"
    case.kernel("var/lib/systemd/coredump/core.mrsp.999.zst")
    assert case.worst("core_dumps").level == "warning"


def test_the_exit_status_is_that_of_the_gravest() -> None:
    levels = [Finding("a", "ok", ""), Finding("b", "warning", ""), Finding("c", "skipped", "")]
    assert exit_status(levels[:1]) == 0
    assert exit_status(levels) == 1
    assert exit_status([*levels, Finding("d", "fault", "")]) == 2
