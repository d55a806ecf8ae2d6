"""Writes to a meter on a real pty: a clock correction and a demand reset, with their lines in the audit log."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.audit_verify import entries, verify
from agent.cli.main import COMMANDS, Entry, main
from tests.system.world import meter, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]
WHO = ("--authorized-by", "A. Smith", "--reason", "order 4711", "--json")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("procedure", "audit"):
        monkeypatch.setitem(COMMANDS, name, Entry(name, "", ""))


def password(directory: Path, text: str = "11111111") -> str:
    path = directory / "password"
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def test_a_demand_reset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, secret = tmp_path / "audit.jsonl", password(tmp_path)
    with meter("--pty", "--seed", "3", "--baud-pace") as address:
        run = ["procedure", "run", address, "demand_reset", *WHO, "--audit-log", str(log), "--password-file", secret]
        assert main([*run, "--meter-id", "87654321"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["outcome"] == "done"
        assert report["effect"].startswith("demand resets (ST23)")
        assert main([*run, "--meter-id", "1"]) == 4
        assert "nothing was written to it" in capsys.readouterr().err
    begun, before, after, ended, other, other_ended = entries(log)
    assert (begun["asked"], begun["reason"], begun["came"]) == ("procedure demand_reset", "order 4711", "by hand")
    assert (begun["password"], begun["expected_meter_id"]) == (True, "87654321")
    assert (ended["of"], ended["result"], ended["meter_id"]) == (begun["seq"], "done", "87654321")
    assert before["session"] == begun["seq"]
    assert (other["expected_meter_id"], other_ended["result"]) == ("1", "refused")
    assert (before["event"], before["what"], before["meter_id"]) == ("before", "SP09 remote reset", "87654321")
    assert before["authorized_by"].startswith("A. Smith")
    assert before["reason"] == "order 4711"
    assert (after["event"], after["of"], after["outcome"]) == ("after", before["seq"], "done")
    assert "11111111" not in log.read_text()
    assert verify(log).broken == ""


@pytest.mark.parametrize("offset", ["35", "-35"])
def test_a_clock_correction(tmp_path: Path, capsys: pytest.CaptureFixture[str], offset: str) -> None:
    log, secret = tmp_path / "audit.jsonl", password(tmp_path)
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        address = stack.enter_context(meter("--pty", "--baud-pace", f"--fault=clock_offset={offset}"))
        run = ["procedure", "run", address, "set_clock", *WHO, "--audit-log", str(log), "--password-file", secret]
        status = main([*run, "--ntp", ntp])
        report = json.loads(capsys.readouterr().out)
        assert (status, report["outcome"], report["clock"]["outcome"]) == (0, "done", "set"), report
        assert main([*run, "--ntp", ntp, "--over-s", "2"]) == 0
        assert json.loads(capsys.readouterr().out)["clock"]["outcome"] == "left"
    sessions = ["session_begun", "session"]
    assert [entry["event"] for entry in entries(log)] == [sessions[0], "before", "after", sessions[1], *sessions]
    assert [entry["result"] for entry in entries(log) if entry["event"] == "session"] == ["done", "done"]


def test_a_clock_that_is_not_proven_sets_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp", "--silent")).split()[0]
        log = tmp_path / "audit.jsonl"
        run = ["procedure", "run", "/dev/null", "set_clock", *WHO, "--audit-log", str(log), "--ntp", ntp]
        assert main(run) == 5
    assert "not proven" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("demand_reset",), "audit log"),
        (("clear_data", "--audit-log", "LOG"), "--dangerous"),
        (("log_in", "--audit-log", "LOG"), "there is no procedure"),
        (("update_last_read", "list", "--audit-log", "LOG"), "KEY=VALUE"),
        (("demand_reset", "--audit-log", "LOG", "--authorized-by", " "), "who gives leave"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    parameters = next((n for n, text in enumerate(arguments) if text.startswith("--")), len(arguments))
    filled = [argument.replace("LOG", str(tmp_path / "audit.jsonl")) for argument in arguments]
    assert main(["procedure", "run", "/dev/null", *filled[:parameters], *WHO, *filled[parameters:]]) == 2
    assert says in capsys.readouterr().err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["procedure", "list"]) == 0
    text = capsys.readouterr().out
    assert "demand_reset" in text
    assert "log_in" not in text
    assert main(["procedure", "list", "--json"]) == 0
    found = {action["name"]: action for action in json.loads(capsys.readouterr().out)}
    assert found["clear_data"]["danger"] == "dangerous"
    assert found["update_last_read"]["parameters"]["entries"] == "0 to 65535"
