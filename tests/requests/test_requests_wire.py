"""The whole way of a request: the MDSP signs, a broker carries it, the schedule visits, the answer is in the chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.config import MeterSection
from agent.forward.over_mqtt import mqtt_forwarder
from agent.requests import handler as handler_module
from agent.requests.book import RequestBook
from agent.requests.handler import RequestHandler
from agent.requests.inbox import Inbox
from agent.requests.intake import Mandate
from agent.requests.judging import Contracts
from agent.requests.settings import RequestSettings
from agent.requests.work import handler_of
from agent.scheduling.agenda import Limits
from agent.scheduling.book import ScheduleBook
from agent.scheduling.reads import GivenUp, Read
from agent.scheduling.retry import Failure
from agent.scheduling.scheduler import Moment, Scheduler
from agent.spool import Spool
from agent.together import together
from metersim.mdsp import MdspConfig, mdsp_client
from metersim.mdsp_request import issue
from metersim.mdsp_store import MdspStore
from metersim.mdsp_verify import read_keys
from tests.forwarding.forwarding_kit import AGENT, World, reading
from tests.scheduling.scheduling_kit import seeded, standing

pytestmark = pytest.mark.system
NEVER = "monthly on day 31 at 23:59"


class Town:
    """Meters that answer when they are let; their readings go into the spool."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.visits: list[str] = []
        self.may: dict[str, asyncio.Event] = {"m1": asyncio.Event(), "m2": asyncio.Event()}

    def now(self) -> Moment:
        at = datetime.now(UTC)
        return Moment(at, known=True, boottime_ns=int(at.timestamp() * 1e9), utc_at=lambda _ns: at)

    async def attend(self, read: Read, came: Callable[[Read, str, bool], Awaitable[None]]) -> str | Failure:
        self.visits.append(read.meter)
        await self.may[read.meter].wait()
        reading_id = f"reading-{len(self.visits)}"
        await came(read, reading_id, True)
        await self.spool.add("reading", reading_id, lambda sequence: reading(AGENT, reading_id, sequence))
        return reading_id

    async def stored(self, reading_ids: Any) -> set[str]:
        return {one for one in reading_ids if await self.spool.has(one)}

    async def asked(self, read: Read) -> None: ...

    async def given_up(self, given_up: GivenUp) -> None: ...


@asynccontextmanager
async def agent(world: World, spool: Spool, town: Town) -> AsyncIterator[RequestHandler]:
    """Run forwarder, schedule and requests as the service does."""
    meters = [MeterSection(name=name, url="tcp://x:1") for name in ("m1", "m2")]
    mandate = Mandate(AGENT, RequestSettings(), Contracts(meters))
    inbox = Inbox()
    async with (
        await ScheduleBook.open(world.directory / "schedule.sqlite") as book,
        await RequestBook.open(world.directory / "requests.sqlite", mandate) as requests,
    ):
        schedule = Scheduler([standing(one.name, NEVER) for one in meters], Limits(), book, town, seeded())
        handler = handler_of(requests, world.mdsp_keys(), spool, schedule, town.now)
        await handler.carry_on()
        forwarder = mqtt_forwarder(spool, world.settings, world.mdsp_keys(), requests=inbox.put)
        jobs = [("forward", forwarder.run()), ("schedule", schedule.run()), ("requests", handler.run(inbox))]
        task = asyncio.create_task(together(jobs))
        try:
            yield handler
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def request(world: World, **content: Any) -> bytes:
    key = next(one for one in read_keys(world.pki.mdsp_private_jwks).keys if one.get("use") == "sig")
    whole = {"aud": AGENT, "receiver": AGENT, "sender": "MDSP", "action": "special", **content}
    made, token = issue(whole, key, now=datetime.now(UTC))
    store = MdspStore(world.directory / "mdsp.db")
    store.asked(made["jti"], made, token, datetime.now(UTC))
    store.close()
    return token


async def send(world: World, *tokens: bytes) -> None:
    config = MdspConfig(world.pki, "localhost", world.settings.port)
    async with mdsp_client(config, "mdsp-asking") as client:
        for token in tokens:
            await client.publish(f"mdsp/v1/{AGENT}/requests", token, qos=1)


def outcomes(world: World) -> dict[str, list[str]]:
    store = MdspStore(world.directory / "mdsp.db")
    try:
        return {one.transaction_id: [answer["outcome"] for answer in one.answers] for one in store.requests()}
    finally:
        store.close()


def answered(world: World, count: int) -> Callable[[], bool]:
    return lambda: sum(event.get("kind") == "responses" for event in world.events) >= count


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_module, "LOOK_EVERY_S", 0.02)


async def test_requests_are_read_cancelled_refused_and_answered_once(world: World) -> None:
    broker = await world.broker()
    spool = await world.spool(encrypt=True)
    town = Town(spool)
    async with world.mdsp(), agent(world, spool, town):
        first = request(world, transaction_id="T-1", meter_id="m1")
        await subscribed(broker.log)
        await send(world, *[first] * 5)
        await world.until(answered(world, 1))
        await send(world, request(world, transaction_id="T-2", meter_id="m1"))
        await world.until(answered(world, 2))
        await send(
            world,
            request(world, transaction_id="T-3", action="cancel", cancels="T-2"),
            request(world, transaction_id="T-4", meter_id="nobody's"),
        )
        await world.until(answered(world, 5))
        await send(world, request(world, transaction_id="T-5", action="route", route={"name": "x" * 1_000_000}))
        await world.until(answered(world, 6))
        town.may["m1"].set()
        await world.until(answered(world, 7))
    assert outcomes(world) == {
        "T-1": ["accepted", "done"],
        "T-2": ["accepted", "cancelled"],
        "T-3": ["done"],
        "T-4": ["refused"],
        "T-5": ["refused"],
    }
    assert town.visits == ["m1"]
    assert world.findings() == []
    assert (await spool.verify()).sound


async def subscribed(log: list[str]) -> None:
    """Wait until the agent hears its requests."""
    while not any(f"mdsp/v1/{AGENT}/requests" in line for line in log):  # noqa: ASYNC110 - the log has no event
        await asyncio.sleep(0)


async def test_requests_come_through_while_the_agent_is_away(world: World) -> None:
    """The broker keeps them in the session; what it delivers again is known."""
    broker = await world.broker()
    spool = await world.spool()
    town = Town(spool)
    town.may["m2"].set()
    async with world.mdsp():
        async with agent(world, spool, town):
            await subscribed(broker.log)
        token = request(world, transaction_id="T-1", meter_id="m2")
        await send(world, token, token)
        async with agent(world, spool, town) as handler:
            await world.until(answered(world, 2))
            await send(world, token)
            while handler.counts["repeated"] < 2:  # noqa: ASYNC110 - nothing is answered, so nothing happens
                await asyncio.sleep(0)
    assert outcomes(world) == {"T-1": ["accepted", "done"]}
    assert town.visits == ["m2"]


async def test_a_broker_that_refuses_the_request_topic_still_takes_readings(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    rules = world.directory / "acl"
    rules.write_text(
        f"user {AGENT}\ntopic readwrite mrsp/#\ntopic read mdsp/v1/{AGENT}/acks\nuser mdsp\ntopic readwrite #\n"
    )
    await world.broker(extra=f"acl_file {rules}")
    spool = await world.spool()
    town = Town(spool)
    async with world.mdsp(), agent(world, spool, town):
        await spool.add("reading", "r-1", lambda sequence: reading(AGENT, "r-1", sequence))
        await world.until(lambda: bool(world.events))
    assert world.events[0]["id"] == "r-1"
