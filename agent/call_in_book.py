"""When each meter is to call next: kept on the disk, so that a restart neither forgets a call nor counts one twice."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import msgspec

from agent.durable_file import write_durably
from agent.errors import LocalTrouble

BOOK = "call_in.json"  # the file's name among the agent's state
MOST_METERS = 20_000

_log = logging.getLogger(__name__)


class Booked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One meter's next call. `told`: the meter has confirmed this time."""

    next_at: datetime
    told: bool = False


class CallBook:
    """The book in `path`. One that cannot be read is begun anew, and said so: it costs no reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._booked: dict[str, Booked] = {}
        try:
            self._booked = msgspec.json.decode(path.read_bytes(), type=dict[str, Booked])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("the book of calls %s cannot be read and is begun anew: %s", path, error)

    def of(self, meter: str) -> Booked | None:
        """Return what is on record for the meter of this name."""
        return self._booked.get(meter)

    def note(self, meter: str, booked: Booked | None) -> None:
        """Set down when a meter is to call next. Raises `LocalTrouble`; then the old entry stays in force on disk."""
        self._booked.pop(meter, None)  # to the end: whoever called last is kept longest
        if booked is not None:
            self._booked[meter] = booked
        while len(self._booked) > MOST_METERS:
            del self._booked[next(iter(self._booked))]
        write_durably(self._path, msgspec.json.encode(self._booked))

    def keep_only(self, meters: frozenset[str]) -> None:
        """Forget meters that are not configured any more. Raises `LocalTrouble`."""
        gone = self._booked.keys() - meters
        if gone:
            for meter in gone:
                del self._booked[meter]
            write_durably(self._path, msgspec.json.encode(self._booked))


def noted(book: CallBook, meter: str, booked: Booked | None) -> bool:
    """Set it down; log what the disk refuses, since no call fails for it. Whether it is on the disk."""
    try:
        book.note(meter, booked)
    except LocalTrouble as error:
        _log.error("%s: the time of its next call cannot be kept: %s", meter, error)
        return False
    return True
