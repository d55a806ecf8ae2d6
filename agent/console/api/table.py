"""Every endpoint of the API, in one table: what is served and what is documented are the same."""

from __future__ import annotations

from functools import cache

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from agent.console.api import box, events, inspections, jobs, login, photos, routes, stops, typed, van
from agent.console.api.document import document
from agent.console.api.endpoint import JSON, Endpoint, Given
from agent.console.page import Page
from agent.console.problem import kinds


class ProblemKind(Given, frozen=True):
    """A type of problem, and what it means."""

    type: str
    status: int
    meaning: str


class ProblemKinds(Given, frozen=True):
    """Every type of problem but `about:blank`, where the HTTP status says it all."""

    problems: tuple[ProblemKind, ...]


async def show_document(_request: Request) -> Response:
    """Return this document."""
    return Response(_octets(), media_type=JSON, headers={"Cache-Control": "public, max-age=3600"})


async def list_problems(_request: Request) -> ProblemKinds:
    """Return what the types of problems mean."""
    return ProblemKinds(
        problems=tuple(ProblemKind(type=one.type, status=one.status, meaning=one.meaning) for one in kinds())
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    *login.ENDPOINTS,
    *routes.ENDPOINTS,
    *stops.ENDPOINTS,
    *photos.ENDPOINTS,
    *typed.ENDPOINTS,
    *jobs.ENDPOINTS,
    *inspections.ENDPOINTS,
    *van.ENDPOINTS,
    *box.ENDPOINTS,
    *events.ENDPOINTS,
    Endpoint(method="GET", path="/openapi.json", function=show_document, tag="document", public=True, gives=(JSON,)),
    Endpoint(method="GET", path="/problems", function=list_problems, tag="document", public=True),
)
PAGES: tuple[Page, ...] = tuple(one.page() for one in ENDPOINTS)


@cache
def _octets() -> bytes:
    return msgspec.json.encode(document(ENDPOINTS))
