"""What a handler asks of its request: who is there, what was sent, what the box is, and how to answer.

async def stop(request: Request) -> Response:
    view = await world_of(request).routes.stop(request.path_params["stop_id"])
    return show(request, "stop.html", {"stop": view})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.console.person import Person
from agent.console.settings import ConsoleSettings
from agent.console.shown import Shown
from agent.console.text import Texts
from agent.console.world import World


def person_of(request: Request) -> Person:
    """Return who is logged in. On a public page there may be nobody: then HTTP 401."""
    person = maybe_person_of(request)
    if person is None:
        raise HTTPException(401)
    return person


def maybe_person_of(request: Request) -> Person | None:
    """Return who is logged in, if anybody is."""
    return cast("Person | None", request.scope["mrsp.person"])


def csrf_of(request: Request) -> str:
    """Return the token that a form carries in its field `csrf`, and a script in the header `X-CSRF-Token`."""
    return cast("str", request.scope["mrsp.csrf"])


def form_of(request: Request) -> FormData:
    """Return the form that was sent; its token is checked already. Files in it are closed after the answer."""
    return cast("FormData", request.scope["mrsp.form"])


def field(request: Request, name: str, *, longest: int = 200) -> str:
    """Return one field of the form as a person wrote it, without blanks around it; empty if there is none.

    HTTP 400 for one longer than `longest` characters or that is a file.
    """
    value = form_of(request).get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise HTTPException(400)
    return value.strip()


def world_of(request: Request) -> World:
    """Return the box that the console is on top of."""
    return cast("World", request.app.state.world)


def settings_of(request: Request) -> ConsoleSettings:
    return cast("ConsoleSettings", request.app.state.settings)


def texts_of(request: Request) -> Texts:
    return cast("Texts", request.app.state.texts)


def by_htmx(request: Request) -> bool:
    """Whether a part of a page is asked for (by htmx), not a page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def show(request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
    """Answer with a template. It knows `text`, `person`, `csrf`, `clock`, `here`, `icon(name)`, `static(path)`."""
    shown = cast("Shown", request.app.state.shown)
    return shown.answer(request, template, context or {}, status=status)


def go_to(request: Request, path: str) -> Response:
    """Answer that `path`, of this console, is to be shown next (303; `HX-Redirect` to htmx)."""
    if by_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)
