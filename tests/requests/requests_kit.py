"""What the tests of requests share: an MDSP that signs, a schedule that only remembers, an agent that can be killed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from agent.config import MeterSection
from agent.keys import MdspKeys, create_device_key, load_device_key
from agent.order import Site
from agent.requests.book import RequestBook
from agent.requests.handler import RequestHandler
from agent.requests.inbox import Inbox
from agent.requests.intake import Mandate
from agent.requests.judging import Contracts
from agent.requests.settings import RequestSettings
from agent.requests.work import handler_of
from agent.routes.book import ROUTES_FILE, RouteBook
from agent.routes.one_book import OneBook
from agent.scheduling.reads import Request
from agent.scheduling.scheduler import Moment
from agent.scheduling.store import Row
from agent.seal import Sealer
from agent.spool import Spool
from agent.spool_rows import Kind

AGENT = "gw-0001"
NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)
KEY = ECKey.generate_key("P-256", auto_kid=True)
OTHER = ECKey.generate_key("P-256", auto_kid=True)
METERS = (
    MeterSection(
        name="m1",
        url="tcp://127.0.0.1:1",
        expected_meter_id="00012345",
        site=Site(account_id="A-7", service_delivery_point_id="1-0-12345-7"),
    ),
    MeterSection(name="m2", url="tcp://127.0.0.1:2", nameplate_id="00077777", registers_only=True),
    MeterSection(name="m3", url="tcp://127.0.0.1:3"),
)


def said(number: int = 1, *, at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """Return what a good request says; a change to None leaves a field out."""
    issued = int(at.timestamp())
    content: dict[str, Any] = {
        "schema": "mrsp.request/1",
        "jti": f"message-{number:04d}",
        "aud": AGENT,
        "iat": issued,
        "exp": issued + 3_600,
        "transaction_id": f"T-{number}",
        "action": "special",
        "sender": "MDSP-1",
        "receiver": AGENT,
        "meter_id": "00012345",
        "account_id": "A-7",
        "service_delivery_point_id": "1-0-12345-7",
    }
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def cancel(number: int, transaction: str, **changes: Any) -> dict[str, Any]:
    nothing = {"meter_id": None, "account_id": None, "service_delivery_point_id": None}
    return said(number, action="cancel", cancels=transaction, **{**nothing, **changes})


def with_route(number: int, walk: Any, **changes: Any) -> dict[str, Any]:
    """Return what a request with a route says."""
    nothing = {"meter_id": None, "account_id": None, "service_delivery_point_id": None}
    return said(number, **{"action": "route", "route": walk, **nothing, **changes})


def signed(content: dict[str, Any] | bytes, key: ECKey = KEY, **header: Any) -> bytes:
    protected = {"alg": "ES256", "kid": key.kid, "typ": "mdsp-request+jws", **header}
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return jws.serialize_compact(protected, text, key, registry=registry).encode()


def jwk(key: ECKey, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", **more}


class Killed(BaseException):
    """The process ends here."""


READS = frozenset({"to_do", "unsent", "owner_of", "newest_answer", "view", "progress", "_result"})


class Fuse:
    """Ends the run at one of the steps that it is built into: before it, or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.after = after

    def build_in(self, monkeypatch: pytest.MonkeyPatch, *steps: tuple[object, str]) -> None:
        for owner, name in steps:
            monkeypatch.setattr(owner, name, self._fused(getattr(owner, name)))

    def _fused(self, step: Any) -> Any:
        async def fused(*args: Any, **more: Any) -> Any:
            self.left -= getattr(args[0], "__name__", "") not in READS  # which leave nothing behind
            if self.left == 0 and not self.after:
                raise Killed
            result = await step(*args, **more)
            if self.left == 0:
                raise Killed
            return result

        return fused


