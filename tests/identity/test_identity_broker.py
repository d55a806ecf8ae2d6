"""A real mosquitto with client certificates: renewals without a restart, and the way back when one is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.forward.forwarder import Forwarder
from agent.forward.mqtt import MqttDialer
from agent.forward.settings import ForwardSettings
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.uplink import Dial
from agent.forward.window import SendWindow
from agent.identity.install import import_certificate, start_rotation
from agent.identity.present import DeviceKeys, own_public_keys
from agent.identity.proving import proven_dial
from agent.identity.request import certificate_request
from agent.keys import DeviceKey, MdspKeys, create_device_key, load_device_key
from agent.seal import Sealer
from agent.spool import Spool
from metersim.pki import Pki, add_agent, create_pki, issue_certificate
from tests.forwarding.forwarding_kit import AGENT, World, fill
from tests.identity.identity_kit import make_root

pytestmark = pytest.mark.system


@pytest.fixture
async def device(world: World) -> Path:
    """A key directory with a certificate that the broker accepts; the broker runs."""
    keys = world.directory / "keys"
    made = create_device_key(keys)
    add_agent(world.pki, AGENT, now=datetime.now(UTC), public_jwk=made.public_jwk())
    install(world.pki, keys, made)
    await world.broker()
    world.point_at(world.settings.port, certificate=str(keys / "device-cert.pem"), key=str(keys / "device-key.pem"))
    return keys


def install(pki: Pki, keys: Path, key: DeviceKey) -> None:
    pem = issue_certificate(pki, AGENT, key.public_key().public_key, now=datetime.now(UTC))
    import_certificate(keys, pem + pki.ca.read_bytes(), agent_id=AGENT, now=datetime.now(UTC))


def proving(settings: ForwardSettings, *, timeout_s: float) -> Dial:
    return proven_dial(settings, lambda chosen: MqttDialer(chosen, agent_id=AGENT, timeout_s=timeout_s).dial)


async def connect(settings: ForwardSettings) -> None:
    async with proving(settings, timeout_s=5.0)(b"{}") as link:
        await link.publish(f"mrsp/v1/{AGENT}/status", b"{}")


def names(keys: Path) -> set[str]:
    return {one.name for one in keys.iterdir()}


async def test_the_broker_lets_in_what_was_imported_and_the_old_goes(world: World, device: Path) -> None:
    await connect(world.settings)
    install(world.pki, device, load_device_key(device))
    assert "previous-cert.pem" in names(device)
    await connect(world.settings)
    assert names(device) == {"device-key.pem", "device-cert.pem"}


async def test_a_rotated_pair_is_used_from_the_next_connection_on(world: World, device: Path) -> None:
    dial = proving(world.settings, timeout_s=5.0)
    async with dial(b"{}") as link:
        await link.publish(f"mrsp/v1/{AGENT}/status", b"{}")
        install(world.pki, device, start_rotation(device))
        with pytest.raises(ForwardTrouble, match="another certificate"):
            await link.publish(f"mrsp/v1/{AGENT}/status", b"{}")
    assert "previous-key.pem" in names(device)
    async with dial(b"{}") as link:
        await link.publish(f"mrsp/v1/{AGENT}/status", b"{}")
    assert names(device) == {"device-key.pem", "device-cert.pem", "retired.jwks"}


@pytest.mark.parametrize("rotate", [False, True], ids=["renewed", "rotated"])
async def test_a_certificate_that_the_broker_refuses_leaves_the_way_back(
    world: World, device: Path, rotate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = make_root("a CA that the broker does not know")
    key = start_rotation(device) if rotate else load_device_key(device)
    wrong = stranger.issue_for(certificate_request(key, agent_id=AGENT))
    import_certificate(device, wrong, agent_id=AGENT, now=datetime.now(UTC))
    dial = proving(world.settings, timeout_s=2.0)
    for _ in range(2):  # the new one is tried in turn with the old, for ever
        with pytest.raises(ForwardTrouble) as caught:
            async with dial(b"{}"):
                pytest.fail("let in")
        assert caught.value.cause in {Cause.CLIENT_CERTIFICATE, Cause.TIMED_OUT, Cause.LOST}
        async with dial(b"{}") as link:
            await link.publish(f"mrsp/v1/{AGENT}/status", b"{}")
    assert "previous-cert.pem" in names(device)
    assert "the broker accepts the certificate before the one" in caplog.text
    install(world.pki, device, load_device_key(device))  # the CA's mistake is mended
    with suppress(ForwardTrouble):
        await connect(world.settings)
    async with dial(b"{}"):
        pass
    assert "previous-cert.pem" not in names(device)


async def test_a_directory_that_cannot_be_written_does_not_cost_the_connection(
    world: World, device: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(world.pki, device, load_device_key(device))

    def read_only(_self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", read_only)
        await connect(world.settings)
    assert "cannot be removed" in caplog.text
    await connect(world.settings)
    assert "previous-cert.pem" not in names(device)


async def test_without_a_way_back_trouble_is_trouble(world: World, device: Path) -> None:
    (device / "device-cert.pem").write_bytes(make_root().pem)
    dial = proving(world.settings, timeout_s=2.0)
    for _ in range(2):
        with pytest.raises(Exception, match="do not fit"):
            async with dial(b"{}"):
                pytest.fail("let in")


async def test_readings_go_on_over_a_rotation_of_the_device_and_of_the_mdsp(world: World, device: Path) -> None:
    """No restart, nothing lost; the MDSP verifies one chain across both keys of the device."""
    keys = DeviceKeys(device)
    mdsp_keys = MdspKeys(world.pki.mdsp_jwks)
    spool = await Spool.open(world.directory / "spool.db", agent_id=AGENT, sealer=Sealer(keys.present))
    await world.stack.enter_async_context(spool)
    dial = proving(world.settings, timeout_s=5.0)
    forwarder = Forwarder(spool, dial, mdsp_keys, window=SendWindow(20, (2.0,)), jitter=lambda _low, _high: 0.02)
    async with world.mdsp(), running(forwarder.run):
        ids = await fill(spool, 5)
        await empty(spool, forwarder)
        following = start_rotation(device)
        register(world.pki, following)
        install(world.pki, device, following)
        ids += await fill(spool, 5, start=6)
        await empty(spool, forwarder)
    replaced = create_pki(world.directory / "other", now=datetime.now(UTC))
    world.pki.mdsp_private_jwks.write_bytes(replaced.mdsp_private_jwks.read_bytes())
    draft = world.directory / "draft.jwks"
    draft.write_bytes(replaced.mdsp_jwks.read_bytes())
    draft.rename(world.pki.mdsp_jwks)  # the same file, another inode: read again
    async with world.mdsp(), running(forwarder.run):
        ids += await fill(spool, 5, start=11)
        await empty(spool, forwarder)
    assert [(seq, one) for seq, one, _ in world.stored()] == list(enumerate(ids, 1))
    assert world.findings() == []
    report = await spool.verify(own_public_keys(device))
    assert (report.sound, report.links) == (True, 15), report.problems
    assert not (await spool.verify([load_device_key(device).public_key()])).sound


def register(pki: Pki, key: DeviceKey) -> None:
    """Let the MDSP know one more key of the agent."""
    path = pki.agents / f"{AGENT}.jwks"
    known = json.loads(path.read_bytes())["keys"]
    path.write_text(json.dumps({"keys": [*known, key.public_jwk()]}))


async def empty(spool: Spool, forwarder: Forwarder) -> None:
    """Wait until the MDSP has acknowledged everything."""
    while True:
        forwarder._acknowledged.clear()
        if await spool.is_empty():
            return
        await forwarder._acknowledged.wait()


class running:  # noqa: N801  (reads as a phrase)
    """Runs a coroutine function beside the block, and ends it with it."""

    def __init__(self, job: Callable[[], Awaitable[None]]) -> None:
        self._job = job

    async def __aenter__(self) -> None:
        self._task = asyncio.ensure_future(self._job())

    async def __aexit__(self, *_exception: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
