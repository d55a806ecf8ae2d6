"""How the box is, at one look: the clock's state, the link's trouble, the disk, and a spool that is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent.box_status import BoxLooker, DiskGlance, clock_glance, link_glance
from agent.clock.instant import NS, Instant
from agent.clock.proof import ClockProof, Policy
from agent.forward.reconnect import LinkState
from agent.forward.trouble import Cause, ForwardTrouble
from agent.keys import create_device_key
from agent.recent_log import RecentLog
from agent.seal import Sealer
from agent.spool import Spool

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
AT = Instant(100 * NS, int(NOW.timestamp()) * NS)


def proof(offset_s: str | None, *, believed: bool = True, heard_at: datetime = NOW) -> ClockProof:
    known = offset_s is not None
    return ClockProof(
        synchronized=known and abs(Decimal(offset_s or 0)) < 60,
        source="chrony" if known else "none",
        measured=AT,
        policy=Policy(),
        offset_s=Decimal(offset_s) if offset_s is not None else None,
        uncertainty_s=Decimal("0.01") if known else None,
        heard_at=heard_at if known else None,
        alarm="" if believed else "time would run backwards",
        believed=believed,
    )


@pytest.mark.parametrize(
    ("measured", "state", "said"),
    [
        (None, "unknown", "not been measured"),
        (proof(None), "unknown", "not proven"),
        (proof("0.5"), "proven", "within"),
        (proof("90"), "registers only", "fast"),
        (proof("0.5", believed=False), "unknown", "backwards"),
        (proof("0.5", heard_at=NOW - timedelta(days=1)), "registers only", "not synchronised yet today"),
    ],
)
def test_the_clock_at_a_glance(measured: ClockProof | None, state: str, said: str) -> None:
    glance = clock_glance(measured, AT, NOW)
    assert glance.state == state
    assert said in glance.said


class Broken:
    state = LinkState.WAITING
    trouble = ForwardTrouble("the broker refused", cause=Cause.REFUSED)


def test_the_link_at_a_glance() -> None:
    assert link_glance(None).state == "none"
    glance = link_glance(Broken())
    assert (glance.state, glance.trouble, glance.advice) == ("waiting", "the broker refused", Cause.REFUSED.value)


def test_a_disk_is_low_below_a_tenth() -> None:
    assert DiskGlance(Path("/x"), 99, 1_000).low
    assert not DiskGlance(Path("/x"), 100, 1_000).low
    assert DiskGlance(Path("/x"), 0, 0).percent_free == 0


async def test_a_whole_look(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    sealer = Sealer(create_device_key(keys))
    async with await Spool.open(tmp_path / "spool.sqlite", agent_id="gw-7", sealer=sealer) as spool:
        looker = BoxLooker(
            agent_id="gw-7",
            state_directory=tmp_path,
            key_directory=keys,
            certificate=None,
            spool=spool,
            proof=lambda: None,
            instant=lambda: AT,
            now=lambda: NOW,
            link=None,
            log=RecentLog(),
        )
        status = await looker.status()
        assert status.keys is not None
        assert status.spool.depth == 0
        assert status.oldest_age is None
        assert status.clock.state == "unknown"
        (keys / "device-key.pem").unlink()
        broken = await looker.status()
        assert broken.keys is None
        assert "mrsp keys init" in broken.keys_trouble
