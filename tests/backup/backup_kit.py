"""An agent on disk, small and whole, as the tests of backup and restore need it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from agent.audit import AuditLog
from agent.backup.age import Passphrase, Sealing
from agent.backup.create import Contents, create_backup
from agent.backup.manifest import Manifest
from agent.backup.restore import Restored, Wish, restore_backup
from agent.backup.takeover import Claim, Ground, Stopped
from agent.config import load_config
from agent.keeping import open_spool
from agent.keys import create_device_key
from drivers.secret import Secret
from metersim.pki import create_pki

AGENT = "gw-0001"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
PASSPHRASE = Passphrase(Secret(b"correct horse battery"), work_factor=4)
CONFIGURATION = """
[agent]
agent_id = "gw-0001"
state_directory = "state"

[keys]
directory = "keys"
mdsp = "mdsp.jwks"

[[meters]]
name = "m1"
url = "tcp://127.0.0.1:1"
password_file = "passwords/m1"
"""


def private(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def make_agent(directory: Path, *, readings: int = 3) -> Path:
    """Make an agent with some state; return its configuration file."""
    file = directory / "mrsp.toml"
    directory.mkdir(parents=True)
    file.write_text(CONFIGURATION)
    (directory / "state").mkdir(mode=0o700)
    pki = create_pki(directory.parent / f"{directory.name}-pki", now=NOW, encryption=False)
    private(directory / "mdsp.jwks", pki.mdsp_jwks.read_bytes())
    private(directory / "passwords" / "m1", b"00000000\n")
    create_device_key(directory / "keys")
    private(directory / "state" / "meters" / "a.json", b'{"key":"id 1"}')
    private(directory / "state" / "clock-proof.json", b"{}")
    add_readings(file, readings)
    AuditLog(directory / "state" / "audit.jsonl", lambda: NOW).append("session", {"by": "a person"})
    return file


def add_readings(file: Path, count: int, *, start: int = 1) -> list[str]:
    """Seal readings into the spool of an agent; return their ids."""
    names = [f"r{number}" for number in range(start, start + count)]

    async def add() -> None:
        async with open_spool(load_config(file)) as (spool, _keys):
            for name in names:
                await spool.add("reading", name, lambda sequence, name=name: document(name, sequence))  # type: ignore[misc]

    asyncio.run(add())
    return names


def document(name: str, sequence: int) -> bytes:
    return json.dumps({"reading_id": name, "sequence": sequence}).encode()


def back_up(file: Path, output: Path, **options: bool) -> Manifest:
    return create_backup(file, load_config(file), output, PASSPHRASE, Contents(**options), NOW)


def restore(archive: Path, into: Path, *, claim: Claim | None = None, **options: bool) -> Restored:
    wish = Wish(into / "mrsp.toml", claim or Stopped(), Ground("a person", "the box burnt"), inside=into, **options)
    return restore_backup(archive, PASSPHRASE, wish, NOW)


def tree(directory: Path) -> dict[str, str]:
    """Return every file below a directory with its digest, and every directory."""
    if not directory.exists():
        return {}
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in directory.rglob("*")
    }


def sealed(octets: bytes, path: Path) -> Path:
    """Encrypt what is no archive of ours."""
    with path.open("wb") as file:
        sealing = Sealing(file, PASSPHRASE)
        sealing.write(octets)
        sealing.close()
    return path


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    for header, content in members:
        out.write(header.tobuf(tarfile.USTAR_FORMAT))
        out.write(content + bytes(-len(content) % 512))
    return out.getvalue() + bytes(1024)
