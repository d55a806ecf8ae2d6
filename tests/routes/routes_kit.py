"""What the tests of routes are made of: a route as JSON, a clock to be set, a book."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.routes.book import ROUTES_FILE, RouteBook
from agent.routes.view import RouteView

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # 09:00 in Los Angeles


def stop(number: int, **more: Any) -> dict[str, Any]:
    """Return a stop as a route has it; `order`: fields of the order to be changed."""
    order = {"order_id": f"WO-{number}", "expected_meter_id": f"1001{number:04}", "dials": 5}
    return {"place": {"address": f"{number} Mill Street"}, **more, "order": order | more.get("order", {})}


def route(stops: int = 3, **more: Any) -> dict[str, Any]:
    """Return a route as JSON has it."""
    head = {
        "schema": "mrsp.route/1",
        "route_id": "R-1",
        "name": "Mill Street",
        "day": "2026-03-02",
        "zone": "America/Los_Angeles",
        "deadline": "17:00",
        "orders": [stop(number) for number in range(1, stops + 1)],
    }
    return head | more


def octets(tree: object) -> bytes:
    """Return a route as the file that is loaded."""
    return json.dumps(tree, ensure_ascii=False, indent=1).encode()


class Now:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def after(self, **span: float) -> None:
        self.at += timedelta(**span)


@asynccontextmanager
async def open_book(directory: Path, now: Now | None = None) -> AsyncIterator[RouteBook]:
    """Open the book in a directory."""
    async with await RouteBook.open(directory / ROUTES_FILE, now=now or Now()) as book:
        yield book


async def walked(book: RouteBook, stops: int = 3, **more: Any) -> RouteView:
    """Load a route."""
    return await book.load(octets(route(stops, **more)), "json", "dispatch")
