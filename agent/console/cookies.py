"""The two cookies of the console: who is logged in, and, before that, which browser was shown the login page.

Over TLS their names begin with `__Host-`: no other host and no plain connection can set them (RFC 6265bis, 4.1.3).
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

_SESSION = "mrsp-session"
_BROWSER = "mrsp-browser"
_LONGEST = 128  # characters


def session_cookie(connection: HTTPConnection) -> str:
    """Return the session's token that the browser sent; empty if none."""
    return _of(connection, _SESSION)


def browser_cookie(connection: HTTPConnection) -> str:
    """Return what the browser was given with the login page; empty if nothing."""
    return _of(connection, _BROWSER)


def set_session(connection: HTTPConnection, response: Response, token: str, *, longest_s: int) -> None:
    """Give the browser its session; kept through a dead battery of the tablet, as long as a session can last."""
    _set(connection, response, _SESSION, token, longest_s)


def set_browser(connection: HTTPConnection, response: Response, value: str) -> None:
    """Give the browser what proves that a login comes from the login page; forgotten with the browser."""
    _set(connection, response, _BROWSER, value, None)


def forget_session(connection: HTTPConnection, response: Response) -> None:
    _set(connection, response, _SESSION, "", 0)


def _set(connection: HTTPConnection, response: Response, name: str, value: str, age_s: int | None) -> None:
    secure = connection.url.scheme == "https"
    response.set_cookie(
        _named(connection, name), value, max_age=age_s, path="/", secure=secure, httponly=True, samesite="strict"
    )


def _of(connection: HTTPConnection, name: str) -> str:
    value = connection.cookies.get(_named(connection, name), "")
    return value if len(value) <= _LONGEST and value.isascii() else ""


def _named(connection: HTTPConnection, name: str) -> str:
    return f"__Host-{name}" if connection.url.scheme == "https" else name
