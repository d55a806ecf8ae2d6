"""Where a step of the agent is counted, and what it tells the witness: wrapped around an agent that knows of nothing.

Told over a pipe, a line a fact: `finished ID` a visit came to its end, `built ID SHA256` a document was rendered,
`stored ID` the spool promised to keep it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent import attending, keeping, spool_store
from agent.forward import mqtt
from agent.forward.mqtt import MqttDialer
from agent.scheduling import retry, taking_up
from agent.seal import Sealer
from agent.spool_rows import Entry
from agent.spool_store import Addition, SpoolStore
from drivers.transport.tcp import TcpTransport
from tests.crash.file_layer import Change, Refused
from tests.crash.phases import Pace, Phase

KEPT_AFTER_DELIVERY = 40  # links, instead of 10,000: so that there is something to prune
TRY_AGAIN_S = 0.05  # instead of half a minute and more: so that a read that was interrupted goes on in the next life
CHECKPOINT_PAGES = 60  # instead of 1,000

_WRITES = {"add": Phase.ADD_WRITE, "acknowledge": Phase.ACK_WRITE}
_SYNCS = {"add": Phase.ADD_SYNC, "acknowledge": Phase.ACK_SYNC}


class Hooks:
    """The steps of an agent that will be forked from this process."""

    def __init__(self, pace: Pace, witness: int) -> None:
        self._pace = pace
        self._witness = witness
        self._doing = threading.local()

    # What SQLite does to its files: a `Watcher`.

    def before(self, change: Change) -> Refused | None:
        self._pace.tick(self._phase_of(change))
        return None

    def after(self, change: Change) -> None:
        self._pace.tick(self._phase_of(change))

    def _phase_of(self, change: Change) -> Phase:
        doing = getattr(self._doing, "what", None)
        if "schedule" in change.path:
            return Phase.SCHEDULE
        if not change.path.endswith("-wal") and doing is not None:
            return Phase.CHECKPOINT_SYNC if change.kind == "sync" else Phase.CHECKPOINT_WRITE
        return (_SYNCS if change.kind == "sync" else _WRITES).get(doing or "", Phase.START)

    # What the agent does.

    def install(self) -> None:
        """Wrap the agent in this process, for all that are forked from it."""
        spool_store.KEEP_ACKNOWLEDGED = KEPT_AFTER_DELIVERY
        retry.LINE_WAITS_S = (TRY_AGAIN_S,) * 4
        retry.BOX_WAITS_S = (TRY_AGAIN_S,) * 4
        taking_up.AFTER_CRASH *= 0
        self._around(os, "fsync", Phase.FILES)
        self._around(os, "rename", Phase.FILES)
        self._around(os, "replace", Phase.FILES)
        self._around(Sealer, "seal", Phase.SEAL)
        self._around(spool_store, "_prune", Phase.PRUNE)
        self._around_async(TcpTransport, "read", Phase.READ)
        self._around_async(TcpTransport, "write", Phase.READ)
        self._around_async(MqttDialer, "_connect", Phase.CONNECT)
        self._around_async(mqtt._MqttUplink, "publish", Phase.PUBLISH)
        self._around_async(mqtt._MqttUplink, "received", Phase.ACK_HEARD)
        self._wrap_store()
        kept = keeping.keep_for_sure

        async def keep_for_sure(spool: Any, reading: Any, **options: Any) -> Entry:
            self._tell(f"finished {reading.reading_id}")
            return await kept(spool, reading, **options)

        setattr(attending, "keep_for_sure", keep_for_sure)  # noqa: B010 - it is where it was imported to

    def _wrap_store(self) -> None:
        add, acknowledge, opened = SpoolStore.add_all, SpoolStore.acknowledge, SpoolStore.__init__

        def building(addition: Addition) -> Addition:
            def told(sequence: int) -> bytes:
                document = addition.build(sequence)
                self._tell(f"built {addition.document_id} {hashlib.sha256(document).hexdigest()}")
                return document

            return replace(addition, build=told)

        def adding(store: SpoolStore, additions: Sequence[Addition]) -> list[Entry | Exception]:
            self._doing.what = "add"
            made = add(store, [building(addition) for addition in additions])
            for entry in made:
                if isinstance(entry, Entry):
                    self._tell(f"stored {entry.document_id}")
            self._pace.tick(Phase.ADDED)
            self._doing.what = None
            return made

        def acknowledging(store: SpoolStore, document_ids: Any) -> tuple[int, ...]:
            self._doing.what = "acknowledge"
            released = acknowledge(store, document_ids)
            self._doing.what = None
            return released

        def opening(store: SpoolStore, *arguments: Any, **options: Any) -> None:
            opened(store, *arguments, **options)
            store.database._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchone()

        for name, wrapped in (("add_all", adding), ("acknowledge", acknowledging), ("__init__", opening)):
            setattr(SpoolStore, name, wrapped)

    def _tell(self, line: str) -> None:
        os.write(self._witness, f"{line}\n".encode())

    def _around(self, owner: Any, name: str, phase: Phase) -> None:
        call = getattr(owner, name)

        @functools.wraps(call)
        def counted(*arguments: Any, **options: Any) -> Any:
            self._pace.tick(phase)
            result = call(*arguments, **options)
            self._pace.tick(phase)
            return result

        setattr(owner, name, counted)

    def _around_async(self, owner: Any, name: str, phase: Phase) -> None:
        call = getattr(owner, name)

        @functools.wraps(call)
        async def counted(*arguments: Any, **options: Any) -> Any:
            self._pace.tick(phase)
            result = await call(*arguments, **options)
            self._pace.tick(phase)
            return result

        setattr(owner, name, counted)
