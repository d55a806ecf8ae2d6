"""What must hold at the MDSP and in the spool, however often the agent was killed on the way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.identity.present import own_public_keys
from agent.spool_database import SpoolDatabase
from agent.spool_verify import verify_store
from metersim.mdsp_store import MdspStore, Stored
from tests.crash.lives import Known
from tests.forwarding.forwarding_kit import AGENT


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. `faults`: every one is a broken promise."""

    faults: tuple[str, ...]
    documents: int
    readings: int
    deliveries: int
    again: int  # visits that came to their end, whose reading died with the agent before the spool had it


def prove(directory: Path, known: Known) -> Proof:
    """Hold what the MDSP has against what was asked, built and promised."""
    store = MdspStore(directory / "mdsp.db")
    try:
        documents, findings, gaps = store.documents(AGENT), store.findings(), store.gaps(AGENT)
    finally:
        store.close()
    faults = [f"the MDSP: {finding}" for finding in findings]
    faults += [f"links {first} to {last} never came" for first, last in gaps]
    faults += _numbers(documents)
    faults += _contents(documents, known)
    faults += _requests(documents, known)
    faults += _spool(directory)
    faults += [f"an agent ended by itself: {how}" for how in known.ended_by_itself]
    there = {one.document_id for one in documents}
    return Proof(
        tuple(faults),
        len(documents),
        sum(one.kind == "readings" for one in documents),
        sum(one.deliveries for one in documents),
        len(known.finished - there),
    )


def _numbers(documents: list[Stored]) -> Iterator[str]:
    """Yield gaps and repetitions in the numbers that each kind of document carries."""
    for kind in {one.kind for one in documents}:
        given = [one.sequence for one in documents if one.kind == kind]
        if given != list(range(1, len(given) + 1)):
            yield f"the numbers of {kind} are not 1 to {len(given)}: {Counter(given).most_common(3)}"


def _contents(documents: list[Stored], known: Known) -> Iterator[str]:
    """Yield what is lost, invented or altered."""
    there = {one.document_id for one in documents}
    yield from (f"lost: {one} was stored" for one in sorted(set(known.stored) - there))
    for one in documents:
        if hashlib.sha256(one.document).hexdigest() not in known.built[one.document_id]:
            yield f"invented or altered: {one.document_id}"
    values: dict[str, set[str]] = defaultdict(set)
    for one in documents:
        if one.kind == "readings":
            reading: dict[str, Any] = json.loads(one.document)
            values[reading["meter"]["meter_id"]].add(json.dumps([each["value"] for each in reading["registers"]]))
    yield from (f"a meter that stands still was read as {found}" for found in values.values() if len(found) > 1)


def _requests(documents: list[Stored], known: Known) -> Iterator[str]:
    """Yield reads that were asked for and did not come, or came twice."""
    came = Counter(json.loads(one.document).get("order_id") for one in documents if one.kind == "readings")
    for request in known.asked:
        if came[request] != 1:
            yield f"the read {request} was made {came[request]} times"
    yield from (f"nobody asked for {one}" for one in came if one not in set(known.asked))


def _spool(directory: Path) -> Iterator[str]:
    if not (directory / "state" / "spool.sqlite").exists():
        yield "no agent has come as far as its spool"
        return
    database = SpoolDatabase(directory / "state" / "spool.sqlite", create=False)
    try:
        report = verify_store(database, own_public_keys(directory / "pki" / "devices" / AGENT))
    finally:
        database.close()
    yield from (f"the spool: {problem}" for problem in report.problems)
