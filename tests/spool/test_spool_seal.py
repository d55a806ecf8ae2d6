"""Seals and chains: what was sealed opens, and any change, loss, insertion or swap is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey

from agent.errors import LocalTrouble
from agent.keys import DeviceKey, MdspKeys, create_device_key
from agent.seal import (
    MAX_ACK_IDS,
    AckRefused,
    ChainHead,
    SealBroken,
    Sealed,
    Sealer,
    digest,
    open_document,
    open_receipt,
    payload_of,
    verify_ack,
    verify_chain,
)


@pytest.fixture(scope="module", params=["ES256", "Ed25519"])
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DeviceKey:
    return create_device_key(tmp_path_factory.mktemp("keys") / "keys", request.param)


def links(key: DeviceKey, documents: list[bytes]) -> list[Sealed]:
    made: list[Sealed] = []
    for number, document in enumerate(documents):
        after = made[-1].head if made else ChainHead()
        made.append(Sealer(key).seal(document, document_id=f"d{number}", after=after))
    return made


def header_of(token: bytes) -> dict[str, Any]:
    segment = token.split(b".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    return header


def test_the_header_is_that_of_the_contract(key: DeviceKey) -> None:
    first, second = links(key, [b'{"a":1}', b'{"a":2}'])
    common = {"alg": key.algorithm, "kid": key.kid, "typ": "mrsp+jws"}
    assert header_of(first.body) == {**common, "seq": 1, "prev": ""}
    assert header_of(second.body) == {**common, "seq": 2, "prev": digest(first.body)}
    assert payload_of(second.body) == b'{"a":2}'
    assert not first.encrypted


@given(documents=st.lists(st.binary(max_size=60), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_a_chain_verifies_and_gives_back_its_documents(key: DeviceKey, documents: list[bytes]) -> None:
    made = links(key, documents)
    keys = [key.public_key()]
    assert verify_chain((one.body for one in made), keys) == made[-1].head
    assert [open_document(one.body, keys).document for one in made] == documents
    middle = len(made) // 2
    assert verify_chain((one.body for one in made[middle:]), keys, after=made[middle - 1].head if middle else None)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_every_alteration_of_a_chain_is_found(key: DeviceKey, data: st.DataObject) -> None:
    bodies = [one.body for one in links(key, [b'{"n":%d}' % number for number in range(5)])]
    what = data.draw(st.sampled_from(["leave out", "swap", "repeat", "change"]))
    index = data.draw(st.integers(0, 3))
    match what:
        case "leave out":
            del bodies[index]
        case "swap":
            bodies[index], bodies[index + 1] = bodies[index + 1], bodies[index]
        case "repeat":
            bodies.insert(index, bodies[index])
        case _:
            position = data.draw(st.integers(0, len(bodies[index]) - 1))
            octet = data.draw(st.integers(0, 255).filter(lambda value: value != bodies[index][position]))
            bodies[index] = bodies[index][:position] + bytes([octet]) + bodies[index][position + 1 :]
    with pytest.raises(SealBroken):
        verify_chain(bodies, [key.public_key()])


def test_a_chain_of_another_device_does_not_verify(key: DeviceKey, tmp_path: Path) -> None:
    made = links(key, [b"{}"])
    other = create_device_key(tmp_path / "other")
    with pytest.raises(SealBroken, match="no known key"):
        verify_chain([made[0].body], [other.public_key()])
    impostor = DeviceKey(other.path, other.algorithm, key.kid, other.signing_key())
    with pytest.raises(SealBroken):
        verify_chain([links(impostor, [b"{}"])[0].body], [key.public_key()])


def test_a_receipt_proves_a_body_and_is_no_document(key: DeviceKey) -> None:
    recipient = ECKey.generate_key("P-256", auto_kid=True)
    sealed = Sealer(key, lambda: recipient).seal(b'{"secret":1}', document_id="d1", after=ChainHead(6, digest(b"x")))
    assert sealed.encrypted
    assert (
        header_of(sealed.body).items()
        >= {
            "alg": "ECDH-ES",
            "enc": "A256GCM",
            "zip": "DEF",
            "cty": "mrsp+jws",
            "kid": recipient.kid,
        }.items()
    )
    receipt = open_receipt(sealed.receipt.encode(), [key.public_key()])
    assert (receipt.id, receipt.seq, receipt.prev, receipt.body) == ("d1", 7, digest(b"x"), digest(sealed.body))
    with pytest.raises(SealBroken):
        open_document(sealed.receipt.encode(), [key.public_key()])
    with pytest.raises(SealBroken):
        open_receipt(links(key, [b"{}"])[0].body, [key.public_key()])


@pytest.mark.parametrize(
    "token", [b"", b".", b"..", b"a.b.c", b"\xff.\xff.\xff", b"bnVsbA.bnVsbA.bnVsbA", b"x" * 9_999]
)
def test_rubbish_is_refused_everywhere(key: DeviceKey, token: bytes) -> None:
    keys = [key.public_key()]
    for opener in (open_document, open_receipt):
        with pytest.raises(SealBroken):
            opener(token, keys)
    with pytest.raises(AckRefused):
        verify_ack(token, keys, agent_id="gw")
    with pytest.raises(SealBroken):
        payload_of(token + b".more")


def test_a_document_that_is_too_large_is_refused(key: DeviceKey) -> None:
    with pytest.raises(LocalTrouble, match="shorter span"):
        Sealer(key).seal(b"x" * 16_777_217, document_id="d", after=ChainHead())


def ack(key: ECKey | OKPKey, content: Any, **header: Any) -> bytes:
    algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
    registry = jws.JWSRegistry(algorithms=[algorithm, "HS256"], strict_check_header=False)
    text = content if isinstance(content, bytes) else json.dumps(content)
    protected = {
        name: value for name, value in {"alg": algorithm, "kid": key.kid, **header}.items() if value is not None
    }
    return jws.serialize_compact(protected, text, key, registry=registry).encode()


EC = ECKey.generate_key("P-256", auto_kid=True)
ED = OKPKey.generate_key("Ed25519", auto_kid=True)
MDSP: list[ECKey | OKPKey] = [EC, ED]


@pytest.mark.parametrize("key", MDSP, ids=["ES256", "Ed25519"])
def test_an_ack_of_the_mdsp_is_understood(key: Any) -> None:
    names = ["a", "b"]
    assert verify_ack(ack(key, {"acknowledged": names}), MDSP, agent_id="gw") == ("a", "b")
    assert verify_ack(ack(key, {"acknowledged": names, "agent_id": "gw", "more": 1}), MDSP, agent_id="gw") == ("a", "b")
    assert verify_ack(ack(key, {"acknowledged": []}, kid=None), MDSP, agent_id="gw") == ()


def test_the_old_name_of_ed25519_is_accepted_on_receipt() -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "EdDSA", "kid": ED.kid}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(b'{"acknowledged":["a"]}').rstrip(b"=")
    signature = ED.private_key.sign(head + b"." + body)  # type: ignore[union-attr]
    token = b".".join([head, body, base64.urlsafe_b64encode(signature).rstrip(b"=")])
    assert verify_ack(token, MDSP, agent_id="gw") == ("a",)


@pytest.mark.parametrize(
    "token",
    [
        ack(EC, {"acknowledged": ["a"], "agent_id": "other"}),
        ack(EC, {"acknowledged": "a"}),
        ack(EC, {"acknowledged": [1]}),
        ack(EC, {"acknowledged": [""]}),
        ack(EC, {"acknowledged": ["x" * 65]}),
        ack(EC, {"acknowledged": ["a"] * (MAX_ACK_IDS + 1)}),
        ack(EC, {"acknowledged": None}),
        ack(EC, {}),
        ack(EC, []),
        ack(EC, b"rubbish"),
        ack(EC, {"acknowledged": ["a"]}, kid="unknown"),
        ack(EC, {"acknowledged": ["a"]}, kid=ED.kid),
        ack(EC, {"acknowledged": ["a"]}, b64=True, crit=["b64"]),
        ack(ECKey.generate_key("P-256", auto_kid=True), {"acknowledged": ["a"]}),
        ack(ECKey.generate_key("P-256", auto_kid=True), {"acknowledged": ["a"]}, kid=EC.kid),
        ack(ECKey.generate_key("P-256"), {"acknowledged": ["a"]}, kid=None),
        ack(EC, {"acknowledged": ["a"]})[:-8] + b"AAAAAAAA",
        b"x" * 65_537,
    ],
)
def test_an_ack_that_the_mdsp_did_not_sign_or_that_means_nothing_is_refused(token: bytes) -> None:
    with pytest.raises(AckRefused):
        verify_ack(token, MDSP, agent_id="gw")


def test_no_algorithm_but_ours_is_accepted() -> None:
    body = base64.urlsafe_b64encode(b'{"acknowledged":["a"]}').rstrip(b"=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=")
    shared = OctKey.import_key(str(EC.as_dict(private=False)["x"]))  # something public as an HMAC secret
    forged = jws.serialize_compact(
        {"alg": "HS256", "kid": EC.kid}, b'{"acknowledged":["a"]}', shared, algorithms=["HS256"]
    )
    for token in (none + b"." + body + b".", forged.encode()):
        with pytest.raises(AckRefused):
            verify_ack(token, MDSP, agent_id="gw")


def test_the_recipient_follows_the_key_file(tmp_path: Path, key: DeviceKey) -> None:
    path = tmp_path / "mdsp.jwks"
    signing = {**EC.as_dict(private=False), "use": "sig"}
    path.write_text(json.dumps({"keys": [signing]}))
    keys = MdspKeys(path)
    sealer = Sealer(key, lambda: keys.load().encryption)
    first = sealer.seal(b"{}", document_id="a", after=ChainHead())
    encrypting = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "enc-2", "use": "enc"}
    path.write_text(json.dumps({"keys": [signing, encrypting]}))
    second = sealer.seal(b"{}", document_id="b", after=first.head)
    assert (first.encrypted, second.encrypted) == (False, True)
    assert header_of(second.body)["kid"] == "enc-2"
