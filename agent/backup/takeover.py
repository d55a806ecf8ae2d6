"""The chain of a box that is gone, carried on by another one: no number is given twice, no gap is hidden.

The dead box may have sealed links that this one never heard of: after the backup, and after what the MDSP saw last. So
the chain goes on behind all that may have been made, with the report `mrsp.chain-restart/1` as its first link: signed
by the key of this box, it names the last link known and every link that is missing here. See `agent.spool_restart`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from agent.backup.statement import Stated, read_statement
from agent.durable_file import write_durably
from agent.errors import LocalTrouble, UsageError
from agent.instance import INSTANCE_FILE, Instance, successor
from agent.keys import MdspKeys, PublicKey
from agent.seal import ChainHead, Sealer
from agent.spool_anchor import Anchor, AnchorWriter, anchor_file
from agent.spool_restart import ChainRestart, Leave, findings, restart_chain
from agent.spool_rows import KINDS

UNKNOWN_ROOM = 1_000_000  # links left free where nobody knows how many were made: ten years of 250 a day


@dataclass(frozen=True, slots=True)
class Stopped:
    """The backup was made when the box before had been stopped for good: nothing was made after it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say now what was made after the backup."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The MDSP's own word, still to be verified."""

    token: bytes


Known = Stated | Stopped | Unknown
Claim = Known | Statement


@dataclass(frozen=True, slots=True)
class Ground:
    """Who takes over, and why; both reach the MDSP."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Agent:
    """Whose chain: the spool's file, the agent's id, the sealer of the box that goes on, all keys that ever signed."""

    spool: Path
    agent_id: str
    sealer: Sealer
    keys: tuple[PublicKey, ...]


def known_by(claim: Claim, mdsp: MdspKeys | None, *, agent_id: str, now: datetime) -> Known:
    """Return what is known of the chain, the MDSP's statement verified. Raises `LocalTrouble`, `UsageError`."""
    if not isinstance(claim, Statement):
        return claim
    if mdsp is None:
        raise UsageError(
            "the configuration names no MDSP's keys (`keys.mdsp`), so its statement cannot be verified",
            advice="give --last-seq and --last-digest as a person at the MDSP reads them out",
        )
    return read_statement(claim.token, mdsp.load().verification, agent_id=agent_id, now=now)


def carry_on(agent: Agent, known: Known, ground: Ground, now: datetime) -> ChainRestart | None:
    """Let the chain in the spool go on behind all that the dead box may have made; return the report of it.

    None where nothing can have been made after it. Raises `LocalTrouble`: the MDSP's chain is not this one, the spool
    is damaged and `known` says that it is whole, disk; `UsageError` without anything to go on from.
    """
    last, sequences = _last(agent.spool)
    if isinstance(known, Stopped):
        problems = findings(agent.spool, agent.keys, agent.agent_id)
        if problems:
            advice = "say what the MDSP has (--statement), and what is left of the spool is carried over"
            raise LocalTrouble(f"the spool of the backup is not whole: {problems[0]}", advice=advice)
        return None
    if isinstance(known, Unknown):
        if last.seq == 0:
            raise UsageError(
                "there is no chain here to go on from", advice="ask the MDSP for a statement (--statement)"
            )
        after = last.seq + UNKNOWN_ROOM
        noted = Anchor(last, {kind: sequences.get(kind, 0) + UNKNOWN_ROOM for kind in KINDS})
    else:
        _refuse_other_chain(agent.spool, known.head, last)
        if max(known.head.seq, last.seq) == 0:
            return None  # nothing was ever sealed
        after = max(known.head.seq, last.seq)
        head = known.head if known.head.seq > last.seq else last
        noted = Anchor(head, {kind: max(sequences.get(kind, 0), known.sequence(kind)) for kind in KINDS})
    anchor_file(agent.spool).unlink(missing_ok=True)
    writer = AnchorWriter(agent.spool, agent.agent_id)
    writer.note(noted)
    writer.close()
    leave = Leave(by=ground.by, reason=ground.reason, after=after)
    return restart_chain(agent.spool, agent.sealer, leave, agent_id=agent.agent_id, now=now, keys=agent.keys).report


def become(state_directory: Path, before: int, now: datetime) -> Instance:
    """Make this box the one that forwards, later than any before it. Raises `LocalTrouble`."""
    made = successor(before, now)
    write_durably(state_directory / INSTANCE_FILE, msgspec.json.encode(made))
    return made


def _last(spool: Path) -> tuple[ChainHead, dict[str, int]]:
    """Return the last link in a spool and the last numbers; of a damaged one what it says, or nothing."""
    if not spool.exists():
        return ChainHead(), {}
    try:
        with closing(sqlite3.connect(f"{spool.absolute().as_uri()}?mode=ro", uri=True)) as db:
            head = db.execute("SELECT head_seq, head_digest FROM chain").fetchone() or (0, "")
            sequences = db.execute("SELECT kind, last_sequence FROM counter").fetchall()
        return ChainHead(int(head[0]), str(head[1])), {str(kind): int(number) for kind, number in sequences}
    except (sqlite3.Error, ValueError, TypeError):
        return ChainHead(), {}


def _refuse_other_chain(spool: Path, stated: ChainHead, last: ChainHead) -> None:
    """Raise `LocalTrouble` if the MDSP's last link is one that this spool knows to be another."""
    if stated.seq == 0 or stated.seq > last.seq:
        return
    try:
        with closing(sqlite3.connect(f"{spool.absolute().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT digest FROM document WHERE seq = ?", (stated.seq,)).fetchone()
    except sqlite3.Error:
        return  # damaged: the restart says so
    if row is not None and row[0] != stated.digest:
        raise LocalTrouble(
            f"link {stated.seq} of the MDSP is not the one in this spool: it is of another chain",
            advice="is this the backup of the box that delivered last? Two boxes may have had one identity",
        )


def known_keys(present: PublicKey, others: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Return every key once, the present one first."""
    return (present, *(key for key in others if key.kid != present.kid))
