"""Field work in a backup: routes and inspections always, photographs where they are asked for."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from agent.field.photos import PHOTOS
from agent.inspections.store import INSPECTIONS_FILE, InspectionStore
from agent.routes.store import ROUTES_FILE, RouteStore
from tests.backup.backup_kit import NOW, back_up, make_agent, private, restore
from tests.routes.routes_kit import open_book, walked

PHOTO = f"{PHOTOS}/{'0' * 64}.jpg"


def test_routes_come_back_and_photographs_where_they_are_asked_for(tmp_path: Path) -> None:
    box = make_agent(tmp_path / "box")
    state = box.parent / "state"

    async def begin() -> None:
        async with open_book(state) as book:
            view = await walked(book)
            await book.note(view.stops[0].stop_id, "ann", "the gate sticks", photos=(Path(PHOTO).name,))

    asyncio.run(begin())
    InspectionStore(state / INSPECTIONS_FILE, create=True).close()
    assert not any("photographs" in left for left in back_up(box, tmp_path / "none").left_out)
    private(state / PHOTO, b"\xff\xd8\xff")
    private(state / PHOTOS / ".0.part", b"\xff\xd8")
    lean = back_up(box, tmp_path / "lean")
    assert f"{state / PHOTOS}: the photographs from the field (1)" in lean.left_out
    assert not any(PHOTOS in member.name for member in lean.members)
    restore(tmp_path / "lean", tmp_path / "new")
    there = tmp_path / "new" / "state"
    with closing(RouteStore(there / ROUTES_FILE, create=False)) as store:
        assert store.view("R-1", NOW).stops[0].notes[0].text == "the gate sticks"
    InspectionStore(there / INSPECTIONS_FILE, create=False).close()
    assert not (there / PHOTOS).exists()
    back_up(box, tmp_path / "full", photos=True)
    restore(tmp_path / "full", tmp_path / "newer")
    assert (tmp_path / "newer" / "state" / PHOTO).read_bytes() == b"\xff\xd8\xff"
    assert [path.name for path in (tmp_path / "newer" / "state" / PHOTOS).iterdir()] == [Path(PHOTO).name]
