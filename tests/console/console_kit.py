"""A console in the process, and a browser that it does not know yet."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from jinja2.bccache import Bucket, BytecodeCache
from starlette.applications import Starlette

from agent.audit import AuditLog
from agent.box_status import BoxStatus, ClockGlance, DiskGlance, LinkGlance
from agent.clock.instant import NS
from agent.console.accounts import Accounts
from agent.console.app import build_app
from agent.console.audit import AccessLog
from agent.console.page import Page
from agent.console.pages import PAGES
from agent.console.person import Role
from agent.console.settings import ConsoleSettings
from agent.console.world import World
from agent.recent_log import LogLine
from agent.seal import ChainHead
from agent.spool import SpoolStatus

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"  # noqa: S105 - of a test
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
BASE = "https://box.test"
PEER = ("192.0.2.7", 5000)
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class FakeClock:
    """Counters that a test turns by hand."""

    boottime: int = 100 * NS
    realtime: int = int(NOW.timestamp()) * NS
    boot: str = "one"

    def boottime_ns(self) -> int:
        return self.boottime

    def realtime_ns(self) -> int:
        return self.realtime

    def monotonic_ns(self) -> int:
        return self.boottime

    def raw_ns(self) -> int:
        return self.boottime

    def boot_id(self) -> str:
        return self.boot

    def pass_s(self, seconds: float) -> None:
        self.boottime += int(seconds * NS)
        self.realtime += int(seconds * NS)


GLANCE = ClockGlance("proven", "The clock is within 0.010 s of the reference; 60 s are allowed.", NOW, "chrony")


def box_status(**changes: Any) -> BoxStatus:
    """Return the status of a box that is well, but for `changes`."""
    spool = SpoolStatus("gw-7", 3, NOW, 4_096, 1_048_576, 1, ChainHead(), 0)
    return BoxStatus(
        **{
            "at": NOW,
            "agent_id": "gw-7",
            "version": "0.1.0",
            "clock": GLANCE,
            "spool": spool,
            "link": LinkGlance("online"),
            "keys": None,
            "keys_trouble": "there is no key",
            "disk": DiskGlance(Path("/var/lib/mrsp"), 500, 1_000),
            "troubles": (LogLine(NOW, "WARNING", "agent.forward", "the broker <b>refused</b>"),),
            **changes,
        }
    )


@dataclass
class Console:
    """One console and one browser."""

    app: Starlette
    client: httpx.AsyncClient
    clock: FakeClock
    accounts: Accounts
    directory: Path
    said: list[str] = field(default_factory=list)

    async def log_in(self, name: str = "ann", password: str = PASSWORD, following: str = "/account") -> httpx.Response:
        """Log in as a person does who is not logged in: by the form of the login page."""
        self.client.cookies.clear()
        page = await self.client.get("/login")
        form = {"csrf": csrf_in(page), "name": name, "password": password, "next": following}
        return await self.client.post("/login", data=form)

    async def csrf(self, path: str = "/account") -> str:
        """Return the token of a page's forms."""
        return csrf_in(await self.client.get(path))

    def browser(self, address: str = PEER[0]) -> httpx.AsyncClient:
        """Return another browser, elsewhere."""
        return browser_of(self.app, address)

    def audit_lines(self) -> list[str]:
        """Return the lines of the audit log."""
        path = self.directory / "audit.jsonl"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


class _Compiled(BytecodeCache):
    """Templates that were compiled for one console serve the next."""

    def __init__(self) -> None:
        self._octets: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._octets:
            bucket.bytecode_from_string(self._octets[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._octets[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def csrf_in(page: httpx.Response) -> str:
    found = _CSRF.search(page.text)
    assert found is not None, page.text
    return found[1]


def browser_of(app: Starlette, address: str = PEER[0]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, PEER[1]))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


def world_in(
    directory: Path,
    clock: FakeClock,
    *,
    status: Callable[[], Awaitable[BoxStatus]] | None = None,
    bundle: Callable[[], Awaitable[bytes]] | None = None,
    **parts: Any,
) -> World:
    """Return a box with a status and a bundle, and the `parts` that a test needs."""

    async def well() -> BoxStatus:
        return box_status()

    async def empty() -> bytes:
        return b"PK"

    return World(
        agent_id="gw-7",
        version="0.1.0",
        zone=UTC,
        state_directory=directory,
        counters=clock,
        now=lambda: NOW,
        clock=lambda: GLANCE,
        status=status or well,
        bundle=bundle or empty,
        access=AccessLog(lambda: AuditLog(directory / "audit.jsonl", lambda: NOW), lambda: clock.boottime / NS),
        **parts,
    )


def accounts_in(path: Path, people: tuple[tuple[str, Role], ...]) -> Accounts:
    """Return accounts with the password `PASSWORD`, hashed at little cost: verifying takes what the hash says."""
    made = [{"name": name, "role": role, "password": CHEAP, "since": "2026-11-22T06:00:00Z"} for name, role in people]
    path.write_text(json.dumps({"accounts": made}))
    path.chmod(0o600)
    return Accounts(path)


@asynccontextmanager
async def console_in(
    directory: Path,
    *,
    people: tuple[tuple[str, Role], ...] = (("ann", "reader"), ("olga", "operator")),
    pages: tuple[Page, ...] = PAGES,
    settings: ConsoleSettings | None = None,
    **parts: Any,
) -> AsyncIterator[Console]:
    """Run a console over ASGI, with accounts whose password is `PASSWORD`."""
    clock = FakeClock()
    accounts = accounts_in(directory / "console-accounts.json", people)
    world = world_in(directory, clock, **parts)
    app = build_app(world, settings or ConsoleSettings(hosts=("box.test",)), pages=pages)
    app.state.shown._templates.bytecode_cache = _COMPILED
    async with browser_of(app) as client:
        yield Console(app, client, clock, accounts, directory)
