"""The MDSP's side: requests issued and matched with their answers, several keys to decrypt with, proofs offline."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from agent.errors import LocalTrouble
from agent.keys import MAX_RECIPIENTS, MdspKeys, load_device_key
from agent.requests.answer import placed
from agent.requests.message import authenticate
from agent.seal import ChainHead, Sealer
from agent.spool import Spool
from metersim import mdsp_offline, mdsp_request
from metersim.cli import main
from metersim.mdsp_offline import verify
from metersim.mdsp_store import MdspStore, Verdict
from metersim.mdsp_verify import Refused, Registry, open_sealed, read_keys
from metersim.pki import Pki, add_agent, create_pki
from tests.forwarding.forwarding_kit import reading
from tests.requests.requests_kit import AGENT, NOW, Place, jwk, said, signed


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = create_pki(tmp_path / "pki", now=datetime.now(UTC))
    add_agent(made, AGENT, now=datetime.now(UTC))
    return made


def parsed(module: Any, *arguments: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(list(map(str, arguments)))


def test_what_the_mdsp_issues_is_what_the_agent_takes(pki: Pki) -> None:
    key = next(one for one in read_keys(pki.mdsp_private_jwks).keys if one.get("use") == "sig")
    content = {name: value for name, value in said().items() if name not in {"jti", "iat", "exp", "schema"}}
    request, token = mdsp_request.issue(content, key, now=NOW)
    taken = authenticate(token, MdspKeys(pki.mdsp_jwks).load().requesters, agent_id=AGENT).message()
    assert (taken.jti, taken.transaction_id, taken.exp - taken.iat) == (request["jti"], "T-1", 86_400)


def test_a_route_is_signed_as_it_was_written(pki: Pki, tmp_path: Path) -> None:
    key = next(one for one in read_keys(pki.mdsp_private_jwks).keys if one.get("use") == "sig")
    text = '{\n "route_id": "R-1",\n "x": 1.50\n}'
    content = {"aud": AGENT, "sender": "MDSP", "receiver": AGENT, "action": "route", "transaction_id": "T-1"}
    request, token = mdsp_request.issue(content, key, now=NOW, route=text + "\n")
    taken = authenticate(token, MdspKeys(pki.mdsp_jwks).load().requesters, agent_id=AGENT).message()
    assert bytes(taken.route) == text.encode()
    assert request["route"]["route_id"] == "R-1"


async def test_answers_are_matched_with_their_requests(pki: Pki, tmp_path: Path, place: Place) -> None:
    store = MdspStore(tmp_path / "mdsp.db")
    try:
        for number in (1, 2):
            store.asked(f"message-000{number}", said(number), signed(said(number)), NOW)
        assert [one.outcome for one in store.requests()] == ["unanswered"] * 2
        async with place.agent() as agent:
            await agent.take(signed(said(1)))
            await agent.handler.carry_on()
            place.schedule.over("T-1", "done", reading_id="r-1")
            await agent.handler.carry_on()
            sealed = await agent.spool.pending(10)
            (pki.agents / f"{AGENT}.jwks").write_text(
                json.dumps({"keys": [load_device_key(tmp_path / "keys").public_jwk()]})
            )
        opened = [open_sealed(f"mrsp/v1/{AGENT}/responses", one.body, Registry(pki.agents), []) for one in sealed]
        assert store.take(opened, NOW) == [Verdict.NEW] * 2
        first, second = store.requests()
        assert (first.outcome, [one["outcome"] for one in first.answers]) == ("done", ["accepted", "done"])
        assert second.outcome == "unanswered"
        report = verify(AGENT, Registry(pki.agents), [], [(str(seq), token) for seq, token in store.tokens(AGENT)])
        assert report["sound"]
    finally:
        store.close()


def test_a_response_says_what_it_answers(pki: Pki) -> None:
    key = load_device_key(pki.device(AGENT))
    for document in ({"response_id": "a", "agent_id": AGENT}, {"response_id": "a", "agent_id": AGENT, "outcome": "ok"}):
        sealed = Sealer(key).seal(json.dumps(document).encode(), document_id="a", after=ChainHead())
        with pytest.raises(Refused, match="without the outcome"):
            open_sealed(f"mrsp/v1/{AGENT}/responses", sealed.body, Registry(pki.agents), [])


def test_an_answer_gets_its_place_and_changes_in_nothing_else() -> None:
    body = b'{"schema":"mrsp.response/1","response_id":"a","agent_id":"g","sequence":0,"jti":"j","outcome":"done"}'
    assert json.loads(placed(body, 7)) == json.loads(body) | {"sequence": 7}


def test_every_key_of_the_mdsp_opens_every_document(pki: Pki, tmp_path: Path) -> None:
    keys: list[ECKey | OKPKey] = [
        ECKey.generate_key("P-256", auto_kid=True),
        OKPKey.generate_key("X25519", auto_kid=True),
    ]
    listed = [
        jwk(ECKey.generate_key("P-256", auto_kid=True)),
        *({**one.as_dict(private=False), "use": "enc"} for one in keys),
    ]
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": listed}))
    mdsp = MdspKeys(tmp_path / "mdsp.jwks")
    sealer = Sealer(load_device_key(pki.device(AGENT)), lambda: mdsp.load().encryption)
    both = sealer.seal(reading(AGENT, "r1", 1), document_id="r1", after=ChainHead())
    assert both.encrypted
    topic, registry = f"mrsp/v1/{AGENT}/readings", Registry(pki.agents)
    for key in keys:
        assert open_sealed(topic, both.body, registry, [key]).document == reading(AGENT, "r1", 1)
    with pytest.raises(Refused):
        open_sealed(topic, both.body, registry, [ECKey.generate_key("P-256", auto_kid=True)])
    whole = json.loads(both.body)
    changes: tuple[dict[str, Any], ...] = (
        {"ciphertext": whole["iv"]},
        {"recipients": []},
        {"recipients": 7},
        {"protected": "e30"},
    )
    for change in changes:
        with pytest.raises(Refused):
            open_sealed(topic, json.dumps({**whole, **change}).encode(), registry, keys)
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": listed[:2]}))  # the second key is taken out
    one = sealer.seal(reading(AGENT, "r2", 2), document_id="r2", after=both.head)
    assert open_sealed(topic, one.body, registry, keys[:1]).seq == 2
    with pytest.raises(Refused):
        open_sealed(topic, one.body, registry, keys[1:])


def test_too_many_keys_to_encrypt_to_are_a_wrong_file(tmp_path: Path) -> None:
    many = [{**ECKey.generate_key("P-256").as_dict(private=False), "use": "enc"} for _ in range(MAX_RECIPIENTS + 1)]
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": [jwk(ECKey.generate_key("P-256")), *many]}))
    with pytest.raises(LocalTrouble, match="more than 8 keys"):
        MdspKeys(tmp_path / "mdsp.jwks").load()


async def exported(pki: Pki, directory: Path, count: int) -> Path:
    """Export a spool of some readings, encrypted, as the agent does."""
    mdsp = MdspKeys(pki.mdsp_jwks)
    sealer = Sealer(load_device_key(pki.device(AGENT)), lambda: mdsp.load().encryption)
    async with await Spool.open(directory / "spool.db", agent_id=AGENT, sealer=sealer) as spool:
        for number in range(1, count + 1):

            def build(sequence: int, one: int = number) -> bytes:
                return reading(AGENT, f"r{one}", sequence)

            await spool.add("reading", f"r{number}", build)
        await spool.export(directory / "export")
    return directory / "export"


async def test_an_export_is_verified_offline(pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = await exported(pki, tmp_path, 4)
    arguments = parsed(mdsp_offline, pki.directory, directory, "--agent", AGENT)
    assert await mdsp_offline.serve(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["sound"], report["links"], report["head"]["seq"], report["gaps"]) == (True, 4, 4, [])
    (directory / "0000000002-r2.jwe").unlink()
    assert await mdsp_offline.serve(arguments) == 0
    assert json.loads(capsys.readouterr().out)["gaps"] == [[2, 2]]
    (directory / "0000000002-r2.jwe").write_bytes((directory / "0000000003-r3.jwe").read_bytes())
    (directory / "0000000004-r4.jwe").write_bytes(b"rubbish")
    assert await mdsp_offline.serve(arguments) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert len(found) == 2
    assert "0000000002-r2.jwe: it is link 3, r3" in found


def test_the_commands_of_the_contract(pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = asyncio.run(exported(pki, tmp_path, 1))
    assert main(["verify", str(pki.directory), "--agent", AGENT, str(directory)]) == 0
    assert json.loads(capsys.readouterr().out)["links"] == 1
    assert main(["verify", str(pki.directory), "--agent", "gw-9", str(directory)]) == 2
    assert "gw-9 is not registered" in capsys.readouterr().err
    assert main(["verify", str(pki.directory), "--agent", AGENT, str(tmp_path / "no")]) == 2
    asked = ["request", str(pki.directory), "--agent", AGENT, "--meter", "1", "--broker", "localhost:1"]
    assert main(asked) == 3
    assert "does not take the request" in capsys.readouterr().err


async def test_a_chain_that_was_forged_with_the_right_key_is_found(pki: Pki) -> None:
    key = load_device_key(pki.device(AGENT))
    first = Sealer(key).seal(reading(AGENT, "r1", 1), document_id="r1", after=ChainHead())
    other = Sealer(key).seal(reading(AGENT, "x1", 1), document_id="x1", after=ChainHead())
    second = Sealer(key).seal(reading(AGENT, "r2", 2), document_id="r2", after=other.head)
    registry = Registry(pki.agents)
    report = verify(AGENT, registry, [], [("a", first.body), ("b", second.body)])
    assert report["findings"] == ["link 2 does not follow link 1"]
    assert not verify(AGENT, registry, [], [("a", first.body), ("b", other.body)])["sound"]


async def test_the_command_needs_an_agent_and_lists(pki: Pki, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ([], ["--agent", "g", "--action", "route"], ["--agent", "g", "--action", "final", "--route", "f"]):
        assert await mdsp_request.serve(parsed(mdsp_request, pki.directory, *wrong)) == 2
    store = MdspStore(pki.directory / "mdsp.db")
    store.asked("message-0001", said(1), signed(said(1)), NOW)
    store.close()
    capsys.readouterr()
    assert await mdsp_request.serve(parsed(mdsp_request, pki.directory, "--list")) == 0
    assert json.loads(capsys.readouterr().out) == {
        "jti": "message-0001",
        "agent_id": AGENT,
        "transaction_id": "T-1",
        "action": "special",
        "outcome": "unanswered",
        "answers": [],
    }
