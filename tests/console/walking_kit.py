"""A person who walks a route with the console in their hand, and the browser that shows what they see."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from agent.checks import load_rule_set
from agent.console.settings import ConsoleSettings
from agent.errors import UsageError
from agent.field.photos import Photos
from agent.field.views import JobView, Work
from agent.field.visual import Odd, looks_odd
from agent.order import Order
from agent.routes.book import ROUTES_FILE, RouteBook
from agent.routes.view import Stop
from drivers.visual.entry import ShownRegister
from tests.console.console_kit import NOW, Console, console_in, csrf_in
from tests.routes.routes_kit import octets

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
PROBE = "left probe = tcp://192.0.2.9:4001"
PROBES = ConsoleSettings(hosts=("box.test",), probes=(PROBE, "tcp://192.0.2.10:4001"))
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"
_INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE)


class Now:
    """The time of the box, set by the test."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> Any:
        return self.at

    def after(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Desk:
    """A desk that begins nothing, and remembers what it was asked for."""

    works: list[tuple[Work, str]] = field(default_factory=list)
    running: tuple[JobView, ...] = ()
    refusal: str = ""

    async def start(self, work: Work, by: str) -> JobView:
        if self.refusal:
            raise UsageError(self.refusal)
        self.works.append((work, by))
        return JobView("job-1", 1, work.way, "reading", by, work.stop_id, NOW)

    async def looks_odd(
        self, order: Order, shown: Sequence[ShownRegister], *, stop_id: str | None = None
    ) -> tuple[Odd, ...]:
        assert stop_id is not None
        return looks_odd(order, shown, load_rule_set(order.rule_set), NOW)

    def jobs(self) -> tuple[JobView, ...]:
        return self.running


@dataclass
class Walker:
    """One person with one browser."""

    console: Console
    book: RouteBook
    now: Now
    client: httpx.AsyncClient
    name: str
    csrf: str = ""

    async def get(self, path: str, *, status: int = 200) -> str:
        """Open a page as a browser does, following where it leads; what it runs is from its own files alone."""
        page = await self.client.get(path, follow_redirects=True)
        assert page.status_code == status, page.text
        assert not _INLINE.search(page.text.replace("&lt;", "")), _INLINE.search(page.text)
        return page.text.replace("\N{NO-BREAK SPACE}", " ")

    async def post(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """Send a form. `files`, `headers`: as httpx has them."""
        return await self.client.post(path, data={"csrf": self.csrf, **(fields or {})}, **more)

    async def done(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> str:
        """Send a form that does what it says; return where it leads."""
        answer = await self.post(path, fields, **more)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def assert_refused(self, status: int, path: str, fields: dict[str, Any] | None = None, **more: Any) -> str:
        """Send a form that is refused; return what the person is shown."""
        answer = await self.post(path, fields, **more)
        assert answer.status_code == status, answer.text
        return answer.text

    async def part(self, path: str, fields: dict[str, Any] | None = None) -> str:
        """Send a form as htmx does; return the part of a page that comes back."""
        answer = await self.post(path, fields, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.text
        assert "<html" not in answer.text
        return answer.text

    async def stops(self, route_id: str = "R-1") -> tuple[Stop, ...]:
        return (await self.book.route(route_id)).stops

    async def opened(self, number: int = 1) -> Stop:
        """Return a stop, its hazards confirmed."""
        stop = (await self.stops())[number - 1]
        hazards = [hazard.key for hazard in (await self.book.route(stop.route_id)).hazards(stop)]
        await self.done(f"/stops/{stop.stop_id}/hazards", {"hazard": hazards})
        return await self.book.stop(stop.stop_id)

    async def another(self, name: str) -> Walker:
        """Return another person, elsewhere."""
        client = self.console.browser()
        return await _logged_in(Walker(self.console, self.book, self.now, client, name))


@asynccontextmanager
async def walking(
    directory: Path, tree: dict[str, Any] | None = None, *, name: str = "ann", photos: bool = True, **parts: Any
) -> AsyncIterator[Walker]:
    """Log a person in at a console whose box has the route `tree`."""
    now = Now()
    people = (("ann", "reader"), ("bob", "reader"), ("olga", "operator"))
    parts.setdefault("settings", PROBES)
    kept = Photos(directory / "photos") if photos else None
    async with (
        await RouteBook.open(directory / ROUTES_FILE, now=now) as book,
        console_in(directory, people=people, routes=book, photos=kept, **parts) as console,  # type: ignore[arg-type]
    ):
        if tree is not None:
            await book.load(octets(tree), "json", by="dispatch")
        yield await _logged_in(Walker(console, book, now, console.client, name))


def translated(directory: Path, **files: str) -> ConsoleSettings:
    """Return the settings of a console in a language that has these files: name without `.toml`, content."""
    place = directory / "texts" / "xx"
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / f"{name}.toml").write_text(content, encoding="utf-8")
    return ConsoleSettings(hosts=("box.test",), language="xx", texts=str(place.parent))


async def _logged_in(walker: Walker) -> Walker:
    page = await walker.client.get("/login")
    form = {"csrf": csrf_in(page), "name": walker.name, "password": "correct horse battery", "next": "/account"}
    answer = await walker.client.post("/login", data=form)
    assert answer.status_code == 303
    walker.csrf = csrf_in(await walker.client.get("/account"))
    return walker


def a_stop(number: int, **more: Any) -> dict[str, Any]:
    """Return a stop as a route has it; what is on record of its meter is 300 kWh in 30 days, up to 12,300."""
    at = NOW - timedelta(days=10)
    history = {
        "registers": [{"quantity": "kWh", "value": "12300", "at": at.isoformat()}],
        "periods": [{"start": (at - timedelta(days=30)).isoformat(), "end": at.isoformat(), "usage": "300"}],
    }
    order = {"order_id": f"WO-{number}", "expected_meter_id": f"1001{number:04}", "dials": 5, "history": history}
    return {"place": {"address": f"{number} Mill Street"}, **more, "order": order | more.get("order", {})}


def a_route(*stops: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a route of the day of the tests."""
    head = {
        "schema": "mrsp.route/1",
        "route_id": "R-1",
        "name": "North loop",
        "day": f"{NOW:%Y-%m-%d}",
        "zone": "UTC",
        "deadline": "17:00",
        "orders": list(stops) or [a_stop(number) for number in (1, 2, 3)],
    }
    return head | more
