"""Logging in and out as a browser does it: cookies, tokens, tries, and where one is led."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.console.logging_in import ADDRESS_REFILL_S, ADDRESS_TRIES, NAME_TRIES
from tests.console.console_kit import PASSWORD, Console, console_in, csrf_in

WRONG = "wrong horse battery"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with console_in(tmp_path) as made:
        yield made


async def test_a_person_who_is_not_logged_in_is_led_to_the_login_and_back(console: Console) -> None:
    led = await console.client.get("/status")
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/status")
    page = await console.client.get(led.headers["location"])
    assert 'name="next" value="/status"' in page.text
    entered = await console.log_in(following="/status")
    assert (entered.status_code, entered.headers["location"]) == (303, "/status")
    assert (await console.client.get("/status")).status_code == 200


async def test_the_cookie_is_for_this_host_this_browser_and_no_script(console: Console) -> None:
    cookie = (await console.log_in()).headers["set-cookie"]
    assert cookie.startswith("__Host-mrsp-session=")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "path=/", "samesite=strict"} <= attributes
    assert not any(one.startswith("domain") for one in attributes)


async def test_each_login_has_a_token_of_its_own(console: Console) -> None:
    tokens = [(await console.log_in()).headers["set-cookie"].partition(";")[0] for _ in range(2)]
    assert tokens[0] != tokens[1]
    assert len(tokens[0].partition("=")[2]) >= 43  # 256 bits


@pytest.mark.parametrize("name", ["ann", "nobody", "", "a" * 60, "<script>"])
async def test_what_is_wrong_is_not_said_apart(console: Console, name: str) -> None:
    refused = await console.log_in(name, WRONG)
    assert refused.status_code == 401
    assert "Name or password is wrong." in refused.text
    assert WRONG not in refused.text
    assert "<script>alert" not in refused.text
    assert "mrsp-session" not in refused.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:1", "/a\nb", "", "/\t/x"]
)
async def test_nobody_is_led_elsewhere(console: Console, elsewhere: str) -> None:
    entered = await console.log_in(following=elsewhere)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")


async def test_a_login_from_another_page_is_refused(console: Console) -> None:
    form = {"name": "ann", "password": PASSWORD}
    assert (await console.client.post("/login", data=form)).status_code == 403
    await console.client.get("/login")
    assert (await console.client.post("/login", data=form | {"csrf": "guess"})).status_code == 403
    async with console.browser() as other:
        token = csrf_in(await other.get("/login"))
    assert (await console.client.post("/login", data=form | {"csrf": token})).status_code == 403


async def test_a_logout_ends_the_session_on_the_box(console: Console) -> None:
    await console.log_in()
    token = console.client.cookies["__Host-mrsp-session"]
    left = await console.client.post("/logout", data={"csrf": await console.csrf()})
    assert left.headers["location"] == "/login"
    console.client.cookies.set("__Host-mrsp-session", token)
    assert (await console.client.get("/account")).status_code == 303


async def test_an_idle_session_is_over_and_a_refresh_by_the_browser_is_no_touch(console: Console) -> None:
    await console.log_in()
    for _ in range(4):
        console.clock.pass_s(7 * 60)
        assert (await console.client.get("/clock")).status_code == 200
    console.clock.pass_s(3 * 60)
    assert (await console.client.get("/clock")).status_code == 401
    assert (await console.client.get("/account")).headers["location"] == "/login?next=/account"


async def test_who_types_stays_logged_in(console: Console) -> None:
    await console.log_in()
    for _ in range(8):
        console.clock.pass_s(5 * 60)
        assert (await console.client.get("/account/here")).status_code == 204
    assert (await console.client.get("/account")).status_code == 200


async def test_who_is_removed_or_gets_another_role_is_out(console: Console) -> None:
    await console.log_in()
    console.accounts.remove("ann")
    assert (await console.client.get("/account")).status_code == 303


async def test_a_damaged_file_of_accounts_lets_nobody_in_and_says_so_once(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    await console.log_in()
    (console.directory / "console-accounts.json").write_text("{")
    for _ in range(2):
        assert (await console.client.get("/account")).status_code == 303
    assert caplog.text.count("nobody is let into the console") == 1
    answer = await console.log_in()
    assert answer.status_code == 503
    assert "is damaged" in answer.text


async def test_a_new_password_logs_other_devices_out(console: Console) -> None:
    await console.log_in()
    async with console.browser() as tablet:
        page = await tablet.get("/login")
        await tablet.post("/login", data={"csrf": csrf_in(page), "name": "ann", "password": PASSWORD})
        form = {"old": PASSWORD, "new": "fresh words for ann's", "again": "fresh words for ann's"}
        weak = await console.client.post("/account/password", data=form | {"csrf": await console.csrf()})
        assert weak.status_code == 422
        assert "easily guessed" in weak.text
        form |= {"new": "fresh words for work", "again": "fresh words for work"}
        done = await console.client.post("/account/password", data=form | {"csrf": await console.csrf()})
        assert done.headers["location"] == "/account/changed"
        assert "The password is changed" in (await console.client.get("/account/changed")).text
        assert (await tablet.get("/account")).status_code == 303
    assert console.accounts.verify("ann", "fresh words for work") is not None


@pytest.mark.parametrize(
    ("old", "again", "said"), [(WRONG, "another one here", "is wrong"), (PASSWORD, "not the same", "not the same")]
)
async def test_a_new_password_needs_the_old_one_and_care(console: Console, old: str, again: str, said: str) -> None:
    await console.log_in()
    form = {"old": old, "new": "another one here", "again": again, "csrf": await console.csrf()}
    refused = await console.client.post("/account/password", data=form)
    assert refused.status_code == 422
    assert said in refused.text
    assert console.accounts.verify("ann", PASSWORD) is not None


async def test_too_many_tries_from_one_address_wait_and_others_go_on(console: Console) -> None:
    for _ in range(ADDRESS_TRIES):
        assert (await console.log_in("ann", WRONG)).status_code == 401
    waiting = await console.log_in("ann", PASSWORD)
    assert waiting.status_code == 429
    assert 0 < int(waiting.headers["retry-after"]) <= ADDRESS_REFILL_S + 1
    async with console.browser("192.0.2.8") as other:
        page = await other.get("/login")
        entered = await other.post("/login", data={"csrf": csrf_in(page), "name": "ann", "password": PASSWORD})
        assert entered.status_code == 303
    console.clock.pass_s(ADDRESS_REFILL_S)
    assert (await console.log_in("ann", PASSWORD)).status_code == 303


async def test_a_name_under_attack_from_everywhere_is_not_lost_to_who_was_here_before(console: Console) -> None:
    assert (await console.log_in()).status_code == 303
    for count in range(NAME_TRIES):
        async with console.browser(f"198.51.100.{count}") as attacker:
            page = await attacker.get("/login")
            form = {"csrf": csrf_in(page), "name": "ann", "password": WRONG}
            assert (await attacker.post("/login", data=form)).status_code == 401
    async with console.browser("198.51.100.200") as attacker:
        page = await attacker.get("/login")
        form = {"csrf": csrf_in(page), "name": "ann", "password": PASSWORD}
        assert (await attacker.post("/login", data=form)).status_code == 429
        assert (await attacker.post("/login", data=form | {"name": "olga"})).status_code == 303
    assert (await console.log_in()).status_code == 303


async def test_every_try_is_set_down_without_the_password(console: Console) -> None:
    await console.log_in("ann", WRONG)
    await console.log_in()
    await console.client.post("/logout", data={"csrf": await console.csrf()})
    lines = console.audit_lines()
    assert [line.partition('"did":"')[2].partition('"')[0] for line in lines] == [
        "was refused",
        "logged in",
        "logged out",
    ]
    assert all('"by":"ann"' in line and '"address":"192.0.2.7"' in line for line in lines)
    assert not any(WRONG in line or PASSWORD in line for line in lines)


async def test_a_program_logs_in_for_a_token_that_is_no_cookie(console: Console) -> None:
    token, person = await console.app.state.logins.log_in("ann", PASSWORD, "192.0.2.9", by_token=True)
    assert person.by_token
    console.client.cookies.set("__Host-mrsp-session", token)
    assert (await console.client.get("/account")).status_code == 303
    console.client.cookies.clear()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await console.client.get("/account", headers=headers)).status_code == 403  # pages are for persons
