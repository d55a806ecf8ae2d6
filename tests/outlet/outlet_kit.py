"""What the tests of the file outlet share: a spool, readings that every form can say, an outbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.keys import DeviceKey, PublicKey, create_device_key
from agent.outlet import CopyingSpool
from agent.outlet_settings import FileOutletSettings
from agent.reading import Reading
from agent.seal import Sealer

AGENT = "gw-0001"
NOW = datetime(2026, 11, 21, 10, 0, 9, 123_000, tzinfo=UTC)
TIME = "20261121T100009123Z-"
READING = {
    "schema": "mrsp.reading/1",
    "reading_id": "r1",
    "agent_id": AGENT,
    "sequence": 1,
    "purpose": "cycle",
    "method": "optical",
    "read_started_at": "2026-11-21T10:00:00Z",
    "read_finished_at": "2026-11-21T10:00:09Z",
    "meter": {"meter_id": "00012345"},
    "clock": {"agent_source": "ntp", "corrected": False},
    "site": {"account_id": "4711"},
    "registers": [],
    "interval_blocks": [
        {
            "channel": 1,
            "quantity": "Wh",
            "direction": "delivered",
            "unit": "kWh",
            "pulses": [15, 25],
            "multiplier": "0.1",
            "interval_s": 900,
            "first_interval_end": "2026-11-21T00:15:00Z",
            "values": ["1.5", "2.5"],
            "status": [[], []],
        }
    ],
    "events": [],
    "quality": "actual",
    "checks": [],
}


def document(document_id: str, sequence: int) -> bytes:
    return msgspec.json.encode(READING | {"reading_id": document_id, "sequence": sequence})


def device_key(directory: Path) -> DeviceKey:
    return create_device_key(directory / "keys")


async def open_spool(directory: Path, key: DeviceKey, recipient: PublicKey | None = None) -> CopyingSpool:
    return await CopyingSpool.open(
        directory / "spool.db", agent_id=AGENT, sealer=Sealer(key, lambda: recipient), now=lambda: NOW
    )


async def add(spool: CopyingSpool, *document_ids: str) -> None:
    for document_id in document_ids:
        await spool.add("reading", document_id, lambda sequence, one=document_id: document(one, sequence))  # type: ignore[misc]


def outbox(directory: Path, **changes: object) -> FileOutletSettings:
    return FileOutletSettings(directory=str(directory), **changes)  # type: ignore[arg-type]


def names(directory: Path) -> list[str]:
    """Return what a partner sees."""
    return sorted(path.name for path in directory.glob("[!.]*")) if directory.is_dir() else []


def sequence_in(path: Path) -> int:
    return msgspec.json.decode(path.read_bytes(), type=Reading).sequence
