"""The durable queue between a finished visit and the MDSP's signed acknowledgement: SQLite behind one thread.

    async with await Spool.open(path, agent_id="gw-0001", sealer=sealer) as spool:
        entry = await spool.add("reading", reading_id, lambda sequence: render(sequence))

Nothing leaves it before the MDSP has acknowledged it, and nothing changes in it: what was sealed is sent, octet for
octet, as often as it takes. Every call is a transaction on a thread of its own; cancelling the caller never halves one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.keys import PublicKey
from agent.own_thread import OwnThread
from agent.seal import Sealer, payload_of
from agent.spool_rows import Entry, Kind, Outgoing, Priority, timestamp
from agent.spool_store import Addition, AlreadySpooled, SpoolFull, SpoolStatus, SpoolStore
from agent.spool_verify import VerifyReport, verify_store

DEFAULT_BUDGET_OCTETS = 1_073_741_824
MOST_AT_ONCE = 50  # documents in one transaction

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Shown:
    """`mrsp spool show`: `document` is None if it is delivered, or encrypted to the MDSP and so unreadable here."""

    entry: Entry
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Exported:
    """`mrsp spool export`: how many documents were written, and the links that could not be read."""

    written: int
    unreadable: tuple[int, ...]


class Spool:
    """The spool of one agent. `changed` is set when this process adds or acknowledges; who waits for work clears it."""

    def __init__(self, store: SpoolStore, thread: OwnThread) -> None:
        self._store = store
        self._thread = thread
        self._adding: deque[tuple[Addition, asyncio.Future[Entry]]] = deque()
        self._adder: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        agent_id: str | None = None,
        sealer: Sealer | None = None,
        budget_octets: int = DEFAULT_BUDGET_OCTETS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the spool at `path`, made if missing when there is a `sealer`; without one it is for looking only.

        Raises `LocalTrouble`: damaged, of another agent, of a newer version, open to other users, locked, disk full.
        """
        thread = OwnThread("spool")
        store = await thread.open(
            lambda: SpoolStore(path, agent_id=agent_id, sealer=sealer, budget_octets=budget_octets, now=now)
        )
        return cls(store, thread)

    @property
    def agent_id(self) -> str:
        return self._store.agent_id

    async def add(
        self, kind: Kind, document_id: str, build: Callable[[int], bytes], *, priority: Priority = Priority.ORDINARY
    ) -> Entry:
        """Take one document for ever: durable, sealed and chained on return.

        `build(sequence)` returns the document (UTF-8 JSON) for the next gap-free `sequence` of its kind; it runs on the
        spool's thread, inside the transaction, so that a number is used if and only if its document is stored.
        Raises `AlreadySpooled`, `SpoolFull`, or `LocalTrouble` (disk full, damaged, locked, keys): nothing changed.
        """
        added: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._adding.append((Addition(kind, document_id, build, priority), added))
        if self._adder is None or self._adder.done():
            self._adder = asyncio.create_task(self._add_all(), name="spool")
        return await added

    async def pending(self, limit: int, *, skip: Collection[int] = ()) -> list[Outgoing]:
        """Return the next `limit` documents to send: urgent first, then in order; `skip` names links under way."""
        return await self._call(self._store.pending, limit, skip)

    async def acknowledge(self, document_ids: Collection[str]) -> tuple[int, ...]:
        """Let go of documents that the MDSP's *verified* acknowledgement names; return the links (`seq`) that left."""
        removed = await self._call(self._store.acknowledge, document_ids)
        self.changed.set()
        return removed

    async def is_empty(self) -> bool:
        """Return whether the MDSP has acknowledged everything."""
        return await self._call(self._store.is_empty)

    async def status(self) -> SpoolStatus:
        """Return depth, oldest, size and share of the budget."""
        return await self._call(self._store.status)

    async def entries(self, *, limit: int = 1_000, after_seq: int = 0, delivered: bool = False) -> list[Entry]:
        """Return entries in the order of the chain, without content; `delivered`: also the acknowledged ones."""
        return await self._call(lambda: self._store.entries(limit=limit, after_seq=after_seq, delivered=delivered))

    async def show(self, document_id: str) -> Shown:
        """Return one entry and its document, if this device can read it; `LocalTrouble` if there is none."""
        entry, body = await self._call(self._store.find, document_id)
        return Shown(entry, None if body is None or entry.encrypted else payload_of(body))

    async def has(self, document_id: str) -> bool:
        """Return whether a document is in the spool, or was: links are remembered for a while after delivery."""
        return await self._call(self._store.has, document_id)

    async def acknowledged(self, document_ids: Collection[str]) -> dict[str, datetime]:
        """Return which of the named documents the MDSP has, and since when, as far as that is remembered."""
        return await self._call(self._store.acknowledged, document_ids)

    async def export(self, directory: Path) -> Exported:
        """Write every undelivered sealed body to `directory` as `SEQ-ID.jws` or `.jwe`, each durable.

        Goes on past what a damaged file no longer gives; raises `LocalTrouble` if `directory` cannot be written.
        """
        return await self._call(_export, self._store, directory)

    async def verify(self, keys: Sequence[PublicKey] | None = None) -> VerifyReport:
        """Check the file, every signature, every digest and the chain; `keys` default to the sealer's own."""
        if keys is None:
            if self._store.sealer is None:
                raise LocalTrouble("signatures cannot be verified without a key", advice="configure the device key")
            keys = (self._store.sealer.public_key(),)
        return await self._call(verify_store, self._store.database, keys)

    async def _add_all(self) -> None:
        """Add what waits, in its order: what came while the disk was busy goes in one transaction."""
        while self._adding:
            batch = [self._adding.popleft() for _ in range(min(len(self._adding), MOST_AT_ONCE))]
            results: Sequence[Entry | Exception]
            try:
                results = await self._call(self._store.add_all, [addition for addition, _ in batch])
            except Exception as err:  # noqa: BLE001 - raised to each of those who asked
                results = [err] * len(batch)
            self.changed.set()
            for (_, added), result in zip(batch, results, strict=True):
                if added.done():
                    continue  # whoever asked has gone; the document stays
                if isinstance(result, Exception):
                    added.set_exception(result)
                else:
                    added.set_result(result)

    async def close(self) -> None:
        """Close the file; calls under way end first."""
        if self._adder is not None:
            await asyncio.gather(self._adder, return_exceptions=True)
        await self._thread.close(self._store)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.close())

    async def _call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self._thread.call(function, *args, **kwargs)


def _export(store: SpoolStore, directory: Path) -> Exported:
    written, unreadable = 0, []
    for found in store.bodies():
        if isinstance(found, int):
            unreadable.append(found)
            continue
        suffix = "jwe" if found.entry.encrypted else "jws"
        write_durably(directory / f"{found.entry.seq:010d}-{found.entry.document_id}.{suffix}", found.body)
        written += 1
    return Exported(written, tuple(unreadable))


__all__ = [
    "DEFAULT_BUDGET_OCTETS",
    "AlreadySpooled",
    "Entry",
    "Exported",
    "Kind",
    "Outgoing",
    "Priority",
    "Shown",
    "Spool",
    "SpoolFull",
    "SpoolStatus",
    "VerifyReport",
    "timestamp",
]
