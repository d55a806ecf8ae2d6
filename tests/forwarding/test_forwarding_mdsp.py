"""The reference MDSP as a judge: what it takes, what it refuses, what it makes of chains with holes and forks."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from agent.keys import DeviceKey, create_device_key
from agent.seal import ChainHead, Sealed, Sealer
from metersim import mdsp as mdsp_module
from metersim import pki as pki_module
from metersim.mdsp_store import MdspStore, Verdict
from metersim.mdsp_verify import Delivered, Refused, Registry, open_sealed, read_keys
from metersim.pki import create_pki
from tests.forwarding.forwarding_kit import AGENT, reading

TOPIC = f"mrsp/v1/{AGENT}/readings"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def key(tmp_path: Path) -> DeviceKey:
    made = create_device_key(tmp_path / "keys")
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / f"{AGENT}.jwk").write_text(json.dumps(made.public_jwk()))
    return made


@pytest.fixture
def registry(tmp_path: Path, key: DeviceKey) -> Registry:
    return Registry(tmp_path / "agents")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MdspStore]:
    opened = MdspStore(tmp_path / "mdsp.db")
    yield opened
    opened.close()


def chain(key: DeviceKey, count: int, *, prefix: str = "r") -> list[Sealed]:
    links: list[Sealed] = []
    for number in range(1, count + 1):
        after = links[-1].head if links else ChainHead()
        document_id = f"{prefix}{number}"
        links.append(Sealer(key).seal(reading(AGENT, document_id, number), document_id=document_id, after=after))
    return links


def deliver(store: MdspStore, registry: Registry, links: list[Sealed]) -> list[Verdict]:
    return store.take([open_sealed(TOPIC, link.body, registry, []) for link in links], NOW)


def test_a_chain_in_any_order_is_taken_once_and_its_gaps_are_known(
    key: DeviceKey, registry: Registry, store: MdspStore
) -> None:
    links = chain(key, 6)
    assert deliver(store, registry, [links[4], links[0], links[1]]) == [Verdict.NEW] * 3
    assert store.gaps(AGENT) == [(3, 4)]
    assert deliver(store, registry, [links[0], links[2], links[3]]) == [Verdict.DUPLICATE, Verdict.NEW, Verdict.NEW]
    assert store.gaps(AGENT) == []
    assert [one.deliveries for one in store.documents(AGENT)] == [2, 1, 1, 1, 1]
    assert store.documents(AGENT)[0].document == reading(AGENT, "r1", 1)
    assert store.findings() == []


def test_a_fork_is_refused_and_reported(key: DeviceKey, registry: Registry, store: MdspStore) -> None:
    assert deliver(store, registry, chain(key, 2)) == [Verdict.NEW] * 2
    assert deliver(store, registry, chain(key, 3, prefix="x")) == [Verdict.FORK, Verdict.FORK, Verdict.BROKEN]
    assert [finding.split(":")[0] for finding in store.findings()] == ["fork", "fork", "broken chain"]
    assert [one.document_id for one in store.documents()] == ["r1", "r2"]


def test_a_link_that_does_not_fit_its_successor_is_refused(
    key: DeviceKey, registry: Registry, store: MdspStore
) -> None:
    assert deliver(store, registry, [chain(key, 3)[2]]) == [Verdict.NEW]
    assert deliver(store, registry, [chain(key, 2, prefix="x")[1]]) == [Verdict.BROKEN]


def changed(**changes: Any) -> bytes:
    document = json.loads(reading(AGENT, "r1", 1))
    return json.dumps({name: value for name, value in {**document, **changes}.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("document", "match"),
    [
        (b"[]", "not a JSON object"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (changed(value=1.5), "binary float"),
        (changed(value=float("nan")), "binary float"),
        (b'{"a":1,"a":2}', "twice"),
        (changed(reading_id=None), "without its reading_id"),
        (changed(reading_id="x" * 65), "without its reading_id"),
        (changed(agent_id="gw-0002"), "on the topic of"),
        (changed(schema="mrsp.reading/2"), "schema"),
        (changed(sequence=0), "sequence"),
        (changed(sequence="1"), "sequence"),
        (changed(sequence=True), "sequence"),
        (changed(registers=None), "without registers"),
        (changed(read_started_at="2026-11-21 10:00:00"), "RFC 3339"),
    ],
)
def test_a_document_that_breaks_the_contract_is_refused(
    key: DeviceKey, registry: Registry, document: bytes, match: str
) -> None:
    sealed = Sealer(key).seal(document, document_id="r1", after=ChainHead())
    with pytest.raises(Refused, match=match):
        open_sealed(TOPIC, sealed.body, registry, [])


Header = dict[str, Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(typ="mrsp-receipt+jws"),
        lambda header: header.update(seq=0),
        lambda header: header.update(seq="1"),
        lambda header: header.pop("prev"),
        lambda header: header.pop("kid"),
        lambda header: header.update(kid="unknown"),
        lambda header: header.update(extra=1),
    ],
)
def test_a_header_that_breaks_the_contract_is_refused(
    key: DeviceKey, registry: Registry, change: Callable[[Header], Any]
) -> None:
    header = {"alg": "ES256", "kid": key.kid, "typ": "mrsp+jws", "seq": 1, "prev": ""}
    change(header)
    open_registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    token = jws.serialize_compact(header, reading(AGENT, "r1", 1), key.signing_key(), registry=open_registry)
    with pytest.raises(Refused):
        open_sealed(TOPIC, token.encode(), registry, [])


def test_strangers_rubbish_and_wrong_topics_are_refused(key: DeviceKey, registry: Registry, tmp_path: Path) -> None:
    good = chain(key, 1)[0].body
    stranger = create_device_key(tmp_path / "stranger")
    for payload in (b"", b"x", b"a.b.c", b"a.b.c.d.e", b"\xff" * 99, good[:-4] + b"AAAA", chain(stranger, 1)[0].body):
        with pytest.raises(Refused):
            open_sealed(TOPIC, payload, registry, [])
    for topic in ("mrsp/v1/gw-0002/readings", "mrsp/v1/../readings", "mrsp/v2/gw-0001/readings", "x", "mrsp/v1/a/b/c"):
        with pytest.raises(Refused):
            open_sealed(topic, good, registry, [])


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
@pytest.mark.parametrize("curve", ["P-256", "X25519"])
def test_both_signatures_and_both_encryption_keys_are_understood(tmp_path: Path, algorithm: Any, curve: str) -> None:
    from joserfc.jwk import OKPKey

    device = create_device_key(tmp_path / "keys", algorithm)
    (tmp_path / f"{AGENT}.jwks").write_text(json.dumps({"keys": [device.public_jwk()]}))
    recipient = (
        ECKey.generate_key("P-256", auto_kid=True) if curve == "P-256" else OKPKey.generate_key("X25519", auto_kid=True)
    )
    body = Sealer(device, lambda: recipient).seal(reading(AGENT, "r1", 1), document_id="r1", after=ChainHead()).body
    other = ECKey.generate_key("P-256")
    opened = open_sealed(TOPIC, body, Registry(tmp_path), [other, recipient])
    assert opened == Delivered(AGENT, "readings", "r1", 1, 1, "", opened.digest, reading(AGENT, "r1", 1))
    with pytest.raises(Refused, match="no key to decrypt"):
        open_sealed(TOPIC, body, Registry(tmp_path), [])
    with pytest.raises(Refused, match="cannot be decrypted"):
        open_sealed(TOPIC, body, Registry(tmp_path), [other])


def test_keys_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.jwks"
    for content in (b"", b"[]", b"{}", b'{"keys":[1]}', b'{"keys":[{"kty":"EC"}]}', b"\xff"):
        path.write_bytes(content)
        with pytest.raises(Refused):
            read_keys(path)


async def test_the_programs_say_where_they_are_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    pki_module.add_arguments(parser)
    await pki_module.serve(parser.parse_args([str(tmp_path / "pki"), "--agent", AGENT, "--host", "broker.example"]))
    assert capsys.readouterr().out == f"{tmp_path / 'pki'}\n"
    assert sorted(one.name for one in (tmp_path / "pki" / "devices" / AGENT).iterdir()) == [
        "device-cert.pem",
        "device-key.pem",
    ]
    from metersim.broker import running_broker

    async with running_broker(create_pki(tmp_path / "pki2", now=datetime.now(UTC))) as port:
        parser = argparse.ArgumentParser()
        mdsp_module.add_arguments(parser)
        args = parser.parse_args([str(tmp_path / "pki2"), "--broker", f"localhost:{port}", "--mqtt", "3.1.1"])
        said = asyncio.Event()
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            said.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mdsp_module, "_say", say)
            serving = asyncio.create_task(mdsp_module.serve(args))
            await said.wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        assert lines[0] == f"mdsp on localhost:{port} ready"
