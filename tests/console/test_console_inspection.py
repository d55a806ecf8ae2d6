"""The inspection of a site at the console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from agent.console.settings import ConsoleSettings
from agent.errors import LocalTrouble
from agent.inspections import INSPECTIONS_FILE, Changes, Inspection, InspectionDesk, Mark
from agent.inspections.store import InspectionStore
from agent.routes.view import Stop
from agent.state_book import StateBook, opened
from tests.console.walking_kit import HOSTILE, PNG, PROBES, Walker, a_route, a_stop, translated, walking

LISTS = 9


@dataclass
class Shelf:
    """A spool that only keeps what it is given."""

    agent_id: str = "gw-7"
    documents: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False

    async def add(self, _kind: str, _document_id: str, build: Any, **_more: Any) -> Any:
        if self.refuses:
            raise LocalTrouble("the disk is full")
        self.documents.append(msgspec.json.decode(build(len(self.documents) + 1)))
        return _Entry(len(self.documents))


@dataclass
class _Entry:
    sequence: int


@dataclass
class Site:
    """A person at a stop, about to look around."""

    ann: Walker
    desk: InspectionDesk
    shelf: Shelf
    stop: Stop

    @property
    def path(self) -> str:
        return f"/stops/{self.stop.stop_id}/inspection"

    def item(self, code: str, list_name: str = "electrical_hazards") -> str:
        return f"{self.path}/lists/{list_name}/items/{code}"

    async def draft(self) -> Inspection:
        [draft] = await self.desk.drafts("ann")
        return draft

    async def file(self, **fields: Any) -> str:
        """File what was answered; return where that leads."""
        return await self.ann.done(f"{self.path}/filed", {"version": str((await self.draft()).version), **fields})


@asynccontextmanager
async def at_site(directory: Path, *, settings: ConsoleSettings = PROBES, **stop: Any) -> AsyncIterator[Site]:
    shelf = Shelf()
    book = StateBook(*await opened("inspections", lambda: InspectionStore(directory / INSPECTIONS_FILE, create=True)))
    async with (
        InspectionDesk(book, shelf, again_s=0.0) as desk,  # type: ignore[arg-type]
        walking(directory, a_route(a_stop(1, **stop)), inspections=desk, settings=settings) as ann,
    ):
        yield Site(ann, desk, shelf, (await ann.stops())[0])


async def test_every_list_is_offered_those_on_safety_first(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        assert "Inspection" in await site.ann.get(f"/stops/{site.stop.stop_id}")
        page = await site.ann.get(site.path)
        assert page.count("/inspection/lists/") == LISTS
        assert page.index("Electrical hazards") < page.index("Physical dangers") < page.index("Theft of service")
        assert "File the inspection" not in page
        assert await site.desk.drafts("ann") == ()
        for checklist in site.desk.lists:
            page = await site.ann.get(f"{site.path}/lists/{checklist.name}")
            assert page.count('class="item stack') == len(checklist.items)


async def test_each_answer_is_kept_when_it_is_given(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        part = await site.ann.part(site.item("grounding"), {"answer": "ok"})
        assert 'id="item-grounding"' in part
        assert 'value="ok" aria-pressed="true"' in part
        assert "threat" not in part.replace("threat-now", "").replace("#threat", "")
        await site.ann.part(site.item("panels_missing"), {"answer": "not_seen"})
        assert (await site.draft()).marks == {"panels_missing": Mark("not_seen"), "grounding": Mark("ok")}
        page = await site.ann.get(f"{site.path}/lists/electrical_hazards")
        assert page.count('aria-pressed="true"') == 2
        to = await site.ann.done(site.item("grounding"), {"answer": "found"})  # without scripts
        assert to == f"{site.path}/lists/electrical_hazards#item-grounding"
        assert "1 found" in await site.ann.get(site.path)


async def test_an_immediate_threat_says_what_to_do_at_once_and_until_it_is_gone(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        part = await site.ann.part(site.item("wiring"), {"answer": "found"})
        assert 'hx-swap-oob="innerHTML:#threat"' in part
        assert "Do not leave the site unattended" in part
        for path in (site.path, f"{site.path}/lists/meter"):
            assert "Do not leave the site unattended" in await site.ann.get(path)
        corrected = await site.ann.part(site.item("wiring"), {"answer": "corrected"})
        assert "Do not leave" not in corrected
        assert "Put right at the site" in corrected


async def test_what_is_found_has_words_and_photos(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        item = site.item("stairs", "physical_dangers")
        await site.ann.part(item, {"answer": "found"})
        part = await site.ann.part(item, {"remark": HOSTILE, "immediate": "1"})
        assert "<script>alert" not in part
        assert "Do not leave" in part  # the person calls it a threat
        to = await site.ann.done(f"{item}/photo", files={"photo": ("a.png", PNG)})
        assert to == f"{site.path}/lists/physical_dangers#item-stairs"
        mark = (await site.draft()).marks["stairs"]
        assert (mark.answer, mark.remark, mark.immediate, len(mark.photos)) == ("found", HOSTILE, True, 1)
        assert "Do not leave" not in await site.ann.part(item, {"answer": "ok"})
        mark = (await site.draft()).marks["stairs"]
        assert (mark.immediate, mark.remark) == (False, HOSTILE)
        said = await site.ann.assert_refused(422, f"{item}/photo", files={"photo": ("a.png", b"GIF89a")})
        assert "this is no photograph" in said
        unanswered = site.item("animals", "physical_dangers")
        await site.ann.assert_refused(400, f"{unanswered}/photo", files={"photo": ("a.png", PNG)})


async def test_the_rest_of_a_list_is_answered_with_one_touch(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("wiring"), {"answer": "found"})
        assert await site.ann.done(f"{site.path}/lists/electrical_hazards/rest", {"rest": "ok"}) == site.path
        marks = (await site.draft()).marks
        assert {mark.answer for code, mark in marks.items() if code != "wiring"} == {"ok"}
        assert marks["wiring"].answer == "found"
        await site.ann.done(f"{site.path}/lists/pole_mounted/rest", {"rest": "not_applicable"})
        assert "Does not apply here" in await site.ann.get(f"{site.path}/lists/pole_mounted")
        await site.ann.assert_refused(400, f"{site.path}/lists/meter/rest", {"rest": "found"})


async def test_what_is_filed_is_reported_and_said_until_it_is_made_safe(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("wiring"), {"answer": "found"})
        place = {"latitude": "45.5", "longitude": "-122.6", "accuracy_m": "9"}
        to = await site.file(told=["customer", "utility"], remark="cellar\r\nwet", **place)
        page = await site.ann.get(to)
        assert "1 report is on its way" in page
        assert "Exposed, loose or burnt wiring" in page
        [report] = site.shelf.documents
        assert (report["anomaly"], report["immediate_threat"], report["found_by"]) == ("electrical_hazard", True, "ann")
        [filed] = await site.desk.of_stop(site.stop.stop_id)
        assert (filed.told, filed.remark) == (("customer", "utility"), "cellar\nwet")
        assert filed.position is not None
        assert "nobody has made it safe yet" in await site.ann.get(f"/stops/{site.stop.stop_id}")
        assert "not made safe" in await site.ann.get(site.path)
        assert "is empty" in await site.ann.assert_refused(422, f"{to}/safe", {"remark": " "})
        assert await site.ann.done(f"{to}/safe", {"remark": "main switch off, sealed"}) == to
        page = await site.ann.get(to)
        assert "Made safe by ann" in page
        assert "main switch off, sealed" in page
        assert "nobody has made" not in await site.ann.get(f"/stops/{site.stop.stop_id}")
        assert any('"files"' in line for line in site.ann.console.audit_lines())


async def test_an_answer_that_says_nothing_without_words_is_not_filed(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        item = site.item("electrical_other")
        assert "What is it? (needed)" in await site.ann.part(item, {"answer": "found"})
        form = {"version": str((await site.draft()).version)}
        assert "it is not said what it is" in await site.ann.assert_refused(422, f"{site.path}/filed", form)
        await site.ann.part(item, {"remark": "a cable across the stairs"})
        assert (await site.file()).startswith("/inspections/")


async def test_an_answer_that_an_item_does_not_allow_is_said_at_the_item(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        item = site.item("jumpers", "theft_of_service")
        assert "reported even where" in await site.ann.part(item, {"answer": "corrected"})
        page = await site.ann.assert_refused(422, item, {"answer": "corrected"})
        assert page.partition("<dialog")[0].count('class="error"') == 1
        assert "invisible character" in await site.ann.part(item, {"answer": "found", "remark": "a\u202eb"})
        await site.ann.assert_refused(400, item, {"answer": "maybe"})
        for path in (site.item("nothing"), site.item("wiring", "meter"), f"{site.path}/lists/nothing/rest"):
            await site.ann.assert_refused(404, path, {"answer": "ok", "rest": "ok"})
        await site.ann.get(f"{site.path}/lists/nothing", status=404)


async def test_a_page_of_before_another_change_does_not_file(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("grounding"), {"answer": "ok"})
        draft = await site.draft()
        await site.desk.save(draft.inspection_id, "ann", Changes(marks={"wiring": Mark("found")}))
        said = await site.ann.assert_refused(409, f"{site.path}/filed", {"version": str(draft.version)})
        assert "changed elsewhere" in said
        assert "Do not leave the site unattended" in said
        await site.ann.assert_refused(400, f"{site.path}/filed", {"version": "one"})
        bad = {"version": str(draft.version + 1), "latitude": "1e9", "longitude": "0"}
        assert "no position" in await site.ann.assert_refused(422, f"{site.path}/filed", bad)


async def test_reports_that_the_spool_does_not_take_yet_hold_nothing_up(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("wiring"), {"answer": "found"})
        site.shelf.refuses = True
        assert "Inspection filed" in await site.ann.get(await site.file())
        site.shelf.refuses = False
        assert await site.desk.catch_up() == 0
        assert len(site.shelf.documents) == 1


async def test_it_is_thrown_away_only_when_that_is_sure(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("grounding"), {"answer": "ok"})
        await site.ann.done(f"{site.path}/discarded")
        assert len(await site.desk.drafts("ann")) == 1
        await site.ann.done(f"{site.path}/discarded", {"sure": "1"})
        assert await site.desk.drafts("ann") == ()
        assert await site.ann.done(f"{site.path}/filed", {"version": "1"}) == site.path
        await site.ann.done(f"{site.path}/discarded", {"sure": "1"})


async def test_a_draft_is_of_one_person_and_what_is_filed_of_all(tmp_path: Path) -> None:
    async with at_site(tmp_path) as site:
        await site.ann.part(site.item("wiring"), {"answer": "found"})
        bob = await site.ann.another("bob")
        assert "Do not leave" not in await bob.get(site.path)
        draft = await site.draft()
        await bob.get(f"/inspections/{draft.inspection_id}", status=404)
        to = await site.file()
        assert "By ann" in await bob.get(to)
        await bob.get("/inspections/0", status=404)
        await bob.assert_refused(404, "/inspections/0/safe", {"remark": "x"})


async def test_hazards_are_confirmed_first(tmp_path: Path) -> None:
    async with at_site(tmp_path, hazards=["vicious_dog"]) as site:
        for path in (site.path, f"{site.path}/lists/meter"):
            assert "data-signals" in await site.ann.get(path)


async def test_a_box_without_inspections_has_no_pages_of_them(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        await ann.get(f"/stops/{stop.stop_id}/inspection", status=404)
        await ann.get("/inspections/1", status=404)


async def test_the_lists_are_in_the_language_of_the_console(tmp_path: Path) -> None:
    words = '[electrical_hazards]\ntitle = "Strom"\n[item]\nwiring = "Offene Kabel"\n'
    async with at_site(tmp_path, settings=translated(tmp_path, checklist=words)) as site:
        page = await site.ann.get(site.path)
        assert "<strong>Strom</strong>" in page
        assert "<strong>Physical dangers</strong>" in page
        page = await site.ann.get(f"{site.path}/lists/electrical_hazards")
        assert "<h1>Strom</h1>" in page
        assert ">Offene Kabel</h2>" in page
        assert "<title>Strom" in page
        page = await site.ann.part(site.item("wiring"), {"answer": "found"})
        assert ">Offene Kabel</h2>" in page
        assert "Offene Kabel" in await site.ann.get(await site.file())
