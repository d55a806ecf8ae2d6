"""The whole way with a real mosquitto, mutual TLS and the reference MDSP."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from agent.forward.reconnect import LinkState
from agent.forward.trouble import Cause, ForwardTrouble
from agent.spool import Priority
from metersim.broker import running_broker
from metersim.mdsp import Trouble
from tests.forwarding.forwarding_kit import AGENT, DRAIN_S, World, fill

pytestmark = pytest.mark.system


@asynccontextmanager
async def spy(world: World, topic: str) -> AsyncIterator[aiomqtt.Client]:
    """Another client of the broker, with the MDSP's certificate."""
    tls = ssl.create_default_context(cafile=world.pki.ca)
    tls.load_cert_chain(world.pki.mdsp_certificate, world.pki.mdsp_key)
    async with aiomqtt.Client("localhost", world.settings.port, identifier="spy", tls_context=tls) as client:
        await client.subscribe(topic, qos=1)
        yield client


@pytest.mark.parametrize("encrypt", [False, True], ids=["signed", "encrypted"])
async def test_a_reading_leaves_the_spool_when_the_mdsp_has_signed_for_it(world: World, encrypt: bool) -> None:
    await world.broker()
    spool = await world.spool(encrypt=encrypt)
    ids = await fill(spool, 30)
    async with world.mdsp():
        await world.forwarder(spool).drain(DRAIN_S)
    assert await spool.is_empty()
    assert world.stored() == [(number, one, 1) for number, one in enumerate(ids, start=1)]
    assert world.findings() == []
    assert (await spool.verify()).sound


async def test_without_an_mdsp_nothing_leaves_although_the_broker_takes_everything(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    ids = await fill(spool, 3)
    async with spy(world, f"mrsp/v1/{AGENT}/readings") as client:
        running = asyncio.create_task(world.forwarder(spool).run())
        messages = client.messages
        for _ in ids:
            await anext(messages)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await spool.status()).depth == 3
    with pytest.raises(ForwardTrouble, match="3 documents are not acknowledged") as caught:
        await world.forwarder(spool).drain(0.5)
    assert caught.value.cause is Cause.UNACKNOWLEDGED
    assert caught.value.exit_code == 3


