"""What the doctor finds on the ways to the meters: ports, names, passwords, families, the clock."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.attending import order_of
from agent.box import records_of
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.doctor import clock, lines
from agent.held_password import shown_once
from agent.visit import Box
from drivers.errors import PasswordRefused
from tests.doctor.doctor_kit import HEAD, Case

METER = '[[meters]]\nname = "{name}"\nurl = "{url}"\nexpected_meter_id = "1"\n'


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "root/proc").mkdir(parents=True)
    return Case(tmp_path)


def a_process(case: Case, number: int, name: str, *opened: str) -> None:
    case.kernel(f"proc/{number}/comm", f"{name}\n")
    directory = case.directory / f"root/proc/{number}/fd"
    directory.mkdir()
    for count, path in enumerate(opened):
        (directory / str(count)).symlink_to(path)


def test_a_port_that_is_not_there_is_told_with_where_to_look(case: Case) -> None:
    case.text = METER.format(name="main", url="/dev/ttyUSB99")
    found = case.worst("serial_ports")
    assert found.level == "fault"
    assert "main: there is no /dev/ttyUSB99" in found.said
    assert "/dev/serial/by-id" in found.advice


def test_a_port_that_another_program_has_open_is_told_by_its_name(case: Case) -> None:
    master, slave = os.openpty()
    try:
        device = os.ttyname(slave)
        case.text = METER.format(name="main", url=device)
        a_process(case, 100, "mrsp", device)
        assert case.worst("serial_ports").level == "ok"
        a_process(case, 101, "ModemManager", "/dev/null", device)
        found = case.worst("serial_ports")
        assert found.level == "fault"
        assert "in use by ModemManager" in found.said
        assert "systemctl disable --now ModemManager" in found.advice
    finally:
        os.close(master)
        os.close(slave)


def test_a_file_that_is_no_port_is_told(case: Case) -> None:
    case.text = METER.format(name="main", url=f"serial://{case.directory}/mrsp.toml")
    assert "is no serial port" in case.worst("serial_ports").said


def test_one_of_several_adapters_should_be_named_by_what_does_not_change(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_has_siblings", lambda _device: True)
    status = [0o020660, 0, 0, 1, 0, 20, 0, 0, 0, 0]
    monkeypatch.setattr(Path, "stat", lambda _path, **_options: os.stat_result(status))
    monkeypatch.setattr(os, "access", lambda _path, _mode: True)
    remarks = list(lines._of_port(lines.Port("main", "/dev/ttyUSB0", Path("/dev/ttyUSB0"))))
    assert [one.level for one in remarks] == ["warning"]
    by_id = lines.Port("main", "/dev/serial/by-id/usb-FTDI", Path("/dev/ttyUSB0"))
    assert list(lines._of_port(by_id)) == []
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert "usermod -aG" in next(iter(lines._of_port(by_id))).advice
    status[5] = 0  # nobody is to be made a member of the group root
    assert "a udev rule" in next(iter(lines._of_port(by_id))).advice


def test_a_name_that_is_not_known_is_told(case: Case) -> None:
    case.text = METER.format(name="far", url="tcp://meter.invalid:4001") + METER.format(
        name="near", url="tcp://127.0.0.1:1"
    )
    found = case.found("host_names")
    assert [one.level for one in found] == ["fault", "ok"]
    assert found[0].said.startswith("far: the name meter.invalid is not known")


def test_password_files_are_read_as_a_visit_reads_them(case: Case) -> None:
    meters = [("good", "a.password"), ("open", "b.password"), ("none", "c.password"), ("given", "credential:x")]
    for name, file in meters:
        case.text += (
            METER.format(name=name, url=f"tcp://127.0.0.1:{len(case.text) + 1}") + f'password_file = "{file}"\n'
        )
    for name, mode in (("a", 0o600), ("b", 0o644)):
        (case.directory / f"{name}.password").write_text("SECRETPASS")
        (case.directory / f"{name}.password").chmod(mode)
    found = case.found("passwords")
    assert [one.level for one in found] == ["fault", "fault", "skipped", "ok"]
    assert "open to other users" in found[0].said
    assert not any("SECRETPASS" in one.said + one.advice for one in found)


async def test_a_password_that_a_meter_refused_is_told(case: Case) -> None:
    case.text = METER.format(name="main", url="tcp://127.0.0.1:1") + 'password_file = "a.password"\n'
    (case.directory / "a.password").write_text("SECRETPASS")
    (case.directory / "a.password").chmod(0o600)
    assert case.worst("held_passwords").level == "ok"
    (case.directory / "mrsp.toml").write_text(HEAD + case.text)
    config = load_config(case.directory / "mrsp.toml")
    box = Box(agent_id="gw-7", clock=SystemClock(), records=records_of(config))
    with pytest.raises(PasswordRefused):
        async with shown_once(box, order_of(config, config.settings.meters[0])):
            raise PasswordRefused("no", code=5)
    found = case.worst("held_passwords")
    assert found.level == "warning"
    assert "main: the meter refused the password" in found.said
    (case.directory / "a.password").write_text("ANOTHER")
    assert case.worst("held_passwords").level == "ok"


def test_what_does_not_load_is_told_with_its_place(case: Case) -> None:
    (case.directory / "own").mkdir()
    (case.directory / "own/broken.toml").write_text("name = [")
    case.text = METER.format(name="main", url="tcp://h:1") + 'rule_set = "of-nobody"\n'
    (case.directory / "mrsp.toml").write_text("")
    head = HEAD.replace("[clock]", 'profile_directories = ["own"]\n[clock]')
    config = case.directory / "mrsp.toml"
    config.write_text(head + case.text)
    from agent.doctor.meters import families
    from agent.doctor.patient import Patient

    remarks = list(families(Patient(load_config(config), datetime.now(UTC))))
    assert [one.level for one in remarks] == ["fault", "fault", "ok"]
    assert "broken.toml" in remarks[0].said
    assert "of-nobody" in remarks[1].said


def test_meters_that_cannot_be_told_apart_and_routes_without_any_are_told(case: Case) -> None:
    assert case.worst("meters").level == "warning"
    case.text = (
        '[[routes]]\nname = "night"\ncycle = "daily at 00:15"\n'
        + METER.format(name="a", url="tcp://h:1")
        + METER.format(name="b", url="tcp://h:1")
        + '[[meters]]\nname = "c"\nurl = "tcp://h:2"\n'
    )
    found = case.found("meters")
    assert [one.level for one in found] == ["warning", "warning", "warning", "ok"]
    assert "a, b have the same address" in found[0].said
    assert "c have no `expected_meter_id`" in found[1].said
    assert "night" in found[2].said
    assert "3 meters are read over 2 lines" in found[3].said


def test_a_program_that_is_missing_is_told_with_its_package(case: Case) -> None:
    (case.directory / "plan.csv").write_text("meter_id\n")
    case.text = '[radio]\nplan = "plan.csv"\nprogram = "/nowhere/rtl_433"\n'
    found = case.worst("programs")
    assert found.level == "fault"
    assert found.advice == "`apt install rtl-433`"


def test_a_clock_that_nobody_proves_is_a_fault_with_its_remedy(case: Case) -> None:
    found = case.found("clock")
    assert [one.level for one in found] == ["fault"]
    assert "UDP port 123" in found[0].advice


def test_zones_that_are_not_known_are_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "box_zone", lambda: ZoneInfo("Etc/UTC"))
    assert "[clock] zone" in case.worst("time_zone").said
    monkeypatch.setattr(clock, "box_zone", lambda: ZoneInfo("America/Chicago"))
    assert case.worst("time_zone").level == "ok"
    monkeypatch.setattr(clock, "_is_known", lambda _zone: False)
    assert "apt install tzdata" in case.found("time_zone")[-1].advice
