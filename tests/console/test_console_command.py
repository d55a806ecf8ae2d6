"""`mrsp console`: accounts by the command line, and where the console is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.console.accounts import Accounts
from agent.identity.install import create_identity, import_certificate
from agent.identity.request import certificate_request
from tests.console.console_kit import PASSWORD
from tests.identity.identity_kit import AGENT, NOW, make_root

CONFIG = f"""
[agent]
agent_id = "{AGENT}"
state_directory = "state"
[console]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mrsp.toml"
    file.write_text(CONFIG)
    return file


def run(config: Path, *arguments: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> int:
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    return main(["console", *arguments, "--config", str(config)])


def test_an_account_from_its_making_to_its_end(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = Accounts(tmp_path / "state" / "console-accounts.json")
    assert run(config, "user", "list") == 0
    assert capsys.readouterr().out == "nobody may log in yet\n"
    add = ("user", "add", "Ann", "--role", "operator")
    assert run(config, *add, stdin=PASSWORD + "\n", monkeypatch=monkeypatch) == 0
    assert run(config, "user", "list") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["ann", "operator"]
    assert accounts.verify("ann", PASSWORD) is not None
    secret = tmp_path / "new.password"
    secret.write_text("entirely new words\n")
    secret.chmod(0o600)
    assert run(config, "user", "password", "ann", "--password-file", str(secret)) == 0
    assert accounts.verify("ann", PASSWORD) is None
    assert accounts.verify("ann", "entirely new words") is not None
    assert run(config, "user", "remove", "ann") == 0
    assert accounts.all() == ()


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("user", "add", "ann"), "short\n", "10 to 128 characters"),
        (("user", "add", "a b"), PASSWORD, "no account name"),
        (("user", "password", "bob"), PASSWORD, "no account 'bob'"),
        (("user", "remove", "bob"), "", "no account 'bob'"),
        (("user", "add", "ann", "--password-file", "/nowhere"), "", "there is no /nowhere"),
    ],
)
def test_what_cannot_be_is_said(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    stdin: str,
    said: str,
) -> None:
    assert run(config, *arguments, stdin=stdin, monkeypatch=monkeypatch) in {2, 6}
    assert said in capsys.readouterr().err


def test_a_terminal_is_asked_twice(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter([PASSWORD, "something else here", PASSWORD, PASSWORD])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    assert run(config, "user", "add", "ann") == 2
    assert "two different passwords" in capsys.readouterr().err
    assert run(config, "user", "add", "ann") == 0
    assert json.loads((tmp_path / "state" / "console-accounts.json").read_text())["accounts"][0]["role"] == "reader"


def test_without_the_section_there_is_no_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mrsp.toml"
    file.write_text(CONFIG.replace("[console]", ""))
    assert run(file, "url") == 2
    assert "no [console] section" in capsys.readouterr().err


def test_where_the_console_is(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "url") == 0
    assert capsys.readouterr().out == "http://127.0.0.1:8443/\n"
    directory = tmp_path / "state" / "keys"
    key = create_identity(directory)
    request = certificate_request(key, agent_id=AGENT, names=[], documents=True)
    import_certificate(directory, make_root().issue_for(request), agent_id=AGENT, now=NOW)
    config.write_text(CONFIG + 'listen = "0.0.0.0:8443"\nhosts = ["box.example"]\n')
    assert run(config, "url") == 0
    first, second, *warnings = capsys.readouterr().out.splitlines()
    assert len(warnings) == 2  # a certificate for TLS clients, of another name
    assert first == "https://box.example:8443/"
    assert second.startswith(f"certificate {directory / 'device-cert.pem'}, SHA-256 ")
    assert len(second.rpartition(" ")[2].split(":")) == 32
