"""The OpenAPI document: it is what is served, whole and well formed, and nothing is said of the box by it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from starlette.routing import Route

from agent.console.api import ENDPOINTS
from agent.console.api.endpoint import PREFIX, Endpoint
from agent.console.app import build_app
from agent.console.problem import kinds
from agent.console.settings import ConsoleSettings
from tests.console.api_kit import api_in, the_document
from tests.console.console_kit import FakeClock, world_in

DOCS = Path(__file__).parents[2] / "docs" / "console-api.md"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in the_document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def everywhere(tree: object) -> Iterator[tuple[str, object]]:
    """Yield every key of a tree with what is below it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key, value
            yield from everywhere(value)
    elif isinstance(tree, list):
        for one in tree:
            yield from everywhere(one)


def test_what_is_served_and_what_is_documented_are_the_same(tmp_path: Path) -> None:
    app = build_app(world_in(tmp_path, FakeClock()), ConsoleSettings())
    served = {
        (method, route.path.removeprefix(PREFIX))
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(method, path) for method, path, _ in operations()}
    assert len(served) == len(ENDPOINTS)


def test_it_is_well_formed() -> None:
    made = the_document()
    assert (made["openapi"], made["servers"]) == ("3.1.0", [{"url": "/api/v1"}])
    for name, schema in made["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        jsonschema.Draft202012Validator.check_schema(schema)
    for key, value in everywhere(made):
        if key == "$ref":
            found: Any = made
            for step in str(value).removeprefix("#/").split("/"):
                found = found[step]
        if key == "pattern":
            assert "\\Z" not in str(value)
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in made["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == tags


def test_every_operation_says_what_it_does_takes_and_answers() -> None:
    for method, path, operation in operations():
        assert operation["summary"].endswith("."), path
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
        assert any(status.startswith("2") for status in operation["responses"])
        given = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert given == set(re.findall(r"\{(\w+)\}", path))
        assert not (method == "GET" and "requestBody" in operation)
        assert ("csrf" in str(operation["security"])) is (method != "GET" and bool(operation["security"]))


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)
def test_a_function_takes_what_its_path_and_the_document_have(one: Endpoint) -> None:
    parameters = list(inspect.signature(one.function).parameters)
    assert set(parameters[1:]) <= {*one.path_names, "query", "body"}
    assert set(one.path_names) <= set(parameters)
    assert not (one.takes and one.body)
    assert one.body is None or one.method != "GET"


def test_only_what_tells_nothing_is_public() -> None:
    public = {one.path for one in ENDPOINTS if one.public}
    assert public == {"/login", "/openapi.json", "/problems"}
    assert {one.path for one in ENDPOINTS if one.role == "operator"} == {
        "/routes",
        "/routes/{route_id}/export",
        "/support-bundle",
    }


async def test_it_is_served_to_everybody_and_is_the_same_on_every_box(tmp_path: Path) -> None:
    async with api_in(tmp_path) as console:
        answer = await console.client.get("/api/v1/openapi.json")
        problems = await console.client.get("/api/v1/problems")
    assert answer.json() == the_document()
    assert "gw-7" not in answer.text
    listed = problems.json()["problems"]
    assert [one["type"] for one in listed] == [f"/api/v1/problems#{kind.name}" for kind in kinds()]
    assert all(one["meaning"].endswith(".") for one in listed)
    assert len({kind.name for kind in kinds()}) == len(kinds())


def test_what_the_record_has_is_in_no_shape_for_who_is_to_read_the_meter() -> None:
    schemas = the_document()["components"]["schemas"]
    for name in ("StopNow", "StopRow", "RegisterAsked", "RouteNow", "TypedNow", "OddNow", "MeterNow", "JobNow"):
        fields = json.dumps(schemas[name]["properties"])
        for secret in ("history", "last_reading", "password", "previous", '"url"'):
            assert secret not in fields


def test_the_page_of_the_documentation_has_every_path_and_problem() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert not [one.path for one in ENDPOINTS if f"`{one.method} {one.path}`" not in text]
    assert not [kind.name for kind in kinds() if f"`{kind.name}`" not in text]
