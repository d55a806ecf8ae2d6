"""Drafts outlive the battery; what is filed is final, and its reports are in the spool before anybody is told so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from agent.errors import UsageError
from agent.inspections import (
    INSPECTIONS_FILE,
    Changes,
    Conflict,
    Inspection,
    InspectionDesk,
    Mark,
    NotComplete,
    NotReported,
    NotThere,
    Subject,
)
from agent.inspections import store as store_module
from agent.keys import create_device_key
from agent.seal import Sealer
from agent.spool import Priority, Spool
from agent.state_database import StateDatabase
from tests.anomalies.anomalies_kit import reports
from tests.inspections.inspections_kit import SUBJECT, Hours, Killed, Shelf, a_desk

HAZARD = Changes(marks={"wiring": Mark("found"), "seal_lead": Mark("found"), "not_approved": Mark("found")})


async def begun(desk: InspectionDesk, changes: Changes = HAZARD, by: str = "ann") -> Inspection:
    draft = await desk.begin(SUBJECT, by)
    return await desk.save(draft.inspection_id, by, changes, version=draft.version)


async def test_a_draft_outlives_the_process_and_is_found_again(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Shelf()) as desk:
        draft = await begun(desk)
    async with a_desk(tmp_path, Shelf()) as desk:
        assert await desk.begin(SUBJECT, "ann") == draft
        assert await desk.drafts("ann") == (draft,)
        other = await desk.begin(SUBJECT, "bob")
        assert other.inspection_id != draft.inspection_id
        assert await desk.drafts("bob") == (other,)
        elsewhere = await desk.begin(Subject(meter_id="100"), "ann")
        assert [one.inspection_id for one in await desk.drafts("ann")] == [
            elsewhere.inspection_id,
            draft.inspection_id,
        ]
        assert await desk.of_stop("s-1") == ()
    assert (tmp_path / INSPECTIONS_FILE).stat().st_mode & 0o777 == 0o600


async def test_a_page_that_is_old_changes_nothing_and_single_answers_are_kept(tmp_path: Path) -> None:
    hours = Hours()
    async with a_desk(tmp_path, Shelf(), hours) as desk:
        draft = await begun(desk)
        hours.pass_by(minutes=5)
        newer = await desk.save(draft.inspection_id, "ann", Changes(marks={"fuses": Mark("ok")}))
        with pytest.raises(Conflict, match="changed elsewhere at 17:05:00 UTC"):
            await desk.save(draft.inspection_id, "ann", Changes(remark="old"), version=draft.version)
        with pytest.raises(Conflict):
            await desk.file(draft.inspection_id, "ann", version=draft.version)
        assert await desk.inspection(draft.inspection_id) == newer


async def test_what_is_another_s_is_not_to_be_touched(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Shelf()) as desk:
        draft = await begun(desk)
        for call in (
            desk.save(draft.inspection_id, "bob", Changes()),
            desk.discard(draft.inspection_id, "bob"),
            desk.file(draft.inspection_id, "bob"),
        ):
            with pytest.raises(NotThere, match="is ann's"):
                await call
        with pytest.raises(NotThere, match="no such inspection"):
            await desk.inspection("0")
        await desk.discard(draft.inspection_id, "ann")
        with pytest.raises(NotThere):
            await desk.inspection(draft.inspection_id)


async def test_filing_reports_urgent_first_and_is_final(tmp_path: Path) -> None:
    shelf, hours = Shelf(), Hours()
    async with a_desk(tmp_path, shelf, hours) as desk:
        draft = await begun(desk)
        hours.pass_by(minutes=10)
        filed = await desk.file(draft.inspection_id, "ann", version=draft.version)
        assert shelf.found() == [
            ("electrical_hazard", ["wiring"]),
            ("seal_defect", ["seal_lead"]),
            ("meter_not_verified", ["not_approved"]),
        ]
        assert [one["sequence"] for one in shelf.reports()] == [1, 2, 3]
        assert {one["inspection_id"] for one in shelf.reports()} == {filed.inspection_id}
        assert [priority for priority, _ in shelf.documents.values()] == [
            Priority.URGENT,
            Priority.URGENT,
            Priority.ORDINARY,
        ]
        assert filed.anomalies == tuple(shelf.documents)
        assert (filed.threat, filed.filed_at, filed.started_at) == (True, hours.at, draft.started_at)
        assert filed.texts["seal_lead"] == "A seal with lead in it"
        assert len(filed.unanswered) == 56
        for call in (
            desk.save(draft.inspection_id, "ann", Changes()),
            desk.discard(draft.inspection_id, "ann"),
        ):
            with pytest.raises(Conflict, match="is filed: it does not change any more"):
                await call
        assert await desk.file(draft.inspection_id, "ann", version=draft.version) == filed
        assert len(shelf.documents) == 3
        assert await desk.drafts("ann") == ()
        fresh = await desk.begin(SUBJECT, "ann")
        assert fresh.inspection_id != filed.inspection_id
    async with a_desk(tmp_path, shelf) as desk:
        assert await desk.of_stop("s-1") == (filed,)
        assert await desk.catch_up() == 0
    with closing(sqlite3.connect(tmp_path / INSPECTIONS_FILE)) as db, pytest.raises(sqlite3.IntegrityError) as caught:
        db.execute("UPDATE inspection SET body = x'7b7d' WHERE filed_at IS NOT NULL")
    assert "a filed inspection is never changed" in str(caught.value)


async def test_nothing_is_filed_that_is_not_complete(tmp_path: Path) -> None:
    shelf = Shelf()
    async with a_desk(tmp_path, shelf) as desk:
        draft = await desk.begin(SUBJECT, "ann")
        with pytest.raises(NotComplete):
            await desk.file(draft.inspection_id, "ann")
        assert await desk.inspection(draft.inspection_id) == draft
    assert shelf.documents == {}


async def test_a_spool_that_refuses_makes_nobody_type_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(refuses=2)
    async with a_desk(tmp_path, shelf) as desk:
        draft = await begun(desk)
        with pytest.raises(NotReported, match="is filed, but 2 of its reports cannot be sent yet"):
            await desk.file(draft.inspection_id, "ann")
        assert (await desk.inspection(draft.inspection_id)).filed_at is not None
        assert len(shelf.documents) == 1
        filed = await desk.file(draft.inspection_id, "ann")
        assert set(shelf.documents) == set(filed.anomalies)
    assert "the disk is full" in caplog.text


async def test_the_service_carries_what_is_owed_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf()
    async with a_desk(tmp_path, shelf) as desk:
        caught_up = asyncio.Event()
        catch_up = desk.catch_up

        async def noted() -> int:
            owed = await catch_up()
            caught_up.set()
            return owed

        monkeypatch.setattr(desk, "catch_up", noted)
        running = asyncio.create_task(desk.run())
        await caught_up.wait()
        caught_up.clear()
        draft = await begun(desk)
        shelf.refuses = 3 + 3  # while it is filed, and once more
        with pytest.raises(NotReported):
            await desk.file(draft.inspection_id, "ann")
        while len(shelf.documents) < 3:
            await caught_up.wait()
            caught_up.clear()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert [one[0] for one in shelf.found()] == ["electrical_hazard", "seal_defect", "meter_not_verified"]


async def test_a_browser_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    shelf = Shelf()
    async with a_desk(tmp_path, shelf) as desk:
        draft = await begun(desk)
        filing = asyncio.create_task(desk.file(draft.inspection_id, "ann"))
        await asyncio.sleep(0)
        filing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filing
    assert len(shelf.documents) == 3


async def test_two_taps_file_once(tmp_path: Path) -> None:
    shelf = Shelf()
    async with a_desk(tmp_path, shelf) as desk:
        draft = await begun(desk)
        first, second = await asyncio.gather(*(desk.file(draft.inspection_id, "ann") for _ in range(2)))
    assert first == second
    assert len(shelf.documents) == 3


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(10))  # the last one: it is not
async def test_kill_9_at_every_step_loses_no_answer_and_no_report_and_makes_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool
) -> None:
    shelf = Shelf(killed_at=at, after=after)
    transaction = StateDatabase.transaction

    @contextmanager
    def killing(database: StateDatabase, doing: str) -> Iterator[sqlite3.Connection]:
        shelf.executed(after=False)
        with transaction(database, doing) as db:
            yield db
        shelf.executed(after=True)

    monkeypatch.setattr(StateDatabase, "transaction", killing)
    kept: Inspection | None = None
    filed: Inspection | None = None
    with suppress(Killed):
        async with a_desk(tmp_path, shelf) as desk:
            kept = await begun(desk)
            filed = await desk.file(kept.inspection_id, "ann", version=kept.version)
    shelf.killed_at = None
    if filed is not None:
        assert set(shelf.documents) == set(filed.anomalies)
    async with a_desk(tmp_path, shelf) as desk:
        assert await desk.catch_up() == 0
        if kept is None:
            kept = await begun(desk)
        assert (await desk.inspection(kept.inspection_id)).marks == HAZARD.marks
        again = await desk.file(kept.inspection_id, "ann")
        assert filed is None or filed == again
        assert tuple(shelf.documents) == again.anomalies
        assert await desk.of_stop("s-1") == (again,)


async def test_a_threat_is_there_until_somebody_says_how_it_was_made_safe(tmp_path: Path) -> None:
    hours = Hours()
    async with a_desk(tmp_path, Shelf(), hours) as desk:
        draft = await begun(desk)
        with pytest.raises(UsageError, match="was not filed with an immediate threat"):
            await desk.made_safe(draft.inspection_id, "ann", "covered")
        filed = await desk.file(draft.inspection_id, "ann")
        assert await desk.unsafe() == (filed,)
        for words in ("", " \n", "x" * 501, "a\x00b"):
            with pytest.raises(UsageError, match="how the site was made safe"):
                await desk.made_safe(filed.inspection_id, "ann", words)
        hours.pass_by(hours=1)
        safe = await desk.made_safe(filed.inspection_id, "bob", "the utility cut the service off")
        assert safe.made_safe is not None
        assert (safe.made_safe.by, safe.made_safe.at) == ("bob", hours.at)
        later = await desk.made_safe(filed.inspection_id, "ann", "me too")
        assert later == safe
        assert await desk.unsafe() == ()
        assert await desk.of_stop("s-1") == (safe,)
        assert msgspec.structs.replace(safe, made_safe=None) == filed


async def test_what_is_still_there_at_the_next_inspection_refers_to_the_report_before(tmp_path: Path) -> None:
    shelf, hours = Shelf(), Hours()
    async with a_desk(tmp_path, shelf, hours) as desk:
        first = await desk.file((await begun(desk)).inspection_id, "ann")
        hours.pass_by(days=30)
        nextly = Changes(marks={"wiring": Mark("ok"), "seal_lead": Mark("found"), "stairs": Mark("found")})
        second = await desk.file((await begun(desk, nextly, by="bob")).inspection_id, "bob")
        hours.pass_by(days=30)
        third = await desk.file((await begun(desk)).inspection_id, "ann")
    found = {one["anomaly_id"]: (one["anomaly"], one.get("follows")) for one in shelf.reports()}
    assert [found[one] for one in second.anomalies] == [
        ("physical_danger", None),
        ("seal_defect", first.anomalies[1]),
    ]
    assert [found[one] for one in third.anomalies] == [
        ("electrical_hazard", None),
        ("seal_defect", second.anomalies[1]),
        ("meter_not_verified", None),
    ]


async def test_what_is_very_old_is_forgotten_and_what_is_owed_is_not(tmp_path: Path) -> None:
    shelf, hours = Shelf(refuses=3), Hours()
    async with a_desk(tmp_path, shelf, hours) as desk:
        owing = await begun(desk)
        with pytest.raises(NotReported):
            await desk.file(owing.inspection_id, "ann")
        draft = await begun(desk)
        hours.pass_by(days=store_module.KEEP_DRAFT.days + 1)
        await desk._book.call(desk._book.store.prune, hours.at)
        with pytest.raises(NotThere):
            await desk.inspection(draft.inspection_id)
        hours.at += store_module.KEEP_FILED
        await desk._book.call(desk._book.store.prune, hours.at)
        assert (await desk.inspection(owing.inspection_id)).filed_at is not None
        await desk.catch_up()
        await desk._book.call(desk._book.store.prune, hours.at + timedelta(seconds=1))
        with pytest.raises(NotThere):
            await desk.inspection(owing.inspection_id)


async def test_too_many_drafts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_DRAFTS", 2)
    async with a_desk(tmp_path, Shelf()) as desk:
        for by in ("ann", "bob"):
            await desk.begin(SUBJECT, by)
        with pytest.raises(UsageError, match="there are 2 drafts"):
            await desk.begin(SUBJECT, "eve")
        assert (await desk.begin(SUBJECT, "ann")).by == "ann"


async def test_a_damaged_file_is_put_aside_and_the_next_inspection_is_taken(tmp_path: Path) -> None:
    (tmp_path / INSPECTIONS_FILE).write_bytes(b"no database " * 100)
    (tmp_path / INSPECTIONS_FILE).chmod(0o600)
    async with a_desk(tmp_path, Shelf()) as desk:
        assert (await begun(desk)).version == 2
    assert (tmp_path / f"{INSPECTIONS_FILE}.damaged").exists()


async def test_a_real_spool_takes_the_reports_sealed(tmp_path: Path) -> None:
    key = create_device_key(tmp_path / "keys")
    async with (
        await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-1", sealer=Sealer(key)) as spool,
        await InspectionDesk.open(tmp_path / INSPECTIONS_FILE, spool, now=Hours()) as desk,
    ):
        filed = await desk.file((await begun(desk)).inspection_id, "ann")
        found = await reports(spool)
        assert {one["anomaly_id"] for one in found} == set(filed.anomalies)
        assert [one.entry.document_id for one in await spool.pending(10)] == list(filed.anomalies)
