"""What the spool tests share: a device key, a spool in a fresh directory, documents to put in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.keys import DeviceKey, create_device_key, load_device_key
from agent.seal import Sealer
from agent.spool import DEFAULT_BUDGET_OCTETS, Spool

AGENT = "gw-0001"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def device_key(directory: Path) -> DeviceKey:
    keys = directory / "keys"
    return load_device_key(keys) if keys.exists() else create_device_key(keys)


def document(text: str = "") -> Callable[[int], bytes]:
    return lambda sequence: json.dumps({"sequence": sequence, "text": text}).encode()


async def open_spool(
    directory: Path, *, budget_octets: int = DEFAULT_BUDGET_OCTETS, sealer: Sealer | None = None
) -> Spool:
    return await Spool.open(
        directory / "spool" / "spool.db",
        agent_id=AGENT,
        sealer=sealer or Sealer(device_key(directory)),
        budget_octets=budget_octets,
        now=lambda: NOW,
    )
