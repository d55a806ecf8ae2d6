"""Copies of documents beside the way to the MDSP: one for each that was sealed, and none for any other."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from agent import outlet
from agent.cmep import Dialect, parsed
from agent.forward.file import write_document
from agent.keys import import_jwk, load_device_key
from agent.outlet import CopyingSpool, FileCopies, LineCopies
from agent.outlet_settings import OutletSettings
from agent.spool import AlreadySpooled
from tests.backup.dying import dies_before
from tests.outlet.outlet_kit import (
    TIME,
    add,
    device_key,
    document,
    names,
    open_spool,
    outbox,
    sequence_in,
)


async def test_a_reading_is_written_in_every_form_that_is_wanted(tmp_path: Path) -> None:
    box = tmp_path / "outbox"
    settings = outbox(box, forms=("json", "cmep", "cim"), cmep=Dialect(sender_id="MRSP"))
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        spool.copies = (FileCopies(settings, box),)
        await add(spool, "r1")
        await spool.add("report", "p1", lambda sequence: b'{"report_id":"p1","sequence":%d}' % sequence)
    assert names(box) == [f"{TIME}p1.json", f"{TIME}r1.cmep", f"{TIME}r1.json", f"{TIME}r1.xml"]
    assert (box / f"{TIME}r1.json").read_bytes() == document("r1", 1)
    assert len(parsed((box / f"{TIME}r1.cmep").read_bytes(), settings.cmep)) == 1
    assert (box / f"{TIME}r1.xml").read_bytes().startswith(b"<?xml")
    assert list((box / ".held").iterdir()) == []


async def test_a_copy_is_readable_though_the_spool_is_encrypted_to_the_mdsp(tmp_path: Path) -> None:
    public = import_jwk(dict(ECKey.generate_key("P-256").as_dict(private=False)))
    async with await open_spool(tmp_path, device_key(tmp_path), public) as spool:
        spool.copies = (FileCopies(outbox(tmp_path / "outbox"), tmp_path / "outbox"),)
        await add(spool, "r1")
        assert (await spool.show("r1")).document is None
    assert (tmp_path / "outbox" / f"{TIME}r1.json").read_bytes() == document("r1", 1)


async def test_what_no_form_can_carry_goes_out_as_json(tmp_path: Path) -> None:
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        spool.copies = (FileCopies(outbox(box, forms=("cmep",)), box),)
        await add(spool, "r1")
        mute = json.loads(document("r2", 2)) | {"interval_blocks": []}
        await spool.add("reading", "r2", lambda _sequence: json.dumps(mute).encode())
    assert names(box) == [f"{TIME}r1.cmep", f"{TIME}r2.json"]


async def test_a_document_that_is_refused_leaves_no_copy(tmp_path: Path) -> None:
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        spool.copies = (FileCopies(outbox(box), box),)
        await add(spool, "r1")
        with pytest.raises(AlreadySpooled):
            await add(spool, "r1")

        def fails(_sequence: int) -> bytes:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await spool.add("reading", "r2", fails)
        await FileCopies(outbox(box), box).recover(spool)
    assert names(box) == [f"{TIME}r1.json"]


async def test_an_outbox_that_is_full_or_broken_keeps_no_document_out_of_the_spool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = tmp_path / "outbox"
    box.mkdir()
    (box / "big").write_bytes(bytes(1_048_576))
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        spool.copies = (FileCopies(outbox(box, budget_octets=1_048_576), box),)
        await add(spool, "r1", "r2")
        assert names(box) == ["big"]
        (box / "big").unlink()
        await add(spool, "r3")
        assert names(box) == [f"{TIME}r3.json"]
        (tmp_path / "file").write_text("")
        spool.copies = (FileCopies(outbox(tmp_path / "file"), tmp_path / "file"),)
        await add(spool, "r4")
        assert [entry.document_id for entry in await spool.entries()] == ["r1", "r2", "r3", "r4"]
    assert sum("budget" in record.message for record in caplog.records) == 1  # said once


async def test_an_attempt_that_failed_is_no_copy_of_the_one_that_did_not(tmp_path: Path) -> None:
    """A number that was tried is given to another document: only what was sealed with it may be seen."""
    box = tmp_path / "outbox"
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        copies = FileCopies(outbox(box), box)
        copies.hold("r2", document("r2", 1))  # and then the disk was full
        spool.copies = ()
        await add(spool, "r1", "r2")
        await copies.recover(spool)
        assert names(box) == []
        spool.copies = (copies,)
        await add(spool, "r3")
    assert sequence_in(box / f"{TIME}r3.json") == 3


def test_killed_at_any_step_there_is_a_copy_of_each_document_that_was_sealed(tmp_path: Path) -> None:
    device_key(tmp_path)
    box, steps = tmp_path / "outbox", 0

    async def work(*document_ids: str) -> None:
        async with await open_spool(tmp_path, load_device_key(tmp_path / "keys")) as spool:
            copies = FileCopies(outbox(box, forms=("json", "cmep")), box)
            spool.copies = (copies,)
            await copies.recover(spool)
            await add(spool, *document_ids)

    async def sealed() -> list[tuple[str, int]]:
        async with await CopyingSpool.open(tmp_path / "spool.db") as spool:
            return [(entry.document_id, entry.sequence) for entry in await spool.entries()]

    def once() -> list[tuple[str, int]]:
        asyncio.run(work(f"a{steps}", f"b{steps}"))
        return asyncio.run(sealed())

    while dies_before(steps, once):
        asyncio.run(work())
        expected = asyncio.run(sealed())
        assert names(box) == sorted(f"{TIME}{one}{suffix}" for one, _ in expected for suffix in (".cmep", ".json"))
        assert all(sequence_in(box / f"{TIME}{one}.json") == number for one, number in expected)
        steps += 1
    assert steps > 10


async def test_lines_on_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        spool.copies = (LineCopies(),)
        await asyncio.gather(*(add(spool, f"r{number}") for number in range(5)))
        with pytest.raises(AlreadySpooled):
            await add(spool, "r0")
        await spool.copies[0].recover(spool)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert sorted(line["reading_id"] for line in lines) == [f"r{number}" for number in range(5)]


class _Pipe:
    """Standard output of the service: a pipe whose other end somebody holds."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()

    def fileno(self) -> int:
        return self._writer

    def fill(self) -> None:
        os.set_blocking(self._writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self._writer, bytes(4096))
        os.set_blocking(self._writer, True)


