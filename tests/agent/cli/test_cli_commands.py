"""The commands as a person meets them: help, lists, mistakes, and their exit statuses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from agent.cli.main import COMMANDS, main

CONFIG = """\
[agent]
agent_id = "gw-1"
state_directory = "state"

[[meters]]
name = "main"
url = "/dev/ttyUSB0"
every = "15m"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mrsp.toml"
    path.write_text(CONFIG)
    return path


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_no_command_at_all_shows_the_overview_and_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: mrsp COMMAND" in capsys.readouterr().out


def test_an_unknown_command_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raed"]) == 2
    assert "there is no command 'raed'; one of: demo, read" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"example: mrsp {name}" in capsys.readouterr().out


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mrsp 0.")


def test_config_check_says_what_a_configuration_means(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(config)]) == 0
    out = capsys.readouterr().out
    assert "gw-1; state in" in out
    assert "nowhere: readings stay in the spool" in out
    assert "main at /dev/ttyUSB0, every 15m (next" in out
    assert main(["config", "check", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agent"].startswith("gw-1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('profile = "kv3"', "no profile is called 'kv3'"),
        ('rule_set = "ubp"', "ubp-2000"),
        ('password_file = "nowhere"', "/nowhere (write the meter password into it"),
    ],
)
def test_config_check_looks_up_everything_that_is_named(
    config: Path, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(CONFIG + line + "\n")
    assert main(["config", "check", str(config)]) in {2, 6}
    assert message in capsys.readouterr().err


def test_config_check_looks_at_the_mdsp_s_keys(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[agent]\nagent_id = "gw-0001"\n[keys]\nmdsp = "mdsp.jwks"\n[outlet.file]\ndirectory = "out"\n'
    config.write_text(text)
    assert main(["config", "check", str(config)]) == 6
    assert "mdsp.jwks" in capsys.readouterr().err
    keys = [ECKey.generate_key("P-256").as_dict(private=False) | {"use": use} for use in ("sig", "enc")]
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": keys[:1]}))
    assert main(["config", "check", str(config)]) == 0
    assert "out: json, delivered when acknowledged" in capsys.readouterr().out
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": keys}))
    assert main(["config", "check", str(config)]) == 2
    assert 'forms = ["sealed"]' in capsys.readouterr().err


def test_config_check_says_what_may_be_asked_and_where_persons_log_in(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=False) | {"use": "sig"}
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": [key]}))
    config.write_text(
        '[agent]\nagent_id = "gw-0001"\n[keys]\nmdsp = "mdsp.jwks"\n[requests]\nreceiver = "ACME"\n[console]\n'
        '[forward]\nhost = "b.example"\nca = "ca"\ncertificate = "c"\nkey = "k"\n'
    )
    assert main(["config", "check", str(config)]) == 0
    out = capsys.readouterr().out
    assert "requests   of the MDSP to ACME, 120 an hour, a meter 24 a day\n" in out
    assert "console    http://127.0.0.1:8443\n" in out


def test_keys_are_made_once_and_inspected(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "init", "--config", str(config)]) == 0
    jwk = json.loads(capsys.readouterr().out)
    assert (jwk["kty"], jwk["crv"], "d" in jwk) == ("EC", "P-256", False)
    key = config.parent / "state" / "keys" / "device-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert main(["keys", "init", "--config", str(config)]) == 6
    assert "never overwritten" in capsys.readouterr().err
    assert key.read_bytes() == before
    assert main(["keys", "status", "--config", str(config), "--json"]) == 6  # no certificate yet: something to do
    status = json.loads(capsys.readouterr().out)
    assert status["kid"] == jwk["kid"]
    assert "no certificate" in status["warnings"][0]


def test_keys_without_a_place_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "status"]) == 2
    assert "give --config FILE or --directory DIR" in capsys.readouterr().err


def test_profiles_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "list"]) == 0
    out = capsys.readouterr().out
    assert "generic-c1219" in out
    assert "not tried on hardware" in out
    assert main(["profile", "show", "elster-a1800"]) == 0
    assert "password_padding" in capsys.readouterr().out
    assert main(["profile", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 5
    assert main(["profile", "show", "a18"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_spool_that_is_not_there_is_said_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "status", "--config", str(config)]) == 6
    assert "spool" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written_is_the_boxs_trouble(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "state").write_text("a file, not a directory")
    assert main(["keys", "init", "--config", str(config)]) == 6
    err = capsys.readouterr().err
    assert err.startswith("mrsp: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--json", "ST01", "foo"], ["ST01", "--raw", "foo"], ["ST01", "foo", "--json"]])
def test_tables_are_named_before_between_or_after_the_options(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tables", "tcp://127.0.0.1:9", *words]) == 2
    assert "'foo' is not a table" in capsys.readouterr().err
