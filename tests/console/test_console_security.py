"""What holds for every page: who is let in, what is forbidden to the browser, what a forged or huge request does."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agent.console.headers import POLICY
from agent.console.page import MOST_FORM_OCTETS, Page
from agent.console.pages import PAGES
from agent.console.request import field, form_of, person_of
from agent.console.settings import ConsoleSettings
from agent.errors import ClockForbids, LocalTrouble, UsageError
from tests.console.console_kit import PASSWORD, Console, console_in

done: list[str] = []


async def change(request: Request) -> Response:
    done.append(person_of(request).name)
    return PlainTextResponse(field(request, "said"))


async def upload(request: Request) -> Response:
    file = form_of(request)["photo"]
    assert not isinstance(file, str)
    return PlainTextResponse(str(len(await file.read())))


async def program(request: Request) -> Response:
    return JSONResponse({"octets": len(await request.body()), "by": person_of(request).name})


async def troubled(request: Request) -> Response:
    match request.path_params["kind"]:
        case "usage":
            raise UsageError("the <meter> is not known", advice="look again")
        case "disk":
            raise LocalTrouble("the disk is full")
        case "clock":
            raise ClockForbids("not now")
        case "http":
            raise HTTPException(404)
        case kind:
            raise ValueError(f"secret of {kind}")


EXTRA = (
    Page("/change", change, method="POST"),
    Page("/upload", upload, method="POST", body="upload"),
    Page("/operators", change, method="POST", role="operator"),
    Page("/api/v1/program", program, method="POST", body="raw", api=True),
    Page("/api/v1/trouble/{kind}", troubled, api=True),
    Page("/trouble/{kind}", troubled),
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    done.clear()
    settings = ConsoleSettings(hosts=("box.test",), max_upload_octets=200_000)
    async with console_in(tmp_path, pages=(*PAGES, *EXTRA), settings=settings) as made:
        yield made


def concrete(page: Page) -> str:
    return page.path.replace("{kind}", "usage").replace("{", "").replace("}", "")


async def test_every_page_needs_a_login(console: Console) -> None:
    for page in (one for one in (*PAGES, *EXTRA) if not one.public):
        answer = await console.client.request(page.method, concrete(page))
        assert (page.path, answer.status_code) == (page.path, 401 if page.api or page.background else 303)
    assert done == []


async def test_every_change_needs_the_token_of_the_session(console: Console) -> None:
    await console.log_in("olga")
    for page in (one for one in (*PAGES, *EXTRA) if one.method != "GET"):
        for headers in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": ""}):
            answer = await console.client.request(page.method, concrete(page), headers=headers)
            assert (page.path, answer.status_code) == (page.path, 403)
    assert done == []


async def test_the_token_of_another_session_is_none(console: Console) -> None:
    await console.log_in()
    token = await console.csrf()
    await console.log_in()
    assert (await console.client.post("/change", data={"csrf": token})).status_code == 403
    assert done == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}]
)
async def test_a_page_of_elsewhere_changes_nothing_even_with_the_token(
    console: Console, headers: dict[str, str]
) -> None:
    await console.log_in()
    answer = await console.client.post("/change", data={"csrf": await console.csrf()}, headers=headers)
    assert answer.status_code == 403
    assert done == []


async def test_a_change_by_form_and_by_htmx(console: Console) -> None:
    await console.log_in()
    token = await console.csrf()
    form = await console.client.post("/change", data={"csrf": token, "said": " hello "})
    assert form.text == "hello"
    own = {"Origin": "https://box.test", "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": token, "HX-Request": "true"}
    assert (await console.client.post("/change", data={"said": "again"}, headers=own)).text == "again"
    assert done == ["ann", "ann"]


async def test_a_reader_is_no_operator(console: Console) -> None:
    await console.log_in("ann")
    token = await console.csrf()
    assert (await console.client.post("/operators", data={"csrf": token})).status_code == 403
    assert (await console.client.post("/status/bundle", data={"csrf": token})).status_code == 403
    assert "/status/bundle" not in (await console.client.get("/status")).text
    await console.log_in("olga")
    assert (await console.client.post("/operators", data={"csrf": await console.csrf()})).status_code == 200
    assert done == ["olga"]


@pytest.mark.parametrize("path", ["/login", "/status", "/nothing", "/static/console.css", "/trouble/bug", "/clock"])
async def test_every_answer_forbids_the_browser_what_it_does_not_need(console: Console, path: str) -> None:
    await console.log_in()
    headers = (await console.client.get(path)).headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.test", "box.test.evil.test", "127.0.0.1:1", "192.0.2.7"])
async def test_a_name_that_is_not_ours_is_turned_away(console: Console, host: str) -> None:
    await console.log_in()
    assert (await console.client.get("/status", headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("path", ["/change", "/api/v1/program"])
async def test_a_large_body_is_refused_while_it_comes_in(console: Console, path: str) -> None:
    await console.log_in()
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 10_000
            yield b"x" * 10_000

    headers = {"X-CSRF-Token": await console.csrf(), "Content-Type": "application/x-www-form-urlencoded"}
    answer = await console.client.post(path, content=body(), headers=headers)
    assert answer.status_code == 413
    assert sent <= MOST_FORM_OCTETS + 20_000
    assert done == []


@pytest.mark.parametrize(("octets", "status"), [(150_000, 200), (250_000, 413)])
async def test_an_upload_has_its_own_limit(console: Console, octets: int, status: int) -> None:
    await console.log_in()
    files = {"photo": ("p.jpg", b"x" * octets, "image/jpeg")}
    answer = await console.client.post("/upload", files=files, headers={"X-CSRF-Token": await console.csrf()})
    assert answer.status_code == status
    assert status != 200 or answer.text == str(octets)


async def test_a_form_takes_no_files_and_not_any_number_of_fields(console: Console) -> None:
    await console.log_in()
    headers = {"X-CSRF-Token": await console.csrf()}
    assert (await console.client.post("/change", files={"a": b"x"}, headers=headers)).status_code == 400
    many = {"data": {f"f{count}": "" for count in range(400)}, "headers": headers}
    assert (await console.client.post("/change", **many)).status_code == 400  # type: ignore[arg-type]
    long = await console.client.post("/change", data={"said": "x" * 201}, headers=headers)
    assert long.status_code == 400
    broken = headers | {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await console.client.post("/change", content=b"--y\r\nnonsense", headers=broken)).status_code == 400
    assert done == ["ann"]  # the long field was refused by the page itself


async def test_a_program_needs_no_csrf_token_and_gets_json(console: Console) -> None:
    token, _ = await console.app.state.logins.log_in("ann", PASSWORD, "192.0.2.9", by_token=True)
    headers = {"Authorization": f"Bearer {token}"}
    answer = await console.client.post("/api/v1/program", content=b"{}", headers=headers)
    assert answer.json() == {"octets": 2, "by": "ann"}
    wrong = await console.client.post("/api/v1/program", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert wrong.json()["status"] == 401


@pytest.mark.parametrize(
    ("kind", "status"), [("usage", 400), ("disk", 503), ("clock", 409), ("http", 404), ("customer-4711", 500)]
)
async def test_errors_are_said_plainly_on_a_page_and_in_json(
    console: Console, caplog: pytest.LogCaptureFixture, kind: str, status: int
) -> None:
    await console.log_in()
    page = await console.client.get(f"/trouble/{kind}")
    assert page.status_code == status
    assert "<h1>" in page.text
    answer = await console.client.get(f"/api/v1/trouble/{kind}")
    assert answer.status_code == answer.json()["status"] == status
    part = await console.client.get(f"/trouble/{kind}", headers={"HX-Request": "true"})
    assert part.status_code == status
    assert part.headers["hx-retarget"] == "#said"
    assert "<html" not in part.text
    if kind == "usage":
        assert "the &lt;meter&gt; is not known" in page.text
        assert answer.json()["advice"] == "look again"
    for said in (page.text, answer.text, part.text, caplog.text):
        assert "4711" not in said
    assert ("ValueError" in caplog.text) is (status == 500)


async def test_an_unknown_path_tells_nothing_and_is_not_logged(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert (await console.client.get("/nothing/4711-of-a-customer")).status_code == 404
    assert (await console.client.get("/api/v1/4711")).json()["status"] == 404
    assert (await console.client.get("/logout")).status_code == 405
    own = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore", "asyncio"))]
    assert not any("4711" in one.getMessage() for one in own)
    assert (await console.client.get("/" + "x" * 3_000)).status_code == 414


async def test_what_cannot_be_set_down_is_not_done_but_a_login_is(console: Console) -> None:
    (console.directory / "audit.jsonl").mkdir()
    assert (await console.log_in("olga")).status_code == 303
    assert (await console.client.get("/status")).status_code == 200
    answer = await console.client.post("/status/bundle", data={"csrf": await console.csrf()})
    assert answer.status_code == 503
    assert "audit log" in answer.text
