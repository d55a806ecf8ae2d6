"""The file of the routes: what was ordered, what became of it, and every act that made it so.

What settles a stop is on the disk before the call returns; drafts and claims outlive the process, not a power cut.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import msgspec

from agent.errors import UsageError
from agent.order import Order
from agent.routes.codes import CodeSet
from agent.routes.errors import Conflict, NoRoom, NoSuchRoute, RouteBegun
from agent.routes.loading import Loaded
from agent.routes.order import UNSAID_URL, RouteOrder, zone_of
from agent.routes.pace import progress_of
from agent.routes.rows import (
    NOTHING_DONE,
    Act,
    Head,
    acts,
    changed_at,
    head_of,
    heads,
    insert_act,
    insert_route,
    insert_stop,
    meter_key,
    number_of,
    standing_of,
    tallies,
    update_stop,
)
from agent.routes.standing import Fixed, Standing, Taken, Who, stop_of
from agent.routes.view import Progress, RouteSummary, RouteView, Stop
from agent.state_database import StateDatabase, StateFile

ROUTES_FILE = "routes.sqlite"  # in the state directory
MOST_ROUTES = 500
MOST_STOPS = 100_000  # of all routes
MOST_OUT_OF_ROUTE = 200  # of one route
MOST_DRAFT_OCTETS = 65_536
MOST_DRAFTS = 8  # of one stop: of so many persons, the newest
KEPT_FOR_SURE = timedelta(days=31)  # before the day of a new route; older ones make room where it is needed
ROUTES_AT_HAND = 2  # whose orders stay decoded

_FILE = StateFile(
    called="the routes in",
    absent="there are no routes",
    lost="routes are to be loaded anew; what was read of them is in the spool",
    schemas=files("agent.routes") / "schemas",
    through_power_cuts=False,
)
_STOP = "stop_id, sequence, out_of_route, ordered, standing"


class RouteStore:
    """The file. Used by one thread; every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._database = StateDatabase(_FILE, path, create=create)
        self._decoded: dict[int, dict[str, RouteOrder]] = {}

    def load(self, loaded: Loaded, by: str, now: datetime) -> bool:
        """Take a route; return whether it is new.

        Raises `RouteBegun` for another one under the id of a route in which something was done, `NoRoom`.
        """
        route = loaded.route
        head = Head(
            number=0,
            route_id=route.route_id,
            name=route.name,
            day=route.day,
            zone=route.zone,
            deadline=route.deadline_at(),
            digest=hashlib.sha256(msgspec.json.encode(route)).hexdigest(),
            codes=loaded.codes,
            loaded_at=now,
            loaded_by=by,
        )
        with self._database.transaction("write", through_power_cuts=True) as db:
            found = db.execute("SELECT number, digest FROM route WHERE route_id = ?", (route.route_id,)).fetchone()
            if found is not None and found[1] == head.digest:
                return False
            if found is not None:
                _forget_unused(db, found[0], f"{route.route_id} is there already, with other stops, and")
            _make_room(db, route.day, len(route.orders))
            number = insert_route(db, head)
            for sequence, ordered in enumerate(route.orders, start=1):
                insert_stop(db, number, sequence, ordered, out_of_route=False)
        return True

    def withdraw(self, route_id: str, digest: str) -> bool:
        """Forget a route; return False if it is not there, or another under its id. Raises `RouteBegun`."""
        with self._database.transaction("write", through_power_cuts=True) as db:
            head = head_of(db, route_id)
            if head is None or head.digest != digest:
                return False
            _forget_unused(db, head.number, f"{route_id} cannot be taken back:")
        return True

    def progress(self, route_id: str, digest: str, now: datetime) -> tuple[RouteSummary, datetime] | None:
        """Return how far a route is, and when something was done last; None if it is gone, or another in its place."""
        with self._database.reading("read") as db:
            head = head_of(db, route_id)
            if head is None or head.digest != digest:
                return None
            tally = dict(tallies(db, now, head.number))[head.number]
            return _summary(head, progress_of(tally, head.deadline, now)), changed_at(db, head)

    def summaries(self, now: datetime) -> tuple[RouteSummary, ...]:
        """Return all routes, the newest day first."""
        with self._database.reading("read") as db:
            counted = dict(tallies(db, now))
            found = heads(db)
        return tuple(_summary(head, progress_of(counted[head.number], head.deadline, now)) for head in found)

    def view(self, route_id: str, now: datetime) -> RouteView:
        """Return a route with its stops."""
        with self._database.reading("read") as db:
            return self._view(db, _known(db, route_id), now)

    def history(self, route_id: str, now: datetime) -> tuple[RouteView, dict[str, list[Act]]]:
        """Return a route, and what was done at each stop."""
        with self._database.reading("read") as db:
            head = _known(db, route_id)
            return self._view(db, head, now), acts(db, head.number)

    def stop(self, stop_id: str, now: datetime) -> Stop:
        """Return one stop."""
        with self._database.reading("read") as db:
            _, fixed, standing = self._find(db, stop_id)
        return stop_of(fixed, standing, now)

    def change(
        self,
        stop_id: str,
        who: Who,
        act: Callable[[Standing, Who, CodeSet], Standing],
        *,
        through_power_cuts: bool = True,
    ) -> tuple[Stop, bool]:
        """Do something at a stop; return it as it then stands, and whether that is new. Raises `Conflict`."""
        with self._database.transaction("write", through_power_cuts=through_power_cuts) as db:
            head, fixed, before = self._find(db, stop_id)
            who = replace(who, zone=zone_of(head.zone))
            where = f"stop {fixed.sequence} of {head.route_id}"
            try:
                after = act(before, who, head.codes)
            except Taken as taken:
                now_there = stop_of(fixed, before, who.now)
                raise Conflict(f"{where}: {taken}", now_there, advice="look at it again") from None
            except UsageError as error:
                raise error.at(where) from None
            if after is not before:
                update_stop(db, stop_id, who, before, after)
            if (after.state, after.reading_id) != (before.state, before.reading_id) and after.by == who.by:
                db.execute("DELETE FROM draft WHERE stop_id = ? AND by = ?", (stop_id, who.by))
        return stop_of(fixed, after, who.now), after is not before

    def out_of_route(self, route_id: str, meter_id: str, by: str, now: datetime) -> tuple[Stop, bool]:
        """Return the stop of a meter, and whether it is new, at the end of the route.

        The person read `meter_id` off the nameplate; what the meter says of itself is found out there. It is judged by
        the rules of the first order.
        """
        key = meter_key(meter_id)
        with self._database.transaction("write", through_power_cuts=True) as db:
            head = _known(db, route_id)
            query = f"SELECT {_STOP} FROM stop WHERE route = ? AND ? IN (meter, nameplate) ORDER BY sequence"  # noqa: S608
            found = db.execute(query, (head.number, key)).fetchone()
            new = found is None
            if new:
                query = (
                    "SELECT max(sequence), sum(out_of_route), ordered FROM stop WHERE route = ? HAVING min(sequence)"
                )
                last, added, first = db.execute(query, (head.number,)).fetchone()
                if added >= MOST_OUT_OF_ROUTE:
                    raise UsageError(
                        f"{route_id} has {added} meters out of the route already", advice="load a route for them"
                    )
                rule_set = msgspec.json.decode(first, type=RouteOrder).order.rule_set
                order = Order(url=UNSAID_URL["probe"], purpose="off_cycle", nameplate_id=meter_id, rule_set=rule_set)
                stop_id = insert_stop(db, head.number, last + 1, RouteOrder(order=order), out_of_route=True)
                insert_act(db, stop_id, Act(now, by, "added it to the route", {"out_of_route": True}))
                query = f"SELECT {_STOP} FROM stop WHERE stop_id = ?"  # noqa: S608
                found = db.execute(query, (stop_id,)).fetchone()
            fixed, standing = self._read(head, found)
        return stop_of(fixed, standing, now), new

    def save_draft(self, stop_id: str, by: str, content: bytes, now: datetime) -> None:
        """Keep what a person has typed; empty: nothing. Raises `UsageError` for more than anybody types."""
        if len(content) > MOST_DRAFT_OCTETS:
            raise UsageError(f"a draft of {len(content):,} octets; at most {MOST_DRAFT_OCTETS:,} are kept")
        with self._database.transaction("write") as db:
            self._find(db, stop_id)
            if not content:
                db.execute("DELETE FROM draft WHERE stop_id = ? AND by = ?", (stop_id, by))
                return
            db.execute("INSERT OR REPLACE INTO draft VALUES (?, ?, ?, ?)", (stop_id, by, number_of(now), content))
            db.execute(
                "DELETE FROM draft WHERE stop_id = ?1 AND rowid NOT IN"
                " (SELECT rowid FROM draft WHERE stop_id = ?1 ORDER BY rowid DESC LIMIT ?2)",
                (stop_id, MOST_DRAFTS),
            )

    def draft(self, stop_id: str, by: str) -> bytes | None:
        """Return what a person had typed."""
        with self._database.reading("read") as db:
            self._find(db, stop_id)
            found = db.execute("SELECT content FROM draft WHERE stop_id = ? AND by = ?", (stop_id, by)).fetchone()
        return None if found is None else bytes(found[0])

    def route_ids(self) -> list[str]:
        """Return the ids of all routes."""
        with self._database.reading("read") as db:
            return [route_id for (route_id,) in db.execute("SELECT route_id FROM route")]

    def version_seen(self) -> int:
        """Return a number that changes when another process has written."""
        return self._database.version_seen()

    def close(self) -> None:
        self._database.close()

    def _view(self, db: sqlite3.Connection, head: Head, now: datetime) -> RouteView:
        rows = db.execute(f"SELECT {_STOP} FROM stop WHERE route = ? ORDER BY sequence", (head.number,))  # noqa: S608
        stops = tuple(stop_of(*self._read(head, row), now) for row in rows)
        progress = progress_of(dict(tallies(db, now, head.number))[head.number], head.deadline, now)
        return RouteView(summary=_summary(head, progress), codes=head.codes, stops=stops, at=now)

    def _find(self, db: sqlite3.Connection, stop_id: str) -> tuple[Head, Fixed, Standing]:
        query = f"SELECT route_id, {_STOP} FROM stop JOIN route ON route.number = stop.route WHERE stop_id = ?"  # noqa: S608
        found = db.execute(query, (stop_id,)).fetchone()
        if found is None:
            raise NoSuchRoute("there is no such stop", advice="its route was replaced, or loaded long ago")
        head = _known(db, found[0])
        return head, *self._read(head, found[1:])

    def _read(self, head: Head, row: tuple[str, int, int, bytes, bytes]) -> tuple[Fixed, Standing]:
        stop_id, sequence, out_of_route, blob, standing = row
        at_hand = self._decoded.setdefault(head.number, {})
        if (ordered := at_hand.get(stop_id)) is None:
            ordered = at_hand[stop_id] = msgspec.json.decode(blob, type=RouteOrder)
        while len(self._decoded) > ROUTES_AT_HAND:
            del self._decoded[next(number for number in self._decoded if number != head.number)]
        return Fixed(stop_id, head.route_id, sequence, ordered, bool(out_of_route)), standing_of(standing)


