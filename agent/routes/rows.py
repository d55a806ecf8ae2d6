"""What the rows of the routes' file mean, and the statements that more than one act needs."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from agent.listening.plan import key_of
from agent.routes.codes import CodeSet
from agent.routes.order import RouteOrder
from agent.routes.pace import HOUR, Tally
from agent.routes.standing import Standing, Who

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_HEAD = "number, route_id, name, day, zone, deadline, digest, codes, loaded_at, loaded_by"
_SAYS_NOTHING = {"version", "last_by", "last_at", "last_did", "claimed_until"}  # of a change, beside who, when and what
NOTHING_DONE = msgspec.json.encode(Standing())


@dataclass(frozen=True, slots=True)
class Head:
    """A route without its stops."""

    number: int
    route_id: str
    name: str
    day: date
    zone: str
    deadline: datetime | None
    digest: str
    codes: CodeSet
    loaded_at: datetime
    loaded_by: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done at a stop; `changed`: the fields of the standing that it changed, as they then were."""

    at: datetime
    by: str
    what: str
    changed: dict[str, Any]


def heads(db: sqlite3.Connection) -> list[Head]:
    """Return all routes, the newest day first."""
    return [_head(row) for row in db.execute(f"SELECT {_HEAD} FROM route ORDER BY day DESC, number DESC")]  # noqa: S608


def head_of(db: sqlite3.Connection, route_id: str) -> Head | None:
    """Return the route with this id."""
    row = db.execute(f"SELECT {_HEAD} FROM route WHERE route_id = ?", (route_id,)).fetchone()  # noqa: S608
    return None if row is None else _head(row)


def insert_route(db: sqlite3.Connection, head: Head) -> int:
    """Set down a route; return its number."""
    row = (
        head.route_id,
        head.name,
        head.day.isoformat(),
        head.zone,
        None if head.deadline is None else number_of(head.deadline),
        head.digest,
        msgspec.json.encode(head.codes),
        number_of(head.loaded_at),
        head.loaded_by,
    )
    inserted = db.execute("INSERT INTO route VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number", row)
    return int(inserted.fetchone()[0])


def insert_stop(db: sqlite3.Connection, route: int, sequence: int, ordered: RouteOrder, *, out_of_route: bool) -> str:
    """Set down a stop at which nothing was done yet; return its id."""
    stop_id = secrets.token_urlsafe(16)
    keys = meter_key(ordered.order.expected_meter_id), meter_key(ordered.order.nameplate_id)
    row = (stop_id, route, sequence, out_of_route, *keys, msgspec.json.encode(ordered), NOTHING_DONE)
    db.execute("INSERT INTO stop VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', NULL, 0)", row)
    return stop_id


def update_stop(db: sqlite3.Connection, stop_id: str, who: Who, before: Standing, after: Standing) -> None:
    """Set down what became of a stop, and the act that made it so."""
    settled_at = number_of(after.at) if after.at is not None and after.state in {"read", "unread"} else None
    db.execute(
        "UPDATE stop SET standing = ?, state = ?, settled_at = ?, to_decide = ? WHERE stop_id = ?",
        (msgspec.json.encode(after), after.state, settled_at, after.to_decide, stop_id),
    )
    changed = {
        key: getattr(after, key)
        for key in Standing.__struct_fields__
        if key not in _SAYS_NOTHING and getattr(after, key) != getattr(before, key)
    }
    if "notes" in changed:
        changed = {"notes": after.notes[-1:]}
    if changed:
        what = after.last_did if after.version != before.version else "added a note"
        insert_act(db, stop_id, Act(who.now, who.by, what, changed))


def insert_act(db: sqlite3.Connection, stop_id: str, act: Act) -> None:
    """Set down something that was done."""
    row = (stop_id, number_of(act.at), act.by, act.what, msgspec.json.encode(act.changed))
    db.execute("INSERT INTO act VALUES (NULL, ?, ?, ?, ?, ?)", row)


def acts(db: sqlite3.Connection, route: int) -> dict[str, list[Act]]:
    """Return what was done at each stop of a route, in order."""
    found: dict[str, list[Act]] = {}
    query = "SELECT stop_id, at, by, what, detail FROM act JOIN stop USING (stop_id) WHERE route = ? ORDER BY number"
    for stop_id, at, by, what, detail in db.execute(query, (route,)):
        found.setdefault(stop_id, []).append(Act(moment_of(at), by, what, msgspec.json.decode(detail)))
    return found


def tallies(db: sqlite3.Connection, now: datetime, route: int | None = None) -> Iterator[tuple[int, Tally]]:
    """Yield the number of each route, or of one, and its stops, counted."""
    query = f"""
        SELECT route, sum(NOT out_of_route), sum(NOT out_of_route AND state = 'read'),
               sum(NOT out_of_route AND state = 'unread'), sum(NOT out_of_route AND state = 'skipped'),
               sum(out_of_route), sum(to_decide), count(settled_at), coalesce(sum(settled_at > ?1), 0),
               min(settled_at), max(settled_at)
        FROM stop {"" if route is None else "WHERE route = ?2"} GROUP BY route
    """  # noqa: S608
    for number, *counts, first, last in db.execute(query, (number_of(now - HOUR), route)[: 1 + (route is not None)]):
        moments = (None if one is None else moment_of(one) for one in (first, last))
        yield number, Tally(*counts, *moments)


def changed_at(db: sqlite3.Connection, head: Head) -> datetime:
    """Return when something was done last in a route: if nothing was, when it was loaded."""
    query = "SELECT max(at) FROM act JOIN stop USING (stop_id) WHERE route = ?"
    (last,) = db.execute(query, (head.number,)).fetchone()
    return head.loaded_at if last is None else moment_of(last)


def standing_of(blob: bytes) -> Standing:
    """Return what became of a stop."""
    return Standing() if blob == NOTHING_DONE else msgspec.json.decode(blob, type=Standing)


def meter_key(identification: str | None) -> str | None:
    """Return an identification without what two ways of writing the same differ in: zeros that pad it, case."""
    return None if identification is None else key_of(identification.strip()).casefold()


def number_of(at: datetime) -> int:
    """Return microseconds since 1970."""
    return (at - _EPOCH) // _INSTANT


def moment_of(number: int) -> datetime:
    """Return the moment (UTC) of `number_of`."""
    return _EPOCH + number * _INSTANT


def _head(row: tuple[Any, ...]) -> Head:
    number, route_id, name, day, zone, deadline, digest, codes, loaded_at, loaded_by = row
    return Head(
        number=number,
        route_id=route_id,
        name=name,
        day=date.fromisoformat(day),
        zone=zone,
        deadline=None if deadline is None else moment_of(deadline),
        digest=digest,
        codes=msgspec.json.decode(codes, type=CodeSet),
        loaded_at=moment_of(loaded_at),
        loaded_by=loaded_by,
    )
