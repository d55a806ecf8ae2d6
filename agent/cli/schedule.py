"""When each meter is read: what is late, tried, done or given up, and what comes next; and ask for a read of its own.

A request goes into the durable queue of the service, which takes it up at once, or when it runs again.

exit status of `show`: 0; 1 if a read is late or was given up.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta, tzinfo
from typing import Any

from agent.box import records_of
from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.errors import LocalTrouble
from agent.held_password import let_go
from agent.routes.safe_text import checked
from agent.routes.standing import LONGEST_NAME
from agent.schedule import EPOCH
from agent.scheduling.asking import OUT_OF_CYCLE, order_out_of_cycle, request_for
from agent.scheduling.overview import Shown, dues, overview
from agent.scheduling.store import SCHEDULE_FILE, ScheduleStore
from agent.utc_text import utc_text

MOST_DAYS = 400
LONGEST_REASON = 300
LOOK_BACK = timedelta(days=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="show|request")
    show = verbs.add_parser("show", help="each meter: its state, and when it is due next; late ones first")
    show.add_argument("--days", metavar="N", type=_days, help="also list every due time of the next N days")
    ask = verbs.add_parser("request", help="ask for a read of a meter out of its cycle")
    ask.add_argument("name", metavar="NAME", help="of the meter in the configuration")
    ask.add_argument("--purpose", choices=OUT_OF_CYCLE, default="off_cycle", help="default: off_cycle")
    ask.add_argument("--by", metavar="WHO", required=True, help="who asks: kept with the request")
    ask.add_argument("--id", metavar="ID", help="of the transaction: asked again with the same id, it is read once")
    ask.add_argument("--deadline", metavar="TIME", type=_time, help="default: five business days from now")
    for verb in (show, ask):
        add_config(verb)
        verb.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1_000)
    return _request(config, arguments, now) if arguments.verb == "request" else _show(config, arguments, now)


def _show(config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    standings = config.settings.standings()
    shown = _overview(config, now)
    listed = sorted(dues(standings, now, now + timedelta(days=arguments.days or 0)), key=lambda one: one[0])
    if arguments.json:
        document: dict[str, Any] = {
            "agent_id": config.agent_id,
            "at": utc_text(now),
            "reads": [_facts(s) for s in shown],
        }
        if arguments.days:
            document["due"] = [
                {"meter": s.meter, "due": utc_text(due), "local": _local(due, s.zone)} for due, s in listed
            ]
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(show_schedule(shown, config.agent_id, now) + "\n")
        if arguments.days:
            rows = [(_local(due, s.zone), utc_text(due), s.meter) for due, s in listed]
            sys.stdout.write("\n" + table(("due, local", "due, UTC", "meter"), rows) + "\n")
    return 1 if any(one.state in {"late", "given up"} for one in shown) else 0


def _overview(config: Config, now: datetime) -> list[Shown]:
    path, standings = config.state_directory / SCHEDULE_FILE, config.settings.standings()
    if not path.exists():
        return overview(standings, (), {}, (), now)
    store = ScheduleStore(path, create=False)
    try:
        since = now - LOOK_BACK
        return overview(standings, store.rows(since), store.load().cursors, store.requests_since(since), now)
    finally:
        store.close()


def show_schedule(shown: list[Shown], agent_id: str, now: datetime) -> str:
    """Return the overview as text: a line a read, a second one with the reason where it is not well."""
    head = f"{agent_id}, {utc_text(now.replace(microsecond=0))}: {len(shown)} reads"
    counts: dict[str, int] = {}
    for one in shown:
        counts[one.state] = counts.get(one.state, 0) + 1
    counted = ", ".join(f"{count} {state}" for state, count in counts.items())
    rows = [_row(one) for one in shown]
    header = ("meter", "state", "due, local", "tries", "next due, local", "next due, UTC", "line", "call window")
    parts = [f"{head} ({counted})" if shown else f"{agent_id}: no meters are configured"]
    if rows:
        parts.append(table(header, rows))
    if reasons := [line for one in shown if (line := _reason(one))]:
        parts.append("\n".join(reasons))
    return "\n\n".join(parts)


def _row(one: Shown) -> tuple[str, ...]:
    standing, asked = one.standing, one.request
    return (
        standing.meter if asked is None else f"{standing.meter} ({asked.purpose})",
        one.state,
        _local(one.due, standing.zone),
        str(one.attempts) if one.attempts else "-",
        _local(one.following, standing.zone),
        utc_text(one.following) if one.following else "-",
        standing.way.group,
        standing.window.words() if standing.window else "-",
    )


def _reason(one: Shown) -> str:
    if one.state not in {"late", "given up", "trying"}:
        return ""
    again = f"; next try {_local(one.next_try, one.standing.zone)}" if one.next_try else ""
    reason = one.reason or ("not tried yet: is the service running?" if not one.attempts else "")
    short = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"
    return f"{one.standing.meter}: {short or one.state}{again}"


def _facts(one: Shown) -> dict[str, Any]:
    standing, zone = one.standing, one.standing.zone
    facts = {
        "meter": standing.meter,
        "state": one.state.replace(" ", "_"),
        "cycle": standing.cycle.words(),
        "zone": str(zone),
        "due": utc_text(one.due) if one.due else None,
        "due_local": _local(one.due, zone) if one.due else None,
        "deadline": utc_text(one.deadline) if one.deadline else None,
        "attempts": one.attempts,
        "reason": one.reason or None,
        "next_try": utc_text(one.next_try) if one.next_try else None,
        "changed_at": utc_text(one.at) if one.at else None,
        "reading_id": one.reading_id,
        "next_due": utc_text(one.following) if one.following else None,
        "next_due_local": _local(one.following, zone) if one.following else None,
        "line": standing.way.group,
        "number": standing.way.number,
        "call_window": standing.window.words() if standing.window else None,
    }
    if one.request is not None:
        facts |= {
            "request_id": one.request.request_id,
            "purpose": one.request.purpose,
            "requested_by": one.request.requested_by,
        }
    return {key: value for key, value in facts.items() if value is not None}


def _request(config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    order = order_out_of_cycle(config, arguments.name, arguments.purpose, arguments.id)
    zone = config.settings.clock.zone
    by = checked(arguments.by, "--by", LONGEST_NAME)
    request = request_for(order, arguments.name, by=by, now=now, deadline=arguments.deadline, zone=zone)
    store = ScheduleStore(config.state_directory / SCHEDULE_FILE, create=False)
    try:
        let_go(records_of(config), order)  # before the service takes the request up
        kept = store.ask(request)
    finally:
        store.close()
    if (kept.meter, kept.purpose) != (request.meter, request.purpose):
        raise LocalTrouble(
            f"the id {request.request_id} was used before, for a {kept.purpose} read of {kept.meter}",
            advice="each request has an id of its own; leave out --id to have one made",
        )
    if arguments.json:
        facts = {"request_id": kept.request_id, "requested_at": utc_text(kept.requested_at)}
        sys.stdout.write(json.dumps(facts | {"deadline": utc_text(kept.deadline)}) + "\n")
    else:
        sys.stdout.write(
            f"{kept.meter}: asked for a read ({kept.purpose}) as {kept.request_id}, by {utc_text(kept.deadline)}\n"
        )
    return 0


def _local(at: datetime | None, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z") if at else "-"


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to {MOST_DAYS}")
    return int(text)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-03-31T21:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; write for example 2026-03-31T21:00:00Z")
    return at
