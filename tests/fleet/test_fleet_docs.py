"""The commands of docs/fleet.md do what the page says, in its order, and the playbook asks for what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from agent.box import records_of
from agent.cli.main import main
from agent.config import load_config
from agent.history import Before
from agent.meter_versions import Seen
from tests.fleet.fleet_kit import NOW

PAGE = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
PLAYBOOK = Path(__file__).parents[2] / "examples" / "ansible" / "fleet.yml"
NOT_OURS = ("sudo systemctl", "ansible-playbook")
RULES = 'name = "ours"\nbased_on = "ubp-2000"\ntitle = "Ours"\n'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the operator's machine and the box in one, with the files of the page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    for block in blocks("toml"):
        name = block.partition("\n")[0].removeprefix("# ").removeprefix("/etc/mrsp/")
        text = block.replace("/var/lib/mrsp", str(tmp_path / "state")).replace("/etc/mrsp/", "")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("profiles/README.md", "rule_sets/ours.toml"):
        (tmp_path / "north" / name).parent.mkdir()
        (tmp_path / "north" / name).write_text(RULES)
    return tmp_path


class Typist:
    """Types commands, each of which must be on the page."""

    def __init__(self, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.typed: list[str] = []
        self._capsys = capsys

    def type(self, command: str) -> tuple[int, str]:
        assert command in COMMANDS
        self.typed.append(command)
        words = shlex.split(command.removeprefix("sudo -u mrsp "))
        words, (target,) = (words[:-2], words[-1:]) if ">" in words else (words, [""])
        words = [word.removeprefix("/tmp/") for word in words[1:]]  # noqa: S108 - as the page says it
        if words[0] == "meter" or words[1] in {"install", "status", "rollback"}:
            words += ["--config", "mrsp.toml"]
        status = main(words)
        out = self._capsys.readouterr().out
        if target:
            (self.world / target).write_text(out)
            (self.world / target).chmod(0o644)
        return status, out


def test_the_page_from_top_to_bottom(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typist = Typist(world, capsys)
    assert typist.type("mrsp fleet key fleet-key > fleet.jwks")[0] == 0
    published = json.loads((world / "fleet.jwks").read_text())
    assert [set(key) for key in published["keys"]] == [{"kty", "crv", "x", "kid", "use", "alg"}]
    sign = "mrsp fleet sign north --number 7 --key fleet-key/fleet-key.pem --output north-7.bundle"
    assert typist.type(sign)[0] == 0
    assert typist.type("sudo -u mrsp mrsp fleet install /tmp/north-7.bundle --dry-run") == (
        0,
        "version 7 can be installed here; nothing was changed\n",
    )
    assert load_config(world / "mrsp.toml").fleet_version == 0
    assert typist.type("sudo -u mrsp mrsp fleet install /tmp/north-7.bundle")[0] == 0
    config = load_config(world / "mrsp.toml")
    assert (config.agent_id, config.settings.clock.zone, config.fleet_version) == ("gw-0001", "America/Denver", 7)
    assert config.settings.meters[0].expected_meter_id == "10012345"
    status, said = typist.type("sudo -u mrsp mrsp fleet status")
    assert status == 0
    assert "gw-0001: version 7 is in force" in said
    assert "it has not come up yet; starts so far: 0" in said
    assert main(["config", "check", "mrsp.toml"]) == 0
    assert f"fleet      version 7, in {config.base}; bundles signed by" in capsys.readouterr().out
    assert typist.type('sudo -u mrsp mrsp fleet rollback --reason "too many calls at night"')[0] == 0
    assert load_config(world / "mrsp.toml").fleet_version == 0
    for part in ("--percent 10 ", ""):
        output = "north-8-10.bundle" if part else "north-8.bundle"
        typist.type(f"mrsp fleet sign north --number 8 {part}--key fleet-key/fleet-key.pem --output {output}")
    assert main(["fleet", "install", "north-8-10.bundle", "--config", "mrsp.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == "not_for_this_box"
    assert main(["fleet", "install", "north-8.bundle", "--config", "mrsp.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"result": "installed", "version": 8, "why": None}
    seen = Seen(Before("10012345", NOW, configuration={"constants": {"program id": "7"}}), "r-1", whole=True)
    records_of(config).versions.note("id 10012345", seen)
    assert "main   10012345  2026-03-01T06:00:00Z" in typist.type("mrsp meter list")[1]
    assert "constants  program id" in typist.type("mrsp meter config main")[1]
    assert set(typist.typed) == {command for command in COMMANDS if not command.startswith(NOT_OURS)}


def test_status_tells_of_a_version_that_was_taken_back(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from agent.fleet.start import config_to_run

    (world / "mrsp.toml").write_text((world / "mrsp.toml").read_text() + "attempts = 1\n")
    typist = Typist(world, capsys)
    typist.type("mrsp fleet key fleet-key > fleet.jwks")
    typist.type("mrsp fleet sign north --number 7 --key fleet-key/fleet-key.pem --output north-7.bundle")
    typist.type("sudo -u mrsp mrsp fleet install /tmp/north-7.bundle")
    assert [config_to_run(world / "mrsp.toml").fleet_version for _ in range(2)] == [7, 0]
    assert main(["fleet", "status", "--config", "mrsp.toml", "--json"]) == 1
    status = json.loads(capsys.readouterr().out)
    assert (status["version"], status["state"], status["failure"]["version"]) == (0, "up", 7)
    assert main(["audit", "list", "--config", "mrsp.toml"]) == 0
    assert "fleet_taken_back" in capsys.readouterr().out
    assert main(["fleet", "install", "north-7.bundle", "--config", "mrsp.toml"]) == 6
    assert "version 7 was in force, and was taken back: it did not come up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("fleet status --config plain.toml", "there is no [fleet] section"),
        ("fleet sign nowhere --number 7 --key fleet-key/fleet-key.pem --output x", "nowhere is no folder"),
        ("fleet sign north --number 0 --key fleet-key/fleet-key.pem --output x", "no such bundle can be signed"),
        ("fleet sign north --number 7 --key fleet-key/fleet-key.pem --output mrsp.toml", "exists already"),
        ("fleet install nothing.bundle --config mrsp.toml", "the bundle nothing.bundle cannot be read"),
        ("fleet install mrsp.toml --config mrsp.toml", "does not begin with manifest.jws"),
    ],
)
def test_what_is_wrong_is_said(world: Path, capsys: pytest.CaptureFixture[str], command: str, says: str) -> None:
    (world / "plain.toml").write_text('[agent]\nagent_id = "gw-1"\n')
    Typist(world, capsys).type("mrsp fleet key fleet-key > fleet.jwks")
    assert main(shlex.split(command)) in {2, 6}
    assert says in capsys.readouterr().err


def test_the_playbook_asks_for_what_there_is() -> None:
    text = PLAYBOOK.read_text(encoding="utf-8")
    for word in ("'fleet', 'install'", "'--dry-run'", "fleet, status", "'installed', 'would_install'", "'on_trial'"):
        assert word in text