def _known(db: sqlite3.Connection, route_id: str) -> Head:
    head = head_of(db, route_id)
    if head is None:
        raise NoSuchRoute(
            f"there is no route {route_id!r:.80}", advice="`mrsp route status` lists those that there are"
        )
    return head


def _summary(head: Head, progress: Progress) -> RouteSummary:
    return RouteSummary(
        head.route_id, head.name, head.day, head.zone, head.loaded_at, head.loaded_by, head.digest, progress
    )


def _forget_unused(db: sqlite3.Connection, number: int, what: str) -> None:
    """Remove a route. Raises `RouteBegun`, which begins with `what`, if something was done in it."""
    query = "SELECT count(*), sum(standing <> ? OR out_of_route) FROM stop WHERE route = ?"
    stops, begun = db.execute(query, (NOTHING_DONE, number)).fetchone()
    if begun:
        advice = "give a new route another route_id"
        raise RouteBegun(f"{what} {begun} of its {stops} stops have been begun", advice=advice)
    db.execute("DELETE FROM route WHERE number = ?", (number,))


def _make_room(db: sqlite3.Connection, day: date, stops: int) -> None:
    """Forget the oldest routes, as far as it takes. Raises `NoRoom` if those are not old enough."""
    query = "SELECT route.number, day, count(*) FROM route JOIN stop ON route.number = stop.route GROUP BY route.number"
    kept = sorted(db.execute(query), key=lambda row: (row[1], row[0]))
    total = sum(count for _, _, count in kept)
    full = NoRoom(
        f"{total:,} stops of {len(kept)} routes are kept, and there is no room for {stops:,} more",
        advice=f"routes are forgotten when they are more than {KEPT_FOR_SURE.days} days older than a new one",
    )
    while len(kept) >= MOST_ROUTES or total + stops > MOST_STOPS:
        number, oldest, count = kept.pop(0) if kept else (0, day.isoformat(), 0)
        if date.fromisoformat(oldest) >= day - KEPT_FOR_SURE:
            raise full
        db.execute("DELETE FROM route WHERE number = ?", (number,))
        total -= count
