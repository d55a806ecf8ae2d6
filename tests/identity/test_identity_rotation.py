"""A key is succeeded by the next without a gap: at every instant, power cuts included, one key and its certificate."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws

from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.identity import install
from agent.identity.install import cancel_rotation, import_certificate, next_keys, settle, start_rotation, worked
from agent.identity.present import DeviceKeys, own_public_keys, retire
from agent.identity.request import certificate_request
from agent.identity.rollover import ROLLOVER_TYPE, statement
from agent.identity.status import key_status
from agent.identity.token_file import read_token_file
from agent.keys import DeviceKey, certified, load_device_key, load_tls_key
from agent.seal import ChainHead, SealBroken, Sealer, open_document, verify_chain
from metersim.mdsp_verify import Registry, open_sealed
from tests.identity.identity_kit import AGENT, NOW, Authority


def install_for(keys: Path, key: DeviceKey, authority: Authority, **options: Any) -> install.Installed:
    pem = authority.issue_for(certificate_request(key, agent_id=AGENT), **options)
    return import_certificate(keys, pem + authority.pem, agent_id=AGENT, now=NOW)


def names(keys: Path) -> set[str]:
    return {one.name for one in keys.iterdir()}


def test_a_first_certificate_and_its_renewal(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    assert install_for(keys, made, issuing).rotated is False
    assert names(keys) == {"device-key.pem", "device-cert.pem"}
    first = (keys / "device-cert.pem").read_bytes()
    assert install_for(keys, made, issuing).rotated is False
    assert (keys / "previous-cert.pem").read_bytes() == first
    assert key_status(keys, now=NOW).unproven
    assert worked(keys)
    assert names(keys) == {"device-key.pem", "device-cert.pem"}
    assert not worked(keys)


def test_the_same_certificate_again_changes_nothing(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    pem = issuing.issue_for(certificate_request(made, agent_id=AGENT))
    import_certificate(keys, pem, agent_id=AGENT, now=NOW)
    before = (keys / "device-cert.pem").stat().st_ino
    assert import_certificate(keys, pem, agent_id=AGENT, now=NOW).unchanged
    assert (keys / "device-cert.pem").stat().st_ino == before


def test_what_worked_last_is_kept_over_any_number_of_attempts(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    install_for(keys, made, issuing)
    worked_last = (keys / "device-cert.pem").read_bytes()
    install_for(keys, made, issuing)
    install_for(keys, start_rotation(keys), issuing)
    install_for(keys, start_rotation(keys), issuing)
    assert (keys / "previous-cert.pem").read_bytes() == worked_last
    assert certified(keys / "previous-cert.pem") == made.kid
    assert b"PRIVATE" in (keys / "previous-key.pem").read_bytes()
    assert worked(keys)
    assert names(keys) == {"device-key.pem", "device-cert.pem", "retired.jwks"}
    assert len(own_public_keys(keys)) == 3


def test_a_rotation_waits_for_its_certificate(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    install_for(keys, made, issuing)
    following = start_rotation(keys)
    assert load_device_key(keys).kid == made.kid
    assert key_status(keys, now=NOW).next_kid == following.kid
    install_for(keys, made, issuing)  # a renewal meanwhile is none of its business
    assert load_device_key(keys).kid == made.kid
    with pytest.raises(LocalTrouble, match="under way already"):
        start_rotation(keys)
    assert install_for(keys, following, issuing).rotated
    assert load_device_key(keys).kid == load_tls_key(keys).kid == following.kid
    assert next_keys(keys) is None
    assert key_status(keys, now=NOW).retired == (made.kid,)


def test_a_rotation_can_be_given_up(keys: Path, made: DeviceKey) -> None:
    start_rotation(keys)
    cancel_rotation(keys)
    assert names(keys) == {"device-key.pem"}
    with pytest.raises(LocalTrouble, match="no rotation"):
        cancel_rotation(keys)


def test_a_rotation_to_another_kind_of_key(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    following = start_rotation(keys, "Ed25519")
    install_for(keys, following, issuing)
    assert load_device_key(keys).algorithm == "Ed25519"


def test_the_chain_goes_on_over_rotations_and_verifies_with_all_keys(
    keys: Path, made: DeviceKey, issuing: Authority
) -> None:
    present = DeviceKeys(keys)
    sealer = Sealer(present.present)
    head, tokens, kids = ChainHead(), [], []
    for rotation in range(4):
        for number in range(3):
            sealed = sealer.seal(b'{"n": 1}', document_id=f"d{rotation}-{number}", after=head)
            head = sealed.head
            tokens.append(sealed.body)
            kids.append(open_document(sealed.body, present.own()).kid)
        install_for(keys, start_rotation(keys), issuing)
    assert len(set(kids)) == 4
    assert kids == sorted(kids, key=kids.index)
    own = own_public_keys(keys)
    assert [key.kid for key in own] == [load_device_key(keys).kid, *dict.fromkeys(kids)]
    assert verify_chain(tokens, own) == head
    with pytest.raises(SealBroken, match="no known key"):
        verify_chain(tokens, own[:1])


def test_the_mdsp_takes_the_new_key_on_the_word_of_the_old(
    keys: Path, made: DeviceKey, issuing: Authority, tmp_path: Path
) -> None:
    following = start_rotation(keys)
    statement(keys / "rollover.jws", made, following, agent_id=AGENT, now=NOW)
    token = (keys / "rollover.jws").read_bytes().strip()
    said = jws.deserialize_compact(token, made.public_key(), algorithms=["ES256"])
    assert said.headers()["typ"] == ROLLOVER_TYPE
    content = json.loads(said.payload or b"")
    assert (content["agent_id"], content["from_kid"]) == (AGENT, made.kid)
    assert content["jwk"] == following.public_jwk()
    registered = tmp_path / f"{AGENT}.jwks"
    registered.write_text(json.dumps({"keys": [made.public_jwk(), content["jwk"]]}))
    sealer = Sealer(DeviceKeys(keys).present)
    document = json.dumps({"report_id": "r", "agent_id": AGENT, "schema": "mrsp.report/1", "sequence": 1}).encode()
    first = sealer.seal(document, document_id="r", after=ChainHead())
    install_for(keys, following, issuing)
    second = sealer.seal(document, document_id="r", after=first.head)
    for sealed in (first, second):
        found = open_sealed(f"mrsp/v1/{AGENT}/reports", sealed.body, Registry(tmp_path), [])
        assert (found.seq, found.prev) == (sealed.head.seq, sealed.prev)


class PowerCut(BaseException):
    """The box went dark."""


MOST_STEPS = 12


def cut_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> Callable[[], int]:
    """Let `steps` changes to the disk happen, then cut the power at the next; return how many were asked for."""
    done = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done > steps:
                raise PowerCut
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(install, "write_durably", counted(write_durably))
    monkeypatch.setattr(install, "retire", counted(retire))
    monkeypatch.setattr(install, "sync_directory", counted(sync_directory))
    monkeypatch.setattr(os, "link", counted(os.link))
    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    return lambda: done


@pytest.mark.parametrize("steps", range(MOST_STEPS + 1))
def test_a_power_cut_at_any_step_of_a_rotation(
    keys: Path, made: DeviceKey, issuing: Authority, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    install_for(keys, made, issuing)
    following = start_rotation(keys)
    pem = issuing.issue_for(certificate_request(following, agent_id=AGENT))
    with monkeypatch.context() as patched:
        asked = cut_after(patched, steps)
        try:
            import_certificate(keys, pem, agent_id=AGENT, now=NOW)
        except PowerCut:
            assert steps < MOST_STEPS, "more steps than are cut at"
        else:
            assert asked() <= steps
    now_used = load_tls_key(keys)
    assert certified(keys / "device-cert.pem") == now_used.kid  # key and certificate always fit
    assert load_device_key(keys).kid == now_used.kid
    own = {key.kid for key in own_public_keys(keys)}
    assert made.kid in own  # what was signed before stays provable
    settle(keys)
    assert load_tls_key(keys).kid == now_used.kid
    assert load_tls_key(keys).path.name == "device-key.pem"
    import_certificate(keys, pem, agent_id=AGENT, now=NOW)  # the operator tries again
    assert load_device_key(keys).kid == following.kid
    assert certified(keys / "previous-cert.pem") == made.kid
    assert names(keys) >= {"device-key.pem", "device-cert.pem", "previous-cert.pem", "previous-key.pem"}
    assert (keys / "device-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_that_breaks_later_keeps_the_one_in_use(
    keys: Path, made: DeviceKey, caplog: pytest.LogCaptureFixture
) -> None:
    present = DeviceKeys(keys)
    assert present.present().kid == made.kid
    content = made.path.read_bytes()
    made.path.write_bytes(b"rubbish!")
    for _ in range(3):
        assert present.present().kid == made.kid
    assert len(caplog.records) == 1
    made.path.write_bytes(content)
    assert present.present().kid == made.kid
    (keys / "retired.jwks").write_bytes(b"{")
    (keys / "retired.jwks").chmod(0o600)
    with pytest.raises(LocalTrouble, match=r"retired\.jwks is damaged"):
        present.own()


@pytest.mark.parametrize(
    "content",
    [b"{", b'{"keys": [{"kid": "\xff"}]}', b'{"keys": [{"kid": ' + b"[" * 20_000 + b"]" * 20_000 + b"}]}"],
)
def test_lists_of_keys_that_are_damaged_in_any_way_are_said_to_be(keys: Path, made: DeviceKey, content: bytes) -> None:
    for name, read in (("retired.jwks", own_public_keys), ("token.json", read_token_file)):
        path = keys / name
        path.write_bytes(content.replace(b'"keys"', b'"place"') if name == "token.json" else content)
        path.chmod(0o600)
        with pytest.raises(LocalTrouble, match=f"{name} is damaged"):
            read(keys)
        path.unlink()
    assert own_public_keys(keys)[0].kid == made.kid
