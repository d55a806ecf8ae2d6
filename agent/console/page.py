"""What a page is: a path, who may see it, what it takes. Each module of `pages` and `api` lists its own.

    PAGES = (
        Page("/stops/{stop_id}", stop),
        Page("/stops/{stop_id}/skip", skip, method="POST"),
    )

A page is for persons who are logged in unless it says otherwise. Whatever changes something is a POST (or PUT, DELETE,
PATCH): before its handler runs, the body was taken within its limit and the token against forged requests was checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from agent.console.person import Role

Handler = Callable[[Request], Awaitable[Response]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Body = Literal["form", "upload", "raw", "file"]

MOST_FORM_OCTETS = 65_536
MOST_FIELDS = 300


@dataclass(frozen=True, slots=True)
class Page:
    """One path and method.

    `body` of what is not a GET: "form" is a form of at most `MOST_FORM_OCTETS`; "upload" is one with files, up to
    `[console] max_upload_octets`; "raw" is anything up to `MOST_FORM_OCTETS` that the handler reads itself (JSON);
    "file" is the same up to `max_upload_octets`. Parsed forms are at `form_of(request)`.
    """

    path: str
    handler: Handler
    method: Method = "GET"
    body: Body = "form"
    role: Role = "reader"  # "operator": operators only
    public: bool = False  # also for persons who are not logged in
    background: bool = False  # the browser asks by itself (SSE, refresh): no sign of a person, the idle time runs on
    api: bool = False  # errors are JSON; `Authorization: Bearer` is taken
