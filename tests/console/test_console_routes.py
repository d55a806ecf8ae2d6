"""The route of the day as a person sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.console.walk import ROWS
from tests.console.console_kit import console_in
from tests.console.walking_kit import HOSTILE, a_route, a_stop, walking
from tests.routes.routes_kit import octets


async def test_a_route_is_loaded_from_a_file_and_is_the_one_that_is_walked(tmp_path: Path) -> None:
    async with walking(tmp_path, name="olga") as olga:
        assert "No route is loaded yet" in await olga.get("/")
        file = {"file": ("any name", octets(a_route()))}
        assert await olga.done("/routes", files=file) == "/routes/R-1"
        shown = await olga.get("/routes/R-1")
        assert "of 3 done" in shown
        assert "Deadline 17:00" in shown
        assert "11 h left" in shown
        assert await olga.get("/") == shown.replace('href="/"', 'href="/" aria-current="page"')
        assert "North loop" in await olga.get("/routes")
        assert any('"loaded"' in line and '"by":"olga"' in line for line in olga.console.audit_lines())


async def test_a_csv_file_is_taken_too(tmp_path: Path) -> None:
    text = "route_id,route_name,day,zone,address\nR-2,South,2026-11-22,UTC,1 Sea Road\n,,,,2 Sea Road\n"
    async with walking(tmp_path, name="olga") as olga:
        assert await olga.done("/routes", files={"file": ("r.csv", text.encode())}) == "/routes/R-2"
        assert "2 Sea Road" in await olga.get("/routes/R-2")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (None, "Choose a file first"),
        (("r.json", b'{"schema": "mrsp.route/1",\n"x": 1}'), "line 2"),
        (("r.csv", b"route_id,<b>nonsense</b>\nR-1,1\n"), "&lt;b&gt;nonsense"),
        (("r.json", b"{" * 100_000), "route"),
        (("r.json", b"\xff\xfe\x00"), "UTF-8"),
    ],
)
async def test_a_file_that_is_no_route_is_refused_and_it_is_said_why(
    tmp_path: Path, file: tuple[str, bytes] | None, said: str
) -> None:
    async with walking(tmp_path, name="olga") as olga:
        shown = await olga.assert_refused(422, "/routes", files={"file": file or ("", b"")})
        assert said in shown
        assert await olga.book.routes() == ()


async def test_who_reads_meters_cannot_load_a_route_that_names_lines_and_passwords(tmp_path: Path) -> None:
    async with walking(tmp_path) as ann:
        shown = await ann.get("/routes")
        assert "An operator loads them." in shown
        assert 'name="file"' not in shown
        await ann.assert_refused(403, "/routes", files={"file": ("r.json", octets(a_route()))})
        assert await ann.book.routes() == ()


async def test_it_can_be_walked_in_reverse_order(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        forth = await ann.get("/routes/R-1")
        assert forth.index("1 Mill Street") < forth.index("3 Mill Street")
        assert await ann.done("/routes/R-1/turn") == "/routes/R-1"
        back = await ann.get("/")
        assert "Next · Stop 3" in back
        assert back.rindex("3 Mill Street") < back.rindex("1 Mill Street")
        await ann.done("/routes/R-1/turn")
        assert "Next · Stop 1" in await ann.get("/")


async def test_the_next_stop_follows_the_last_one_that_this_person_left(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        first, second, _ = await ann.stops()
        await ann.book.settle(second.stop_id, "ann", "r-1", "keyed")
        assert "Next · Stop 3" in await ann.get("/routes/R-1")
        await ann.book.claim(first.stop_id, "bob", first.version)
        shown = await (await ann.another("bob")).get("/routes/R-1")
        assert "You are at · Stop 1" in shown


async def test_what_others_do_is_shown_in_the_list(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        first, second, third = await ann.stops()
        await ann.get("/routes/R-1")
        await ann.book.claim(first.stop_id, "bob", first.version)
        await ann.book.settle(second.stop_id, "bob", "r-1", "keyed", ("high_low_usage",))
        await ann.book.skip(third.stop_id, "bob", third.version)
        now = await ann.get("/routes/R-1/now?show=all")
        assert "Checks failed" not in now
        assert "A check failed at 1 stop" in now
        assert "1 stop was skipped" in now
        assert 'hx-swap-oob="innerHTML:#stops"' in now
        assert "bob</span>" in now
        assert "Only stops are left that were skipped" in now


async def test_a_stop_is_found_by_words_that_are_in_no_url(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(*[a_stop(number) for number in range(1, 100)])) as ann:
        hits = await ann.part("/routes/R-1/search", {"text": "77 MILL"})
        assert "1 stop found" in hits
        assert "77 Mill Street" in hits
        assert "99 stops found. The first 50 are shown" in await ann.part("/routes/R-1/search", {"text": "mill"})
        assert "has all of that" in await ann.part("/routes/R-1/search", {"text": "nowhere"})
        assert await ann.part("/routes/R-1/search", {"text": " "}) == ""
        whole = await ann.post("/routes/R-1/search", {"text": HOSTILE})
        assert "<script>alert" not in whole.text
        assert (await ann.client.get("/routes/R-1/search")).status_code == 405
        assert "10010077" not in hits  # the meter's number is read off the meter


async def test_a_meter_out_of_the_route_is_added_and_reminded_of(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        path = await ann.done("/routes/R-1/added", {"meter": "X-77"})
        assert "This meter is not in the route" in await ann.get(path)
        assert await ann.done("/routes/R-1/added", {"meter": "X-77"}) == path
        shown = await ann.get("/routes/R-1")
        assert "1 meter out of the route was added" in shown
        assert "X-77" in shown
        said = await ann.assert_refused(422, "/routes/R-1/added", {"meter": "a\u202eb"})
        assert "right-to-left" in said
        assert "is empty" in await ann.assert_refused(422, "/routes/R-1/added", {"meter": " "})


async def test_a_long_list_comes_in_pages(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(*[a_stop(number) for number in range(1, 100)])) as ann:
        first = await ann.get("/routes/R-1?show=all")
        assert first.count('class="stop pending"') == ROWS
        assert "1 of 3" in first
        last = await ann.get("/routes/R-1?show=all&page=3")
        assert "99 Mill Street" in last
        assert "3 of 3" in await ann.get("/routes/R-1?show=all&page=77777")
        assert "1 of 3" in await ann.get("/routes/R-1?show=nonsense&page=-1")


async def test_a_person_is_at_the_stop_that_they_came_to_last(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        for stop in await ann.stops():
            await ann.book.claim(stop.stop_id, "ann", stop.version)
            ann.now.after(minutes=5)
        shown = await ann.get("/routes/R-1")
        assert shown.count("you are here") == 1
        assert shown.index("begun") < shown.index("you are here")
        assert "You are at" not in shown


async def test_a_route_that_will_be_late_or_is_says_so(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route(deadline="07:00")) as ann:
        first, second, _ = await ann.stops()
        await ann.book.settle(first.stop_id, "ann", "r-1", "keyed")
        ann.now.after(minutes=40)
        await ann.book.settle(second.stop_id, "ann", "r-2", "keyed")
        assert "may be late" in await ann.get("/routes/R-1")
        ann.now.after(hours=1)
        shown = await ann.get("/routes/R-1")
        assert "too late" in shown
        assert "over since 40 min" in shown
        ann.now.after(days=1)
        assert "too late" in await ann.get("/routes")


async def test_a_route_that_is_done_says_so(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        for number, stop in enumerate(await ann.stops()):
            await ann.book.settle(stop.stop_id, "ann", f"r-{number}", "keyed")
        shown = await ann.get("/routes/R-1")
        assert "Everything is done" in shown
        assert "complete" in shown


async def test_hostile_texts_of_a_route_are_only_texts(tmp_path: Path) -> None:
    stop = a_stop(1, place={"address": HOSTILE, "hint": HOSTILE}, hazards=["vicious_dog"])
    async with walking(tmp_path, a_route(stop, name=HOSTILE)) as ann:
        for path in ("/", "/routes", "/routes/R-1"):
            shown = await ann.get(path)
            assert "<script>alert" not in shown
            assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ 7*7 }}" in shown


@pytest.mark.parametrize("path", ["/routes/R-9", "/routes/R-9/now", "/routes/%3Cscript%3E"])
async def test_an_unknown_route_is_not_there(tmp_path: Path, path: str) -> None:
    async with walking(tmp_path, a_route()) as ann:
        assert "Not here" in await ann.get(path, status=404)
        for change in ("search", "added"):
            await ann.assert_refused(404, f"/routes/R-9/{change}", {"text": "a", "meter": "1"})


async def test_a_box_without_routes_says_so(tmp_path: Path) -> None:
    async with console_in(tmp_path) as console:
        await console.log_in()
        page = await console.client.get("/")
        assert "This box has no routes" in page.text
        assert (await console.client.get("/routes/R-1")).status_code == 404


async def test_what_the_browser_says_was_chosen_is_not_trusted(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        for value in ("R-9!b!", "../../x!f!", "!!!", "R-1!x!"):
            ann.client.cookies.set("__Host-mrsp-walk", value, domain="box.test")
            assert "<h1>Routes</h1>" in await ann.get("/")
            ann.client.cookies.delete("__Host-mrsp-walk")


async def test_only_persons_who_are_logged_in_see_routes(tmp_path: Path) -> None:
    async with walking(tmp_path, a_route()) as ann:
        stranger = ann.console.browser()
        assert (await stranger.get("/")).headers["location"] == "/login"
        assert (await stranger.get("/routes/R-1/now")).status_code == 401
        assert (await stranger.post("/routes/R-1/turn")).status_code in {303, 403}
