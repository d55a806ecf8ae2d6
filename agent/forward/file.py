"""Documents as files in an outbox, for SFTP or rsync to fetch: named by time and id, whole or not there.

    20261121T100009123Z-0193a2….json      as it was sealed; what no other form can carry always goes out so
    20261121T100009123Z-0193a2….cmep .xml a reading in the forms that partners read
    20261121T100009123Z-0193a2….jws .jwe  sealed, octet for octet as over MQTT

Name and octets depend on the document alone: one that is written again is the same file. Whoever fetches must skip
names that begin with a dot: they are being written.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import msgspec

from agent import cmep
from agent.durable_file import write_durably
from agent.outlet_settings import FileOutletSettings, Form
from agent.reading import Reading
from agent.spool import Entry

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_log = logging.getLogger("agent.outlet")


async def write_document(
    outbox: Path, document_id: str, document: bytes, *, before: str = "", suffix: str = ".json"
) -> Path:
    """Write one document as `{before}{document_id}{suffix}`, whole or not at all, durable on return.

    Raises `LocalTrouble`.
    """
    if not _NAME.fullmatch(document_id):
        raise ValueError(f"{document_id!r} cannot be a file name")
    path = outbox / f"{before}{document_id}{suffix}"
    await asyncio.to_thread(write_durably, path, document)
    return path


def time_of(entry: Entry) -> str:
    """Return what the names of a document's files begin with: when it was sealed."""
    at = entry.added_at.astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z-"


def plain_forms(document: bytes, entry: Entry, settings: FileOutletSettings) -> list[tuple[str, bytes]]:
    """Return a document in the plain forms that are wanted: suffix and content. At least one."""
    wanted: Sequence[Form] = settings.forms if entry.kind == "reading" else ("json",)
    found: list[tuple[str, bytes]] = []
    reading = _reading(document, entry) if "cmep" in wanted or "cim" in wanted else None
    if reading is not None and "cmep" in wanted:
        found += _cmep(reading, entry, settings)
    if reading is not None and "cim" in wanted:
        found.append(_cim(reading, entry))
    if "json" in wanted or not found:
        found.append((".json", document))
    return found


def sealed_form(body: bytes, entry: Entry) -> tuple[str, bytes]:
    """Return a document as it is sealed."""
    return (".jwe" if entry.encrypted else ".jws", body)


def _reading(document: bytes, entry: Entry) -> Reading | None:
    try:
        return msgspec.json.decode(document, type=Reading)
    except msgspec.DecodeError as err:  # of another version of this program
        _log.warning("%s goes out as JSON alone: %s", entry.document_id, err)
        return None


def _cmep(reading: Reading, entry: Entry, settings: FileOutletSettings) -> list[tuple[str, bytes]]:
    made = cmep.rendered(reading, settings.cmep, made_at=entry.added_at)
    _tell(entry, "CMEP", made.left_out)
    return [(".cmep", made.text.encode("ascii"))] if made.lines else []


def _cim(reading: Reading, entry: Entry) -> tuple[str, bytes]:
    from agent import cim  # noqa: PLC0415 - few boxes write it, and it brings a library for XML

    made = cim.rendered(reading)
    _tell(entry, "MeterReadings", made.left_out)
    return (".xml", made.xml)


def _tell(entry: Entry, form: str, left_out: Sequence[str]) -> None:
    if left_out:
        _log.info("%s: %s cannot say %s", entry.document_id, form, "; ".join(left_out[:10]))
