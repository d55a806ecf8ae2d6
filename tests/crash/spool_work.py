"""The life of a spool in small, and what must hold of it: documents come in, are acknowledged, pruned, checkpointed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from agent.keys import DeviceKey
from agent.seal import Sealer, payload_of
from agent.spool_store import SpoolStore
from agent.spool_verify import verify_store

AGENT = "gw-0001"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CHECKPOINT_PAGES = 24  # instead of 1,000: so that a short life has many
SIZES = (20, 900, 3_000, 9_000, 30_000)

Step = tuple[Literal["add", "acknowledge", "reopen"], str]


def open_store(path: Path, key: DeviceKey) -> SpoolStore:
    """Open the spool as the agent does, with checkpoints often."""
    store = SpoolStore(path, agent_id=AGENT, sealer=Sealer(key), budget_octets=1_000_000_000, now=lambda: NOW)
    store.database._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchone()
    return store


def content_of(document_id: str, sequence: int) -> bytes:
    """Return what is in a document: known from its name, so that any copy can be held against it."""
    octets = random.Random(document_id).choice(SIZES)  # noqa: S311
    return json.dumps({"id": document_id, "sequence": sequence, "text": "x" * octets}).encode()


def steps(dice: random.Random, count: int) -> Iterator[Step]:
    """Yield what is done to a spool that `count` documents go through."""
    waiting: list[str] = []
    for number in range(1, count + 1):
        waiting.append(f"d{number}")
        yield "add", waiting[-1]
        while len(waiting) > 4 or (waiting and dice.random() < 0.4):
            yield "acknowledge", waiting.pop(dice.randrange(len(waiting)))
        if dice.random() < 0.08:
            yield "reopen", ""


def carry_out(store: SpoolStore, step: Step) -> None:
    """Make one step that is not `reopen`."""
    what, document_id = step
    if what == "add":
        store.add("reading", document_id, lambda sequence: content_of(document_id, sequence))
    else:
        store.acknowledge([document_id])


@dataclass
class Promises:
    """What a spool was asked and what it answered, in order: `hear` both, then hold them against a spool."""

    asked: list[str] = field(default_factory=list)  # to be added
    added: set[str] = field(default_factory=set)
    letting_go: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, told: Iterable[str]) -> Promises:
        found = cls()
        for line in told:
            found.hear(*line.split())
        return found

    def hear(self, when: str, what: str, document_id: str) -> None:
        match when, what:
            case "before", "add":
                if document_id not in self.asked:
                    self.asked.append(document_id)
            case "after", "add":
                self.added.add(document_id)
            case "before", "acknowledge":
                self.letting_go.add(document_id)
            case _:
                self.acknowledged.add(document_id)

    def broken(self, store: SpoolStore) -> list[str]:
        """Return what is wrong with a spool that made these promises."""
        assert store.sealer is not None
        found = list(verify_store(store.database, [store.sealer.public_key()]).problems)
        entries = store.entries(limit=1_000_000, delivered=True)
        with store.database.reading("read") as db:
            pruned = int(db.execute("SELECT pruned_seq FROM chain").fetchone()[0])
        names = [entry.document_id for entry in entries]
        here = set(names)
        in_order = [name for name in self.asked if name in here]
        gone = {entry.document_id for entry in entries if entry.acked_at}
        for complaint, wrong in (
            ("lost", self.added - here - set(self.asked[:pruned])),
            ("lost, and never acknowledged", set(self.asked[:pruned]) - here - self.letting_go),
            ("invented", here - set(self.asked)),
            ("acknowledged and here again", (self.acknowledged & here) - gone),
            ("let go without an acknowledgement", gone - self.letting_go),
            ("out of order", set() if names == in_order else here),
            ("with another number", {entry.document_id for entry in entries if entry.sequence != entry.seq}),
        ):
            if wrong:
                found.append(f"{complaint}: {sorted(wrong)}")
        for outgoing in store.pending(1_000, ()):
            entry = outgoing.entry
            if payload_of(outgoing.body) != content_of(entry.document_id, entry.sequence):
                found.append(f"altered: {entry.document_id}")
        return found