async def test_a_new_reading_is_forwarded_while_the_forwarder_waits_and_the_status_tells(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    forwarder = world.forwarder(spool)
    async with world.mdsp() as mdsp:
        running = asyncio.create_task(forwarder.run())
        await fill(spool, 1)
        await world.until(lambda: len(world.events) == 1)
        await fill(spool, 1, start=2)
        await world.until(lambda: len(world.events) == 2)
        assert forwarder.state is LinkState.ONLINE
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await fill(spool, 1, start=3)  # gives the MDSP another message after the goodbye
        await world.forwarder(spool).drain(DRAIN_S)
        assert mdsp.statuses[AGENT]["version"]
        assert {"state", "spool_depth", "clock", "version"} <= set(mdsp.statuses[AGENT])


async def test_the_broker_says_offline_for_an_agent_that_stops(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    async with spy(world, f"mrsp/v1/{AGENT}/status") as client:
        running = asyncio.create_task(world.forwarder(spool).run())
        messages = client.messages
        assert b'"state":"online"' in bytes((await anext(messages)).payload)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert b'"state":"offline"' in bytes((await anext(messages)).payload)
    async with spy(world, f"mrsp/v1/{AGENT}/status") as client:
        retained = await anext(client.messages)
        assert retained.retain
        assert b'"state":"offline"' in bytes(retained.payload)


async def test_a_broker_killed_half_way_costs_nothing(world: World) -> None:
    broker = await world.broker()
    spool = await world.spool()
    ids = await fill(spool, 60)
    async with world.mdsp():
        draining = asyncio.create_task(world.forwarder(spool, window=5, resend_s=0.5).drain(DRAIN_S))
        await world.until(lambda: len(world.events) >= 10)
        await broker.kill()
        assert not draining.done()
        await broker.start()
        await draining
    assert await spool.is_empty()
    assert [(seq, one) for seq, one, _ in world.stored()] == list(enumerate(ids, start=1))
    assert world.findings() == []


async def test_dropped_acks_make_the_agent_send_the_same_octets_again(world: World) -> None:
    await world.broker()
    spool = await world.spool(encrypt=True)
    ids = await fill(spool, 3)
    seen: dict[str, list[bytes]] = defaultdict(list)
    async with spy(world, f"mrsp/v1/{AGENT}/readings") as client, world.mdsp(Trouble(drop_acks=3)):
        await world.forwarder(spool, resend_s=0.2).drain(DRAIN_S)
        messages = client.messages
        while len(messages):
            payload = bytes((await anext(messages)).payload)
            seen[payload[-40:].decode()].append(payload)
    assert len(seen) == len(ids)
    assert any(len(copies) > 1 for copies in seen.values())
    assert all(len(set(copies)) == 1 for copies in seen.values())
    assert [(seq, one) for seq, one, _ in world.stored()] == list(enumerate(ids, start=1))
    assert any(deliveries > 1 for _, _, deliveries in world.stored())


async def test_a_forged_ack_removes_nothing(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    await fill(spool, 1)
    forwarder = world.forwarder(spool, resend_s=0.2)
    async with world.mdsp(Trouble(forge_acks=1)):
        await forwarder.drain(DRAIN_S)
    assert forwarder.acks_refused == 1
    assert [deliveries > 1 for _, _, deliveries in world.stored()] == [True]


async def test_duplicate_acks_and_rubbish_on_the_ack_topic_are_harmless(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    await fill(spool, 5)
    forwarder = world.forwarder(spool)
    async with spy(world, f"mrsp/v1/{AGENT}/status") as client, world.mdsp(Trouble(duplicate_acks=True)):
        running = asyncio.create_task(forwarder.run())
        await anext(client.messages)
        for rubbish in (b"", b"x", b"a.b.c", b"{}", b"\xff" * 200, b"." * 70_000, b"e30.e30.e30", b"W10.W10.W10"):
            await client.publish(f"mdsp/v1/{AGENT}/acks", rubbish, qos=1)
        await fill(spool, 5, start=6)
        await world.until(lambda: len(world.events) >= 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await forwarder.drain(DRAIN_S)
    assert forwarder.acks_refused == 8
    assert await spool.is_empty()


async def test_what_is_urgent_overtakes_the_queue(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    await fill(spool, 10)
    urgent = b'{"anomaly_id":"a1","agent_id":"gw-0001"}'
    await spool.add("anomaly", "a1", lambda _sequence: urgent, priority=Priority.URGENT)
    async with world.mdsp():
        await world.forwarder(spool, window=1).drain(DRAIN_S)
    assert world.events[0]["id"] == "a1"
    assert [event["seq"] for event in world.events[1:]] == list(range(1, 11))
    assert world.findings() == []


async def test_mqtt_3_1_1_is_used_if_the_broker_knows_no_5(world: World) -> None:
    spool = await world.spool(encrypt=True)
    await fill(spool, 25)
    async with running_broker(world.pki) as port:
        world.point_at(port)
        async with world.mdsp(mqtt5=False):
            await world.forwarder(spool, timeout_s=1.0).drain(DRAIN_S)
    assert [deliveries for _, _, deliveries in world.stored()] == [1] * 25


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_configured_protocol_is_used(world: World, protocol: str) -> None:
    broker = await world.broker()
    world.point_at(broker.port, protocol=protocol)
    spool = await world.spool()
    await fill(spool, 2)
    async with world.mdsp():
        await world.forwarder(spool).drain(DRAIN_S)
    assert any(f"as {AGENT} (p{'5' if protocol == '5' else '2'}," in line for line in broker.log)


async def test_a_large_reading_goes_through_encrypted(world: World) -> None:
    await world.broker()
    spool = await world.spool(encrypt=True)
    await fill(spool, 1, padding=2_000_000)
    async with world.mdsp():
        await world.forwarder(spool).drain(DRAIN_S)
    assert len(world.stored()) == 1
