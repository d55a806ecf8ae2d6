"""The first that a request meets: is it for us, who sends it, and what goes onto every answer."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.console.cookies import browser_cookie, session_cookie
from agent.console.csrf import token_for
from agent.console.headers import with_fixed
from agent.console.hosts import Hosts
from agent.console.logging_in import LoginDesk

MOST_PATH = 2_048  # characters of path and query


class Guard:
    """ASGI middleware. Leaves `mrsp.person` (`Person | None`), `mrsp.session` and `mrsp.csrf` in the scope."""

    def __init__(self, app: ASGIApp, hosts: Hosts, desk: LoginDesk) -> None:
        self._app = app
        self._hosts = hosts
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_fixed(list(message.get("headers", ())))}
            await send(message)

        connection = HTTPConnection(scope)
        came_to = (scope.get("server") or ("", None))[0]
        if not self._hosts.takes(connection.headers.get("host", ""), came_to):
            await PlainTextResponse("no such host here", 421)(scope, receive, answer)
            return
        if len(scope["path"]) + len(scope["query_string"]) > MOST_PATH:
            await PlainTextResponse("too long", 414)(scope, receive, answer)
            return
        self._find_person(scope, connection)
        await self._app(scope, receive, answer)

    def _find_person(self, scope: Scope, connection: HTTPConnection) -> None:
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        by_token = kind.lower() == "bearer" and len(token) <= 128
        if not by_token:
            token = session_cookie(connection)
        found = self._desk.find(token, by_token=by_token) if token else None
        session, person = found or (None, None)
        scope["mrsp.session"], scope["mrsp.person"] = session, person
        cookie = "" if by_token else token if person is not None else browser_cookie(connection)
        scope["mrsp.csrf"] = token_for(cookie) if cookie else ""
