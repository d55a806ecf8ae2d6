"""What stands before each page: is the person let in, did a page of ours ask, is the body within its limits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from agent.console.csrf import FIELD, HEADER, foreign, proves
from agent.console.errors import answer_to
from agent.console.page import MOST_FIELDS, MOST_FORM_OCTETS, Page
from agent.console.request import by_htmx, go_to
from agent.console.sessions import Sessions

BODY_S = 120.0  # for a body to come in whole: a photo over a bad radio link
MOST_FILES = 8


class Gate:
    """One page as an ASGI application. `upload_octets`: of a form with files."""

    def __init__(self, page: Page, sessions: Sessions, *, upload_octets: int) -> None:
        self._page = page
        self._sessions = sessions
        self._changes = page.method != "GET"
        self._large = page.body in {"upload", "file"}
        self._most = upload_octets if self._large else MOST_FORM_OCTETS
        self._uploads = asyncio.Semaphore(4)  # each may hold a file on the disk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = _Limited(receive, self._most if self._changes else 0)
        request = Request(scope, limited, send)
        async with AsyncExitStack() as after:
            try:
                response = self._turned_away(request)
                if response is None:
                    await self._take_body(request, after)
                    response = await self._page.handler(request)
            except Exception as error:  # noqa: BLE001 - each becomes an answer; what nobody foresaw is logged
                response = answer_to(request, error, api=self._page.api)
            await response(scope, receive, send)

    def _turned_away(self, request: Request) -> Response | None:
        """Return where else to go, None if the page is for this person. Raises `HTTPException`."""
        page, person = self._page, request.scope["mrsp.person"]
        if person is None and not page.public:
            if page.api or page.background or by_htmx(request):  # an open page stays, with all that is typed in it
                raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"} if page.api else None)
            path = request.url.path if page.method == "GET" else "/"
            return go_to(request, "/login" if path == "/" else f"/login?next={quote(path)}")
        if person is not None:
            if person.by_token and not page.api:
                raise HTTPException(403)
            if page.role == "operator" and not person.is_operator:
                raise HTTPException(403)
            if not page.background:
                self._sessions.touch(request.scope["mrsp.session"])
        return None

    async def _take_body(self, request: Request, after: AsyncExitStack) -> None:
        """Take the body of a change, and check that a page of ours asked for it."""
        request.scope["mrsp.form"] = FormData()
        if not self._changes:
            return
        if foreign(request.headers, request.scope["scheme"]):
            raise HTTPException(403)
        person = request.scope["mrsp.person"]
        if self._large:
            await after.enter_async_context(self._uploads)
        if self._page.body in {"form", "upload"}:
            files = MOST_FILES if self._page.body == "upload" else 0
            request.scope["mrsp.form"] = await after.enter_async_context(
                request.form(max_files=files, max_fields=MOST_FIELDS, max_part_size=MOST_FORM_OCTETS)
            )
        if person is not None and person.by_token:
            return  # no browser adds that header by itself
        if self._page.api and self._page.public:
            return  # a login by a program: there is no cookie that could be misused
        given = request.headers.get(HEADER) or request.scope["mrsp.form"].get(FIELD)
        if not proves(given, request.scope["mrsp.csrf"]):
            raise HTTPException(403, detail="csrf")


class _Limited:
    """A request's body that may have so many octets, and may take so long."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most
        self._deadline: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()  # waits for the browser to go away
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + BODY_S
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408) from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._left < 0:
                raise HTTPException(413)
        return message
