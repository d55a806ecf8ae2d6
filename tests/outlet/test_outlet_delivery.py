"""Files as the only way out: a document leaves the spool when the MDSP says so, or when its files are fetched."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from agent.errors import LocalTrouble
from agent.keys import MdspKeys, import_jwk, load_device_key
from agent.outlet_delivery import FileDelivery
from agent.seal import open_document
from agent.spool import Spool
from tests.backup.dying import dies_before
from tests.outlet.outlet_kit import AGENT, TIME, add, device_key, document, names, open_spool, outbox

MDSP = ECKey.generate_key("P-256", {"kid": "mdsp"})


@pytest.fixture
def mdsp(tmp_path: Path) -> MdspKeys:
    path = tmp_path / "mdsp.jwks"
    path.write_text(json.dumps({"keys": [dict(MDSP.as_dict(private=False)) | {"use": "sig"}]}))
    return MdspKeys(path)


def acknowledge(directory: Path, name: str, *document_ids: str, key: ECKey = MDSP, agent_id: str = AGENT) -> Path:
    """Put an acknowledgement where the MDSP puts it."""
    directory.mkdir(exist_ok=True, parents=True)
    content = json.dumps({"acknowledged": list(document_ids), "agent_id": agent_id})
    token = jws.serialize_compact({"alg": "ES256", "kid": "mdsp"}, content, key, algorithms=["ES256"])
    path = directory / name
    path.write_text(token + "\n")
    return path


def delivery(spool: Spool, box: Path, keys: MdspKeys | None = None, **changes: Any) -> FileDelivery:
    return FileDelivery(spool, outbox(box, **changes), box, mdsp_keys=keys)


async def waiting(spool: Spool) -> list[str]:
    return [entry.document_id for entry in await spool.entries()]


async def until_full(way: FileDelivery) -> str:
    """Let it write what it can; return what stopped it."""
    try:
        while await way.step():
            pass
    except LocalTrouble as trouble:
        return str(trouble)
    return ""


async def test_a_document_waits_for_its_signed_acknowledgement(tmp_path: Path, mdsp: MdspKeys) -> None:
    box, key = tmp_path / "outbox", device_key(tmp_path)
    async with await open_spool(tmp_path, key) as spool:
        await add(spool, "r1", "r2")
        way = delivery(spool, box, mdsp, forms=("sealed", "json"))
        await way.step()
        assert names(box) == [f"{TIME}r1.json", f"{TIME}r1.jws", f"{TIME}r2.json", f"{TIME}r2.jws"]
        opened = open_document((box / f"{TIME}r1.jws").read_bytes(), [key.public_key()])
        assert opened.document == (box / f"{TIME}r1.json").read_bytes() == document("r1", 1)
        for path in box.iterdir():
            path.unlink()  # fetched: that alone proves nothing
        await way.step()
        assert await waiting(spool) == ["r1", "r2"]
        good = acknowledge(box / "acks", "one.ack", "r1", "never-heard-of")
        await way.step()
        assert await waiting(spool) == ["r2"]
        assert not good.exists()
        assert names(box) == ["acks"]
        await delivery(spool, box, mdsp).step()  # after a restart what is not acknowledged is written again
        assert names(box) == [f"{TIME}r2.json", "acks"]


async def test_what_the_mdsp_did_not_sign_is_put_aside(tmp_path: Path, mdsp: MdspKeys) -> None:
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        await add(spool, "r1")
        way = delivery(spool, box, mdsp)
        acknowledge(box / "acks", "forged.ack", "r1", key=ECKey.generate_key("P-256"))
        acknowledge(box / "acks", "other.ack", "r1", agent_id="gw-0002")
        (box / "acks" / "junk").write_bytes(b"\xff" * 200_000)
        await way.step()
        assert await waiting(spool) == ["r1"]
        assert names(box / "acks") == []
        assert len(list((box / "acks").iterdir())) == 3


async def test_a_document_is_delivered_when_all_of_its_files_are_fetched(tmp_path: Path) -> None:
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        await add(spool, "r1", "r2")
        way = delivery(spool, box, delivered="when fetched", forms=("json", "cim"))
        await way.step()
        assert len(names(box)) == 4
        (box / f"{TIME}r1.json").unlink()
        (box / f"{TIME}r2.json").rename(tmp_path / "done")
        (box / f"{TIME}r2.xml").rename(tmp_path / "done-too")
        await way.step()
        assert await waiting(spool) == ["r1"]
        again = delivery(spool, box, delivered="when fetched", forms=("json", "cim"))
        await again.step()
        assert names(box) == [f"{TIME}r1.xml"]  # written once, though the program was started anew
        (box / f"{TIME}r1.xml").unlink()
        await again.step()
        assert await waiting(spool) == []
        assert list((box / ".written").iterdir()) == []


async def test_the_outbox_is_bounded_and_nothing_is_lost(tmp_path: Path) -> None:
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        names_ = [f"r{number:03d}" for number in range(60)]
        await add(spool, *names_)
        box.mkdir()
        (box / "big").write_bytes(bytes(1_048_576 - 5_000))
        way = delivery(spool, box, delivered="when fetched", budget_octets=1_048_576)
        assert "budget" in await until_full(way)
        written = names(box)
        assert 1 < len(written) < 10
        assert sum(path.stat().st_size for path in box.glob("[!.]*")) <= 1_048_576
        seen: list[str] = []
        while await waiting(spool):
            for path in box.glob("[!.]*"):
                seen.append(path.name)
                path.unlink()
            await until_full(way)
        assert sorted(name for name in seen if name != "big") == [f"{TIME}{name}.json" for name in names_]


async def test_plain_files_of_what_is_encrypted_are_refused_with_advice(tmp_path: Path, mdsp: MdspKeys) -> None:
    public = import_jwk(dict(ECKey.generate_key("P-256").as_dict(private=False)))
    async with await open_spool(tmp_path, device_key(tmp_path), public) as spool:
        await add(spool, "r1")
        with pytest.raises(LocalTrouble, match="encrypted to the MDSP"):
            await delivery(spool, tmp_path / "outbox", mdsp).step()
        await delivery(spool, tmp_path / "outbox", mdsp, forms=("sealed",)).step()
    assert names(tmp_path / "outbox") == [f"{TIME}r1.jwe"]


async def test_it_runs_until_it_is_cancelled_and_survives_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.outlet_delivery.LOOK_EVERY_S", 0.01)
    box = tmp_path / "outbox"
    box.write_text("in the way")
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        way = delivery(spool, box, delivered="when fetched")
        running = asyncio.create_task(way.run())
        await add(spool, "r1")
        box.unlink()
        while not names(box):  # noqa: ASYNC110 - another program would look like this, too
            await asyncio.sleep(0)
        (box / f"{TIME}r1.json").unlink()
        while not await spool.is_empty():
            pass
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()


@pytest.mark.parametrize("delivered", ["when fetched", "when acknowledged"])
def test_killed_at_any_step_every_document_is_delivered(delivered: str, tmp_path: Path, mdsp: MdspKeys) -> None:
    """A partner fetches everything after each kill; each document reaches it, and its octets are always the same."""
    device_key(tmp_path)
    box, steps, fetched = tmp_path / "outbox", 0, dict[str, bytes]()

    async def work(*document_ids: str) -> list[str]:
        async with await open_spool(tmp_path, load_device_key(tmp_path / "keys")) as spool:
            await add(spool, *document_ids)
            way = delivery(spool, box, mdsp, delivered=delivered, forms=("sealed", "json"))
            while await way.step():
                pass
            return await waiting(spool)

    def fetch() -> None:
        for path in sorted(box.glob(f"{TIME}*")):
            assert fetched.setdefault(path.name, path.read_bytes()) == path.read_bytes()
            path.unlink()
            if delivered == "when acknowledged" and path.suffix == ".jws":
                acknowledge(box / "acks", path.name, path.stem.partition("-")[2])

    def once() -> list[str]:
        return asyncio.run(work(f"a{steps}", f"b{steps}"))

    sealed: list[str] = []
    while dies_before(steps, once):
        fetch()
        sealed = asyncio.run(work())
        fetch()
        assert asyncio.run(work()) == []
        steps += 1
    assert steps > 15
    assert {name.rpartition(".")[0] for name in fetched} >= {f"{TIME}{one}" for one in sealed}
