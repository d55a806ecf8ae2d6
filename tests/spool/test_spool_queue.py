"""The queue: numbers without gaps, order, acknowledgement, what is shown, what is proven."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from agent import spool_store
from agent.errors import LocalTrouble
from agent.seal import ChainHead, Sealer, verify_chain
from agent.spool import AlreadySpooled, Exported, Kind, Priority, Spool
from tests.spool.spool_kit import AGENT, NOW, device_key, document, open_spool


def encrypting(directory: Path) -> Sealer:
    recipient = ECKey.generate_key("P-256", auto_kid=True)
    return Sealer(device_key(directory), lambda: recipient)


async def test_documents_are_numbered_without_gaps_by_kind_and_linked_over_all(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        kinds: list[Kind] = ["reading", "reading", "anomaly", "reading", "report"]
        entries = [await spool.add(kind, f"d{number}", document()) for number, kind in enumerate(kinds)]
        assert [(entry.seq, entry.sequence) for entry in entries] == [(1, 1), (2, 2), (3, 1), (4, 3), (5, 1)]
        outgoing = await spool.pending(10)
        assert [one.entry for one in outgoing] == entries
        head = verify_chain((one.body for one in outgoing), [device_key(tmp_path).public_key()])
        status = await spool.status()
        assert (status.agent_id, status.depth, status.oldest, status.head) == (AGENT, 5, NOW, head)
        shown = await spool.show("d3")
        assert shown.document is not None
        assert json.loads(shown.document)["sequence"] == 3


async def test_a_document_that_cannot_be_built_uses_no_number(tmp_path: Path) -> None:
    def fail(_sequence: int) -> bytes:
        raise RuntimeError("no such meter")

    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "a", document())
        with pytest.raises(RuntimeError, match="no such meter"):
            await spool.add("reading", "b", fail)
        entry = await spool.add("reading", "b", document())
        assert (entry.seq, entry.sequence) == (2, 2)
        assert (await spool.verify()).sound


async def test_what_is_urgent_comes_first_and_what_is_under_way_is_skipped(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(5):
            await spool.add("reading", f"r{number}", document())
        await spool.add("anomaly", "a", document(), priority=Priority.URGENT)
        assert [one.entry.document_id for one in await spool.pending(3)] == ["a", "r0", "r1"]
        assert [one.entry.document_id for one in await spool.pending(3, skip={1, 3, 6})] == ["r1", "r3", "r4"]


async def test_an_acknowledged_document_leaves_and_its_link_stays_proven(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(3):
            await spool.add("reading", f"r{number}", document("x" * 5000))
        assert await spool.acknowledge(["r1", "unknown", "r1"]) == (2,)
        assert await spool.acknowledge(["r1"]) == ()
        assert [one.entry.document_id for one in await spool.pending(9)] == ["r0", "r2"]
        assert (await spool.show("r1")).document is None
        assert (await spool.show("r1")).entry.acked_at == NOW
        assert [entry.document_id for entry in await spool.entries()] == ["r0", "r2"]
        assert [entry.document_id for entry in await spool.entries(delivered=True, after_seq=1)] == ["r1", "r2"]
        report = await spool.verify()
        assert (report.sound, report.links, report.documents) == (True, 3, 2)
        assert not await spool.is_empty()
        await spool.acknowledge(["r0", "r2"])
        assert await spool.is_empty()
        assert (await spool.status()).oldest is None


async def test_a_document_is_never_taken_twice_not_even_after_its_delivery(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "r", document())
        with pytest.raises(AlreadySpooled):
            await spool.add("reading", "r", document())
        await spool.acknowledge(["r"])
        with pytest.raises(AlreadySpooled):
            await spool.add("anomaly", "r", document())
        assert (await spool.add("reading", "s", document())).seq == 2


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "x" * 65, "ä"])
async def test_an_id_that_could_not_be_a_file_name_is_refused(tmp_path: Path, name: str) -> None:
    async with await open_spool(tmp_path) as spool:
        with pytest.raises(ValueError, match="document id"):
            await spool.add("reading", name, document())


async def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    sealer = encrypting(tmp_path)
    async with await open_spool(tmp_path, sealer=sealer) as spool:
        for number in range(3):
            await spool.add("reading", f"r{number}", document())
        before = await spool.pending(9)
    async with await open_spool(tmp_path, sealer=sealer) as spool:
        assert await spool.pending(9) == before
        assert (await spool.add("reading", "r3", document())).seq == 4
        assert (await spool.verify()).sound


async def test_with_encryption_the_file_holds_nothing_readable(tmp_path: Path) -> None:
    async with await open_spool(tmp_path, sealer=encrypting(tmp_path)) as spool:
        await spool.add("reading", "r", document("four-tier tariff of Mrs Jones"))
        assert (await spool.show("r")).document is None
        assert (await spool.entries())[0].encrypted
        for file in (tmp_path / "spool").iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
            content = file.read_bytes()
            assert b"Jones" not in content
            assert b"em91ci10aWVy"[2:8] not in content  # base64 of the same, at one alignment
        report = await spool.verify()
        assert (report.sound, report.links, report.documents) == (True, 1, 0)


async def test_export_writes_each_sealed_body_once(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(250):
            await spool.add("reading", f"r{number}", document())
        await spool.acknowledge(["r0"])
        assert await spool.export(tmp_path / "out") == Exported(249, ())
        files = sorted((tmp_path / "out").iterdir())
        assert (files[0].name, files[-1].name) == ("0000000002-r1.jws", "0000000250-r249.jws")
        first = (await spool.pending(1))[0]
        assert files[0].read_bytes() == first.body
        assert files[0].stat().st_mode & 0o777 == 0o600


async def test_links_of_long_ago_are_forgotten_but_nothing_undelivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_store, "KEEP_ACKNOWLEDGED", 5)
    async with await open_spool(tmp_path) as spool:
        for number in range(1, 21):
            await spool.add("reading", f"r{number}", document())
        await spool.acknowledge([f"r{number}" for number in range(1, 21) if number != 3])
        assert [entry.seq for entry in await spool.entries(delivered=True)] == [3, *range(16, 21)]
        assert (await spool.verify()).sound
        await spool.acknowledge(["r3"])
        assert [entry.seq for entry in await spool.entries(delivered=True)] == list(range(16, 21))
        assert (await spool.status()).remembered == 5
        assert (await spool.verify()).sound


async def test_a_spool_without_a_key_is_for_looking_only(tmp_path: Path) -> None:
    path = tmp_path / "spool" / "spool.db"
    with pytest.raises(LocalTrouble, match="there is no spool"):
        await Spool.open(path)
    async with await open_spool(tmp_path) as writing:
        await writing.add("reading", "r", document())
        async with await Spool.open(path) as looking:
            assert looking.agent_id == AGENT
            assert (await looking.status()).depth == 1
            assert (await looking.show("r")).document is not None
            assert (await looking.verify([device_key(tmp_path).public_key()])).sound
            with pytest.raises(LocalTrouble, match="for looking"):
                await looking.add("reading", "s", document())
            with pytest.raises(LocalTrouble, match="without a key"):
                await looking.verify()
            with pytest.raises(LocalTrouble, match="no document"):
                await looking.show("unknown")


async def test_two_processes_worth_of_writers_keep_one_chain(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as one, await open_spool(tmp_path) as other:
        await asyncio.gather(
            *(
                spool.add("reading", f"{name}{n}", document())
                for n in range(20)
                for name, spool in (("a", one), ("b", other))
            )
        )
        assert [entry.sequence for entry in await one.entries()] == list(range(1, 41))
        assert (await other.verify()).sound


async def test_cancelling_the_caller_never_halves_an_addition(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        tasks = [asyncio.create_task(spool.add("reading", f"r{n}", document())) for n in range(30)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        entries = await spool.entries()
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert (await spool.verify()).sound


async def test_adding_and_acknowledging_wake_who_waits(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        assert not spool.changed.is_set()
        await spool.add("reading", "r", document())
        assert spool.changed.is_set()
        spool.changed.clear()
        await spool.acknowledge(["r"])
        assert spool.changed.is_set()


@given(steps=st.lists(st.tuples(st.sampled_from(["add", "ack", "reopen"]), st.integers(0, 12)), max_size=25))
@settings(deadline=None, max_examples=20)
def test_any_history_leaves_a_sound_chain_and_exactly_what_is_not_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("history")

    async def live() -> None:
        spool = await open_spool(directory)
        added: list[str] = []
        acknowledged: set[str] = set()
        try:
            for what, number in steps:
                name = f"d{number}"
                if what == "add" and name not in added:
                    assert (await spool.add("reading", name, document())).seq == len(added) + 1
                    added.append(name)
                elif what == "ack":
                    removed = await spool.acknowledge([name])
                    assert bool(removed) == (name in added and name not in acknowledged)
                    acknowledged |= {name} & set(added)
                elif what == "reopen":
                    await spool.close()
                    spool = await open_spool(directory)
            left = [name for name in added if name not in acknowledged]
            assert [one.entry.document_id for one in await spool.pending(99)] == left
            assert (await spool.status()).head.seq == len(added)
            assert (await spool.verify()).sound
        finally:
            await spool.close()

    asyncio.run(live())


def test_the_status_names_its_level() -> None:
    status = spool_store.SpoolStatus(AGENT, 0, None, 0, 100, 79, ChainHead(), 0)
    levels = [replace(status, percent=percent).level for percent in (0, 79, 80, 94, 95, 120)]
    assert levels == ["ok", "ok", "warn", "warn", "full", "full"]
