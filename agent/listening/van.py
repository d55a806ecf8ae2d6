"""The live picture for the person in the van: which planned meters are heard, and which were given up in this cycle.

    van = Van(state_directory / VAN_FILE)
    tick = van.listens("radio", plan, cycle, deliverer.utc, position)    # an ear begins; call `tick(board)` each second
    async for change in van.watch():
        …                                                                # how it stands, then each time what is new

It holds one row a planned meter, and takes from the board only what is new there: while nobody looks, it costs next to
nothing. All calls are made on the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

from agent.clock.boot import BootStamp
from agent.errors import UsageError
from agent.field.bell import Bell
from agent.listening.board import Board, Key
from agent.listening.plan import Message, PlannedMeter, ReadPlan, key_of
from agent.listening.run import Cycle
from agent.listening.van_marks import Marks
from agent.listening.van_view import Counts, EarView, Mark, Show, Spot, State, VanChange, VanMeter, VanView, away
from drivers.data import Position
from drivers.errors import MrspError

VAN_FILE = "van-marks.json"
UPDATE_EVERY_S = 0.5  # a watcher is told at most so often
MOST_AT_ONCE = 500  # meters in one change; the next change goes on
BUG = "it met a bug of the program, which is written to its log"


class Utc(Protocol):
    """Tells the time, as good as it is known: now, or at an earlier moment of this boot."""

    def __call__(self, at: BootStamp | None = None, /) -> datetime: ...


class NotPlanned(UsageError):
    """The meter is in no plan that is listened to."""


class HeardMeanwhile(UsageError):
    """The meter cannot be given up: it is read."""


@dataclass(slots=True)
class _Ear:
    """One receiver, and what it hears."""

    name: str
    cycle: Cycle
    utc: Utc
    where: Callable[[], Position | None]
    began: datetime  # the cycle
    board: Board | None = None
    told: tuple[object, ...] = ()  # what watchers know of it, beside its meters


class Van:
    """Everything that one agent listens to."""

    def __init__(self, path: Path) -> None:
        """Read which meters are given up: `path` is the file that keeps it."""
        self._marks = Marks(path)
        self._marked = self._marks.read()
        self._writing = asyncio.Lock()
        self._ears: dict[str, _Ear] = {}
        self._troubles: dict[str, tuple[str, str]] = {}  # of ears that do not listen: what is wrong, what to do
        self._rows: dict[Key, VanMeter] = {}
        self._ear_of: dict[Key, _Ear] = {}
        self._changed: OrderedDict[Key, int] = OrderedDict()  # the versions of rows, the newest last
        self._states: Counter[State] = Counter()
        self._version = 0
        self._epoch = secrets.token_hex(4)
        self._bell = Bell()

    def listens(
        self, name: str, plan: ReadPlan, cycle: Cycle, utc: Utc, where: Callable[[], Position | None]
    ) -> Callable[[Board], None]:
        """Begin to show what an ear hears, in place of what the ear of that name heard before.

        Return what is to be called with its board every second. `where`: the van; None without a fresh fix.
        """
        ear = _Ear(name, cycle, utc, where, cycle.began(utc()))
        self._forget(name)
        self._ears[name] = ear
        for number, planned in enumerate(plan.meters, start=1):
            self._ear_of[planned.key] = ear
            self._place(VanMeter(planned, number, self._version, spot=_surveyed(planned)))
        self._epoch = secrets.token_hex(4)
        self._bell.ring()
        return lambda board: self._tick(ear, board)

    def rests(self, name: str, error: MrspError | None) -> None:
        """Show why an ear does not listen at present; None: it met a bug."""
        self._troubles[name] = (BUG, "") if error is None else (error.message, error.advice)
        self._bell.ring()

    def view(self) -> VanView:
        """Return the picture of this moment, without the meters."""
        ears = tuple(self._ears.values())
        boards = [ear.board for ear in ears if ear.board is not None]
        states = self._states
        return VanView(
            epoch=self._epoch,
            version=self._version,
            at=ears[0].utc() if ears else None,
            counts=Counts(
                total=len(self._rows),
                unheard=states["unheard"],
                unreachable=states["unreachable"],
                unconfirmed=states["unconfirmed"],
                confirmed=states["confirmed"],
                delivered=states["delivered"],
                receptions=sum(board.receptions for board in boards),
                foreign=sum(len(board.foreign.by_meter) for board in boards),
                foreign_beyond=any(board.foreign.beyond for board in boards),
            ),
            ears=tuple(self._ear_view(name) for name in dict.fromkeys((*self._ears, *self._troubles))),
            position=self.position,
        )

    @property
    def position(self) -> Position | None:
        """Where the van is; None without a fresh fix."""
        return next((at for ear in self._ears.values() if (at := ear.where()) is not None), None)

    def meters(self, show: Show = "all", *, text: str = "", nearest: bool = True) -> tuple[VanMeter, ...]:
        """Return the meters of a list that have each word of `text` in number, place or delivery point.

        The `nearest` to the van come first, those of an unknown place last; else, and without a fix, in plan order.
        """
        words = text.casefold().split()
        found = [row for row in self._rows.values() if row.shows(show) and row.has(words)]
        here = self.position if nearest else None
        if here is not None:
            metres = {row.key: away(here, row.spot)[0] for row in found if row.spot is not None}
            found.sort(key=lambda row: metres.get(row.key, float("inf")))
        return tuple(found)

    def meter(self, message: str, meter_id: str) -> VanMeter:
        """Return one meter. Raises `NotPlanned`."""
        row = self._rows.get((cast("Message", message), key_of(meter_id)))
        if row is None:
            raise NotPlanned("this meter is in no plan that is listened to now")
        return row

    async def give_up(self, message: str, meter_id: str, by: str) -> VanMeter:
        """Mark a meter as unreachable for this cycle; durably, on return. The same again changes nothing.

        Raises `NotPlanned`, `HeardMeanwhile`, and `LocalTrouble` of the disk: then it is not marked.
        """
        async with self._writing:
            row = self.meter(message, meter_id)
            if row.standing in {"confirmed", "delivered"}:
                raise HeardMeanwhile(f"meter {row.planned.meter_id} is read", advice="nothing is to be done for it")
            if row.mark is None:
                ear = self._ear_of[row.key]
                mark = Mark(
                    message=row.planned.message,
                    meter_id=row.planned.meter_id,
                    cycle=ear.began,
                    at=ear.utc(),
                    by=by,
                )
                self._marked = await asyncio.to_thread(self._marks.put, mark, self._stale())
                self._look_again(row.key)
            return self._rows[row.key]

    async def take_back(self, message: str, meter_id: str) -> VanMeter:
        """Undo `give_up`; durably, on return. Raises `NotPlanned`, and `LocalTrouble` of the disk."""
        async with self._writing:
            row = self.meter(message, meter_id)
            if row.mark is not None:
                self._marked = await asyncio.to_thread(self._marks.take_back, row.key)
                self._look_again(row.key)
            return self._rows[row.key]

    async def watch(self, epoch: str = "", version: int = 0) -> AsyncGenerator[VanChange, None]:
        """Yield how it stands with the meters that changed since that picture, then each time what is new; for ever.

        After another `epoch` no meters come: the whole list is another one, and to be asked for. Who is slow misses
        pictures between, and no meter. A meter's newest row is what comes, at most `MOST_AT_ONCE` in one change.
        """
        while True:
            rung, view = self._bell.count, self.view()
            news = self._since(version) if epoch == view.epoch else ()
            whole = len(news) < MOST_AT_ONCE
            epoch, version = view.epoch, view.version if whole else news[-1].version
            yield VanChange(view, version, tuple(news))
            await asyncio.sleep(UPDATE_EVERY_S)
            if whole:
                await self._bell.after(rung)

    def _ear_view(self, name: str) -> EarView:
        ear, trouble = self._ears.get(name), self._troubles.get(name, ("", ""))
        return EarView(name, None if ear is None else ear.began, *trouble)

    def _since(self, version: int) -> Sequence[VanMeter]:
        """Return the rows after a version, oldest first, at most `MOST_AT_ONCE`."""
        newer: list[Key] = []
        for key, changed in reversed(self._changed.items()):
            if changed <= version:
                break
            newer.append(key)
        return [self._rows[key] for key in newer[: -MOST_AT_ONCE - 1 : -1]]

    def _tick(self, ear: _Ear, board: Board) -> None:
        """Take what is new of a board; tell it if anything is."""
        if self._ears.get(ear.name) is not ear:
            return
        news = {key for key in board.news() if self._ear_of.get(key) is ear}
        began, ear.board = ear.cycle.began(ear.utc()), board
        healed = self._troubles.pop(ear.name, None) is not None
        if began != ear.began:
            ear.began = began
            news |= {key for key in self._marked if self._ear_of.get(key) is ear}
        for key in news:
            self._put(self._heard(self._rows[key], board))
        told = (board.receptions, len(board.foreign.by_meter), began, ear.where())
        if news or healed or told != ear.told:
            ear.told = told
            self._bell.ring()

    def _heard(self, row: VanMeter, board: Board) -> VanMeter:
        """Return a row as a board knows it."""
        hearing = board.hearing(row.key)
        row = replace(row, standing=board.standing(row.key), spot=_surveyed(row.planned))
        if hearing is None or hearing.newest is None or hearing.best is None:
            return replace(row, heard=0, heard_at=None, rssi_db=None, snr_db=None, suspicious=False)
        best, at = hearing.best, hearing.best_position
        return replace(
            row,
            heard=hearing.heard,
            heard_at=self._ear_of[row.key].utc(hearing.newest.at),
            rssi_db=best.rssi_db,
            snr_db=best.snr_db,
            spot=row.spot or (None if at is None else Spot(at.latitude, at.longitude, surveyed=False)),
            suspicious=bool(hearing.senders) or hearing.flooded,
        )

    def _put(self, row: VanMeter) -> None:
        """Take a row in place of the one before: it is new to whoever watches."""
        self._version += 1
        self._place(replace(row, version=self._version))
        self._changed[row.key] = self._version
        self._changed.move_to_end(row.key)

    def _place(self, row: VanMeter) -> None:
        """Take a row in place of the one before, with its mark."""
        key, mark = row.key, self._marked.get(row.key)
        if mark is not None or row.mark is not None:
            in_force = mark is not None and mark.cycle == self._ear_of[key].began
            row = replace(row, mark=mark if in_force else None)
        if (before := self._rows.get(key)) is not None:
            self._states[before.state] -= 1
        self._states[row.state] += 1
        self._rows[key] = row

    def _look_again(self, key: Key) -> None:
        """A mark came or went."""
        if key in self._rows:
            self._put(self._rows[key])
            self._bell.ring()

    def _stale(self) -> frozenset[Key]:
        """Return the meters whose mark is of an earlier cycle; one of a later cycle is of a clock that was wrong."""
        ears = self._ear_of
        return frozenset(key for key, mark in self._marked.items() if key in ears and mark.cycle < ears[key].began)

    def _forget(self, name: str) -> None:
        """Forget the meters of an ear."""
        for key in [key for key, ear in self._ear_of.items() if ear.name == name]:
            self._states[self._rows.pop(key).state] -= 1
            del self._ear_of[key]
            self._changed.pop(key, None)


def _surveyed(planned: PlannedMeter) -> Spot | None:
    """Return where the plan says that a meter is."""
    if planned.latitude is None or planned.longitude is None:
        return None
    return Spot(planned.latitude, planned.longitude, surveyed=True)
