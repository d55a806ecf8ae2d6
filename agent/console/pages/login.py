"""Logging in and out, and a person's own password."""

from __future__ import annotations

import secrets
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.cookies import browser_cookie, forget_session, set_browser, set_session
from agent.console.csrf import token_for
from agent.console.logging_in import LoginDesk, LoginRefused, TooManyTries
from agent.console.page import Page
from agent.console.request import field, form_of, go_to, maybe_person_of, person_of, settings_of, show, texts_of
from agent.console.sessions import Session
from agent.errors import UsageError

_LONGEST_PASSWORD = 1_000


async def form(request: Request) -> Response:
    """Show where to log in; who is logged in already goes on."""
    following = _local(request.query_params.get("next", ""))
    if maybe_person_of(request) is not None:
        return go_to(request, following)
    return _asked(request, following)


async def log_in(request: Request) -> Response:
    """Let a person in, or say that name or password is wrong."""
    following, name = _local(field(request, "next", longest=1_000)), field(request, "name")
    try:
        token, _ = await _desk(request).log_in(name, _password(request, "password"), address_of(request))
    except LoginRefused:
        return _asked(request, following, name, texts_of(request)("login.wrong"), status=401)
    except TooManyTries as error:
        said = texts_of(request)("login.too_many", count=error.wait_s)
        response = _asked(request, following, name, said, status=429)
        response.headers["Retry-After"] = str(error.wait_s)
        return response
    return _entered(request, token, following)


async def log_out(request: Request) -> Response:
    """End the session."""
    await _desk(request).log_out(_session(request), address_of(request))
    response = go_to(request, "/login")
    forget_session(request, response)
    return response


async def account(request: Request) -> Response:
    """Show who is logged in, and where the password is changed."""
    return show(request, "account.html", {"said": "", "done": False})


async def here(_request: Request) -> Response:
    """Take note that a person is at work on a page: the gate has touched the session."""
    return Response(status_code=204)


async def change_password(request: Request) -> Response:
    """Give the person another password; other devices are logged out."""
    person = person_of(request)
    new, said = _password(request, "new"), ""
    try:
        if new != _password(request, "again"):
            said = texts_of(request)("login.not_the_same")
        else:
            token, _ = await _desk(request).change_password(
                _session(request), _password(request, "old"), new, address_of(request)
            )
            return _entered(request, token, "/account/changed")
    except LoginRefused:
        said = texts_of(request)("login.old_wrong")
    except UsageError as error:
        said = f"{error.message}: {error.advice}" if error.advice else error.message
    return show(request, "account.html", {"person": person, "said": said, "done": False}, status=422)


async def changed(request: Request) -> Response:
    """Say that the password is another one now."""
    return show(request, "account.html", {"said": "", "done": True})


def address_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client is not None else ""


def _asked(request: Request, following: str, name: str = "", said: str = "", *, status: int = 200) -> Response:
    """Show the login page; its form goes with a cookie that only a browser which was shown it has."""
    browser = browser_cookie(request) or secrets.token_urlsafe(24)
    context = {"following": following, "name": name, "said": said, "csrf": token_for(browser)}
    response = show(request, "login.html", context, status=status)
    set_browser(request, response, browser)
    return response


def _entered(request: Request, token: str, path: str) -> Response:
    response = go_to(request, path)
    set_session(request, response, token, longest_s=settings_of(request).session_hours * 3600)
    return response


def _password(request: Request, name: str) -> str:
    """Return what was typed, blanks and all."""
    value = form_of(request).get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_PASSWORD:
        raise HTTPException(400)
    return value


def _local(path: str) -> str:
    """Return a path of this console, and nothing that leads elsewhere."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def _desk(request: Request) -> LoginDesk:
    return cast("LoginDesk", request.app.state.logins)


def _session(request: Request) -> Session:
    return cast("Session", request.scope["mrsp.session"])


PAGES = (
    Page("/login", form, public=True),
    Page("/login", log_in, method="POST", public=True),
    Page("/logout", log_out, method="POST"),
    Page("/account", account),
    Page("/account/changed", changed),
    Page("/account/here", here),
    Page("/account/password", change_password, method="POST"),
)
