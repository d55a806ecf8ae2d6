"""The golden vectors: what they say is so for the agent, for the reference MDSP, and for a second implementation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import JWKRegistry

from agent.keys import MdspKeys, import_jwk
from agent.requests.message import Message, NotTaken, authenticate
from agent.seal import AckRefused, ChainHead, SealBroken, open_document, verify_ack, verify_chain
from metersim.mdsp_offline import verify
from metersim.mdsp_verify import Refused, Registry, open_sealed
from tests.requests.requests_kit import Place
from tests.requests.second_implementation import Jwk, decrypt, padded, sign, thumbprint, unpadded, verify_jws
from tests.vectors.make import FILE, vectors

VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
AGENT, AGENT_KEYS, MDSP_KEYS = VECTORS["agent_id"], VECTORS["keys"]["agent"], VECTORS["keys"]["mdsp"]
ENCRYPTION: dict[str, Jwk] = {one["kid"]: one for one in MDSP_KEYS if one["use"] == "enc"}


def public(jwk: Jwk) -> Jwk:
    return {name: value for name, value in jwk.items() if name != "d"}


@pytest.fixture
def mdsp(tmp_path: Path) -> MdspKeys:
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": [public(one) for one in MDSP_KEYS]}))
    return MdspKeys(tmp_path / "mdsp.jwks")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / f"{AGENT}.jwks").write_text(json.dumps({"keys": [public(one) for one in AGENT_KEYS]}))
    return Registry(tmp_path)


def lasting(value: Any, name: str = "") -> Any:
    """Return what does not change when the vectors are made anew: signatures and ciphertexts do."""
    match value:
        case dict():
            return {key: lasting(one, key) for key, one in value.items()}
        case list():
            return [lasting(one) for one in value]
        case str() if name == "jws":
            header, payload, _ = value.split(".")
            return {**json.loads(padded(header)), "prev": ""}, payload
        case _:
            return "drawn" if name in {"jwe", "digest", "prev"} else value


def test_the_file_is_what_the_command_makes() -> None:
    assert lasting(vectors()) == lasting(VECTORS)


def test_the_chain_holds_for_all_three(registry: Registry) -> None:
    chain, before = VECTORS["chain"], ""
    for number, link in enumerate(chain, start=1):
        header, payload = verify_jws(link["jws"], AGENT_KEYS, "mrsp+jws")
        assert (header["seq"], header["prev"]) == (number, before) == (link["seq"], link["prev"])
        before = unpadded(hashlib.sha256(link["jws"].encode()).digest())
        assert (payload.decode(), before) == (link["document"], link["digest"])
    keys = [import_jwk(public(one)) for one in AGENT_KEYS]
    assert verify_chain([link["jws"].encode() for link in chain], keys) == ChainHead(3, before)
    report = verify(AGENT, registry, [], [(f"vector {link['seq']}", link["jws"].encode()) for link in chain])
    assert report == {"sound": True, "links": 3, "head": {"seq": 3, "digest": before}, "gaps": [], "findings": []}


@pytest.mark.parametrize("sealed", VECTORS["encrypted"], ids=lambda one: one["name"])
def test_every_recipient_opens_what_is_encrypted(sealed: dict[str, Any], registry: Registry) -> None:
    for kid in sealed["recipients"]:
        key = ENCRYPTION[kid]
        _, payload = verify_jws(decrypt(sealed["jwe"], key), AGENT_KEYS, "mrsp+jws")
        assert payload.decode() == sealed["document"]
        theirs = [JWKRegistry.import_key(key)]
        opened = open_sealed(f"mrsp/v1/{AGENT}/readings", sealed["jwe"].encode(), registry, theirs)
        assert opened.document.decode() == sealed["document"]
    for kid in ENCRYPTION.keys() - set(sealed["recipients"]):
        with pytest.raises(Refused):
            open_sealed(
                f"mrsp/v1/{AGENT}/readings", sealed["jwe"].encode(), registry, [JWKRegistry.import_key(ENCRYPTION[kid])]
            )


def test_keys_are_named_by_their_thumbprint() -> None:
    assert all(one["kid"] == thumbprint(one) for one in (*AGENT_KEYS, *MDSP_KEYS))


def test_what_the_mdsp_signs_is_taken(mdsp: MdspKeys) -> None:
    ack = VECTORS["ack"]
    _, payload = verify_jws(ack["jws"], MDSP_KEYS, "mdsp-ack+jws")
    assert json.loads(payload) == ack["payload"]
    named = verify_ack(ack["jws"].encode(), mdsp.load().verification, agent_id=AGENT)
    assert list(named) == ack["payload"]["acknowledged"]
    for request in VECTORS["requests"]:
        _, payload = verify_jws(request["jws"], MDSP_KEYS, "mdsp-request+jws")
        assert json.loads(payload) == request["payload"]
        assert taken(request["jws"], mdsp).transaction_id == request["payload"]["transaction_id"]


async def test_the_route_of_the_vectors_can_be_walked(mdsp: MdspKeys, place: Place) -> None:
    place.field_work = True
    place.trust(*(public(one) for one in MDSP_KEYS))
    async with place.agent() as agent:
        for request in VECTORS["requests"]:
            await agent.take(request["jws"].encode())
        await agent.handler.carry_on()
        assert [one["outcome"] for one in await agent.answers()] == ["accepted", "cancelled", "done", "accepted"]
        assert (await agent.answers())[-1]["route_id"] == "R-17-2026-11-23"


def taken(token: str, mdsp: MdspKeys) -> Message:
    return authenticate(token.encode(), mdsp.load().requesters, agent_id=AGENT).message()


def test_what_the_second_implementation_signs_is_taken(mdsp: MdspKeys) -> None:
    acknowledging, requesting = MDSP_KEYS[0], MDSP_KEYS[1]
    payload = json.dumps(VECTORS["requests"][0]["payload"]).encode()
    assert taken(sign(payload, requesting, "mdsp-request+jws"), mdsp).action == "special"
    ack = sign(b'{"acknowledged":["d1"]}', acknowledging, "mdsp-ack+jws").encode()
    assert verify_ack(ack, mdsp.load().verification, agent_id=AGENT) == ("d1",)
    other = sign(b'{"acknowledged":["d1"]}', requesting, "mdsp-ack+jws").encode()
    with pytest.raises(AckRefused):
        verify_ack(other, mdsp.load().verification, agent_id=AGENT)


@pytest.mark.parametrize("one", VECTORS["refused_by_the_agent"], ids=lambda one: one["why"])
def test_what_the_agent_must_refuse(one: dict[str, str], mdsp: MdspKeys) -> None:
    with pytest.raises(NotTaken):
        taken(one["jws"], mdsp)


@pytest.mark.parametrize("one", VECTORS["refused_by_the_mdsp"], ids=lambda one: one["why"])
def test_what_the_mdsp_must_refuse(one: dict[str, str], registry: Registry) -> None:
    with pytest.raises(Refused):
        open_sealed(f"mrsp/v1/{AGENT}/readings", one["jws"].encode(), registry, [])
    with pytest.raises(SealBroken):
        open_document(one["jws"].encode(), [import_jwk(public(key)) for key in AGENT_KEYS])
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever it is
        verify_jws(one["jws"], AGENT_KEYS, "mrsp+jws")
