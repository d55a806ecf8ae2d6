"""Fifty programs that follow a gateway at once, one of which takes nothing, while its meter is read again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.system.console_route import METER_ID, a_route, by_probe
from tests.system.console_world import PASSWORD, Gateway

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

LOGINS = ("ann", "ann", "bob", "olga")
WATCHERS = 52  # 13 streams of each login; a session may have 16
READS = 6
MOST_GROWTH = 12 * 1024 * 1024  # octets, from the first read to the last


@pytest.fixture
def box(console_box: Gateway) -> Gateway:
    console_box.probes[0].hold_to("--fault", "late=0.01")
    return console_box


class Watcher:
    """One stream of events: counts them, and knows which jobs it saw end."""

    def __init__(self) -> None:
        self.events = 0
        self.over: set[str] = set()
        self.changed = asyncio.Event()

    async def follow(self, client: httpx.AsyncClient, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with client.stream("GET", "/events?jobs=all&routes=all", headers=headers, timeout=None) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    self.events += 1
                    self._see(json.loads(line.removeprefix("data: ")))

    def _see(self, picture: dict[str, object]) -> None:
        if picture.get("ended"):
            self.over.add(str(picture["job_id"]))
            self.changed.set()
            self.changed = asyncio.Event()

    async def saw_end_of(self, job_id: str) -> None:
        while job_id not in self.over:
            await self.changed.wait()


async def test_fifty_watchers_and_one_that_sleeps_cost_a_bounded_memory(box: Gateway) -> None:
    file = box.directory / "route.json"
    file.write_text(json.dumps(a_route("L-1", by_probe("1 Dock", order={"nameplate_id": METER_ID}))))
    box.command("route", "load", file)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
    async with httpx.AsyncClient(base_url=f"{box.url}/api/v1", limits=limits, timeout=60) as client:
        tokens = [await logged_in(client, name) for name in LOGINS]
        watchers = [Watcher() for _ in range(WATCHERS)]
        async with following(client, tokens, watchers), sleeping(box, tokens[0]):
            sizes = []
            for _ in range(READS):
                job_id = await begun(client, tokens[0])
                await asyncio.gather(*(one.saw_end_of(job_id) for one in watchers))
                sizes.append(box.memory_octets())
        assert len(watchers[0].over) == READS
        assert min(one.events for one in watchers) > READS * 3, "nothing was seen of the reads while they went on"
        assert (await client.get("/me", headers=bearer(tokens[0]))).status_code == 200
    assert sizes[-1] - sizes[0] < MOST_GROWTH, sizes
    [stop] = box.became("L-1")
    assert (stop["state"], len(stop["earlier_readings"])) == ("read", READS - 1)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def logged_in(client: httpx.AsyncClient, name: str) -> str:
    answer = await client.post("/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


async def begun(client: httpx.AsyncClient, token: str) -> str:
    """Begin to read the meter of the route's only stop; return the job."""
    probe, _ = (await client.get("/probes", headers=bearer(token))).json()["probes"]
    [stop] = (await client.get("/routes/L-1/stops?show=all", headers=bearer(token))).json()["stops"]
    body = {"way": "probe", "probe": probe["probe"], "version": stop["version"]}
    answer = await client.post(f"/stops/{stop['stop_id']}/jobs", json=body, headers=bearer(token))
    assert answer.is_success, answer.text
    return str(answer.json()["job_id"])


@asynccontextmanager
async def following(client: httpx.AsyncClient, tokens: list[str], watchers: list[Watcher]) -> AsyncIterator[None]:
    """Let all of them follow; one that ends early ends the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one.follow(client, tokens[number % len(tokens)])) for number, one in enumerate(watchers)
        ]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def sleeping(box: Gateway, token: str) -> AsyncIterator[None]:
    """Ask for a stream, and never take anything of it."""
    host, port = box.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    asked = f"GET /api/v1/events HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(asked.encode())
    await writer.drain()
    try:
        yield
    finally:
        writer.transport.abort()
