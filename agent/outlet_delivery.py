"""The `file` outlet as the way to the MDSP itself: documents wait in an outbox until they are fetched or acknowledged.

`when acknowledged`: a document leaves the spool when a signed acknowledgement in the acknowledgement directory names
it, the same JWS as over MQTT (one a file). Until then it is written again at each start if its files are gone.

`when fetched`: when all of its files are gone from the outbox. That they were written is noted beside them, after they
are on the disk: so a document is written once, or after a crash once more; never taken for fetched when it was not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.forward.file import plain_forms, sealed_form, time_of, write_document
from agent.keys import MdspKeys
from agent.outlet import Room
from agent.outlet_settings import PLAIN, FileOutletSettings
from agent.seal import MAX_ACK_OCTETS, AckRefused, payload_of, verify_ack
from agent.spool import Outgoing, Spool

BATCH = 20  # documents in memory
MOST_OUT = 10_000  # written and not delivered
LOOK_EVERY_S = 5.0  # at what others do in the directories
WRITTEN = ".written"  # directory in the outbox
_log = logging.getLogger("agent.outlet")


class FileDelivery:
    """Delivers one spool by files. `directory`: of the settings, made absolute; `acks`: where acknowledgements come."""

    def __init__(
        self,
        spool: Spool,
        settings: FileOutletSettings,
        directory: Path,
        *,
        acks: Path | None = None,
        mdsp_keys: MdspKeys | None = None,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._directory = directory
        self._acks = acks or directory / "acks"
        self._mdsp_keys = mdsp_keys
        self._fetching = settings.delivered == "when fetched"
        self._out: dict[str, int] = {}  # written and not delivered: id → link
        self._room = Room(directory, settings.budget_octets)
        self._complaint = ""

    async def run(self) -> None:
        """Deliver until cancelled. Trouble with the disk is logged, and tried again."""
        while True:
            self._spool.changed.clear()
            try:
                while await self.step():
                    pass
                self._complaint = ""
            except (LocalTrouble, OSError) as err:
                if str(err) != self._complaint:
                    _log.error("the outbox %s: %s", self._directory, err)
                self._complaint = str(err)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._spool.changed.wait()

    async def step(self) -> bool:
        """Take what came, write a batch; return whether there may be more to write at once. Raises `LocalTrouble`."""
        await self._take_acks()
        if self._fetching:
            await self._note_fetched()
        if len(self._out) >= MOST_OUT:
            return False
        batch = await self._spool.pending(BATCH, skip=self._out.values())
        noted = await asyncio.to_thread(self._noted) if self._fetching else set()
        for outgoing in batch:
            if outgoing.entry.document_id not in noted:
                await self._write(outgoing)
            self._out[outgoing.entry.document_id] = outgoing.entry.seq
        return len(batch) == BATCH

    async def _write(self, outgoing: Outgoing) -> None:
        """Write a document's files, those that are not there. Raises `LocalTrouble`: no room, disk."""
        entry = outgoing.entry
        forms = self._forms(outgoing)
        missing = [
            (suffix, content)
            for suffix, content in forms
            if not (self._directory / f"{time_of(entry)}{entry.document_id}{suffix}").exists()
        ]
        await asyncio.to_thread(self._room.take, sum(len(content) for _, content in missing))
        for suffix, content in missing:
            await write_document(self._directory, entry.document_id, content, before=time_of(entry), suffix=suffix)
        if self._fetching:
            await asyncio.to_thread(write_durably, self._directory / WRITTEN / entry.document_id, b"")

    def _forms(self, outgoing: Outgoing) -> list[tuple[str, bytes]]:
        entry = outgoing.entry
        found = [sealed_form(outgoing.body, entry)] if "sealed" in self._settings.forms else []
        if PLAIN.isdisjoint(self._settings.forms):
            return found
        if entry.encrypted:
            raise LocalTrouble(
                f"{entry.document_id} is encrypted to the MDSP and cannot be written in plain",
                advice='`forms = ["sealed"]`, or take the key with "use": "enc" out of the MDSP\'s key file',
            )
        return found + plain_forms(payload_of(outgoing.body), entry, self._settings)

    async def _take_acks(self) -> None:
        """Take the acknowledgements that lie there; what does not verify is put aside."""
        if self._mdsp_keys is None or self._fetching:
            return
        for path in await asyncio.to_thread(_visible, self._acks):
            try:
                token = await asyncio.to_thread(_token, path)
                named = verify_ack(token, self._mdsp_keys.load().verification, agent_id=self._spool.agent_id)
            except AckRefused as err:
                _log.warning("%s: %s", path, err)
                path.rename(path.with_name(f".refused-{path.name}"))
                continue
            await self._deliver(named)
            path.unlink(missing_ok=True)

    async def _note_fetched(self) -> None:
        """Let go of what was written, and is not there any more."""
        noted = await asyncio.to_thread(self._noted)
        there = {name.partition("-")[2] for name in await asyncio.to_thread(_names, self._directory)}
        still = {name.rpartition(".")[0] for name in there}
        if fetched := sorted(noted - still):
            await self._deliver(fetched)

    async def _deliver(self, document_ids: Iterable[str]) -> None:
        named = list(document_ids)
        await self._spool.acknowledge(named)
        for document_id in named:
            self._out.pop(document_id, None)
            (self._directory / WRITTEN / document_id).unlink(missing_ok=True)
        if (self._directory / WRITTEN).is_dir():
            sync_directory(self._directory / WRITTEN)

    def _noted(self) -> set[str]:
        return set(_names(self._directory / WRITTEN))


def _names(directory: Path) -> list[str]:
    return [path.name for path in _visible(directory)]


def _visible(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if not path.name.startswith(".") and path.is_file())


def _token(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_ACK_OCTETS + 1).strip()
