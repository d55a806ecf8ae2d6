"""What a person does at a meter by hand is in the audit log that they name: reading, looking at tables, learning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.audit_verify import entries, verify
from agent.cli.main import main
from tests.system.world import meter, password_file

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"
"""


def test_each_command_at_a_meter_sets_its_session_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, log = tmp_path / "mrsp.toml", tmp_path / "state" / "audit.jsonl"
    config.write_text(CONFIG)
    secret = ["--password-file", str(password_file(tmp_path, "residential-tou"))]
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("nonsense")
    with meter("--tcp", "0", "--seed", "3") as address:
        by_path, by_config = ["--audit-log", str(log)], ["--config", str(config)]
        assert main(["tables", address, "ST05", "ST23", "ST42", *by_config, *secret]) == 2  # holds passwords
        assert main(["tables", address, "all", *by_path, "--password-file", str(wrong)]) == 4
        record = tmp_path / "learnt.rec"
        assert main(["profile", "learn", address, "--record", str(record), *by_path, *secret]) == 0
        read = ["read", address, "--no-clock-check", "--registers-only", "--format", "json"]
        assert main([*read, *by_path, *secret]) in {0, 1}
    assert main(["tables", f"replay://{record}", "ST23", *by_config]) == 0  # no session with a meter
    capsys.readouterr()
    assert verify(log).broken == ""
    text = log.read_text()
    assert "nonsense" not in text
    assert "00000000" not in text.replace("0" * 64, "")

    begun, ended = ([line for line in entries(log) if line["event"] == event] for event in ("session_begun", "session"))
    assert [line["by"].partition(" as ")[0] for line in begun] == [
        "mrsp tables", "mrsp tables", "mrsp profile learn", "mrsp read",
    ]  # fmt: skip
    assert {line["came"] for line in begun} == {"by hand"}
    assert [line["asked"] for line in begun[:3]] == ["ST05 ST23 ST42", "all tables", "every table, for a profile"]
    assert [line["result"] for line in ended] == ["read", "refused", "read", "read"]
    assert (ended[0]["meter_id"], ended[0]["tables"]) == ("87654321", ["ST05", "ST23"])
    assert (ended[3]["meter_id"], ended[3]["method"]) == ("87654321", "optical")
    assert len(ended[2]["recording"]) == 64

    assert main(["audit", "list", *by_config, "--json", "--meter", "87654321"]) == 0
    assert [row["seq"] for row in json.loads(capsys.readouterr().out)] == [begun[0]["seq"], begun[3]["seq"]]
    assert main(["audit", "list", *by_config]) == 0
    shown = capsys.readouterr().out
    assert "ST05 ST23 ST42" in shown
    assert "refused PasswordRefused" in shown
