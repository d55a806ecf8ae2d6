"""A program at the API of a console: what it is answered is held against the document, each time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]

from agent.console.api import ENDPOINTS
from agent.console.api import PAGES as API
from agent.console.api.document import document
from agent.console.api.endpoint import JSON, PREFIX, Endpoint
from agent.console.pages import PAGES
from agent.console.problem import MEDIA_TYPE
from tests.console.console_kit import PASSWORD, Console, console_in


@cache
def the_document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(document(ENDPOINTS)))
    return made


def check(value: object, schema: Mapping[str, Any]) -> None:
    """Hold a value against a schema of the document. Raises `ValidationError`."""
    _validator(json.dumps(schema)).validate(value)


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": the_document()["components"]}
    return jsonschema.Draft202012Validator(whole)


def endpoint_of(method: str, path: str) -> Endpoint:
    """Return the endpoint that a request goes to: of several that fit, the one with the fewest names."""
    steps = path.partition("?")[0].split("/")
    fitting = [
        one
        for one in ENDPOINTS
        if one.method == method
        and len(one.path.split("/")) == len(steps)
        and all(mine in {"*", its} for mine, its in zip(_pattern(one), steps, strict=True))
    ]
    return min(fitting, key=lambda one: len(one.path_names))


def _pattern(one: Endpoint) -> list[str]:
    return ["*" if step.startswith("{") else step for step in one.path.split("/")]


def documented(method: str, path: str, answer: httpx.Response) -> None:
    """Fail for an answer that the document does not have."""
    operation = the_document()["paths"][endpoint_of(method, path).path][method.lower()]
    media = answer.headers.get("content-type", "").partition(";")[0]
    if answer.is_error:
        assert media == MEDIA_TYPE, answer.text
        check(answer.json(), {"$ref": "#/components/schemas/Problem"})
        assert answer.json()["status"] == answer.status_code
        return
    content = operation["responses"][str(answer.status_code)].get("content", {})
    assert media in content or (not content and not answer.content), (media, content)
    if media == JSON:
        check(answer.json(), content[JSON]["schema"])


@dataclass
class Program:
    """One person's handheld, logged in by token."""

    console: Console
    token: str = ""

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:
        """Send a request; its answer is as documented."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["content"], headers["Content-Type"] = json.dumps(body), JSON
        self.console.client.cookies.clear()
        answer = await self.console.client.request(method, PREFIX + path, headers=headers, **more)
        if method != "HEAD":
            documented(method, path, answer)
        return answer

    async def get(self, path: str, **more: Any) -> Any:
        """Return what is there."""
        return await self._fine("GET", path, None, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Any:
        return await self._fine("POST", path, body, **more)

    async def put(self, path: str, body: object) -> Any:
        return await self._fine("PUT", path, body)

    async def patch(self, path: str, body: object) -> Any:
        return await self._fine("PATCH", path, body)

    async def delete(self, path: str) -> Any:
        return await self._fine("DELETE", path, None)

    async def assert_refused(
        self, status: int, method: str, path: str, body: object = None, **more: Any
    ) -> dict[str, Any]:
        """Send what is refused with that status; return the problem."""
        answer = await self.call(method, path, body, **more)
        assert answer.status_code == status, answer.text
        problem: dict[str, Any] = answer.json()
        return problem

    async def _fine(self, method: str, path: str, body: object, **more: Any) -> Any:
        answer = await self.call(method, path, body, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content and answer.headers["content-type"] == JSON else answer.content


async def program(console: Console, name: str = "ann", password: str = PASSWORD) -> Program:
    """Log a person in."""
    made = Program(console)
    made.token = (await made.post("/login", {"name": name, "password": password}))["token"]
    return made


@asynccontextmanager
async def api_in(directory: Path, **parts: Any) -> AsyncIterator[Console]:
    """Run a console with the API, and with `parts` of a box."""
    people = (("ann", "reader"), ("bob", "reader"), ("olga", "operator"))
    parts.setdefault("people", people)
    async with console_in(directory, pages=(*PAGES, *API), **parts) as console:
        yield console
