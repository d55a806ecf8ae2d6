"""One endpoint of the API: a path, and a typed function, from which the way in, the way out and its document follow.

    async def claim(request: Request, stop_id: str, body: SeenVersion) -> StopNow:
        \"""Let others know …\"""

    ENDPOINTS = (Endpoint("POST", "/stops/{stop_id}/claim", claim, "stops"),)

The parameters of the function are the request, the names in the path, `query` (the parameters after `?`) and `body`
(JSON); what it returns is sent as JSON. What no struct has is refused. Its docstring is what the document says.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agent.console.page import Method, Page
from agent.console.person import Role
from agent.errors import UsageError

PREFIX = "/api/v1"
JSON = "application/json"
_LONGEST_SAID = 300  # a message of msgspec may repeat what it found
_NAME = re.compile(r"\{([a-z_]+)\}")


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what programs send: a field that there is none of is a mistake."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what programs are sent: every field is always there."""


class _Nothing(Taken, frozen=True):
    """No parameters."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path below `PREFIX`.

    `takes`: media types of a body that the function reads itself, up to `[console] max_upload_octets`; `gives`: of an
    answer that it makes itself, a media type, or the type of the JSON. `location`: of what was made, with fields of the
    answer. `background`: programs ask by themselves, it is no sign of a person.
    """

    method: Method
    path: str
    function: Callable[..., Awaitable[object]]
    tag: str
    status: int = 200
    role: Role = "reader"
    public: bool = False
    background: bool = False
    takes: tuple[str, ...] = ()
    gives: tuple[Any, ...] = ()
    location: str = ""

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def says(self) -> tuple[str, str]:
        """The first sentence about it, and the rest."""
        first, _, rest = inspect.cleandoc(self.function.__doc__ or "").partition("\n\n")
        return " ".join(first.split()), rest

    @property
    def path_names(self) -> tuple[str, ...]:
        return tuple(_NAME.findall(self.path))

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of the function's parameters, and of what it returns."""
        return get_type_hints(self.function, include_extras=True)

    @property
    def body(self) -> Any:
        """The type of the JSON that is sent to it; None if there is none."""
        return self.hints.get("body")

    @property
    def query(self) -> type[Taken]:
        found: type[Taken] = self.hints.get("query", _Nothing)
        return found

    @property
    def answer(self) -> Any:
        """The type of the JSON that it answers with; None for an answer without, or one that it makes itself."""
        found = self.hints["return"]
        return None if found in {type(None), Response} else found

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.body)

    def page(self) -> Page:
        """Return it as the gate takes it."""
        return Page(
            PREFIX + self.path,
            self.called,
            method=self.method,
            body="file" if self.takes else "raw",
            role=self.role,
            public=self.public,
            background=self.background,
            api=True,
        )

    async def called(self, request: Request) -> Response:
        """Answer a request."""
        given: dict[str, Any] = {name: request.path_params[name] for name in self.path_names}
        query = _query(request, self.query)
        if "query" in self.hints:
            given["query"] = query
        if self.takes:
            _check_type(request, self.takes)
        if self.body is not None:
            given["body"] = await _body(request, self.decoder)
        answer = await self.function(request, **given)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=204)
        where = {"Location": PREFIX + self.location.format(answer)} if self.location else None
        return Response(msgspec.json.encode(answer), self.status, headers=where, media_type=JSON)


class Malformed(UsageError):
    """What was sent is not what is taken here; the message says where."""


def part_of(error: msgspec.ValidationError | msgspec.DecodeError | UnicodeError | RecursionError) -> str:
    """Return what is wrong with something that was sent."""
    return str(error).replace(" - at `$.", ": `")[:_LONGEST_SAID]


def _query(request: Request, kind: type[Taken]) -> Taken:
    pairs = request.query_params.multi_items()
    if len(pairs) > len(dict(pairs)):
        raise Malformed("a parameter of the query is there twice")
    try:
        return msgspec.convert(dict(pairs), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(f"the query: {part_of(error)}") from None


async def _body(request: Request, decoder: msgspec.json.Decoder[Any]) -> object:
    _check_type(request, (JSON,))
    try:
        content = await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body: {part_of(error)}") from None


def _check_type(request: Request, known: tuple[str, ...]) -> None:
    """Refuse what a page of elsewhere could send without asking, or what is in another form. HTTP 415."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in known:
        raise HTTPException(415, headers={"Accept": ", ".join(known)})
