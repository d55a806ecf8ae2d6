"""One planned meter as it is heard: which receptions agree with each other, and whether that is enough. Pure.

A single message can be wrong although its check word is right, and anybody can send one. So receptions that follow from
each other form a track. A value is confirmed by two receptions on one track, or by a single one that follows from the
last reading. Two tracks with two receptions each are two senders under one identification: the one that follows from
the last reading is taken, if it is the only one; else none is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from agent.listening.pace import NS_AN_HOUR, STALE_NS, Pace
from agent.listening.plan import PlannedMeter
from agent.listening.reception import Reception, best_of
from drivers.data import Position

ENOUGH = 2  # receptions that agree
MOST_TRACKS = 8
FORGOTTEN_NS = 24 * NS_AN_HOUR  # a track that is not heard any more
MOST_KEPT = 4  # receptions of a track: the evidence
MOST_KEPT_OF_INTERVALS = 24  # of messages that tell intervals: one an hour through a day leaves no gap
ASSUMED_AGE = timedelta(days=45)  # of a last reading without its time: a billing period, and as much again as it slips
FLOOD = 240  # receptions of one meter in a minute: no meter sends as many
_MINUTE_NS = NS_AN_HOUR // 60
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Last:
    """The last reading: as the meter counts it, and when it was taken, if that is known."""

    count: Decimal
    at: datetime | None = None


@dataclass(slots=True)
class Track:
    """Receptions that follow from each other. `kept` are some of those since the last delivery, oldest first.

    `count` is of all of them; `carried` of those before, as far as they help to confirm: none or one.
    """

    first: Reception
    newest: Reception
    best: Reception
    position: Position | None  # of the receiver at the best
    count: int = 1
    carried: int = 0
    fresh: bool = True  # heard in this cycle
    kept: list[Reception] = field(default_factory=list)

    def add(self, reception: Reception, position: Position | None, *, late: bool) -> None:
        """Take a reception that agrees; a `late` one tells what was told before."""
        if not self.count:  # all before is delivered
            self.first = self.best = reception
            self.position = position
        self.count += 1
        self.fresh = True
        if not late:
            self.newest = reception
            self.kept.append(reception)
            self._thin()
        if best_of((self.best, reception)) is not self.best:
            self.best, self.position = reception, position

    def delivered(self) -> None:
        """Forget all but the newest reception."""
        self.kept = [self.newest]
        self.count, self.carried = 0, 1

    def _thin(self) -> None:
        """Keep so many receptions, spread over time: go without the one whose neighbours are nearest to each other."""
        intervals = self.newest.message in {"idm", "netidm"}
        if len(self.kept) <= (MOST_KEPT_OF_INTERVALS if intervals else MOST_KEPT):
            return
        gaps = ((self.kept[k + 1].moment_ns - self.kept[k - 1].moment_ns, k) for k in range(1, len(self.kept) - 1))
        del self.kept[min(gaps)[1]]


class Hearing:
    """All receptions of one planned meter. `utc` is this box's time, as good as it is."""

    def __init__(self, planned: PlannedMeter, pace: Pace, last: Last | None = None) -> None:
        self.planned = planned
        self.pace = pace
        self.last = last
        self.heard = 0  # receptions in this run or cycle
        self.flooded = False
        self.newest: Reception | None = None  # of this run or cycle, whatever it agrees with
        self.best: Reception | None = None  # by its reception
        self.best_position: Position | None = None
        self._tracks: list[Track] = []
        self._minute = (0, 0)  # when it began, receptions since

    def take(self, reception: Reception, position: Position | None = None) -> None:
        """Take one reception, in the order of hearing."""
        self.heard += 1
        self.newest = reception
        if self.best is None or best_of((self.best, reception)) is not self.best:
            self.best, self.best_position = reception, position
        self._tally(reception.moment_ns)
        self._tracks = [t for t in self._tracks if reception.moment_ns - t.newest.moment_ns < FORGOTTEN_NS]
        for track in sorted(self._tracks, key=lambda each: each.count, reverse=True):
            late = self._late(track, reception)
            if late or self._follows(track, reception):
                track.add(reception, position, late=late)
                return
        if len(self._tracks) == MOST_TRACKS:
            self._tracks.remove(min(self._tracks, key=lambda each: (each.count, each.newest.moment_ns)))
        self._tracks.append(Track(reception, reception, reception, position, kept=[reception]))

    def confirmed(self, utc: datetime) -> Track | None:
        """Return the track whose newest value can be delivered; None while there is none, or senders disagree."""
        plausible = [track for track in self._fresh() if self._is_plausible(track, utc)]
        solid = self._solid()
        candidates = solid or plausible
        if len(candidates) == 1 and (candidates[0] in plausible or not plausible):
            return candidates[0]
        likely = [track for track in candidates if track in plausible]
        return likely[0] if len(likely) == 1 else None

    @property
    def senders(self) -> tuple[Reception, ...]:
        """The newest receptions of two senders or more that contradict each other; empty where there is one."""
        solid = self._solid()
        return tuple(track.newest for track in solid) if len(solid) > 1 else ()

    @property
    def counts(self) -> tuple[Decimal, ...]:
        """What was heard, the newest of each track: for people."""
        return tuple(track.newest.count for track in self._fresh())

    def delivered(self, track: Track, utc: datetime) -> None:
        """Note that the newest value of `track` was delivered; it was heard at `utc`."""
        self.last = Last(track.newest.count, utc)
        track.delivered()

    def new_cycle(self) -> None:
        """Begin to wait for the next value: what was heard stays as what new receptions must agree with."""
        self.heard = 0
        self.flooded = False
        self.newest = self.best = self.best_position = None
        for track in self._tracks:
            track.fresh = False

    def _solid(self) -> list[Track]:
        return [track for track in self._fresh() if track.count + track.carried >= ENOUGH]

    def _fresh(self) -> list[Track]:
        return [track for track in self._tracks if track.fresh and track.count]

    def _follows(self, track: Track, reception: Reception) -> bool:
        newest = track.newest
        ns = reception.moment_ns - newest.moment_ns
        return self.pace.allows(newest.count, reception.count, ns, reception.wrap, reception.step)

    def _late(self, track: Track, reception: Reception) -> bool:
        """Tell whether it is a copy of what was heard just before: a repeater's, or of a meter's own buffer."""
        newest = track.newest
        if self.pace.runs_back or reception.count == newest.count:
            return False
        return self.pace.allows(reception.count, newest.count, STALE_NS, reception.wrap, reception.step)

    def _is_plausible(self, track: Track, utc: datetime) -> bool:
        last, count = self.last, track.newest.count
        if last is None or not self.pace.fits(count):
            return False
        age = ASSUMED_AGE if last.at is None else max(utc - last.at, timedelta())
        ns = age // _MICROSECOND * 1_000
        return self.pace.allows(last.count, count, ns, track.newest.wrap, track.newest.step)

    def _tally(self, moment_ns: int) -> None:
        began, count = self._minute
        self._minute = (began, count + 1) if moment_ns - began < _MINUTE_NS and count else (moment_ns, 1)
        self.flooded |= self._minute[1] > FLOOD
