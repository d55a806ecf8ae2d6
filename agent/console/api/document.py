"""The OpenAPI 3.1 document, made of the endpoints themselves: what they take and give is what is written in it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from agent.console.api.endpoint import JSON, PREFIX, Endpoint
from agent.console.api.events import EVENT_STREAM
from agent.console.api.feeds import PICTURES
from agent.console.csrf import HEADER
from agent.console.problem import MEDIA_TYPE, Problem

OPENAPI = "3.1.0"
_REF = "#/components/schemas/{name}"
_ABOUT = """\
The data of the field console, for other handheld software: routes, stops, reads, inspections, the van, the box itself.

Log in for a token, which goes with every request as `Authorization: Bearer`. What is sent and is not in this document
is refused. Times are RFC 3339, figures that count are text. Errors are `application/problem+json` (RFC 9457): `detail`
says what happened, `advice` what a person can do."""
_TAGS = {
    "session": "Who is there.",
    "routes": "The walking routes.",
    "stops": "The meters of a route. A change names the `version` that the person saw.",
    "photos": "Photographs: sent first, then named by what they belong to.",
    "reads": "Reads at a meter, by probe and by eye.",
    "inspections": "Site inspections and their reports.",
    "van": "One-way meters, heard while driving by.",
    "box": "The gateway itself.",
    "events": "What is new, as it happens.",
    "document": "This document, and what the types of problems mean.",
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": f"The token of `POST {PREFIX}/login`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-mrsp-session",
        "description": "The cookie of the console's own pages; a change also needs the token of their forms.",
    },
    "csrf": {"type": "apiKey", "in": "header", "name": HEADER},
}
_Tree = dict[str, Any]


class _Schemas:
    """Every type of the document, and where each is found."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._types: list[Any] = []
        for one in endpoints:
            given = (one.body, one.answer, *one.gives)
            self._types += [kind for kind in given if kind is not None and not isinstance(kind, str)]
        self._types += [Problem, *PICTURES.values()]
        found, self.components = msgspec.json.schema_components(self._types, ref_template=_REF)
        self._found = list(found)

    def of(self, kind: Any) -> _Tree:
        return dict(self._found[self._types.index(kind)])


def document(endpoints: Sequence[Endpoint]) -> _Tree:
    """Return the document of some endpoints."""
    schemas = _Schemas(endpoints)
    paths: dict[str, _Tree] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    whole = {
        "openapi": OPENAPI,
        "info": {"title": "mrsp field console", "version": "1", "description": _ABOUT},
        "servers": [{"url": PREFIX}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": _SCHEMES,
            "responses": {
                "Problem": {"description": "What went wrong.", "content": {MEDIA_TYPE: {"schema": schemas.of(Problem)}}}
            },
        },
    }
    cleaned: _Tree = _cleaned(whole)
    return cleaned


def _operation(one: Endpoint, schemas: _Schemas) -> _Tree:
    summary, rest = one.says
    operation: _Tree = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": summary,
        "description": "\n\n".join(filter(None, (rest, "For operators only." if one.role == "operator" else ""))),
        "parameters": _parameters(one),
        "requestBody": _request_body(one, schemas),
        "responses": {**_responses(one, schemas), "default": {"$ref": "#/components/responses/Problem"}},
        "security": _security(one),
    }
    if EVENT_STREAM in one.gives:
        operation["x-events"] = {name: schemas.of(kind) for name, kind in PICTURES.items()}
    return {name: part for name, part in operation.items() if part or name == "security"}


def _parameters(one: Endpoint) -> list[_Tree]:
    """Return what stands in the path, and after it."""
    found: list[_Tree] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in one.path_names
    ]
    (_, components) = msgspec.json.schema_components([one.query], ref_template=_REF)
    for name, schema in components[one.query.__name__].get("properties", {}).items():
        found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found


def _request_body(one: Endpoint, schemas: _Schemas) -> _Tree:
    if one.takes:
        return {"required": True, "content": {media: {} for media in one.takes}}
    if one.body is None:
        return {}
    return {"required": True, "content": {JSON: {"schema": schemas.of(one.body)}}}


def _responses(one: Endpoint, schemas: _Schemas) -> _Tree:
    if one.gives:
        content = {kind if isinstance(kind, str) else JSON: _given(kind, schemas) for kind in one.gives}
    elif one.answer is not None:
        content = {JSON: {"schema": schemas.of(one.answer)}}
    else:
        return {"204": {"description": "It is done."}}
    answer: _Tree = {"description": HTTPStatus(one.status).phrase, "content": content}
    if one.location:
        answer["headers"] = {"Location": {"description": "Where it is found.", "schema": {"type": "string"}}}
    return {str(one.status): answer}


def _given(kind: Any, schemas: _Schemas) -> _Tree:
    if not isinstance(kind, str):
        return {"schema": schemas.of(kind)}
    return {"schema": {"type": "object"}} if kind == JSON else {}


def _security(one: Endpoint) -> list[Mapping[str, list[str]]]:
    if one.public:
        return []
    return [{"token": []}, {"session": []} if one.method == "GET" else {"session": [], "csrf": []}]


def _cleaned(tree: Any) -> Any:
    """Return it with texts folded, and patterns as JSON Schema knows them (ECMA-262 has no `\\Z`)."""
    if isinstance(tree, dict):
        return {key: _text(key, value) if isinstance(value, str) else _cleaned(value) for key, value in tree.items()}
    return [_cleaned(one) for one in tree] if isinstance(tree, list | tuple) else tree


def _text(key: str, text: str) -> str:
    if key == "pattern":
        return text.replace(r"\Z", "$")
    return inspect.cleandoc(text) if key == "description" else text
