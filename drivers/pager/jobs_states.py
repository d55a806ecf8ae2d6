"""The states of a request to a meter, as values, and the one rule about them: they are never downgraded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from drivers.errors import DataError, MrspError

State = Literal["created", "unknown", "submitted", "queued", "delivered", "failed", "expired", "answered"]

#: Later news may be about an earlier state: a DELIVERED after the reply, a QUEUED after that. The higher rank stays.
RANKS: dict[State, int] = {
    "created": 0,  # on the disk, perhaps about to be sent
    "unknown": 1,  # sent, and no word whether it was accepted
    "submitted": 2,
    "queued": 3,
    "delivered": 4,
    "failed": 5,
    "expired": 5,  # no answer in time
    "answered": 6,  # even if late
}
OPEN = tuple(state for state, rank in RANKS.items() if rank < RANKS["failed"])


def advanced(current: State, to: State) -> State:
    """Return the state after news of `to`: the one of higher rank, the current one of equal ranks."""
    return to if RANKS[to] > RANKS[current] else current


class StoreTrouble(MrspError):
    """The store of requests cannot be read or written: something on this box. Without it nobody is paged."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device answered, octet for octet; `responded_at` as the carrier says."""

    octets: bytes
    arrived_at: datetime
    responded_at: datetime | None = None
    binary: bool = False
    late: bool = False

    def text(self) -> str:
        """Return the text without white space around it. Raises `DataError` if the octets are no text."""
        try:
            return self.octets.decode().strip()
        except UnicodeDecodeError as error:
            raise DataError("the reply is not text: its octets are kept in the store") from error


@dataclass(frozen=True, slots=True)
class Job:
    """One request to one meter. Times are aware UTC."""

    message_id: str
    carrier: str
    sender: str
    recipient: str
    format: str
    request: str
    state: State
    created_at: datetime
    deliver_before: datetime
    expires_at: datetime
    code: int | None = None
    reason: str = ""
    reply: Reply | None = None
    taken_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether an answer may still be waited for."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Page:
    """A request that a visit wants to make, if there is none under way. Seconds are whole."""

    carrier: str
    sender: str
    recipient: str
    format: str
    request: str
    lifetime_s: int  # until the carrier is to give up delivering
    grace_s: int  # after that, for a reply that is on its way


@dataclass(frozen=True, slots=True)
class Limits:
    """How often devices may be paged, and how old a reply may be. A page costs money and battery."""

    meter_spacing_s: int = 900  # between two pages to one meter
    carrier_per_hour: int = 1_200
    late_s: int = 14_400  # a reply that nobody took yet counts if it was asked for within this time
    fresh_s: int = 900  # a reply that was taken already is given again within this time, rather than paging again


@dataclass(frozen=True, slots=True)
class HeldBack:
    """No page now: `until` when, and why."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message that belongs to nothing that was asked: never a reading, always kept and told."""

    reason: str
    carrier: str
    originator: str
    reference: str  # the messageID that it claims to answer
    content: bytes
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of messages that came in. All of it is on the disk."""

    answered: tuple[str, ...] = ()  # messageIDs
    statuses: int = 0
    duplicates: int = 0
    quarantined: tuple[str, ...] = ()  # reasons

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.answered + other.answered,
            self.statuses + other.statuses,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
        )