async def test_a_reader_that_goes_away_keeps_nothing_out_of_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = _Pipe()
    os.close(pipe.reader)
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        monkeypatch.setattr(sys, "stdout", pipe)
        spool.copies = (LineCopies(),)
        await add(spool, "r1", "r2")
        monkeypatch.undo()
        assert (await spool.status()).depth == 2
    os.close(pipe.fileno())
    assert [one.getMessage() for one in caplog.records] == [
        "r1 is not on standard output, nor what follows: [Errno 32] Broken pipe"
    ]


async def test_a_reader_that_stops_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = _Pipe()
    pipe.fill()
    monkeypatch.setattr(outlet, "PATIENCE_S", 0.01)
    async with await open_spool(tmp_path, device_key(tmp_path)) as spool:
        monkeypatch.setattr(sys, "stdout", pipe)
        spool.copies = (LineCopies(),)
        await add(spool, "r1", "r2")  # waits for neither
        monkeypatch.undo()
        assert (await spool.status()).depth == 2
    os.close(pipe.reader)  # ends the write that waits
    assert [one.getMessage() for one in caplog.records] == [
        "r1 is not on standard output, nor what follows: nobody reads it"
    ]


async def test_names_and_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="file name"):
        await write_document(tmp_path, "../x", b"")
    with pytest.raises(ValueError, match="twice"):
        outbox(tmp_path, forms=("json", "json"))
    sealed = OutletSettings(outbox(tmp_path, forms=("sealed",)))
    with pytest.raises(ValueError, match="never `sealed`"):
        sealed.check(forwards=True, verifies=True)
    with pytest.raises(ValueError, match=r"keys\.mdsp"):
        sealed.check(forwards=False, verifies=False)
    sealed.check(forwards=False, verifies=True)
    OutletSettings(outbox(tmp_path, delivered="when fetched")).check(forwards=False, verifies=False)
    OutletSettings().check(forwards=True, verifies=True)
