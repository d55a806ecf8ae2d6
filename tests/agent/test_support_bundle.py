"""The support bundle: what helps is in it, and no secret that was planted anywhere comes out."""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.box_status import BoxStatus, ClockGlance, DiskGlance, LinkGlance
from agent.config import Config, load_config
from agent.errors import LocalTrouble
from agent.keys import create_device_key
from agent.recent_log import LogLine, RecentLog
from agent.seal import ChainHead
from agent.spool import SpoolStatus
from agent.support_bundle import Gathered, secrets_of, support_bundle

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
METER_PASSWORD = "meter-pass-4711"  # noqa: S105 - planted
HEX_PASSWORD = "00112233445566778899aabbccddeeff00112233"  # noqa: S105 - planted
BROKER_PASSWORD = "broker päss"  # noqa: S105 - planted
CREDENTIAL = "credential-of-systemd"
CONFIG = """
[agent]
agent_id = "gw-7"
state_directory = "state"
[keys]
mdsp = "mdsp.jwks"
[forward]
host = "broker.example"
ca = "ca.pem"
certificate = "state/keys/device-cert.pem"
key = "state/keys/device-key.pem"
username = "gw-7"
password_file = "broker.password"
[[meters]]
name = "meter-1"
url = "modem:///dev/ttyS0?dial=5550100&tone=pulse"
password_file = "meter.password"
site = { customer_name = "A. Smith", account_id = "ACC-99" }
[[meters]]
name = "meter-2"
url = "tcp://10.0.0.1:4001"
password_file = "hex.password"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    (tmp_path / "mrsp.toml").write_text(CONFIG)
    planted = {"meter.password": METER_PASSWORD, "hex.password": HEX_PASSWORD, "broker.password": BROKER_PASSWORD}
    for name, password in planted.items():
        (tmp_path / name).write_text(password + "\n")
        (tmp_path / name).chmod(0o600)
    config = load_config(tmp_path / "mrsp.toml")
    create_device_key(config.key_directory)
    (config.state_directory / "meters").mkdir()
    (config.state_directory / "meters" / "10012345.json").write_text("{}")
    (config.state_directory / "console-accounts.json").write_text("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA")
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "extra").write_text(CREDENTIAL)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    return config


def status(*said: str) -> BoxStatus:
    return BoxStatus(
        at=NOW,
        agent_id="gw-7",
        version="0.1.0",
        clock=ClockGlance("proven", "well", NOW),
        spool=SpoolStatus("gw-7", 3, NOW, 4_096, 1_048_576, 1, ChainHead(), 0),
        link=LinkGlance("waiting", said[0] if said else ""),
        keys=None,
        keys_trouble="",
        disk=DiskGlance(Path("/x"), 1, 2),
        troubles=tuple(LogLine(NOW, "ERROR", "agent.x", text) for text in said),
    )


def members(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name.removeprefix("mrsp-gw-7/"): archive.read(name).decode() for name in archive.namelist()}


def test_what_helps_is_in_it(config: Config) -> None:
    log = (LogLine(NOW, "WARNING", "agent.forward", "the broker refused"),)
    found = members(support_bundle(Gathered(config, NOW, status("the broker refused"), log)))
    assert set(found) == {"README.txt", "status.json", "config.json", "log.txt", "files.json", "versions.json"}
    assert json.loads(found["status.json"])["spool"]["depth"] == 3
    settings = json.loads(found["config.json"])
    assert settings["forward"]["host"] == "broker.example"
    assert settings["forward"]["password_file"].endswith(".password")
    assert settings["meters"][0]["url"] == "modem:///dev/ttyS0?dial=***&tone=pulse"
    assert found["log.txt"] == "2026-11-22T06:00:00Z WARNING agent.forward: the broker refused\n"
    files = {one["name"]: one for one in json.loads(found["files.json"])}
    assert files["meters"]["files"] == 1
    assert files["console-accounts.json"]["mode"].startswith("-rw")
    assert "starlette" in json.loads(found["versions.json"])["libraries"]


def test_no_planted_secret_and_no_customer_is_in_it(config: Config) -> None:
    key = (config.key_directory / "device-key.pem").read_text()
    line = key.splitlines()[1]
    said = [
        f"a trace that quotes {METER_PASSWORD} and {METER_PASSWORD.encode().hex()}",
        f"hex {HEX_PASSWORD.upper()} and raw {bytes.fromhex(HEX_PASSWORD)!r}",
        f"{BROKER_PASSWORD!r} {BROKER_PASSWORD.encode('unicode_escape').decode()}",
        f"environment {CREDENTIAL}",
        f"key {line}",
        f"whole key {key}",
        "https://ann:secret-of-ann@proxy.example/?key=secret-of-ann",
        "token eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl",
    ]
    log = tuple(LogLine(NOW, "INFO", "x", text) for text in said)
    content = support_bundle(Gathered(config, NOW, status(*said), log))
    everything = "".join(members(content).values())
    planted = [METER_PASSWORD, HEX_PASSWORD, HEX_PASSWORD.upper(), BROKER_PASSWORD, CREDENTIAL, line, "secret-of-ann"]
    planted += [METER_PASSWORD.encode().hex(), "A. Smith", "ACC-99", "5550100", "10012345", "$argon2id", "c2lnbmF0dXJl"]
    assert [one for one in planted if one in everything] == []


def test_without_a_running_service_it_is_made_of_what_there_is(config: Config) -> None:
    found = members(support_bundle(Gathered(config, NOW.replace(year=1970))))
    assert json.loads(found["status.json"]) is None
    assert found["log.txt"] == ""


def test_a_secret_that_cannot_be_looked_for_stops_it(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert METER_PASSWORD.encode() in secrets_of(config)

    def refused(_path: Path, *_args: str) -> object:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(LocalTrouble, match=r"cannot read .*\.password"):
        support_bundle(Gathered(config, NOW))


def test_recent_lines_are_bounded_and_quote_no_exception() -> None:
    recent = RecentLog(most_lines=3, most_troubles=2)
    logger = logging.getLogger("test.recent")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(recent)
    for count in range(5):
        logger.info("line %d", count)
    for count in range(3):
        logger.error("trouble\n%d", count, exc_info=ValueError(METER_PASSWORD))
    logger.warning("broken %d", "x")
    assert [line.text for line in recent.troubles()] == ["broken %d", "trouble\\n2 (ValueError)"]
    assert len(recent.lines()) == 3
    assert METER_PASSWORD not in repr(recent.lines())
