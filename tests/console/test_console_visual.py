"""A read by eye, typed at the console."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.field.desk import FieldDesk
from agent.field.drafts import decode_draft
from agent.field.views import Work
from agent.routes.book import RouteBook
from agent.routes.view import Stop
from tests.console.walking_kit import HOSTILE, PNG, Desk, Walker, a_route, a_stop, walking
from tests.field.field_kit import opened_house, over

USUAL, HIGH, ZERO, BACK, TURNED = "12400", "19999", "12300", "12200", "00020"
NAMEPLATE = {"nameplate": "10010001"}


def dials(digits: str, number: int = 0) -> dict[str, str]:
    """Return the fields of a face: one digit a dial; `_`: left out."""
    return {f"d{number}-{k}": digit.replace("_", "") for k, digit in enumerate(digits)}


def form(stop: Stop, digits: str, **fields: str) -> dict[str, str]:
    return {"version": str(stop.version), **dials(digits), **NAMEPLATE, **fields}


async def typed(ann: Walker, stop: Stop) -> tuple[str, ...]:
    """Return what the box has kept of what was typed."""
    content = await ann.book.draft(stop.stop_id, ann.name)
    assert content is not None
    return decode_draft(content).values


def work_of(desk: Desk) -> tuple[Work, list[tuple[str, tuple[str, ...]]]]:
    [(work, _)] = desk.works
    assert work.entry is not None
    return work, [(one.shown, one.again) for one in work.entry.registers]


async def test_the_face_has_a_box_for_each_dial_and_nothing_of_the_record(tmp_path: Path) -> None:
    shown = [{"quantity": "kWh", "dials": 6}, {"quantity": "kW", "dials": 2, "decimals": 3, "multiplier": "40"}]
    async with walking(tmp_path, a_route(a_stop(1, shown=shown)), desk=Desk()) as ann:
        stop = await ann.opened()
        page = await ann.get(f"/stops/{stop.stop_id}/visual")
        assert len(re.findall('name="d0-', page)) == 6
        assert len(re.findall('name="d1-', page)) == 5
        assert len(re.findall('class="dial decimal"', page)) == 3
        assert "without the factor 40" in page
        assert 'aria-label="Decimal 3 of 3"' in page
        assert "12300" not in page
        assert "10010001" not in page


async def test_each_change_is_kept_and_doubted_at_once(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), desk=Desk()) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        assert "Kept at 06:00:00" in await ann.part(f"{path}/draft", form(stop, "19_", remark="a\nb"))
        assert await typed(ann, stop) == ("19___",)
        part = await ann.part(f"{path}/draft", form(stop, HIGH))
        assert 'hx-swap-oob="innerHTML:#odd-0"' in part
        assert "far above what is usual" in part
        assert "123" not in part
        page = await ann.get(path)  # a reload, or another device after the battery died
        assert re.findall(r'name="d0-\d" value="(\d?)"', page) == list(HIGH)
        assert "far above what is usual" in page
        assert 'value="10010001"' in page
        assert "usual" not in await ann.part(f"{path}/draft", form(stop, USUAL))
        assert await ann.done(f"{path}/draft", form(stop, USUAL)) == path  # without scripts


async def test_what_is_plausible_becomes_a_job(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        assert await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, USUAL, remark=" dusty ")) == "/jobs/job-1"
        work, registers = work_of(desk)
        assert (work.way, work.stop_id, registers) == ("visual", stop.stop_id, [(USUAL, ())])
        assert work.entry is not None
        assert (work.entry.read_by, work.entry.nameplate_id, work.entry.remark) == ("ann", "10010001", "dusty")
        assert await typed(ann, stop) == (USUAL,)  # kept until the stop is settled
        assert any('"typed a reading"' in line for line in ann.console.audit_lines())


@pytest.mark.parametrize(("digits", "words"), [(HIGH, "far above"), (ZERO, "Nothing was used"), (BACK, "lower than")])
async def test_what_looks_odd_is_looked_up_again_without_the_first_entry(
    tmp_path: Path, digits: str, words: str
) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        again = f"/stops/{stop.stop_id}/visual/again"
        assert await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, digits)) == again
        page = await ann.get(again)
        assert words in page
        assert re.findall(r'name="d0-\d" value="(\d?)"', page) == [""] * 5
        assert "Type every digit" in await ann.assert_refused(422, again, dials("1_2"))
        assert await ann.done(again, dials(digits)) == "/jobs/job-1"
        assert work_of(desk)[1] == [(digits, (digits,))]


async def test_two_entries_that_differ_are_never_taken_as_confirmed(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        again = f"/stops/{stop.stop_id}/visual/again"
        await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, HIGH))
        said = await ann.assert_refused(422, again, dials("29999"))
        assert "not what was typed first" in said
        assert "29999" not in said
        assert desk.works == []
        assert await ann.done(again, dials("29999")) == "/jobs/job-1"
        assert work_of(desk)[1] == [("29999", ("29999",))]


async def test_a_slip_of_the_finger_is_put_right_by_the_second_entry(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, HIGH))
        assert await ann.done(f"/stops/{stop.stop_id}/visual/again", dials(USUAL)) == "/jobs/job-1"
        assert work_of(desk)[1] == [(USUAL, ())]


async def test_a_confirmed_value_that_is_changed_has_to_be_confirmed_again(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        await ann.done(path, form(stop, HIGH))
        desk.refusal = "the agent is stopping"
        assert desk.refusal in await ann.assert_refused(422, f"{path}/again", dials(HIGH))
        desk.refusal = ""
        assert await ann.done(path, form(stop, "29999")) == f"{path}/again"
        assert await ann.done(f"{path}/again", dials("29999")) == "/jobs/job-1"


async def test_a_rollover_is_said_and_is_no_reason_to_doubt(tmp_path: Path) -> None:
    desk = Desk()
    near_the_end = {
        "history": {"registers": [{"quantity": "kWh", "value": "99970", "at": "2026-11-12T06:00:00Z"}]},
    }
    async with walking(tmp_path, a_route(a_stop(1, order=near_the_end)), desk=desk) as ann:
        stop = await ann.opened()
        assert "turned over to zero" in await ann.part(f"/stops/{stop.stop_id}/visual/draft", form(stop, TURNED))
        assert await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, TURNED)) == "/jobs/job-1"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (dials("1240_"), "a digit is missing"),
        (dials("     "), "a digit is missing"),
        (dials("12a00"), "a digit is missing"),
        ({"w0": HOSTILE}, "is not what a display shows"),
        ({"w0": "12400,5"}, "is not what a display shows"),
        (dials(USUAL) | {"nameplate": ""}, "Type or scan the number on the nameplate"),
    ],
)
async def test_what_is_missing_or_makes_no_sense_is_said(tmp_path: Path, fields: dict[str, str], said: str) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        page = await ann.assert_refused(
            422, f"/stops/{stop.stop_id}/visual", {"version": str(stop.version), **NAMEPLATE, **fields}
        )
        assert said in page
        assert "<script>alert" not in page
        assert desk.works == []


async def test_a_nameplate_that_cannot_be_read_holds_nothing_up(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        fields = form(stop, USUAL, nameplate="", without="1")
        assert await ann.done(f"/stops/{stop.stop_id}/visual", fields) == "/jobs/job-1"


async def test_another_nameplate_than_on_record_is_looked_at_once_more(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        again = f"/stops/{stop.stop_id}/visual/again"
        assert await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, USUAL, nameplate="777")) == again
        page = await ann.get(again)
        assert 'name="nameplate" value=""' in page
        assert "10010001" not in page
        assert await ann.done(again, {"nameplate": "778"}) == "/jobs/job-1"  # it is another meter: a check says so
        work = desk.works[0][0]
        assert work.entry is not None
        assert work.entry.nameplate_id == "778"


async def test_a_meter_with_another_number_of_digits_is_typed_as_a_whole(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        part = await ann.part(f"{path}/draft", form(stop, "     ", w0="012400"))
        assert "6 digits, the register has 5" in part
        assert 'value="012400"' in await ann.get(path)
        assert await ann.done(path, form(stop, "     ", w0="012400")) == f"{path}/again"
        assert await ann.done(f"{path}/again", {"w0": "012400"}) == "/jobs/job-1"
        assert work_of(desk)[1] == [("012400", ("012400",))]


async def test_a_net_register_can_be_below_zero(tmp_path: Path) -> None:
    desk = Desk()
    shown = [{"quantity": "kWh", "direction": "net", "dials": 5}]
    async with walking(tmp_path, a_route(a_stop(1, shown=shown)), desk=desk) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        assert await ann.done(path, form(stop, "00017", m0="1")) == "/jobs/job-1"
        assert work_of(desk)[1] == [("-00017", ())]
        page = await ann.get(path)
        assert 'name="m0" value="1" checked' in page
        assert re.findall(r'name="d0-\d" value="(\d?)"', page) == list("00017")


async def test_somebody_who_was_faster_is_named_while_one_types_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = (await ann.stops())[0]
        path = f"/stops/{stop.stop_id}/visual"
        await ann.book.claim(stop.stop_id, "bob", stop.version)
        assert "bob is there" in await ann.part(f"{path}/draft", form(stop, USUAL))
        said = await ann.assert_refused(409, path, form(stop, USUAL))
        assert "bob is there, until 06:30" in said
        assert re.findall(r'name="d0-\d" value="(\d?)"', said) == list(USUAL)
        assert "Take it all the same" in said
        assert desk.works == []
        assert await ann.done(path, form(stop, USUAL, anyway="1")) == "/jobs/job-1"


async def test_what_is_wrong_with_the_meter_goes_with_the_reading(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        stop = await ann.book.trouble(stop.stop_id, "ann", stop.version, ("seal_missing", "vacant"))
        path = f"/stops/{stop.stop_id}/visual"
        assert "Sent with the reading:" in await ann.get(path)
        files = {"photo": ("d.png", PNG)}
        assert await ann.done(f"{path}/photo", files=files) == f"{path}#photos"
        assert "1 photo goes with the reading" in await ann.get(path)
        await ann.done(path, form(stop, USUAL))
        entry = work_of(desk)[0].entry
        assert entry is not None
        assert (entry.trouble, len(entry.photos)) == (("seal_broken",), 1)
        assert "no photograph" in await ann.assert_refused(422, f"{path}/photo", files={"photo": ("d.png", b"GIF89a")})


async def test_there_is_nothing_to_type_again_before_something_is_odd(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), desk=Desk()) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        for digits in ("     ", USUAL):
            await ann.part(f"{path}/draft", form(stop, digits))
            answer = await ann.client.get(f"{path}/again")
            assert answer.headers["location"] == path


async def test_what_one_person_typed_another_does_not_see(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), desk=Desk()) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}/visual"
        await ann.part(f"{path}/draft", form(stop, HIGH))
        bob = await ann.another("bob")
        page = await bob.get(path)
        assert re.findall(r'name="d0-\d" value="(\d?)"', page) == [""] * 5


@pytest.mark.parametrize("fields", [{"d0-0": "x" * 300}, {"version": "-1"}, {"nameplate": "n" * 300}])
async def test_a_form_that_no_page_sends_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = (await ann.stops())[0]
        await ann.assert_refused(400, f"/stops/{stop.stop_id}/visual", form(stop, USUAL) | fields)
        assert desk.works == []


@dataclass
class Later:
    """A book of routes that the desk is told of before it is open."""

    book: RouteBook | None = None

    async def settle(self, stop_id: str, by: str, reading_id: str, method: Any, failed: tuple[str, ...]) -> None:
        assert self.book is not None
        await self.book.settle(stop_id, by, reading_id, method, failed)


async def test_a_typed_reading_is_stored_and_its_stop_shows_it(tmp_path: Path) -> None:
    routes = Later()
    async with opened_house(tmp_path) as house:
        desk = FieldDesk(house.keeper, routes=routes)
        async with walking(tmp_path, a_route(), desk=desk) as ann:
            routes.book, stop = ann.book, await ann.opened()
            await ann.done(f"/stops/{stop.stop_id}/visual", form(stop, HIGH))
            assert await ann.done(f"/stops/{stop.stop_id}/visual/again", dials(HIGH))
            view = await over(desk, desk.jobs()[0])
            assert (view.state, view.failed_checks) == ("done", ())
            assert "Read by ann at 06:00, keyed" in await ann.get(f"/stops/{stop.stop_id}")
            assert await ann.book.draft(stop.stop_id, "ann") is None
        await desk.close()
