"""A box that takes over from a dead one: no number is given twice, the MDSP sees one chain, and what is missing."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from agent.backup.manifest import Manifest
from agent.backup.statement import Stated, StatementRefused, read_statement, stated_by_operator
from agent.backup.take_over_here import take_over_here
from agent.backup.takeover import UNKNOWN_ROOM, Claim, Ground, Statement, Stopped, Unknown
from agent.config import load_config
from agent.errors import LocalTrouble, UsageError
from agent.identity.present import own_public_keys
from agent.instance import instance_of, successor
from agent.keys import MdspKeys, create_device_key
from agent.seal import ChainHead, digest
from agent.spool import Spool
from agent.spool_restart import ROOM
from metersim.mdsp_head import head_of, statement
from metersim.mdsp_store import MdspStore, Verdict
from metersim.mdsp_verify import Delivered
from metersim.pki import Pki
from tests.backup.backup_kit import AGENT, NOW, add_readings, back_up, make_agent, private, restore
from tests.backup.dying import dies_before

GROUND = Ground("a person", "the box burnt")


def links(file: Path) -> list[Delivered]:
    """Return every waiting document of an agent as the MDSP would have it, in order."""

    async def pending() -> list[Delivered]:
        async with await Spool.open(load_config(file).spool_file) as spool:
            return [_delivered(one.body, one.entry.kind) for one in await spool.pending(10_000)]

    return sorted(asyncio.run(pending()), key=lambda one: one.seq)


def _delivered(body: bytes, kind: str) -> Delivered:
    found = jws.extract_compact(body, registry=jws.JWSRegistry(strict_check_header=False))
    document = json.loads(found.payload)
    document_id = document.get("reading_id") or document["report_id"]
    plural = {"reading": "readings", "report": "reports"}[kind]
    header = found.protected
    return Delivered(
        AGENT, plural, document_id, document["sequence"], header["seq"], header["prev"], digest(body), found.payload
    )


class World:
    """A box that was backed up, went on, and died; and the MDSP."""

    def __init__(self, directory: Path, *, sent_after: int, lost: int, backed_up: int = 3) -> None:
        self.directory = directory
        self.box = make_agent(directory / "box", readings=backed_up)
        self.pki = Pki(directory / "box-pki")
        self.manifest: Manifest = back_up(self.box, directory / "archive")
        self.store = MdspStore(directory / "mdsp.db")
        self.take(links(self.box))
        add_readings(self.box, sent_after, start=100)
        self.take(links(self.box))
        add_readings(self.box, lost, start=200)
        self.lost = links(self.box)[-lost:] if lost else []

    def take(self, delivered: list[Delivered]) -> list[Verdict]:
        return self.store.take(delivered, NOW)

    def statement(self, now: datetime = NOW) -> Statement:
        return Statement(statement(self.pki, self.directory / "mdsp.db", AGENT, now).encode())

    def heal(self, claim: Claim) -> Path:
        restore(self.directory / "archive", self.directory / "new", claim=claim)
        return self.directory / "new" / "mrsp.toml"

    def close(self) -> None:
        self.store.close()


@pytest.mark.parametrize("sent_after", [0, 1, 7])
@pytest.mark.parametrize("lost", [0, 4])
@pytest.mark.parametrize("how", ["statement", "operator", "unknown"])
def test_no_number_is_given_twice_whatever_the_dead_box_did_after_its_backup(
    how: str, lost: int, sent_after: int, tmp_path: Path
) -> None:
    world = World(tmp_path, sent_after=sent_after, lost=lost)
    head = head_of(tmp_path / "mdsp.db", AGENT)
    claims: dict[str, Claim] = {
        "statement": world.statement(),
        "operator": stated_by_operator(head["seq"], head["digest"]),
        "unknown": Unknown(),
    }
    new = world.heal(claims[how])
    add_readings(new, 2, start=300)
    verdicts = world.take(links(new))
    assert set(verdicts) <= {Verdict.NEW, Verdict.DUPLICATE}, world.store.findings()
    assert verdicts.count(Verdict.NEW) == 3  # the report of the restart, and what was read since
    assert set(world.take(world.lost)) <= {Verdict.NEW}  # what the broker still had of the dead box
    numbers = [(one.kind, one.sequence) for one in world.store.documents(AGENT)]
    assert len(set(numbers)) == len(numbers)
    gap = (sent_after + lost + 4, 3 + (UNKNOWN_ROOM if how == "unknown" else sent_after) + ROOM)
    assert world.store.gaps(AGENT) == [gap]
    world.close()


def test_the_report_says_who_took_over_and_what_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path, sent_after=2, lost=0)
    new = world.heal(world.statement())
    report = json.loads(links(new)[-1].document)
    assert report["schema"] == "mrsp.chain-restart/1"
    assert (report["by"], report["reason"]) == ("a person", "the box burnt")
    assert report["last_known"]["seq"] == 5
    assert links(new)[-1].prev == report["last_known"]["digest"] == head_of(tmp_path / "mdsp.db", AGENT)["digest"]
    assert report["missing"] == [[4, 5 + ROOM]]
    world.close()


def test_what_was_waiting_at_the_backup_reaches_the_mdsp(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box", readings=6)
    back_up(box, tmp_path / "archive")
    store = MdspStore(tmp_path / "mdsp.db")
    store.take(links(box)[3:4], NOW)  # one overtook the others
    stated = Statement(statement(Pki(tmp_path / "box-pki"), tmp_path / "mdsp.db", AGENT, NOW).encode())
    restore(tmp_path / "archive", tmp_path / "new", claim=stated)
    verdicts = store.take(links(tmp_path / "new" / "mrsp.toml"), NOW)
    assert verdicts == [Verdict.NEW] * 3 + [Verdict.DUPLICATE] + [Verdict.NEW] * 3
    assert store.gaps(AGENT) == [(7, 6 + ROOM)]
    store.close()


def test_a_backup_made_after_the_end_goes_on_without_a_gap(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box")
    back_up(box, tmp_path / "archive")
    restore(tmp_path / "archive", tmp_path / "new", claim=Stopped())
    add_readings(tmp_path / "new" / "mrsp.toml", 2, start=50)
    store = MdspStore(tmp_path / "mdsp.db")
    assert set(store.take(links(tmp_path / "new" / "mrsp.toml"), NOW)) == {Verdict.NEW}
    assert store.gaps(AGENT) == []
    store.close()


def test_without_a_backup_a_new_key_carries_the_chain_on(tmp_path: Path) -> None:
    world = World(tmp_path, sent_after=4, lost=2)
    new = tmp_path / "new" / "mrsp.toml"
    new.parent.mkdir()
    new.write_text(world.box.read_text())
    private(new.parent / "mdsp.jwks", world.pki.mdsp_jwks.read_bytes())
    create_device_key(new.parent / "keys")
    with pytest.raises(UsageError, match="no chain here"):
        take_over_here(load_config(new), Unknown(), GROUND, NOW)
    instance, report = take_over_here(load_config(new), world.statement(), GROUND, NOW)
    assert report is not None
    assert instance == instance_of(new.parent / "state")
    add_readings(new, 3)
    add_readings(new, 3, start=400)
    assert set(world.take(links(new))) == {Verdict.NEW, Verdict.FORK}  # r1, r2, r3 are ids of the dead box
    assert [what for what in world.store.findings() if "r400" in what] == []
    assert set(world.take(world.lost)) == {Verdict.NEW}
    world.close()


def test_another_chain_is_not_carried_on(tmp_path: Path) -> None:
    make_agent(tmp_path / "other", readings=2)
    world = World(tmp_path / "world", sent_after=0, lost=0)
    other = links(tmp_path / "other" / "mrsp.toml")[-1]
    with pytest.raises(LocalTrouble, match="another chain"):
        world.heal(Stated(ChainHead(other.seq, other.digest)))
    assert not (tmp_path / "world" / "new").exists()
    world.close()


def test_a_running_agent_is_not_taken_over_from_under_itself(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box")

    def other_process() -> None:
        with pytest.raises(LocalTrouble, match="in use"):
            take_over_here(load_config(box), stated_by_operator(9, "A" * 43), GROUND, NOW)

    async def attempt() -> None:
        async with await Spool.open(load_config(box).spool_file):
            assert not dies_before(1_000, other_process)

    asyncio.run(attempt())


def test_each_box_is_later_than_the_one_before(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box")
    assert instance_of(box.parent / "state").generation == 0
    back_up(box, tmp_path / "archive")
    first = restore(tmp_path / "archive", tmp_path / "one").instance
    second = restore(tmp_path / "archive", tmp_path / "two").instance
    assert first.instance_id != second.instance_id
    assert successor(first.generation, NOW).generation > first.generation > 0
    assert successor(0, NOW).generation < successor(0, NOW + timedelta(seconds=1)).generation


@settings(max_examples=40, deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(["agent_id", "seq", "digest", "sequences", "exp"]),
        st.none() | st.integers() | st.text(max_size=50) | st.dictionaries(st.text(max_size=9), st.integers()),
        min_size=1,
    )
)
def test_a_statement_that_means_nothing_is_refused(
    changes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = ECKey.generate_key("P-256", {"kid": "mdsp"})
    good = {"agent_id": AGENT, "seq": 4, "digest": "A" * 43, "sequences": {}, "issued_at": "2026-11-21T12:00:00Z"}
    good["exp"] = int(NOW.timestamp()) + 60
    token = signed(good | changes, key)
    try:
        found = read_statement(token, [key], agent_id=AGENT, now=NOW)
    except StatementRefused:
        return
    assert found.head.seq >= 0
    assert (good | changes)["agent_id"] == AGENT
    assert all(0 <= found.sequence(kind) <= found.head.seq for kind in ("reading", "report"))


def signed(said: dict[str, Any], key: ECKey, **header: Any) -> bytes:
    protected = {"alg": "ES256", "typ": "mdsp-head+jws", "kid": "mdsp"} | header
    return jws.serialize_compact(protected, msgspec.json.encode(said), key, algorithms=["ES256"]).encode()


def test_only_the_mdsp_states_and_only_for_a_while(tmp_path: Path) -> None:
    world = World(tmp_path, sent_after=0, lost=0)
    keys = MdspKeys(world.pki.mdsp_jwks).load().verification
    token = world.statement(NOW).token
    assert read_statement(token, keys, agent_id=AGENT, now=NOW).head.seq == 3
    for why, given_keys, agent_id, now in (
        ("not of gw-0002", keys, "gw-0002", NOW),
        ("expired", keys, AGENT, NOW + timedelta(hours=5)),
        ("none of the MDSP's keys", [ECKey.generate_key("P-256")], AGENT, NOW),
    ):
        with pytest.raises(StatementRefused, match=why):
            read_statement(token, given_keys, agent_id=agent_id, now=now)
    ours = own_public_keys(world.box.parent / "keys")
    with pytest.raises(StatementRefused):
        read_statement(token, ours, agent_id=AGENT, now=NOW)
    for wrong in (b"", b"a.b.c", token[:-3], token.replace(b".", b"", 1), b"x" * 100_000):
        with pytest.raises(StatementRefused):
            read_statement(wrong, keys, agent_id=AGENT, now=NOW)
    world.close()


def test_an_acknowledgement_is_no_statement() -> None:
    key = ECKey.generate_key("P-256", {"kid": "mdsp"})
    said = {"agent_id": AGENT, "seq": 0, "digest": "", "issued_at": "2026-11-21T12:00:00Z", "exp": 1 << 40}
    assert read_statement(signed(said, key), [key], agent_id=AGENT, now=NOW) == Stated(ChainHead(), {})
    with pytest.raises(StatementRefused):
        read_statement(signed(said, key, typ="mdsp-ack+jws"), [key], agent_id=AGENT, now=NOW)


@pytest.mark.parametrize(("seq", "text"), [(0, "A" * 43), (5, ""), (5, "A" * 42), (5, "ü" * 43), (1 << 60, "A" * 43)])
def test_what_a_person_reads_out_is_checked(seq: int, text: str) -> None:
    with pytest.raises(UsageError, match="base64url"):
        stated_by_operator(seq, text)
