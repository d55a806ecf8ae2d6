"""What became of a route, as a document for other programs, and as a table for people.

JSON is exact. In CSV a text that a spreadsheet would take for a formula has an apostrophe in front of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from agent.routes.order import Method, Position
from agent.routes.rows import Act
from agent.routes.view import MethodUsed, Note, RouteView, State, Stop
from agent.utc_text import utc_text
from drivers.decimal_text import plain

SCHEMA = "mrsp.route-result/1"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class GivenCode(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code that was given, with what it meant that day."""

    code: str
    text: str
    non_reading: bool = False


class DoneAct(msgspec.Struct, frozen=True):
    """Something that was done at a stop, and the fields that it changed, as they then were."""

    at: datetime
    by: str
    what: str
    changed: dict[str, Any]


class StopResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one stop. Fields mean what they do in `agent.routes.view.Stop`; unknown ones are left out."""

    sequence: int
    state: State
    method: Method  # as ordered
    order_id: str | None = None
    expected_meter_id: str | None = None
    nameplate_id: str | None = None
    service_delivery_point_id: str | None = None
    account_id: str | None = None
    method_used: MethodUsed | None = None
    by: str | None = None
    at: datetime | None = None
    reading_id: str | None = None
    earlier_readings: tuple[str, ...] = ()
    checks_failed: tuple[str, ...] = ()
    accepted_reason: str | None = None
    accepted_by: str | None = None
    codes: tuple[GivenCode, ...] = ()
    remark: str | None = None
    position: Position | None = None
    photos: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    out_of_route: bool = False
    history: tuple[DoneAct, ...] = ()


class RouteResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a route, `mrsp.route-result/1`."""

    schema: str
    route_id: str
    name: str
    day: date
    zone: str
    deadline: datetime | None = None
    loaded_at: datetime
    loaded_by: str
    exported_at: datetime
    total: int  # stops that were ordered
    read: int
    unread: int
    left: int
    stops: tuple[StopResult, ...]


def as_json(view: RouteView, acts: Mapping[str, Sequence[Act]]) -> bytes:
    """Return `mrsp.route-result/1` as UTF-8 JSON, with all that was done at each stop."""
    return msgspec.json.encode(result_of(view, acts))


def result_of(view: RouteView, acts: Mapping[str, Sequence[Act]]) -> RouteResult:
    """Return what became of a route, with all that was done at each stop."""
    summary, progress = view.summary, view.progress
    return RouteResult(
        schema=SCHEMA,
        route_id=summary.route_id,
        name=summary.name,
        day=summary.day,
        zone=summary.zone,
        deadline=progress.deadline,
        loaded_at=summary.loaded_at,
        loaded_by=summary.loaded_by,
        exported_at=view.at,
        total=progress.total,
        read=progress.read,
        unread=progress.unread,
        left=progress.left,
        stops=tuple(_result(stop, view, acts.get(stop.stop_id, ())) for stop in view.stops),
    )


def as_csv(view: RouteView) -> bytes:
    """Return one line a stop, in walking order, as UTF-8 (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    rows = [dict(_cells(stop, view)) for stop in view.stops]
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return out.getvalue().encode()


def _result(stop: Stop, view: RouteView, acts: Sequence[Act]) -> StopResult:
    order = stop.ordered.order
    return StopResult(
        sequence=stop.sequence,
        state=stop.state,
        method=stop.ordered.method,
        order_id=order.order_id,
        expected_meter_id=order.expected_meter_id,
        nameplate_id=order.nameplate_id,
        service_delivery_point_id=order.site.service_delivery_point_id,
        account_id=order.site.account_id,
        method_used=stop.method_used,
        by=stop.by,
        at=stop.at,
        reading_id=stop.reading_id,
        earlier_readings=stop.earlier_readings,
        checks_failed=stop.checks_failed,
        accepted_reason=stop.accepted_reason,
        accepted_by=stop.accepted_by,
        codes=tuple(GivenCode(key, code.text, code.non_reading) for key, code in view.codes.sorted(stop.codes)),
        remark=stop.remark,
        position=stop.position,
        photos=stop.photos,
        notes=stop.notes,
        out_of_route=stop.out_of_route,
        history=tuple(DoneAct(act.at, act.by, act.what, act.changed) for act in acts),
    )


def _cells(stop: Stop, view: RouteView) -> Iterator[tuple[str, str]]:
    """Yield the cells of one line, with their columns."""
    result = _result(stop, view, ())
    position = result.position
    yield "route_id", view.summary.route_id
    yield "day", view.summary.day.isoformat()
    yield "sequence", str(result.sequence)
    for column in ("order_id", "expected_meter_id", "nameplate_id", "service_delivery_point_id", "account_id"):
        yield column, _text(getattr(result, column))
    yield "method", result.method
    yield "state", result.state
    yield "method_used", result.method_used or ""
    yield "by", _text(result.by)
    yield "at", utc_text(result.at) if result.at is not None else ""
    yield "reading_id", _text(result.reading_id)
    yield "checks_failed", _text(" ".join(result.checks_failed))
    yield "accepted_reason", _text(result.accepted_reason)
    yield "accepted_by", _text(result.accepted_by)
    yield "codes", _text(" ".join(given.code for given in result.codes))
    yield "remark", _text(result.remark)
    yield "latitude", plain(position.latitude) if position is not None else ""
    yield "longitude", plain(position.longitude) if position is not None else ""
    yield "photos", _text(" | ".join(result.photos))
    yield "notes", _text("\n".join(f"{note.by}, {utc_text(note.at)}: {note.text}" for note in result.notes))
    yield "out_of_route", "yes" if result.out_of_route else "no"


def _text(found: str | None) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula."""
    return f"'{found}" if found is not None and found.startswith(_FORMULA) else found or ""
