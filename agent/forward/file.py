"""The `file` outlet: documents as JSON files in an outbox directory, for SFTP or rsync to fetch."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from agent.durable_file import write_durably

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


async def write_document(outbox: Path, document_id: str, document: bytes) -> Path:
    """Write one document as `{document_id}.json`, whole or not at all, durable on return; `LocalTrouble` otherwise.

    Whoever fetches must skip names that begin with a dot: they are being written.
    """
    if not _NAME.fullmatch(document_id):
        raise ValueError(f"{document_id!r} cannot be a file name")
    path = outbox / f"{document_id}.json"
    await asyncio.to_thread(write_durably, path, document)
    return path
