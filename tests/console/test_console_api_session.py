"""Who is let in by the API, for how long, and what everything that is sent to it may be."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agent.console.api import ENDPOINTS
from agent.console.api.endpoint import PREFIX, Endpoint
from agent.console.logging_in import ADDRESS_TRIES
from agent.console.page import MOST_FORM_OCTETS
from agent.console.settings import ConsoleSettings
from agent.errors import LocalTrouble
from agent.routes.book import RouteBook
from tests.console.api_kit import Program, api_in, program
from tests.console.console_kit import PASSWORD, PEER, Console
from tests.routes.routes_kit import open_book, walked


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[RouteBook]:
    async with open_book(tmp_path) as opened:
        await walked(opened)
        yield opened


@pytest.fixture
async def console(tmp_path: Path, book: RouteBook) -> AsyncIterator[Console]:
    settings = ConsoleSettings(hosts=("box.test",), max_upload_octets=100_000)
    async with api_in(tmp_path, routes=book, settings=settings) as made:
        yield made


@pytest.fixture
async def ann(console: Console) -> Program:
    return await program(console)


def concrete(one: Endpoint) -> str:
    return one.path.replace("{", "").replace("}", "")


async def test_a_login_a_request_and_a_logout(console: Console) -> None:
    ann = Program(console)
    login = await ann.post("/login", {"name": " Ann ", "password": PASSWORD})
    assert (login["token_type"], login["name"], login["role"], login["idle_s"]) == ("Bearer", "ann", "reader", 1_800)
    assert login["ends_at"] == "2026-11-22T16:00:00Z"
    ann.token = login["token"]
    me = await ann.get("/me")
    assert (me["name"], me["agent_id"], me["zone"]) == ("ann", "gw-7", "UTC")
    assert me["offers"] == {"routes": True, "reads": False, "inspections": False, "photos": False, "van": False}
    assert (await ann.call("POST", "/logout")).status_code == 204
    await ann.assert_refused(401, "GET", "/me")
    said = [json.loads(line)["did"] for line in console.audit_lines() if '"address"' in line]
    assert said == ["logged in", "logged out"]
    assert not any(login["token"] in path.read_text() for path in console.directory.glob("*.json*"))


async def test_what_is_wrong_is_not_said_apart_and_tries_are_limited_as_for_browsers(console: Console) -> None:
    stranger = Program(console)
    first = await stranger.assert_refused(401, "POST", "/login", {"name": "ann", "password": "wrong horse"})
    other = await stranger.assert_refused(401, "POST", "/login", {"name": "nobody", "password": "wrong horse"})
    assert first == other
    assert first["type"].endswith("#login-refused")
    for _ in range(ADDRESS_TRIES - 3):
        await stranger.assert_refused(401, "POST", "/login", {"name": "ann", "password": "wrong horse"})
    assert (await console.log_in(password="wrong horse")).status_code == 401  # noqa: S106 - the browser's is the last
    answer = await stranger.call("POST", "/login", {"name": "ann", "password": PASSWORD})
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert "wrong horse" not in "\n".join(console.audit_lines())


async def test_nothing_is_answered_to_who_is_not_logged_in(console: Console) -> None:
    strangers: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Bearer {'x' * 4_000}"},
    )
    for one, headers in product([one for one in ENDPOINTS if not one.public], strangers):
        answer = await console.client.request(one.method, PREFIX + concrete(one), headers=headers)
        assert (one.name, answer.status_code, answer.json()["status"]) == (one.name, 401, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_browser_changes_nothing_without_the_token_of_its_pages(console: Console) -> None:
    await console.log_in("olga")
    own = {"Content-Type": "application/json"}
    forged = {**own, "X-CSRF-Token": await console.csrf(), "Origin": "https://evil.test"}
    changes = [one for one in ENDPOINTS if one.method != "GET" and not one.public]
    for one, headers in product(changes, (own, {**own, "X-CSRF-Token": "x"}, forged)):
        answer = await console.client.request(one.method, PREFIX + concrete(one), headers=headers, content=b"{}")
        assert (one.name, answer.status_code) == (one.name, 403)


async def test_a_browser_with_it_does(console: Console) -> None:
    await console.log_in("ann")
    headers = {"X-CSRF-Token": await console.csrf()}
    answer = await console.client.post(f"{PREFIX}/routes/R-1/search", json={"text": "mill"}, headers=headers)
    assert len(answer.json()["stops"]) == 3
    assert (await console.client.get(f"{PREFIX}/me")).json()["name"] == "ann"


async def test_a_session_ends_unused_and_in_any_case(console: Console, ann: Program) -> None:
    console.clock.pass_s(1_700)
    await ann.get("/me")
    console.clock.pass_s(1_700)
    await ann.get("/status")  # programs ask for it by themselves
    console.clock.pass_s(200)
    await ann.assert_refused(401, "GET", "/me")
    again = await program(console)
    for _ in range(21):
        console.clock.pass_s(1_700)
        await again.get("/me")
    console.clock.pass_s(300)  # ten hours
    await again.assert_refused(401, "GET", "/me")


async def test_an_account_that_is_taken_away_is_not_let_in_any_more(console: Console, ann: Program) -> None:
    console.accounts.remove("ann")
    await ann.assert_refused(401, "GET", "/me")


async def test_the_token_is_no_cookie_and_the_cookie_no_token(console: Console, ann: Program) -> None:
    console.client.cookies.set("__Host-mrsp-session", ann.token)
    assert (await console.client.get(f"{PREFIX}/me")).status_code == 401
    await console.log_in()
    cookie = console.client.cookies["__Host-mrsp-session"]
    await Program(console, cookie).assert_refused(401, "GET", "/me")


async def test_the_bundle_is_for_operators(console: Console, ann: Program) -> None:
    await ann.assert_refused(403, "POST", "/support-bundle")
    olga = await program(console, "olga")
    answer = await olga.call("POST", "/support-bundle")
    assert (answer.content, answer.headers["content-type"]) == (b"PK", "application/zip")


async def test_the_box_and_its_clock(ann: Program) -> None:
    status = await ann.get("/status")
    assert (status["spool"]["depth"], status["disk"]["percent_free"], status["link"]["state"]) == (3, 50, "online")
    assert (status["keys"], status["keys_trouble"]) == (None, "there is no key")
    assert "/var/lib" not in json.dumps(status)
    assert (await ann.get("/clock"))["state"] == "proven"


async def test_a_disk_that_refuses_is_told_as_the_box_s_trouble(tmp_path: Path) -> None:
    async def refuses() -> Any:
        raise LocalTrouble("the spool cannot be read", advice="look at the disk")

    async with api_in(tmp_path, status=refuses) as console:
        problem = await (await program(console)).assert_refused(503, "GET", "/status")
    assert problem["type"].endswith("#box-trouble")
    assert (problem["detail"], problem["advice"]) == ("the spool cannot be read", "look at the disk")


DEEP = b'{"text": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
BAD = [
    (b"", "truncated"),
    (b"null", "object"),
    (b"[]", "object"),
    (b'{"text": 7}', "`text`"),
    (b'{"text": "a", "more": 1}', "`more`"),
    (b'{"text": "' + b"x" * 201 + b'"}', "`text`"),
    (b'{"text": "\xff"}', ""),
    (b'{"text": "\\ud800"}', ""),
    (b'{"text": "a"}{}', "trailing"),
    (b"{" * 30_000, ""),
    (b"[" * 60_000, "object"),
    (DEEP, "`text`"),
]


async def test_what_is_no_request_is_refused_naming_where(ann: Program) -> None:
    headers = {"Content-Type": "application/json"}
    for content, said in BAD:
        problem = await ann.assert_refused(400, "POST", "/routes/R-1/search", content=content, headers=headers)
        assert said in problem["detail"]
        assert len(problem["detail"]) <= 400


async def test_a_version_is_a_number(ann: Program) -> None:
    stop = (await ann.get("/routes/R-1/stops"))["stops"][0]["stop_id"]
    await ann.assert_refused(400, "POST", f"/stops/{stop}/claim", {})
    for version in (0, -1, True, "1", 1.5, 10**30, None, [1]):
        await ann.assert_refused(400, "POST", f"/stops/{stop}/claim", {"version": version})
    assert (await ann.get(f"/stops/{stop}"))["state"] == "pending"


NOWHERE: tuple[dict[str, Any], ...] = (
    {"latitude": "91", "longitude": "0"},
    {"latitude": "NaN", "longitude": "0"},
    {"latitude": "1e400", "longitude": "0"},
    {"latitude": "0", "longitude": "Infinity"},
    {"latitude": "0." + "1" * 500, "longitude": "0"},
    {"latitude": "0"},
    {"latitude": {}, "longitude": []},
)


async def test_a_position_is_on_the_earth_and_words_do_not_steer_a_screen(ann: Program) -> None:
    stop = (await ann.get("/routes/R-1/stops"))["stops"][0]["stop_id"]
    for position in NOWHERE:
        await ann.assert_refused(400, "POST", f"/stops/{stop}/notes", {"text": "here", "position": position})
    for text in ("a\x00b", "\u202eevil", "a\rb", "\x1b[31m", "x" * 1_001):
        await ann.assert_refused(400, "POST", f"/stops/{stop}/notes", {"text": text})
        await ann.assert_refused(400, "POST", f"/stops/{stop}/skip", {"version": 1, "remark": text})
    shown = await ann.get(f"/stops/{stop}")
    assert (shown["notes"], shown["state"]) == ([], "pending")


QUERIES = (
    "/routes?x=1",
    "/routes/R-1/stops?limit=0",
    "/routes/R-1/stops?limit=501",
    "/routes/R-1/stops?offset=-1",
    "/routes/R-1/stops?show=nothing",
    "/routes/R-1/stops?limit=1&limit=2",
    "/routes/R-1/stops?limit=" + "9" * 500,
    "/routes/R-1?backwards=maybe",
    "/events?jobs=",
    "/events?everything=true",
)


async def test_what_stands_after_the_path_is_known_and_within_its_limits(ann: Program) -> None:
    for path in QUERIES:
        problem = await ann.assert_refused(400, "GET", path)
        assert problem["type"] == "/api/v1/problems#makes-no-sense"


async def test_an_id_leads_nowhere_else(console: Console, ann: Program) -> None:
    headers = {"Authorization": f"Bearer {ann.token}"}
    names = ("..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "a%00b", "%f0%9f%92%a9", "x" * 1_900)
    paths = ("/routes/{}", "/stops/{}", "/stops/{}/photos/{}", "/jobs/{}/reading", "/inspections/{}")
    for name, path in product(names, paths):
        answer = await console.client.get(PREFIX + path.format(name, name), headers=headers)
        assert answer.status_code in {404, 414}, answer.text
        assert "passwd" not in answer.text


async def test_another_form_than_json_is_refused_before_it_is_read(ann: Program) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        problem = await ann.assert_refused(
            415, "POST", "/routes/R-1/search", content=b'{"text": "mill"}', headers={"Content-Type": media}
        )
        assert problem["title"] == "Not in a form that is understood here"


@pytest.mark.parametrize(("path", "most"), [("/routes/R-1/search", MOST_FORM_OCTETS), ("/routes", 100_000)])
async def test_a_body_without_end_is_refused_while_it_comes(console: Console, path: str, most: int) -> None:
    olga = await program(console, "olga")
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 10_000
            yield b"[" * 10_000

    await olga.assert_refused(413, "POST", path, content=body(), headers={"Content-Type": "application/json"})
    assert sent <= most + 20_000


async def test_nothing_of_a_customer_is_in_the_log(
    console: Console, ann: Program, caplog: pytest.LogCaptureFixture
) -> None:
    olga = await program(console, "olga")
    caplog.set_level(logging.DEBUG)
    await ann.post("/routes/R-1/search", {"text": "Mill Street"})
    stop = (await ann.get("/routes/R-1/stops"))["stops"][0]["stop_id"]
    await ann.get(f"/stops/{stop}")
    await olga.assert_refused(400, "POST", "/routes", {"schema": "Mill Street"})
    own = [one.getMessage() for one in caplog.records if one.name.startswith(("agent", "uvicorn", "starlette"))]
    assert not any("Mill" in one or PEER[0] in one for one in own)


async def test_a_bug_is_numbered_and_tells_nothing(
    ann: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    words = "12 Mill Street"

    async def broken(_book: RouteBook) -> Any:
        raise ValueError(words)

    monkeypatch.setattr(RouteBook, "routes", broken)
    problem = await ann.assert_refused(500, "GET", "/routes")
    assert problem["type"] == "about:blank"
    assert words not in json.dumps(problem) + caplog.text
    assert "/api/v1/routes" in caplog.text
