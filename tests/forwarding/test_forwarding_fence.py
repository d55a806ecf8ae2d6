"""Two boxes with one identity: only one of them forwards, and it is never the one that was replaced."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LocalTrouble
from agent.forward.fence import FencedDial, OtherBox, said
from agent.forward.forwarder import Forwarder
from agent.forward.mqtt import MqttDialer
from agent.forward.over_mqtt import mqtt_forwarder
from agent.forward.reconnect import LinkState
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.window import SendWindow
from agent.instance import Instance
from agent.spool import Spool
from tests.forwarding.forwarding_kit import AGENT, DRAIN_S, World, fill

OLD, NEW = Instance("old", 5), Instance("new", 9)
STATUS = f"mrsp/v1/{AGENT}/status"


def status(box: Instance, state: str) -> bytes:
    return json.dumps({"state": state, "instance": box.instance_id, "generation": box.generation}).encode()


class Wire:
    """A broker with what it has kept of the status topic, and what comes on it later."""

    def __init__(self, *statuses: bytes | None) -> None:
        self.statuses = deque(statuses)
        self.looks = 0
        self.dialled: list[bytes] = []
        self.published: list[tuple[str, bytes]] = []

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Wire]:
        self.looks += 1
        yield self

    async def next(self, within_s: float | None) -> bytes | None:  # noqa: ARG002
        return self.statuses.popleft() if self.statuses else None

    @asynccontextmanager
    async def dial(self, will: bytes) -> AsyncIterator[Wire]:
        self.dialled.append(will)
        yield self

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:  # noqa: ARG002
        self.published.append((topic, body))

    async def received(self) -> list[bytes]:
        return [b"ack"]


async def connects(own: Instance, *statuses: bytes | None) -> bool:
    wire = Wire(*statuses)
    try:
        async with FencedDial(wire.dial, wire, own, agent_id=AGENT)(b'{"state":"offline"}'):
            return True
    except OtherBox:
        assert wire.dialled == []
        return False


@pytest.mark.parametrize(
    ("own", "statuses", "goes_on"),
    [
        (NEW, [None], True),
        (NEW, [b""], True),
        (NEW, [b'{"state":"online","version":"0.1.0"}'], True),  # an agent that did not say which box it was
        (NEW, [b"\xff not json"], True),
        (NEW, [status(NEW, "online")], True),  # ourselves, before the connection broke
        (NEW, [status(OLD, "offline")], True),  # the dead box
        (NEW, [status(OLD, "online"), None], True),  # dead, but the broker lost its will
        (NEW, [status(OLD, "online"), status(OLD, "offline")], True),
        (NEW, [status(OLD, "online"), status(OLD, "online")], False),  # it lives
        (OLD, [status(NEW, "online")], False),  # replaced
        (OLD, [status(NEW, "offline")], False),  # replaced, and that one is away now
        (OLD, [status(Instance("twin", 5), "online")], False),
        (OLD, [status(Instance("twin", 5), "offline")], False),
    ],
)
async def test_who_may_forward(own: Instance, statuses: list[bytes | None], goes_on: bool) -> None:
    assert await connects(own, *statuses) is goes_on


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=2))
def test_of_two_boxes_at_most_one_goes_on(heard: list[tuple[int, str, bool]]) -> None:
    """Whatever one box said last: of two different ones that come then, the later is never refused for the earlier."""
    for generation, name, online in heard:
        kept = status(Instance(name, generation), "online" if online else "offline")
        for own in (Instance("d", generation - 1 if generation else 0), Instance("d", generation)):
            assert not asyncio.run(connects(own, kept, kept))
        assert asyncio.run(connects(Instance("d", generation + 1), kept, kept)) is not online


@given(st.binary(max_size=60) | st.from_regex(r'\{"state":.{0,30}\}').map(str.encode))
def test_no_status_breaks_the_look(text: bytes) -> None:
    found = said(text)
    assert found is None or found.instance is not None


async def test_one_that_was_replaced_does_not_ask_again() -> None:
    wire = Wire(status(NEW, "online"))
    dial = FencedDial(wire.dial, wire, OLD, agent_id=AGENT)
    for _ in range(3):
        with pytest.raises(OtherBox, match="taken over"):
            async with dial(b"{}"):
                pass
    assert wire.looks == 1


async def test_every_status_says_which_box_speaks() -> None:
    wire = Wire()
    async with FencedDial(wire.dial, wire, NEW, agent_id=AGENT)(b'{"state":"offline"}') as link:
        await link.publish(STATUS, b'{"state":"online"}', retain=True)
        await link.publish(f"mrsp/v1/{AGENT}/readings", b"sealed")
        assert await link.received() == [b"ack"]
    assert json.loads(wire.dialled[0]) == {"state": "offline", "instance": "new", "generation": 9}
    assert json.loads(wire.published[0][1]) == {"state": "online", "instance": "new", "generation": 9}
    assert wire.published[1][1] == b"sealed"


def fenced(world: World, spool: Spool, own: Instance, *, live_s: float = 0.2) -> Forwarder:
    dialer = MqttDialer(world.settings, agent_id=AGENT)
    dial = FencedDial(dialer.dial, dialer, own, agent_id=AGENT, live_s=live_s)
    return Forwarder(spool, dial, world.mdsp_keys(), window=SendWindow(20), jitter=lambda _low, _high: 0.02)


async def kept(world: World, condition: str) -> dict[str, object]:
    """Wait on a real broker for a status that has `condition` in it."""
    import ssl

    tls = ssl.create_default_context(cafile=world.pki.ca)
    tls.load_cert_chain(world.pki.mdsp_certificate, world.pki.mdsp_key)
    async with aiomqtt.Client("localhost", world.settings.port, tls_context=tls) as client:
        await client.subscribe(STATUS, qos=1)
        async for message in client.messages:
            if condition.encode() in bytes(message.payload):
                found: dict[str, object] = json.loads(bytes(message.payload))
                return found
    raise AssertionError


@pytest.mark.system
async def test_a_real_broker_keeps_the_replaced_box_out_and_the_live_one_connected(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    await fill(spool, 3)
    async with world.mdsp():
        new = fenced(world, spool, NEW)
        running = asyncio.create_task(new.run())
        await kept(world, '"state":"online"')
        await world.until(lambda: len(world.events) >= 3)
        dialer = MqttDialer(world.settings, agent_id=AGENT)
        with pytest.raises(OtherBox, match="taken over"):
            async with FencedDial(dialer.dial, dialer, OLD, agent_id=AGENT)(b"{}"):
                pass
        assert new.state is LinkState.ONLINE
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (await kept(world, "offline"))["instance"] == "new"


@pytest.mark.system
async def test_the_new_box_goes_on_where_the_dead_one_stopped(world: World) -> None:
    await world.broker()
    spool = await world.spool()
    first = await fill(spool, 2)
    async with world.mdsp():
        await fenced(world, spool, OLD).drain(DRAIN_S)
        second = await fill(spool, 2, start=10)
        own = mqtt_forwarder(spool, world.settings, world.mdsp_keys(), own=NEW)
        await own.drain(DRAIN_S)
    assert [document_id for _, document_id, _ in world.stored()] == first + second
    assert (await kept(world, "offline"))["generation"] == 9


async def test_it_is_local_trouble_with_something_to_do() -> None:
    assert issubclass(OtherBox, LocalTrouble)
    wire = Wire(status(Instance("twin", 9), "online"))
    with pytest.raises(OtherBox) as caught:
        async with FencedDial(wire.dial, wire, NEW, agent_id=AGENT)(b"{}"):
            pass
    assert "mrsp backup takeover" in caught.value.advice
    told = ForwardTrouble(caught.value.message, cause=Cause.LOCAL, advice=caught.value.advice)
    assert str(told) == str(caught.value)
