"""Templates become answers: what every template knows, and where icons and static files are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent.console.shown_figures import local_in, octets, span
from agent.console.text import Texts
from agent.console.world import World

STATIC = files("agent.console") / "static"


class Shown:
    """Renders the templates of one console."""

    def __init__(self, texts: Texts, world: World) -> None:
        self._world = world
        self._templates = Environment(
            loader=PackageLoader("agent.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals.update(text=texts, language=texts.language, icon=icon, static=static_url)
        self._templates.filters.update(local=local_in(world.zone), octets=octets, span=span)
        self._templates.globals.update(agent_id=world.agent_id, version=world.version, pages=_offered(world))

    def answer(self, request: Request, template: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
        """Return a page, or a part of one."""
        person = request.scope.get("mrsp.person")
        common = {
            "person": person,
            "csrf": request.scope.get("mrsp.csrf", ""),
            "clock": self._world.clock() if person is not None else None,
            "here": request.url.path,
        }
        return HTMLResponse(self._templates.get_template(template).render({**common, **context}), status)


def _offered(world: World) -> tuple[tuple[str, str], ...]:
    """Return the pages that the foot of every page leads to, each with the name of its icon and text."""
    van = (("/van", "van"),) if world.van is not None else ()
    return (("/", "route"), *van, ("/status", "status"))


@cache
def icon(name: str) -> Markup:
    """Return an icon of `static/icons` as inline SVG: it takes the colour of the text, and says nothing to a reader."""
    return Markup((STATIC / "icons" / f"{name}.svg").read_text(encoding="utf-8").strip())  # noqa: S704 - our own file


@cache
def static_url(path: str) -> str:
    """Return the URL of a static file, with what changes when the file does."""
    return f"/static/{path}?v={version_of(path)}"


@cache
def version_of(path: str) -> str:
    """Return the first digits of a static file's SHA-256."""
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
