"""The codes of a stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.routes.book import RouteBook
from agent.routes.view import Stop
from tests.console.walking_kit import HOSTILE, PNG, Walker, a_route, a_stop, walking


@dataclass
class Reporter:
    """Takes codes as the desk for troubles does, and remembers them."""

    book: RouteBook | None = None
    told: list[tuple[str, ...]] = field(default_factory=list)

    async def trouble(self, stop_id: str, by: str, version: int, codes: tuple[str, ...], **said: Any) -> Stop:
        assert self.book is not None
        self.told.append(codes)
        return await self.book.trouble(stop_id, by, version, codes, **said)


async def settle(ann: Walker, stop: Stop, *codes: str, **fields: str) -> str:
    form = {"version": str(stop.version), "code": list(codes), **fields}
    return await ann.done(f"/stops/{stop.stop_id}/trouble", form)


async def test_a_reason_for_no_reading_settles_the_stop_and_is_reported(tmp_path: Path) -> None:
    desk = Reporter()
    async with walking(tmp_path, a_route(), trouble=desk) as ann:
        desk.book, stop = ann.book, (await ann.stops())[0]
        shown = await ann.get(f"/stops/{stop.stop_id}/trouble")
        assert shown.index("It is not safe to approach") < shown.index("The place is locked")  # by priority
        files = {"photo": ("a.png", PNG)}
        form = {"version": str(stop.version), "code": ["locked", "dog"], "remark": "gate\r\nclosed"}
        assert await ann.done(f"/stops/{stop.stop_id}/trouble", form, files=files) == "/routes/R-1"
        after = await ann.book.stop(stop.stop_id)
        assert (after.state, after.codes, after.remark, after.by) == (
            "unread",
            ("locked", "dog"),
            "gate\nclosed",
            "ann",
        )
        assert len(after.photos) == 1
        assert desk.told == [("locked", "dog")]
        shown = await ann.get(f"/stops/{stop.stop_id}")
        assert "Not read: ann, 06:00" in shown
        assert "The place is locked" in shown
        assert any('"coded"' in line for line in ann.console.audit_lines())


async def test_what_is_wrong_with_the_meter_leaves_the_stop_open(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        path = f"/stops/{stop.stop_id}"
        assert await settle(ann, stop, "seal_broken", "vacant") == path
        after = await ann.book.stop(stop.stop_id)
        assert (after.state, after.codes) == ("pending", ("seal_broken", "vacant"))
        assert 'value="seal_broken" checked' in await ann.get(f"{path}/trouble")
        assert await settle(ann, after) == path  # taken back
        assert (await ann.book.stop(stop.stop_id)).codes == ()


async def test_a_hazard_that_is_reported_warns_the_others_and_not_who_reports_it(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        await settle(ann, stop, "dog_kept")
        assert "data-signals" not in await ann.get(f"/stops/{stop.stop_id}")
        bob = await ann.another("bob")
        assert 'data-signals="flash vibrate"' in await bob.get(f"/stops/{stop.stop_id}")
        assert "A dog is kept there" in await bob.get("/routes/R-1")


async def test_who_turns_back_from_a_hazard_says_why_without_opening_the_stop(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(a_stop(1, hazards=["vicious_dog"]))) as ann:
        [stop] = await ann.stops()
        assert "A dog guards the place" in await ann.get(f"/stops/{stop.stop_id}/trouble")
        assert await settle(ann, stop, "dog") == "/routes/R-1"


async def test_codes_that_cannot_be_set_down_stay_chosen(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        path = f"/stops/{stop.stop_id}/trouble"
        assert "Choose at least one" in await ann.assert_refused(422, path, {"version": "1", "remark": HOSTILE})
        assert "no code of" in await ann.assert_refused(422, path, {"version": "1", "code": [HOSTILE]})
        await ann.book.claim(stop.stop_id, "bob", stop.version)
        said = await ann.assert_refused(
            409, path, {"version": str(stop.version), "code": ["locked"], "remark": "my words"}
        )
        assert "bob is there" in said
        assert 'value="locked" checked' in said
        assert "my words" in said
        assert (await ann.book.stop(stop.stop_id)).codes == ()


async def test_a_stop_that_is_read_has_no_reason_for_no_reading(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        read = await ann.book.settle(stop.stop_id, "ann", "r-1", "keyed")
        shown = await ann.get(f"/stops/{stop.stop_id}/trouble")
        assert "The place is locked" not in shown
        assert "A seal is broken" in shown
        said = await ann.assert_refused(
            422, f"/stops/{stop.stop_id}/trouble", {"version": str(read.version), "code": ["locked"]}
        )
        assert "it has one" in said