@dataclass
class Paper:
    """A schedule on paper: keeps what was asked, and what the test says became of it. Survives every restart."""

    asked: dict[str, Request] = field(default_factory=dict)
    rows: dict[tuple[str, datetime], Row] = field(default_factory=dict)
    visiting: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    async def ask(self, request: Request) -> Request:
        self.calls.append(f"ask {request.request_id}")
        if request.request_id not in self.asked:
            at = request.requested_at + timedelta(microseconds=len(self.asked) + 1)
            self.asked[request.request_id] = replace(request, requested_at=at)
        return self.asked[request.request_id]

    async def withdraw(self, request_id: str) -> bool:
        request = self.asked.get(request_id)
        if request is None or request_id in self.visiting or (request.meter, request.requested_at) in self.rows:
            return False
        self.over(request_id, "given_up", why="cancelled")
        return True

    async def row(self, meter: str, due: datetime) -> Row | None:
        return self.rows.get((meter, due))

    def over(
        self, request_id: str, state: Any, *, why: str = "", reason: str = "", reading_id: str | None = None
    ) -> None:
        """This is what became of a read."""
        one = self.asked[request_id]
        self.rows[one.meter, one.requested_at] = Row(
            one.meter, one.requested_at, request_id, state, one.deadline, 1, NOW, None, why, reason, "", reading_id,
            state == "done", None, 0,
        )  # fmt: skip


@dataclass
class Agent:
    """One run of the agent's side."""

    handler: RequestHandler
    book: RequestBook
    spool: Spool
    inbox: Inbox
    routes: OneBook | None

    async def take(self, *tokens: bytes) -> None:
        for token in tokens:
            await self.handler.take(token)

    async def answers(self) -> list[dict[str, Any]]:
        """Return every answer that is in the spool, oldest first."""
        return await self.documents("response")

    async def documents(self, kind: Kind) -> list[dict[str, Any]]:
        """Return every document of a kind that is in the spool, oldest first."""
        entries = [one for one in await self.spool.entries(delivered=True) if one.kind == kind]
        shown = [await self.spool.show(one.document_id) for one in entries]
        return [json.loads(one.document or b"null") for one in shown]

    async def walked(self) -> RouteBook:
        """Return the book of routes."""
        assert self.routes is not None
        return await self.routes.opened()

    async def outcomes(self) -> list[str]:
        return [one["outcome"] + (f" {one['reason']}" if "reason" in one else "") for one in await self.answers()]


@dataclass
class Place:
    """A directory in which agents live one after the other, with one schedule and one clock."""

    directory: Path
    schedule: Paper = field(default_factory=Paper)
    at: datetime = NOW
    known: bool = True
    settings: RequestSettings = field(default_factory=RequestSettings)
    meters: tuple[MeterSection, ...] = METERS
    only_calls: tuple[str, ...] = ()
    field_work: bool = False

    def __post_init__(self) -> None:
        if not (self.directory / "mdsp.jwks").exists():
            self.trust(jwk(KEY))

    def trust(self, *keys: dict[str, Any]) -> None:
        (self.directory / "mdsp.jwks").write_text(json.dumps({"keys": list(keys)}))

    def now(self) -> Moment:
        return Moment(self.at, self.known, int(self.at.timestamp()) * 1_000_000_000)

    def later(self, **span: float) -> None:
        self.at += timedelta(**span)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        keys = self.directory / "keys"
        key = load_device_key(keys) if keys.exists() else create_device_key(keys)
        mandate = Mandate(AGENT, self.settings, Contracts(self.meters, self.only_calls), field_work=self.field_work)
        routes = OneBook(self._open_routes) if self.field_work else None
        async with (
            await Spool.open(self.directory / "spool.db", agent_id=AGENT, sealer=Sealer(key)) as spool,
            await RequestBook.open(self.directory / "requests.sqlite", mandate) as book,
            AsyncExitStack() as stack,
        ):
            if routes is not None:
                await stack.enter_async_context(routes)
            mdsp = MdspKeys(self.directory / "mdsp.jwks")
            handler = handler_of(book, mdsp, spool, self.schedule, self.now, routes)
            yield Agent(handler, book, spool, Inbox(), routes)

    async def _open_routes(self) -> RouteBook:
        return await RouteBook.open(self.directory / ROUTES_FILE, now=lambda: self.at)
