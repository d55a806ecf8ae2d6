"""A real PKCS#11 module, SoftHSM: the key is made on the token, never leaves it, and signs documents and requests."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.cli.main import main
from agent.errors import LocalTrouble, UsageError
from agent.identity.install import create_identity, import_certificate, next_keys, start_rotation
from agent.identity.present import DeviceKeys, own_public_keys
from agent.identity.request import certificate_request
from agent.identity.status import key_status
from agent.identity.token import Token, TokenPlace, token_at
from agent.keys import load_device_key, load_tls_key
from agent.seal import ChainHead, Sealer, open_document, open_receipt, verify_chain
from tests.identity.identity_kit import AGENT, NOW, Authority

pytestmark = pytest.mark.system
pkcs11 = pytest.importorskip("pkcs11")  # an extra
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
LABEL, PIN = "mrsp-test", "493817"


@pytest.fixture(scope="module", autouse=True)
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One token in a directory of its own; the module reads its configuration once a process."""
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    (directory / "softhsm2.conf").write_text(
        f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(directory / "softhsm2.conf"))
        new_token(LABEL)
        yield
        pkcs11.unload(MODULE)


def new_token(label: str) -> None:
    tool = shutil.which("softhsm2-util")
    assert tool, "Debian: apt install softhsm2"
    command = [tool, "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "00000000"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[TokenPlace]:
    found = TokenPlace(module=MODULE, label=LABEL, pin_file=str(pin_file(tmp_path / "pin", PIN)))
    yield found
    token_at(found).close()


def pin_file(path: Path, pin: str) -> Path:
    path.write_text(pin + "\n")
    path.chmod(0o600)
    return path


def test_documents_are_sealed_by_the_token(keys: Path, place: TokenPlace) -> None:
    made = create_identity(keys, place=place)
    assert made.token == LABEL
    assert made.kid != load_tls_key(keys).kid
    sealer = Sealer(DeviceKeys(keys).present)
    head, tokens = ChainHead(), []
    for number in range(5):
        sealed = sealer.seal(b"{}", document_id=f"d{number}", after=head)
        assert open_receipt(sealed.receipt.encode(), own_public_keys(keys)).seq == number + 1
        assert open_document(sealed.body, own_public_keys(keys)).kid == made.kid
        head = sealed.head
        tokens.append(sealed.body)
    assert verify_chain(tokens, own_public_keys(keys)) == head


def test_the_key_never_leaves_the_token(keys: Path, place: TokenPlace) -> None:
    made = create_identity(keys, place=place)
    private = made.signing_key().private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert copy.deepcopy(private) is private
    assert "d" not in made.signing_key().as_dict(private=True)
    for attempt in (private.private_numbers, lambda: private.private_bytes(None, None, None)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="never leaves"):
            attempt()
    with pytest.raises(TypeError, match="SHA-256"):
        private.sign(b"", ec.ECDSA(hashes.SHA384()))
    written = b"".join(one.read_bytes() for one in keys.iterdir())
    assert PIN.encode() not in written
    held = json.loads((keys / "token.json").read_bytes())
    assert set(held["keys"][0]["jwk"]) == {"kty", "crv", "x", "y"}
    assert PIN not in f"{made!r} {private!r} {key_status(keys, now=NOW)} {token_at(place)!r}"


def test_both_keys_have_requests_that_openssl_verifies(keys: Path, place: TokenPlace) -> None:
    made = create_identity(keys, place=place)
    for key in (made, load_tls_key(keys)):
        request = certificate_request(key, agent_id=AGENT, documents=key is made)
        done = subprocess.run(
            ["openssl", "req", "-verify", "-noout", "-subject"], input=request, capture_output=True, check=True
        )
        assert b"verify OK" in done.stdout + done.stderr


def test_a_rotation_takes_both_keys_at_once(keys: Path, place: TokenPlace, issuing: Authority) -> None:
    made = create_identity(keys, place=place)
    present = DeviceKeys(keys)
    sealer = Sealer(present.present)
    first = sealer.seal(b"{}", document_id="a", after=ChainHead())
    following = start_rotation(keys)
    found = next_keys(keys)
    assert found is not None
    assert load_device_key(keys).kid == made.kid
    pem = issuing.issue_for(certificate_request(following, agent_id=AGENT, documents=False))
    assert import_certificate(keys, pem, agent_id=AGENT, now=NOW).rotated
    second = sealer.seal(b"{}", document_id="b", after=first.head)
    assert open_document(second.body, present.own()).kid == found[1].kid != made.kid
    assert verify_chain([first.body, second.body], own_public_keys(keys)) == second.head
    status = key_status(keys, now=NOW)
    assert status.retired == (made.kid,)
    assert status.token == LABEL


def test_a_wrong_pin_is_tried_once_until_it_changes(keys: Path, place: TokenPlace, tmp_path: Path) -> None:
    made = create_identity(keys, place=place)
    token_at(place).close()
    pin_file(tmp_path / "pin", "000000")
    sealer = Sealer(made)

    def trouble() -> str:
        with pytest.raises(LocalTrouble) as caught:
            sealer.seal(b"{}", document_id="a", after=ChainHead())
        assert "000000" not in str(caught.value)
        return caught.value.message

    assert "refuses the PIN" in trouble()
    for _ in range(20):
        assert "has refused this PIN" in trouble()
    pin_file(tmp_path / "pin", PIN)
    sealer.seal(b"{}", document_id="a", after=ChainHead())


def test_a_session_that_the_token_ended_is_opened_again(keys: Path, place: TokenPlace) -> None:
    made = create_identity(keys, place=place)
    token = token_at(place)
    sealer = Sealer(made)
    sealer.seal(b"{}", document_id="a", after=ChainHead())
    token._session.close()
    sealed = sealer.seal(b"{}", document_id="a", after=ChainHead())
    assert open_document(sealed.body, own_public_keys(keys)).document == b"{}"


def test_a_key_that_was_replaced_on_the_token_does_not_get_into_the_chain(keys: Path, place: TokenPlace) -> None:
    create_identity(keys, place=place)
    held = json.loads((keys / "token.json").read_bytes())
    held["keys"][0]["id"] = token_at(place).make_key()[0].hex()
    (keys / "token.json").write_text(json.dumps(held))
    with pytest.raises(LocalTrouble, match="another key than the one registered"):
        Sealer(load_device_key(keys)).seal(b"{}", document_id="a", after=ChainHead())
    held["keys"][0]["id"] = "00"
    (keys / "token.json").write_text(json.dumps(held))
    with pytest.raises(LocalTrouble, match="does not hold the device key"):
        Sealer(load_device_key(keys)).seal(b"{}", document_id="a", after=ChainHead())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"label": "elsewhere"}, "is not there"),
        ({"module": "/nowhere.so"}, "is the token's PKCS#11 module"),
        ({"module": "/etc/hostname"}, "is the token's PKCS#11 module"),
        ({"pin_file": "/nowhere"}, "put the PIN into that file"),
        ({"pin_file": None, "pin_credential": "pin"}, "needs the systemd credential pin"),
    ],
)
def test_what_is_not_there_is_named(
    keys: Path, place: TokenPlace, changes: dict[str, Any], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    given = {name: getattr(place, name) for name in place.__struct_fields__}
    with pytest.raises(LocalTrouble, match=match):
        create_identity(keys, place=TokenPlace(**{**given, **changes}))
    assert not list(keys.iterdir())  # the next attempt starts afresh


def test_a_pin_from_a_systemd_credential(
    keys: Path, place: TokenPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    token_at(place).close()
    given = Token(TokenPlace(module=MODULE, label=LABEL, pin_credential="pin"))
    identifier, public = given.make_key()
    assert load_der_public_key(public)
    assert len(given.sign(identifier, bytes(32))) == 64
    given.close()


def test_two_tokens_of_one_label_are_refused(place: TokenPlace) -> None:
    new_token("twin")
    new_token("twin")
    pkcs11.unload(MODULE)
    twin = Token(TokenPlace(module=MODULE, label="twin", pin_file=place.pin_file))
    with pytest.raises(LocalTrouble, match="more than once"):
        twin.make_key()


def test_the_commands_with_a_token(keys: Path, place: TokenPlace, capsys: pytest.CaptureFixture[str]) -> None:
    directory = ("--directory", str(keys))
    options = ("--pkcs11-module", MODULE, "--token", LABEL)
    assert main(["keys", "init", *directory, *options]) == 2
    assert main(["keys", "init", *directory, "--token", LABEL]) == 2
    assert main(["keys", "init", *directory, *options, "--pin-file", str(place.pin_file)]) == 0
    kid = json.loads(capsys.readouterr().out)["kid"]
    assert main(["keys", "csr", *directory, "--agent-id", AGENT]) == 0
    assert "(TLS client)" in capsys.readouterr().err
    assert main(["keys", "csr", *directory, "--agent-id", AGENT, "--documents"]) == 0
    assert "(signer of documents)" in capsys.readouterr().err
    assert main(["keys", "status", *directory, "--json"]) == 6  # no certificate yet
    status = json.loads(capsys.readouterr().out)
    assert (status["token"], status["kid"]) == (LABEL, kid)
    assert main(["keys", "rotate", *directory, "--agent-id", AGENT]) == 0
    assert main(["keys", "public", *directory]) == 0
    assert len(json.loads(capsys.readouterr().out.split("REQUEST-----\n")[-1])["keys"]) == 2


def test_without_the_extra_it_is_said_which(monkeypatch: pytest.MonkeyPatch, place: TokenPlace) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pkcs11", None)
        with pytest.raises(UsageError, match=r"mrsp-agent\[pkcs11\]"):
            Token(place).make_key()


def test_nobody_loads_the_extra_without_need() -> None:
    code = "import sys, agent.cli.keys, agent.identity.proving; print('pkcs11' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"
