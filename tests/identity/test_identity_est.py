"""Enrolment over EST, against a server whose answers `openssl` makes; what it does wrong changes nothing here."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.errors import LocalTrouble, UsageError
from agent.identity.chain import parse_chain
from agent.identity.est import EnrolmentFailed, Est, credentials_of
from agent.identity.request import certificate_request
from agent.keys import DeviceKey, create_device_key, load_device_key
from drivers.secret import Secret
from metersim.est import EstConfig, est_server
from metersim.pki import Pki, create_pki
from tests.identity.identity_kit import AGENT

LOGIN = Secret(b"device:secret")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return create_pki(tmp_path_factory.mktemp("est") / "pki", now=datetime.now(UTC))


@pytest.fixture(scope="module")
def server(pki: Pki) -> Iterator[str]:
    with est_server(EstConfig(pki)) as url:
        yield url


@pytest.fixture
def login(tmp_path: Path) -> Path:
    path = tmp_path / "login"
    path.write_bytes(b"device:secret\n")
    path.chmod(0o600)
    return path


def test_a_device_enrols_renews_and_rotates(
    keys: Path, made: DeviceKey, pki: Pki, server: str, login: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--directory", str(keys), "--agent-id", AGENT, "--est", server, "--est-ca", str(pki.ca))
    assert main(["keys", "enroll", *common, "--est-password-file", str(login)]) == 0
    first = parse_chain((keys / "device-cert.pem").read_bytes())
    assert [one.subject.rfc4514_string() for one in first] == ["CN=gw-0001"]  # without the root
    assert main(["keys", "status", "--directory", str(keys)]) == 0
    assert main(["keys", "renew", *common]) == 0
    second = parse_chain((keys / "device-cert.pem").read_bytes())
    assert second[0].serial_number != first[0].serial_number
    assert second[0].public_key() == first[0].public_key()
    assert main(["keys", "rotate", "--directory", str(keys), "--agent-id", AGENT]) == 0
    assert main(["keys", "enroll", *common]) == 0  # proven by the present certificate, for the next key
    assert load_device_key(keys).kid != made.kid
    assert "secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"status": 202}, "repeat the command in 300 s"),
        ({"status": 403}, "does not accept who we are"),
        ({"status": 302}, "HTTP 302"),
        ({"status": 500}, "HTTP 500"),
        ({"body": b""}, "holds no certificates"),
        ({"body": b"rubbish"}, "holds no certificates"),
        ({"body": bytes(100_000)}, "more than 131072 octets"),
    ],
)
def test_a_server_that_does_not_issue(made: DeviceKey, pki: Pki, changes: dict[str, object], match: str) -> None:
    with est_server(EstConfig(pki, **changes)) as url:  # type: ignore[arg-type]
        est = Est(url, pki.ca, login=LOGIN)
        with pytest.raises(EnrolmentFailed, match=match) as caught:
            est.enroll(certificate_request(made, agent_id=AGENT), again=False)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_who_is_not_known_is_not_let_in(made: DeviceKey, pki: Pki, server: str) -> None:
    request = certificate_request(made, agent_id=AGENT)
    with pytest.raises(EnrolmentFailed, match="does not accept"):
        Est(server, pki.ca).enroll(request, again=False)
    with pytest.raises(EnrolmentFailed, match="does not accept"):
        Est(server, pki.ca, login=Secret(b"device:wrong")).enroll(request, again=False)
    with pytest.raises(EnrolmentFailed, match="does not accept"):
        Est(server, pki.ca, login=LOGIN).enroll(request, again=True)


def test_a_server_that_we_do_not_trust_gets_no_password(made: DeviceKey, server: str, tmp_path: Path) -> None:
    other = create_pki(tmp_path / "other", now=datetime.now(UTC))
    with pytest.raises(EnrolmentFailed, match=r"(?i)certificate.verify") as caught:
        Est(server, other.ca, login=LOGIN).enroll(certificate_request(made, agent_id=AGENT), again=False)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


def test_a_certificate_for_another_key_is_not_taken(made: DeviceKey, pki: Pki, tmp_path: Path) -> None:
    other = create_device_key(tmp_path / "other")
    with est_server(EstConfig(pki)) as url:
        est = Est(url, pki.ca, login=LOGIN)
        issued = est.enroll(certificate_request(other, agent_id=AGENT), again=False)
    assert parse_chain(issued)
    from metersim.est import _pkcs7

    with est_server(EstConfig(pki, body=_pkcs7(issued))) as url, pytest.raises(EnrolmentFailed, match="for our key"):
        Est(url, pki.ca, login=LOGIN).enroll(certificate_request(made, agent_id=AGENT), again=False)


def test_an_expired_certificate_is_issued_but_not_installed(
    keys: Path, made: DeviceKey, pki: Pki, login: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with est_server(EstConfig(pki, valid=timedelta(hours=-1))) as url:
        common = ("--directory", str(keys), "--agent-id", AGENT, "--est", url, "--est-ca", str(pki.ca))
        assert main(["keys", "enroll", *common, "--est-password-file", str(login)]) == 6
    assert "expired" in capsys.readouterr().err
    assert [one.name for one in keys.iterdir()] == ["device-key.pem"]


def test_nothing_listens(made: DeviceKey, pki: Pki) -> None:
    with pytest.raises(EnrolmentFailed, match="localhost:9 cannot be asked"):
        Est("https://localhost:9", pki.ca, login=LOGIN).enroll(certificate_request(made, agent_id=AGENT), again=False)


@pytest.mark.parametrize("url", ["http://h", "https://", "https://u:p@h", "h:443", "https://h/?a", ""])
def test_an_address_that_is_no_est_server(pki: Pki, url: str) -> None:
    with pytest.raises(UsageError):
        Est(url, pki.ca)


def test_the_login_is_one_private_line(tmp_path: Path, login: Path, pki: Pki) -> None:
    assert credentials_of(login) == LOGIN
    login.chmod(0o644)
    with pytest.raises(LocalTrouble, match="chmod 600"):
        credentials_of(login)
    login.chmod(0o600)
    login.write_bytes(b"no colon")
    with pytest.raises(UsageError, match="USER:PASSWORD"):
        credentials_of(login)
    with pytest.raises(LocalTrouble, match="cannot read"):
        Est("https://h", tmp_path / "nowhere")
    with pytest.raises(LocalTrouble, match="cannot be used"):
        Est("https://h", login)
