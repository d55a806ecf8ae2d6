"""What of the field work must outlive a crash, as small files in the state directory, each durable when it is told so.

    <directory>/works/<job_id>.json        what a person typed, until its reading is in the spool
    <directory>/works/<job_id>.entry.json  the same as the driver of typed readings takes it
    <directory>/owed/<reading_id>.json     what follows once that reading is stored: stop settled, work over

A promise is set down before its reading goes into the spool, and removed when it is kept: so a typed reading is stored
once, and the stop of a reading never stays open, whatever ends the agent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from agent.durable_file import write_durably
from agent.order import Order
from drivers.visual.entry import Entry

Method = Literal["keyed", "interrogated"]
JobId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
MOST_OCTETS = 1_048_576  # of one file: an order with ten years of periods takes a tenth of it
ENTRY = "entry.json"
BEFORE = "typed at a time that is not known, before the agent was started again"

_log = logging.getLogger(__name__)


class TypedWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A reading that a person typed, with what it takes to carry it out."""

    job_id: JobId
    by: str
    order: Order
    entry: Entry
    stop_id: str | None = None
    typed_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # None: the time was not known

    def taken_up(self, at: datetime) -> Entry:
        """Return the entry as it is carried out after a crash: it is of the time at which it was typed."""
        entry = self.entry
        if entry.read_at is not None:
            return entry
        if self.typed_at is not None and self.typed_at <= at:
            return msgspec.structs.replace(entry, read_at=self.typed_at)
        remark = f"{entry.remark[:120]}; {BEFORE}" if entry.remark else BEFORE
        return msgspec.structs.replace(entry, remark=remark)


class Owed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What follows a reading once it is stored. `job_id`: the typed work that it ends."""

    reading_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]
    job_id: JobId
    by: str
    method: Method
    stop_id: str | None = None
    checks_failed: tuple[str, ...] = ()


_T = TypeVar("_T", TypedWork, Owed)


class KeptWork:
    """The files in `directory`. Blocking: to be called on a thread. Raises `LocalTrouble` where the disk refuses."""

    def __init__(self, directory: Path) -> None:
        self._works = directory / "works"
        self._owed = directory / "owed"

    def keep(self, work: TypedWork) -> None:
        """Keep what was typed."""
        write_durably(self._works / f"{work.job_id}.json", msgspec.json.encode(work))

    def give_entry(self, job_id: str, entry: Entry) -> Path:
        """Write the entry for the driver; return its path. Photographs are named from its directory."""
        path = self.entry_file(job_id)
        write_durably(path, msgspec.json.encode(entry))
        return path

    def entry_file(self, job_id: str) -> Path:
        """Return where the driver finds the entry of a work."""
        return self._works / f"{job_id}.{ENTRY}"

    def promise(self, owed: Owed) -> None:
        """Set down what follows a reading that is about to be stored."""
        write_durably(self._owed / f"{owed.reading_id}.json", msgspec.json.encode(owed))

    def fulfilled(self, owed: Owed) -> None:
        """Forget a promise, and the work that is over with it."""
        self.over(owed.job_id)
        self.withdrawn(owed)

    def withdrawn(self, owed: Owed) -> None:
        """Forget a promise whose reading was never stored."""
        _remove(self._owed / f"{owed.reading_id}.json")

    def over(self, job_id: str) -> None:
        """Forget a work."""
        for name in (f"{job_id}.json", f"{job_id}.{ENTRY}"):
            _remove(self._works / name)

    def works(self) -> list[TypedWork]:
        """Return the works that did not come to their end, in the order in which they were begun."""
        return list(_found(self._works, TypedWork))

    def owed(self) -> list[Owed]:
        """Return the promises that may not have been kept."""
        return list(_found(self._owed, Owed))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.error("%s cannot be removed: %s", path, error.strerror)


def _found(directory: Path, kind: type[_T]) -> Iterator[_T]:
    files = [path for path in directory.glob("*.json") if not path.name.endswith(f".{ENTRY}")]
    for path in sorted(files, key=lambda file: file.stat().st_mtime_ns):
        try:
            with path.open("rb") as file:
                yield msgspec.json.decode(file.read(MOST_OCTETS), type=kind)
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            _log.error("%s cannot be read, and is left as it is: %s", path, error)
