"""Logging in by a program: a token in place of the browser's cookie. All else is the same: limits, end, audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, cast

from msgspec import Meta
from starlette.requests import Request

from agent.console.api.endpoint import Endpoint, Given, Taken
from agent.console.logging_in import LoginDesk
from agent.console.person import Role
from agent.console.problem import Moment
from agent.console.request import person_of, settings_of, world_of
from agent.console.sessions import Session


class Credentials(Taken, frozen=True):
    """A person's account, as they type it."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Token(Given, frozen=True):
    """Goes with every request as `Authorization: Bearer …`, until the session ends: `idle_s` after it was used last, at
    `ends_at` in any case, or at the logout.
    """

    token: str
    token_type: Literal["Bearer"]
    name: str
    role: Role
    idle_s: int
    ends_at: Moment


class Offers(Given, frozen=True):
    """Which parts this box has; the paths of a part that it has not answer 404."""

    routes: bool
    reads: bool
    inspections: bool
    photos: bool
    van: bool


class Me(Given, frozen=True):
    """Who is logged in, and to what. `zone`: the site's, in which days begin and times are shown."""

    name: str
    role: Role
    agent_id: str
    version: str
    zone: str
    offers: Offers


async def log_in(request: Request, body: Credentials) -> Token:
    """Begin a session. Tries are limited, by address and by name: 429 says in `Retry-After` when the next one is."""
    settings, world = settings_of(request), world_of(request)
    address = request.client.host if request.client is not None else ""
    token, person = await _desk(request).log_in(body.name, body.password, address, by_token=True)
    return Token(
        token=token,
        token_type="Bearer",  # noqa: S106 - RFC 6750
        name=person.name,
        role=person.role,
        idle_s=settings.idle_minutes * 60,
        ends_at=world.now() + timedelta(hours=settings.session_hours),
    )


async def log_out(request: Request) -> None:
    """End the session; event streams of it end, too."""
    address = request.client.host if request.client is not None else ""
    await _desk(request).log_out(cast("Session", request.scope["mrsp.session"]), address)


async def show_me(request: Request) -> Me:
    """Return who is logged in, and what this box has."""
    person, world = person_of(request), world_of(request)
    return Me(
        name=person.name,
        role=person.role,
        agent_id=world.agent_id,
        version=world.version,
        zone=str(world.zone),
        offers=Offers(
            routes=world.routes is not None,
            reads=world.desk is not None,
            inspections=world.inspections is not None,
            photos=world.photos is not None,
            van=world.van is not None,
        ),
    )


def _desk(request: Request) -> LoginDesk:
    return cast("LoginDesk", request.app.state.logins)


ENDPOINTS = (
    Endpoint(method="POST", path="/login", function=log_in, tag="session", public=True),
    Endpoint(method="POST", path="/logout", function=log_out, tag="session"),
    Endpoint(method="GET", path="/me", function=show_me, tag="session"),
)
