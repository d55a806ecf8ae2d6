"""One stop as a person at the meter sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.console.choices import probe_key
from agent.console.hazards_seen import MOST, HazardsSeen
from agent.console.person import Person
from agent.field.views import JobView
from tests.console.console_kit import NOW
from tests.console.walking_kit import HOSTILE, PNG, Desk, a_route, a_stop, walking

LEFT = probe_key("tcp://192.0.2.9:4001")
DANGEROUS = {"hazards": ["slippery", "vicious_dog", "life_support"], "notes": "the notes", "access": "the key"}


async def test_hazards_come_first_by_priority_and_are_confirmed_before_the_stop_opens(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(a_stop(1, **DANGEROUS)), desk=Desk()) as ann:
        [stop] = await ann.stops()
        path = f"/stops/{stop.stop_id}"
        for closed in ("", "/visual"):
            shown = await ann.get(f"{path}{closed}")
            assert 'data-signals="flash sound vibrate"' in shown
            assert shown.index("Vicious dog") < shown.index("Slippery")
            assert "call before you enter" in shown
            assert "the key" in shown
            assert "the notes" not in shown
            assert "Read with probe" not in shown
        assert await ann.done(f"{path}/read", {"probe": LEFT, "version": "1"}) == path
        codes = ["vicious_dog", "life_support", "slippery"]
        assert await ann.done(f"{path}/hazards", {"hazard": codes}) == path
        shown = await ann.get(path)
        assert "the notes" in shown
        assert "Vicious dog" in shown
        assert "Read with probe" in shown
        assert (await ann.book.stop(stop.stop_id)).claimed_by == "ann"
        assert any('"confirmed"' in line and "vicious_dog" in line for line in ann.console.audit_lines())
        bob = await ann.another("bob")
        assert "data-signals" in await bob.get(path)


async def test_a_hazard_that_is_new_is_confirmed_too(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(a_stop(1, **DANGEROUS))) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}"
        await ann.book.release(stop.stop_id, "ann", stop.version)
        await ann.book.trouble(stop.stop_id, "bob", stop.version + 1, ("violence",))
        said = await ann.assert_refused(409, f"{path}/hazards", {"hazard": ["vicious_dog", "life_support", "slippery"]})
        assert "A warning is new" in said
        assert "Threat of violence" in await ann.get(path)


def test_what_was_confirmed_is_not_kept_without_bound() -> None:
    seen, ann = HazardsSeen(), Person("ann", "reader", "s-1")
    for number in range(MOST + 1):
        seen.confirm(ann, f"stop-{number}", ("dog",))
    assert not seen.knows(ann, "stop-0", ("dog",))
    assert seen.knows(ann, f"stop-{MOST}", ("dog",))
    assert seen.knows(ann, "stop-0", ())


async def test_reading_with_the_probe_begins_a_job(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        path = f"/stops/{stop.stop_id}"
        shown = await ann.get(path)
        assert "left probe" in shown
        form = {"probe": LEFT, "version": str(stop.version)}
        assert await ann.done(f"{path}/read", form) == "/jobs/job-1"
        [(work, by)] = desk.works
        assert (work.way, work.url, work.stop_id, by) == ("probe", "tcp://192.0.2.9:4001", stop.stop_id, "ann")
        assert work.order == stop.ordered.order
        assert (await ann.book.stop(stop.stop_id)).claimed_by == "ann"
        assert f'value="{LEFT}" checked' in await ann.get(path)  # the probe in the hand is offered first
        assert any('"reads by probe"' in line for line in ann.console.audit_lines())


async def test_a_line_that_is_offered_to_nobody_is_not_read_by(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened()
        for probe in ("", "serial:///etc/passwd", "0" * 12):
            said = await ann.assert_refused(422, f"/stops/{stop.stop_id}/read", {"probe": probe, "version": "1"})
            assert "Choose a probe" in said
        await ann.assert_refused(400, f"/stops/{stop.stop_id}/read", {"probe": LEFT, "version": "x"})
        assert desk.works == []


async def test_a_line_that_the_order_names_is_offered(tmp_path: Path) -> None:
    desk, url = Desk(), "tcp://192.0.2.77:4001"
    async with walking(tmp_path, a_route(a_stop(1, order={"url": url})), desk=desk) as ann:
        stop = await ann.opened()
        assert "Line named by the order" in await ann.get(f"/stops/{stop.stop_id}")
        await ann.done(f"/stops/{stop.stop_id}/read", {"probe": probe_key(url), "version": str(stop.version)})
        assert desk.works[0][0].url == url


async def test_two_persons_at_one_stop_are_told_of_each_other(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = await ann.opened(2)
        path = f"/stops/{stop.stop_id}"
        await ann.book.release(stop.stop_id, "ann", stop.version)
        seen = await ann.book.stop(stop.stop_id)
        await ann.book.claim(stop.stop_id, "bob", seen.version)
        form = {"probe": LEFT, "version": str(seen.version)}
        said = await ann.assert_refused(409, f"{path}/read", form)
        assert "Somebody was faster" in said
        assert "bob is there, until 06:30 at the latest" in said
        assert "Read all the same" in said
        assert desk.works == []
        assert "bob is at this meter, until 06:30" in await ann.get(path)
        assert await ann.done(f"{path}/read", {**form, "anyway": "1"}) == "/jobs/job-1"
        assert (await ann.book.stop(stop.stop_id)).claimed_by == "bob"


async def test_a_form_of_before_somebody_elses_act_changes_nothing(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), desk=Desk()) as ann:
        stop = (await ann.stops())[0]
        await ann.book.skip(stop.stop_id, "bob", stop.version)
        form = {"probe": LEFT, "version": str(stop.version)}
        assert "bob left it for later at 06:00:00" in await ann.assert_refused(409, f"/stops/{stop.stop_id}/read", form)
        await ann.book.settle(stop.stop_id, "bob", "r-1", "keyed")
        said = await ann.assert_refused(409, f"/stops/{stop.stop_id}/skip", form)
        assert "bob read it at 06:00:00" in said
        assert "Read by bob at 06:00, keyed" in said


async def test_a_job_that_goes_on_is_shown_in_place_of_another(tmp_path: Path) -> None:
    desk = Desk()
    async with walking(tmp_path, a_route(), desk=desk) as ann:
        stop = (await ann.stops())[0]
        desk.running = (JobView("job-7", 1, "probe", "reading", "bob", stop.stop_id, NOW),)
        shown = await ann.get(f"/stops/{stop.stop_id}")
        assert 'href="/jobs/job-7"' in shown
        assert "bob is reading it" in shown
        assert "Read with probe" not in shown
        desk.refusal = "this meter is being read by bob already"
        form = {"probe": LEFT, "version": str(stop.version)}
        assert desk.refusal in await ann.assert_refused(422, f"/stops/{stop.stop_id}/read", form)


async def test_a_skipped_stop_is_come_back_to(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        form = {"version": str(stop.version), "remark": "gate closed\r\nuntil noon"}
        assert await ann.done(f"/stops/{stop.stop_id}/skip", form) == "/routes/R-1"
        assert "1 stop was skipped" in await ann.get("/routes/R-1")
        assert "1 Mill Street" in await ann.get("/routes/R-1?show=skipped")
        shown = await ann.get(f"/stops/{stop.stop_id}")
        assert "Skipped by ann at 06:00" in shown
        assert "gate closed\nuntil noon" in shown


async def test_who_leaves_gives_the_stop_back(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = await ann.opened()
        form = {"version": str(stop.version)}
        assert await ann.done(f"/stops/{stop.stop_id}/release", form) == "/routes/R-1"
        assert (await ann.book.stop(stop.stop_id)).claimed_by is None
        await ann.book.claim(stop.stop_id, "bob", stop.version + 1)
        assert "bob" in await ann.assert_refused(409, f"/stops/{stop.stop_id}/release", form)


async def test_a_note_has_words_a_photo_and_a_place(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        path = f"/stops/{stop.stop_id}"
        fields = {"text": HOSTILE, "latitude": "45.520000", "longitude": "-122.67", "accuracy_m": "8.5"}
        files = {"photo": ("../../x.html", PNG, "text/html")}
        assert await ann.done(f"{path}/notes", fields, files=files) == f"{path}#notes"
        [note] = (await ann.book.stop(stop.stop_id)).notes
        assert note.position is not None
        assert (note.text, str(note.position.latitude), len(note.photos)) == (HOSTILE, "45.520000", 1)
        shown = await ann.get(path)
        assert "<script>alert" not in shown
        photo = await ann.client.get(f"{path}/photos/{note.photos[0]}")
        assert photo.content == PNG
        assert photo.headers["content-type"] == "image/png"
        assert photo.headers["x-content-type-options"] == "nosniff"
        other = (await ann.stops())[1]
        assert (await ann.client.get(f"/stops/{other.stop_id}/photos/{note.photos[0]}")).status_code == 404
        assert (await ann.client.get(f"{path}/photos/..%2f..%2fconsole-accounts.json")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "content", "said"),
    [
        ({"text": "what I typed"}, b"<html>", "this is no photograph"),
        ({"text": "what I typed", "latitude": "95", "longitude": "0"}, PNG, "no position"),
        ({"text": "what I typed", "latitude": "NaN", "longitude": "1e999999"}, PNG, "no position"),
        ({"text": "what I typed\u202e"}, PNG, "right-to-left"),
        ({"text": "what I typed" + "x" * 1_000}, PNG, "at most 1,000"),
    ],
)
async def test_a_note_that_cannot_be_kept_is_said_and_its_words_stay(
    tmp_path: Path, fields: dict[str, str], content: bytes, said: str
) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        files = {"photo": ("a.jpg", content, "image/jpeg")}
        shown = await ann.assert_refused(422, f"/stops/{stop.stop_id}/notes", fields, files=files)
        assert said in shown
        assert "what I typed" in shown
        assert (await ann.book.stop(stop.stop_id)).notes == ()


async def test_a_reading_with_a_failed_check_is_accepted_with_a_reason(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stop = (await ann.stops())[0]
        path = f"/stops/{stop.stop_id}"
        await ann.book.settle(stop.stop_id, "ann", "r-1", "interrogated", ("high_low_usage",))
        shown = await ann.get(path)
        assert "Read by ann at 06:00, interrogated" in shown
        assert "high or low usage" in shown
        form = {"reading_id": "r-1", "words": "a party\r\nlast week"}
        assert "reason" in await ann.assert_refused(422, f"{path}/accept", {"reading_id": "r-1"})
        assert await ann.done(f"{path}/accept", {**form, "reason": "usual_here"}) == path
        taken = await ann.book.stop(stop.stop_id)
        assert taken.accepted_reason == "This is usual here: a party\nlast week"
        assert "Accepted by ann" in await ann.get(path)
        await ann.book.settle(stop.stop_id, "bob", "r-2", "keyed", ("zero_consumption",))
        assert "it was read again" in await ann.assert_refused(409, f"{path}/accept", form)


async def test_the_number_on_record_is_shown_on_demand_only_where_something_else_names_the_meter(
    tmp_path: Path,
) -> None:
    alone = a_stop(2)
    del alone["place"]
    async with walking(tmp_path, a_route(a_stop(1), alone)) as ann:
        first, second = await ann.stops()
        shown = await ann.get(f"/stops/{first.stop_id}")
        assert shown.index("<summary>") < shown.index("10010001")
        assert "<h1>10010002</h1>" in await ann.get(f"/stops/{second.stop_id}")


async def test_an_unknown_stop_is_not_there(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), desk=Desk()) as ann:
        for page in ("", "/visual", "/visual/again", "/trouble", "/photos/x"):
            await ann.get(f"/stops/nobody{page}", status=404)
        for change in ("hazards", "read", "skip", "release", "notes", "accept", "trouble", "visual", "visual/draft"):
            await ann.assert_refused(404, f"/stops/nobody/{change}", {"version": "1"})


async def test_a_box_that_reads_nothing_offers_no_read(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(), photos=False) as ann:
        stop = (await ann.stops())[0]
        shown = await ann.get(f"/stops/{stop.stop_id}")
        assert "Read with probe" not in shown
        assert 'type="file"' not in shown
        assert "Inspection" not in shown
        await ann.assert_refused(404, f"/stops/{stop.stop_id}/read", {"version": "1"})
        await ann.assert_refused(404, f"/stops/{stop.stop_id}/notes", files={"photo": ("a.png", PNG)})
