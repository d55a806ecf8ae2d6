"""`mrsp keys`, as an operator and as a script use it: results on standard output, exit codes, nothing secret shown."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws

from agent.cli.main import main
from agent.keys import DeviceKey, load_device_key, read_key
from tests.identity.identity_kit import AGENT, Authority, make_root

TODAY = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def authority_today() -> Authority:
    return make_root("a CA of today")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mrsp.toml"
    path.write_text(f'[agent]\nagent_id = "{AGENT}"\nstate_directory = "{tmp_path}"\n')
    return path


def keys_of(*arguments: object) -> int:
    return main(["keys", *map(str, arguments)])


def issue(authority: Authority, request: str, path: Path, days: float = 90.5) -> Path:
    path.write_bytes(authority.issue_for(request.encode(), start=TODAY, valid=timedelta(days=days)))
    return path


def test_from_a_new_device_to_a_renewed_and_a_rotated_one(
    config: Path, keys: Path, authority_today: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_of("init", "--config", config) == 0
    first = json.loads(capsys.readouterr().out)
    assert keys_of("csr", "--config", config) == 0
    request = capsys.readouterr()
    assert request.out.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert f"CN={AGENT}, key {first['kid']} (TLS client and signer of documents)" in request.err
    certificate = issue(authority_today, request.out, tmp_path / "c.pem")
    assert keys_of("import", "--config", config, certificate) == 0
    assert "in 90 days" in (shown := capsys.readouterr()).err
    assert shown.out == ""
    assert keys_of("status", "--config", config, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["certificate"]["days_left"] == 90
    assert status["certificate"]["accepted_by_broker"] is True
    assert status["warnings"] == []

    assert keys_of("renew", "--config", config) == 0
    assert keys_of("import", "--config", config, issue(authority_today, capsys.readouterr().out, certificate)) == 0
    capsys.readouterr()
    assert keys_of("status", "--config", config) == 0
    assert "not yet accepted by the broker" in capsys.readouterr().out

    assert keys_of("rotate", "--config", config) == 0
    request = capsys.readouterr()
    assert "the present one stays registered" in request.err
    token = (keys / "rollover.jws").read_bytes().strip()
    following = json.loads(jws.deserialize_compact(token, load_device_key(keys).public_key()).payload or b"")["jwk"]
    assert keys_of("rotate", "--config", config) == 6
    assert keys_of("csr", "--config", config, "--next") == 0
    assert keys_of("public", "--config", config) == 0
    public = capsys.readouterr().out.split("END CERTIFICATE REQUEST-----\n")[-1]
    assert [key["kid"] for key in json.loads(public)["keys"]] == [first["kid"], following["kid"]]
    certificate = issue(authority_today, request.out, certificate)
    assert keys_of("import", "--config", config, certificate) == 0
    assert "signs from now on" in capsys.readouterr().err
    assert keys_of("status", "--config", config, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["kid"], status["retired"]) == (following["kid"], [first["kid"]])
    assert keys_of("csr", "--config", config, "--next") == 6
    assert keys_of("rotate", "--config", config, "--cancel") == 6


def test_the_private_key_never_shows(
    config: Path, keys: Path, authority_today: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys_of("init", "--config", config)
    secrets = [key_text(keys / "device-key.pem")]
    keys_of("csr", "--config", config)
    certificate = issue(authority_today, capsys.readouterr().out, tmp_path / "c.pem")
    keys_of("import", "--config", config, certificate)
    keys_of("rotate", "--config", config)
    secrets.append(key_text(keys / "next-key.pem"))
    for verb in ("status", "public", "csr", "renew"):
        keys_of(verb, "--config", config)
    keys_of("import", "--config", config, keys / "device-key.pem")
    said = "".join(capsys.readouterr())
    open_files = b"".join(one.read_bytes() for one in keys.iterdir() if "key.pem" not in one.name).decode()
    for d, pem in secrets:
        assert d not in said + open_files
        assert pem not in said + open_files
    assert all(one.stat().st_mode & 0o077 == 0 for one in keys.iterdir())


def key_text(path: Path) -> tuple[str, str]:
    return str(read_key(path).signing_key().as_dict(private=True)["d"]), path.read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("days", "code", "match"), [(31.5, 0, "31 days"), (30.5, 6, "expires in 30 days"), (0.5, 6, "0 d")]
)
def test_status_warns_from_thirty_days_on(  # noqa: PLR0917
    config: Path,
    authority_today: Authority,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    days: float,
    code: int,
    match: str,
) -> None:
    keys_of("init", "--config", config)
    capsys.readouterr()
    keys_of("csr", "--config", config)
    keys_of("import", "--config", config, issue(authority_today, capsys.readouterr().out, tmp_path / "c.pem", days))
    assert keys_of("status", "--config", config) == code
    assert match in capsys.readouterr().out


def test_a_certificate_from_standard_input(
    config: Path, made: DeviceKey, authority_today: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = authority_today.issue(made.public_key().public_key, start=TODAY)

    class Stream:
        buffer = io.BytesIO(pem)

    monkeypatch.setattr(sys, "stdin", Stream())
    assert keys_of("import", "--config", config, "-") == 0
    assert (made.path.parent / "device-cert.pem").read_bytes() == pem


@pytest.mark.parametrize("name", ["nowhere.pem", "", "/dev/zero", "/proc/self/mem"])
def test_files_that_hold_no_certificate(
    config: Path, made: DeviceKey, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_of("import", "--config", config, tmp_path / name) == 6
    assert "mrsp: " in capsys.readouterr().err
    assert [one.name for one in made.path.parent.iterdir()] == ["device-key.pem"]


def test_ten_megabytes_are_refused_before_they_are_read(
    config: Path, made: DeviceKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "big.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 400_000)
    assert keys_of("import", "--config", config, tmp_path / "big.pem") == 6
    assert "65536 octets" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("init",), "where are the keys"),
        (("csr", "--directory", "{keys}"), "whose certificate"),
        (("csr", "--directory", "{keys}", "--agent-id", "a/b"), "agent_id"),
        (("csr", "--directory", "{keys}", "--agent-id", "a", "--san", "x"), "no name for a certificate"),
        (("rotate", "--directory", "{keys}", "--agent-id", "a", "--san", "x"), "no name for a certificate"),
        (("enroll", "--directory", "{keys}", "--agent-id", "a", "--est", "https://h"), "whom to trust"),
    ],
)
def test_what_was_not_said(
    keys: Path, made: DeviceKey, arguments: tuple[str, ...], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_of(*(one.format(keys=keys) for one in arguments)) == 2
    assert match in capsys.readouterr().err
    assert [one.name for one in keys.iterdir()] == ["device-key.pem"]


def test_nothing_to_renew(keys: Path, made: DeviceKey) -> None:
    assert keys_of("renew", "--directory", keys, "--agent-id", AGENT) == 6
