"""The service looks after its own identity: says in time what expires, finishes what was interrupted."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.identity.install import import_certificate, start_rotation
from agent.identity.request import certificate_request
from agent.identity.watch import LOOK_AGAIN_S, LOOK_EVERY_S, IdentityWatch
from agent.keys import DeviceKey
from tests.identity.identity_kit import AGENT, NOW, Authority


class Calendar:
    """A clock to turn."""

    def __init__(self) -> None:
        self.now: datetime | None = NOW

    def __call__(self) -> datetime | None:
        return self.now


def certify(keys: Path, key: DeviceKey, issuing: Authority, days: int = 90) -> bytes:
    pem = issuing.issue_for(certificate_request(key, agent_id=AGENT), valid=timedelta(days=days))
    import_certificate(keys, pem, agent_id=AGENT, now=NOW)
    return pem


def test_expiry_is_said_once_a_day_from_thirty_days_on(
    keys: Path, made: DeviceKey, issuing: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    certify(keys, made, issuing)
    clock = Calendar()
    watch = IdentityWatch(keys, keys / "device-cert.pem", clock)
    warned = {}
    for hour in range(24 * 95):
        clock.now = NOW + timedelta(hours=hour)
        watch.look()
        warned[hour // 24] = len(caplog.records)
    first = min(day for day, count in warned.items() if count)
    assert first in {59, 60}
    assert len(caplog.records) in range(95 - first, 95 - first + 3)
    assert watch.days_left() == -5
    assert "expired on 2027-02-19" in caplog.text
    assert "mrsp keys renew" in caplog.text


async def test_expiry_is_said_as_soon_as_the_time_is_known(
    keys: Path,
    made: DeviceKey,
    issuing: Authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    certify(keys, made, issuing, days=1)
    clock = Calendar()
    clock.now = None
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.now = NOW
        if len(waits) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", wait)
    with pytest.raises(asyncio.CancelledError):
        await IdentityWatch(keys, keys / "device-cert.pem", clock).run()
    assert waits == [LOOK_AGAIN_S, LOOK_EVERY_S]
    assert "mrsp keys renew" in caplog.text


def test_while_the_time_is_not_known_nothing_is_said(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    certify(keys, made, issuing, days=1)
    clock = Calendar()
    watch = IdentityWatch(keys, keys / "device-cert.pem", clock)
    assert watch.look()
    clock.now = None
    assert watch.look() == ()
    assert watch.days_left() is None


def test_trouble_with_the_files_is_said_and_survived(
    keys: Path, made: DeviceKey, caplog: pytest.LogCaptureFixture
) -> None:
    watch = IdentityWatch(keys, keys / "device-cert.pem", Calendar())
    for _ in range(3):
        assert "cannot read the certificate" in watch.look()[0]
    assert len(caplog.records) == 1
    assert watch.days_left() is None


def test_an_interrupted_rotation_is_finished(keys: Path, made: DeviceKey, issuing: Authority) -> None:
    certify(keys, made, issuing)
    following = start_rotation(keys)
    pem = issuing.issue_for(certificate_request(following, agent_id=AGENT))
    (keys / "device-cert.pem").write_bytes(pem)  # and then the power went
    assert IdentityWatch(keys, keys / "device-cert.pem", Calendar()).look() == ()
    assert not (keys / "next-key.pem").exists()
