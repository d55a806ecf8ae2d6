"""Where the chain was at least: a small file beside the spool, so that a spool that has gone back is noticed.

A `-wal` that was deleted, or an old copy put back, leaves a sound file with links missing at its end. Sealing on from
there would give their numbers to other documents: a fork, which the MDSP refuses for ever. So after every link its
place is noted here. It is written after the link is on the disk and never synced by itself: it may lag behind the
spool, it can never be ahead of it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from agent.seal import ChainHead

SUFFIX = ".head"
_OCTETS = 512  # one sector: it is written whole or not at all


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last link known to be made, and the last number given to each kind of document."""

    head: ChainHead
    sequences: Mapping[str, int] = field(default_factory=dict)


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent_id: str
    seq: int
    digest: str
    sequences: dict[str, int]


def anchor_file(spool: Path) -> Path:
    """Return the name of the file beside `spool`."""
    return spool.with_name(spool.name + SUFFIX)


def read_anchor(spool: Path, agent_id: str | None = None) -> Anchor | None:
    """Return what is noted beside `spool`; None if nothing is, if it is damaged, or of another agent.

    To be read before the spool: then a spool that lies behind it has gone back, whoever adds meanwhile.
    """
    try:
        with anchor_file(spool).open("rb") as file:
            line, _, rest = file.read(_OCTETS).partition(b"\n")
    except OSError:
        return None
    try:
        found = msgspec.json.decode(line, type=_Written)
        if int(rest.split()[0], 16) != zlib.crc32(line) or agent_id not in {None, found.agent_id}:
            return None
    except (ValueError, IndexError, UnicodeError, RecursionError):
        return None
    return Anchor(ChainHead(found.seq, found.digest), found.sequences)


class AnchorWriter:
    """Notes each link beside the spool. Never raises: without it the spool is as good, only less well watched."""

    def __init__(self, spool: Path, agent_id: str) -> None:
        self._agent_id = agent_id
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(anchor_file(spool), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return

    def note(self, anchor: Anchor) -> None:
        """Note a link that is on the disk by now."""
        if self._descriptor is None:
            return
        head = anchor.head
        line = msgspec.json.encode(_Written(self._agent_id, head.seq, head.digest, dict(anchor.sequences)))
        record = b"%b\n%08x\n" % (line, zlib.crc32(line))
        try:
            os.pwrite(self._descriptor, record.ljust(_OCTETS), 0)
        except OSError:
            return

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
