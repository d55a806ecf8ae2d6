"""The forwarder's decisions without a network: window, waits, topics, and the loop over a link in memory."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from agent.errors import ConfigError, LocalTrouble
from agent.forward.file import write_document
from agent.forward.forwarder import Forwarder
from agent.forward.reconnect import LinkState, Reconnect
from agent.forward.trouble import WAITS, Cause, ForwardTrouble
from agent.forward.uplink import Topics, Uplink
from agent.forward.window import MAX_TRACKED, PATIENCE, SendWindow
from agent.keys import MdspKeys, create_device_key
from agent.seal import Sealer
from agent.spool import Spool
from tests.forwarding.forwarding_kit import AGENT, fill

Step = tuple[str, int]


@given(
    size=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(["send", "ack", "later", "restart"]), st.integers(0, 30)), max_size=80),
)
def test_the_window_never_has_more_patient_documents_under_way_than_it_is_wide(size: int, steps: list[Step]) -> None:
    window, now = SendWindow(size, (10.0, 20.0)), 0.0
    sendings: dict[int, int] = {}
    for what, number in steps:
        match what:
            case "send":
                if number not in window.under_way(now) and window.room(now):
                    sendings[number] = sendings.get(number, 0) + 1
                    assert window.sent(number, f"d{number}", now) == sendings[number]
                    assert number in window.under_way(now)
            case "ack":
                window.acknowledged({f"d{number}"})
                sendings.pop(number, None)
                assert number not in window.under_way(now)
            case "later":
                now += number
            case _:
                window.restart()
                assert window.under_way(now) == frozenset()
        patient = [seq for seq in window.under_way(now) if sendings[seq] < PATIENCE]
        assert len(patient) <= size
        assert window.next_due(now) > now


def test_a_document_that_is_never_acknowledged_lets_others_pass_at_last() -> None:
    window, now = SendWindow(1, (10.0,)), 0.0
    for _ in range(PATIENCE):
        assert window.room(now) == 1
        window.sent(1, "stuck", now)
        now += 10.0
    now -= 10.0  # still waiting after the last sending
    assert window.under_way(now) == {1}
    assert window.room(now) == 1


def test_sending_stops_when_too_much_is_unacknowledged() -> None:
    window = SendWindow(10, (1e9,))
    for seq in range(MAX_TRACKED):
        for _ in range(PATIENCE):
            window.sent(seq, str(seq), 0.0)
    assert window.room(0.0) == 0


def test_what_left_the_spool_while_it_was_being_sent_is_forgotten() -> None:
    window = SendWindow(1, (10.0,))
    window.sent(1, "gone", 0.0)
    window.forget_due(10.0)
    assert window.sent(1, "gone", 20.0) == 1


def test_waits_grow_to_a_bound_and_begin_again_after_progress() -> None:
    reconnect = Reconnect(lambda _low, high: high)
    lost = ForwardTrouble("gone", cause=Cause.LOST)
    waits = [reconnect.failed(lost) for _ in range(20)]
    assert waits[0] == 1.0
    assert waits == sorted(waits)
    assert waits[-1] == 60.0
    reconnect.connected()
    assert reconnect.failed(lost) == 60.0  # a broker that lets us in and drops us is no progress
    reconnect.progressed()
    assert reconnect.trouble is None
    assert reconnect.failed(lost) == 1.0
    assert reconnect.failed(lost) > 1.0
    assert reconnect.failed(lost, held_s=60.0) == 1.0


def test_a_refusal_that_only_a_person_can_mend_waits_longer_from_the_start() -> None:
    assert WAITS[Cause.CLIENT_CERTIFICATE].wait_s(1) == 30.0
    assert set(WAITS) == set(Cause)


def test_the_first_failure_of_a_kind_is_a_warning_and_the_rest_is_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "agent.forward")
    reconnect = Reconnect(lambda _low, high: high)
    for cause in (Cause.REFUSED, Cause.REFUSED, Cause.NAME, Cause.NAME):
        reconnect.failed(ForwardTrouble("no", cause=cause))
    reconnect.connected()
    assert reconnect.state is LinkState.ONLINE
    reconnect.failed(ForwardTrouble("no", cause=Cause.NAME))
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "DEBUG", "WARNING", "DEBUG", "INFO", "WARNING"]


@pytest.mark.parametrize("agent_id", ["", "a/b", "a+", "#", "ä", "x" * 65, ".hidden", "a b"])
def test_an_agent_id_that_would_change_the_topic_is_refused(agent_id: str) -> None:
    with pytest.raises(ConfigError):
        Topics(agent_id)


def test_topics_are_those_of_the_contract() -> None:
    topics = Topics("gw-0001")
    assert [topics.of(kind) for kind in ("reading", "anomaly", "report", "response")] == [
        "mrsp/v1/gw-0001/readings",
        "mrsp/v1/gw-0001/anomalies",
        "mrsp/v1/gw-0001/reports",
        "mrsp/v1/gw-0001/responses",
    ]
    assert topics.status == "mrsp/v1/gw-0001/status"
    assert topics.acks == "mdsp/v1/gw-0001/acks"


class MemoryLink:
    """A link whose other end is this object: acknowledges readings until told to do something else."""

    def __init__(self, key: ECKey) -> None:
        self.key = key
        self.published: list[tuple[str, bytes]] = []
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.dialled = 0
        self.fail_after: int | None = None
        self.silent_until = 0  # number of dials before acknowledgements start

    @asynccontextmanager
    async def dial(self, will: bytes) -> AsyncIterator[Uplink]:
        assert json.loads(will)["state"] == "offline"
        self.dialled += 1
        yield self

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        if self.fail_after is not None and len(self.published) >= self.fail_after:
            self.fail_after = None
            raise ForwardTrouble("gone", cause=Cause.LOST)
        assert retain == topic.endswith("/status")
        self.published.append((topic, body))
        if topic.endswith("/readings") and self.dialled > self.silent_until:
            payload = body.split(b".")[1]
            reading_id = json.loads(_decoded(payload))["reading_id"]
            self.inbox.put_nowait(self.ack(reading_id))

    async def received(self) -> list[bytes]:
        return [await self.inbox.get()]

    def ack(self, *ids: str, **more: Any) -> bytes:
        content = json.dumps({"acknowledged": ids, **more})
        return jws.serialize_compact({"alg": "ES256", "kid": self.key.kid}, content, self.key).encode()


def _decoded(segment: bytes) -> bytes:
    import base64

    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    sealer = Sealer(create_device_key(tmp_path / "keys"))
    async with await Spool.open(tmp_path / "spool.db", agent_id=AGENT, sealer=sealer) as opened:
        yield opened


@pytest.fixture
def mdsp_key(tmp_path: Path) -> ECKey:
    key = ECKey.generate_key("P-256", auto_kid=True)
    entry = {**key.as_dict(private=False), "use": "sig"}
    (tmp_path / "mdsp.jwks").write_text(json.dumps({"keys": [entry]}))
    return key


def forwarder_over(link: MemoryLink, spool: Spool, tmp_path: Path, *, window: int = 20) -> Forwarder:
    keys = MdspKeys(tmp_path / "mdsp.jwks")
    return Forwarder(spool, link.dial, keys, window=SendWindow(window), jitter=lambda _low, _high: 0.0)


async def test_readings_go_out_in_order_and_the_status_first(spool: Spool, tmp_path: Path, mdsp_key: ECKey) -> None:
    link = MemoryLink(mdsp_key)
    await fill(spool, 100)
    await forwarder_over(link, spool, tmp_path, window=7).drain(30)
    readings = [json.loads(_decoded(body.split(b".")[1])) for topic, body in link.published if "readings" in topic]
    assert [one["sequence"] for one in readings] == list(range(1, 101))
    status = json.loads(link.published[0][1])
    assert status["spool_depth"] == 100
    assert status["oldest"].endswith("Z")
    assert json.loads(link.published[-1][1])["state"] == "offline"


async def test_a_lost_link_is_dialled_again_and_sends_the_same_octets(
    spool: Spool, tmp_path: Path, mdsp_key: ECKey
) -> None:
    link = MemoryLink(mdsp_key)
    link.fail_after, link.silent_until = 5, 1
    await fill(spool, 10)
    await forwarder_over(link, spool, tmp_path).drain(30)
    bodies = [body for topic, body in link.published if "readings" in topic]
    assert link.dialled == 2
    assert len(bodies) > 10
    assert len(set(bodies)) == 10


async def test_a_spool_in_trouble_does_not_end_the_forwarder(
    spool: Spool, tmp_path: Path, mdsp_key: ECKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = MemoryLink(mdsp_key)
    await fill(spool, 3)
    acknowledge, failures = spool.acknowledge, iter([True, True])

    async def failing(ids: Any) -> tuple[int, ...]:
        if next(failures, False):
            raise LocalTrouble("disk full")
        return await acknowledge(ids)

    monkeypatch.setattr(spool, "acknowledge", failing)
    forwarder = forwarder_over(link, spool, tmp_path)
    await forwarder.drain(30)
    assert link.dialled == 3
    assert forwarder.trouble is None
    assert await spool.is_empty()


async def test_an_ack_for_another_agent_removes_nothing(spool: Spool, tmp_path: Path, mdsp_key: ECKey) -> None:
    link = MemoryLink(mdsp_key)
    link.silent_until = 1
    ids = await fill(spool, 1)
    link.inbox.put_nowait(link.ack(*ids, agent_id="gw-0002"))
    forwarder = forwarder_over(link, spool, tmp_path)
    with pytest.raises(ForwardTrouble, match="1 documents are not acknowledged"):
        await forwarder.drain(0.2)
    assert forwarder.acks_refused == 1


class EndingLink(MemoryLink):
    """Loses the connection in the same moment in which the service is told to stop."""

    def __init__(self, key: ECKey) -> None:
        super().__init__(key)
        self.online = asyncio.Event()
        self.ending: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    async def received(self) -> list[bytes]:
        self.online.set()
        return await self.ending


async def test_a_link_that_is_lost_while_the_forwarder_is_stopped_does_not_keep_it(
    spool: Spool, tmp_path: Path, mdsp_key: ECKey
) -> None:
    link = EndingLink(mdsp_key)
    running = asyncio.create_task(forwarder_over(link, spool, tmp_path).run())
    await link.online.wait()
    link.ending.set_exception(ForwardTrouble("gone", cause=Cause.LOST))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert link.dialled == 1


async def test_the_file_outlet_writes_whole_documents_and_refuses_odd_names(tmp_path: Path) -> None:
    path = await write_document(tmp_path / "outbox", "0193-a", b"{}")
    assert path.read_bytes() == b"{}"
    assert [one.name for one in path.parent.iterdir()] == ["0193-a.json"]
    for name in ("../x", ".x", "a/b", "", "x" * 65):
        with pytest.raises(ValueError, match="file name"):
            await write_document(tmp_path / "outbox", name, b"{}")
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalTrouble, match="cannot write"):
        await write_document(tmp_path / "file" / "outbox", "a", b"{}")
