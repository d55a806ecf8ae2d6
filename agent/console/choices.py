"""What a person chose on this browser: the route they walk, which way round, and the probe in their hand.

Kept in one cookie, of no secret and of no customer: it decides what is offered first, never what is allowed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

_NAME = "mrsp-walk"
_KEPT_S = 20 * 3600  # a day's walk
_TEXT = re.compile(r"(?P<route>[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?!(?P<way>[fb])!(?P<probe>[0-9a-f]{12})?")


@dataclass(frozen=True, slots=True)
class Choices:
    """`route_id` and `probe` are empty where nothing was chosen; `probe` as `probe_key` names it."""

    route_id: str = ""
    backwards: bool = False
    probe: str = ""


def choices_of(request: Request) -> Choices:
    """Return what was chosen; nothing of a cookie that is none of ours."""
    found = _TEXT.fullmatch(request.cookies.get(_named(request), ""))
    if found is None:
        return Choices()
    return Choices(found["route"] or "", found["way"] == "b", found["probe"] or "")


def remember(request: Request, response: Response, choices: Choices) -> Response:
    """Return the response, which gives the browser the choices."""
    value = f"{choices.route_id}!{'b' if choices.backwards else 'f'}!{choices.probe}"
    secure = request.url.scheme == "https"
    response.set_cookie(
        _named(request), value, max_age=_KEPT_S, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return response


def probe_key(url: str) -> str:
    """Return what a probe is called in the cookie and in forms."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def _named(request: Request) -> str:
    return f"__Host-{_NAME}" if request.url.scheme == "https" else _NAME
