"""All meters of a plan while a receiver listens, and what else is on the air, in bounded memory. Pure: moments go in.

A confirmed value waits a while (`hold`) for a newer one, and is ready once. In a run of a fixed receiver the cycles
begin anew: `start_over`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agent.listening.hearing import Hearing
from agent.listening.plan import Message, PlannedMeter, ReadPlan
from agent.listening.reception import Reception, Refused
from drivers.data import Position

MOST_FOREIGN = 32_768  # identifications that are told apart; of further ones only the receptions are counted
Key = tuple[Message, str]
Standing = Literal["unheard", "unconfirmed", "confirmed", "delivered"]  # confirmed: it waits to be delivered


@dataclass(slots=True)
class Foreign:
    """Receptions of meters that are not in the plan."""

    receptions: int = 0
    by_meter: Counter[Key] = field(default_factory=Counter)
    beyond: int = 0  # receptions of identifications that were too many to tell apart

    def take(self, key: Key) -> None:
        """Count one."""
        self.receptions += 1
        if key in self.by_meter or len(self.by_meter) < MOST_FOREIGN:
            self.by_meter[key] += 1
        else:
            self.beyond += 1

    @property
    def meters(self) -> str:
        """How many meters they were of, in words."""
        return f"{'more than ' if self.beyond else ''}{len(self.by_meter):,}"


@dataclass(frozen=True, slots=True)
class Ready:
    """The newest confirmed value of a planned meter, to be delivered now."""

    planned: PlannedMeter
    receptions: tuple[Reception, ...]  # that agree, bounded, oldest first: the last is the newest
    first: Reception
    best: Reception
    position: Position | None  # of the receiver at the best
    count: int  # of all receptions that agree, since the last delivery
    agreeing: int  # those and one before it, if there was one
    others: tuple[Reception, ...] = ()  # the newest of other senders under this identification
    flooded: bool = False

    @property
    def newest(self) -> Reception:
        return self.receptions[-1]


class Board:
    """What was heard of each planned meter. `hearing_of` begins one: with its pace and its last reading."""

    def __init__(self, plan: ReadPlan, hearing_of: Callable[[PlannedMeter], Hearing], *, hold_ns: int | None) -> None:
        """`hold_ns`: how long a confirmed value waits for a newer one; None: until `finish`."""
        self.foreign = Foreign()
        self.refused: Counter[str] = Counter()
        self.receptions = 0
        self._plan = plan
        self._by_key = plan.by_key()
        self._messages = plan.messages
        self._hearing_of = hearing_of
        self._hold_ns = hold_ns
        self._hearings: dict[Key, Hearing] = {}
        self._delivered: set[Key] = set()
        self._due: list[tuple[int, Key]] = []  # heap: when a confirmed value has waited long enough
        self._waiting: set[Key] = set()
        self._news: set[Key] = set()

    def refuse(self, refused: Refused) -> None:
        """Count a line that was no reception."""
        self.refused[refused.reason] += 1

    def take(self, reception: Reception, utc: datetime, position: Callable[[], Position | None]) -> None:
        """Take one reception; `utc` is this box's time, `position` asks where the receiver stands."""
        self.receptions += 1
        key: Key = (reception.message, reception.meter_id)
        planned = self._by_key.get(key)
        if planned is None:
            if not self._is_other_sense(key):
                self.foreign.take(key)
            return
        hearing = self._hearings.get(key)
        if hearing is None:
            hearing = self._hearings[key] = self._hearing_of(planned)
        hearing.take(reception, position())
        self._news.add(key)
        if key in self._delivered or key in self._waiting or hearing.confirmed(utc) is None:
            return
        self._waiting.add(key)
        if self._hold_ns is not None:
            heapq.heappush(self._due, (reception.at.boottime_ns + self._hold_ns, key))

    def next_due_ns(self) -> int | None:
        """Return when `due` has something next, by CLOCK_BOOTTIME."""
        return self._due[0][0] if self._due else None

    def due(self, now_ns: int, utc: datetime) -> list[Ready]:
        """Return what has waited long enough, each meter once."""
        ready: list[Ready] = []
        while self._due and self._due[0][0] <= now_ns:
            ready += self._ready(heapq.heappop(self._due)[1], utc)
        return ready

    def finish(self, utc: datetime) -> list[Ready]:
        """Return all that is confirmed and was not delivered yet, in the order of the plan."""
        self._due.clear()
        keys = [meter.key for meter in self._plan.meters if meter.key in self._waiting]
        return [ready for key in keys for ready in self._ready(key, utc)]

    def start_over(self) -> None:
        """Begin a new cycle: every meter is to be delivered once again."""
        for hearing in self._hearings.values():
            hearing.new_cycle()
        self._news |= self._hearings.keys() | self._delivered
        self._delivered.clear()
        self._waiting.clear()
        self._due.clear()

    def delivered_before(self, key: Key) -> None:
        """Note that a meter was delivered in this cycle by an earlier run."""
        self._delivered.add(key)
        self._news.add(key)

    def news(self) -> set[Key]:
        """Return the planned meters whose standing or reception may have changed since this was asked last."""
        news, self._news = self._news, set()
        return news

    def standing(self, key: Key) -> Standing:
        """Return how far a planned meter is in this cycle."""
        if key in self._delivered:
            return "delivered"
        if key in self._waiting:
            return "confirmed"
        hearing = self._hearings.get(key)
        return "unconfirmed" if hearing is not None and hearing.heard else "unheard"

    def hearing(self, key: Key) -> Hearing | None:
        """Return what was heard of a planned meter; None if nothing ever was."""
        return self._hearings.get(key)

    @property
    def delivered(self) -> int:
        """How many meters of the plan were delivered."""
        return len(self._delivered)

    def unheard(self) -> tuple[PlannedMeter, ...]:
        """Return the planned meters of which nothing was heard, in the order of the plan."""
        heard = {key for key, hearing in self._hearings.items() if hearing.heard}
        return tuple(m for m in self._plan.meters if m.key not in heard and m.key not in self._delivered)

    def unconfirmed(self) -> tuple[Hearing, ...]:
        """Return the meters that were heard, but of which no value is confirmed, in the order of the plan."""
        found = (self._hearings.get(meter.key) for meter in self._plan.meters)
        return tuple(
            h for h in found if h is not None and h.heard and not {h.planned.key} & (self._delivered | self._waiting)
        )

    def suspicious(self) -> tuple[Hearing, ...]:
        """Return the meters that several senders claim to be, or one that sends more than a meter does."""
        return tuple(hearing for hearing in self._hearings.values() if hearing.senders or hearing.flooded)

    def _is_other_sense(self, key: Key) -> bool:
        """Tell whether this is the same frame, read as the other kind of interval message."""
        message, meter_id = key
        if message == "netidm" and "idm" in self._messages:
            return True
        return message == "idm" and ("netidm", meter_id) in self._by_key

    def _ready(self, key: Key, utc: datetime) -> list[Ready]:
        """Return a waiting meter's value, unless what was heard meanwhile contradicts it: then it waits on."""
        if key not in self._waiting:
            return []
        self._waiting.discard(key)
        self._news.add(key)
        hearing = self._hearings[key]
        track = hearing.confirmed(utc)
        if track is None:
            return []
        self._delivered.add(key)
        ready = Ready(
            planned=hearing.planned,
            receptions=tuple(track.kept),
            first=track.first,
            best=track.best,
            position=track.position,
            count=track.count,
            agreeing=track.count + track.carried,
            others=tuple(each for each in hearing.senders if each is not track.newest),
            flooded=hearing.flooded,
        )
        hearing.delivered(track, utc)
        return [ready]
