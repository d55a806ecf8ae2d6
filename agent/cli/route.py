"""Field routes: load the orders of a walk, see how far it is, export what became of it.

A route is a JSON file (`mrsp.route/1`) or CSV with a header; docs/routes.md describes both. What is wrong with one is
said with line and column or field, and nothing of it is loaded. The running service sees a new route at once.

exit status of `status`: 0; 1 if the deadline of a route that is shown has passed with something left to do.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.durable_file import write_durably
from agent.errors import LocalTrouble, UsageError
from agent.routes.export import as_csv, as_json
from agent.routes.loading import MOST_OCTETS, FileKind, Known, parse_route
from agent.routes.order import zone_of
from agent.routes.safe_text import checked
from agent.routes.standing import LONGEST_NAME
from agent.routes.store import ROUTES_FILE, RouteStore
from agent.routes.view import Progress, RouteSummary, RouteView, Stop
from agent.schedule import EPOCH
from agent.utc_text import utc_text
from drivers.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="load|status|export")
    load = verbs.add_parser("load", help="take a route; the same again changes nothing")
    load.add_argument("file", metavar="FILE", type=Path)
    load.add_argument("--kind", choices=("json", "csv"), help="default: by the name of the file")
    load.add_argument("--by", metavar="WHO", help="who loads it: kept with the route (default: the user)")
    load.add_argument(
        "--code-set-dir",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="code sets beside those configured",
    )
    status = verbs.add_parser("status", help="how far each route is, or each stop of one")
    status.add_argument("route_id", metavar="ROUTE", nargs="?")
    export = verbs.add_parser("export", help="what became of each stop of a route")
    export.add_argument("route_id", metavar="ROUTE")
    export.add_argument("--format", choices=("json", "csv"), default="json", help="default: json")
    export.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")
    for verb in (load, status, export):
        add_config(verb)
    for verb in (load, status):
        verb.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1_000)
    match arguments.verb:
        case "load":
            return _load(config, arguments, now)
        case "status":
            return _status(config, arguments, now)
        case _:
            return _export(config, arguments, now)


def _load(config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    path: Path = arguments.file
    by = checked(arguments.by or getpass.getuser(), "--by", LONGEST_NAME)
    settings = config.settings.agent
    known = Known(
        [*arguments.code_set_dir, *map(config.path, settings.code_set_directories)],
        list(map(config.path, settings.rule_set_directories)),
    )
    loaded = parse_route(_content(path), arguments.kind or _kind(path), name=str(path), known=known)
    _refuse_another_user(config)
    store = RouteStore(config.state_directory / ROUTES_FILE, create=True)
    try:
        new = store.load(loaded, by, now)
        view = store.view(loaded.route.route_id, now)
    finally:
        store.close()
    if arguments.json:
        _print_json(_facts(view.summary) | {"new": new})
    else:
        took = "loaded" if new else "was loaded already, the same"
        _print(f"{view.summary.route_id}: {took}: {_words(view.summary)}")
    return 0


def _refuse_another_user(config: Config) -> None:
    """Raise `LocalTrouble` rather than make a file that the service cannot open."""
    directory = config.state_directory
    owner = directory.stat().st_uid if directory.exists() else os.geteuid()
    if owner != os.geteuid() and not (directory / ROUTES_FILE).exists():
        raise LocalTrouble(
            f"{directory} belongs to user {owner}, not to {os.geteuid()}",
            advice="run this as the user of the service: sudo -u mrsp mrsp route …",
        )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise UsageError(f"route {path} cannot be read: {error.strerror}") from error


def _kind(path: Path) -> FileKind:
    match path.suffix.lower():
        case ".json":
            return "json"
        case ".csv":
            return "csv"
        case _:
            raise UsageError(f"route {path}: its name says neither .json nor .csv", advice="give --kind")


def _status(config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    store = RouteStore(config.state_directory / ROUTES_FILE, create=False)
    try:
        view = store.view(arguments.route_id, now) if arguments.route_id else None
        summaries = store.summaries(now) if view is None else (view.summary,)
    finally:
        store.close()
    if arguments.json:
        facts = [_facts(one) for one in summaries]
        _print_json(facts[0] | {"stops": list(map(_stop_facts, view.stops))} if view is not None else {"routes": facts})
    elif view is not None:
        _print(f"{view.summary.route_id}: {_words(view.summary)}\n\n{_stops(view)}")
    else:
        _print(_routes(summaries) if summaries else "no route is loaded")
    return 1 if any(one.progress.late for one in summaries) else 0


def _export(config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    store = RouteStore(config.state_directory / ROUTES_FILE, create=False)
    try:
        view, acts = store.history(arguments.route_id, now)
    finally:
        store.close()
    content = as_csv(view) if arguments.format == "csv" else as_json(view, acts) + b"\n"
    if arguments.output is not None:
        write_durably(arguments.output, content)
    else:
        sys.stdout.buffer.write(content)
    return 0


def _routes(summaries: tuple[RouteSummary, ...]) -> str:
    header = ("route", "day", "name", "done", "skipped", "to decide", "deadline, local", "expected, local")
    return table(header, [(one.route_id, one.day.isoformat(), one.name, *_row(one)) for one in summaries])


def _row(summary: RouteSummary) -> tuple[str, ...]:
    progress = summary.progress
    return (
        f"{progress.done}/{progress.total}",
        str(progress.skipped),
        str(progress.to_decide),
        _local(progress.deadline, summary) + (" LATE" if progress.late else ""),
        _local(progress.done_by, summary) + (" TOO LATE" if progress.at_risk else ""),
    )


def _stops(view: RouteView) -> str:
    header = ("stop", "state", "meter", "how", "by", "at, local", "what")
    return table(header, [_stop_row(stop, view) for stop in view.stops])


def _stop_row(stop: Stop, view: RouteView) -> tuple[str, ...]:
    order = stop.ordered.order
    words = [*stop.codes, *(f"{check} failed" for check in stop.checks_failed)]
    words += ["accepted"] if stop.accepted_reason else ["to decide"] if stop.to_decide else []
    words += ["out of route"] if stop.out_of_route else []
    return (
        str(stop.sequence),
        stop.state,
        order.expected_meter_id or order.nameplate_id or "-",
        stop.method_used or stop.ordered.method,
        stop.by or "-",
        _local(stop.at, view.summary),
        ", ".join(words) or "-",
    )


def _words(summary: RouteSummary) -> str:
    progress = summary.progress
    return (
        f"{summary.name}, {summary.day}: {progress.total} stops, {progress.read} read, {progress.unread} without a"
        f" reading, {progress.left} left ({progress.skipped} skipped); deadline {_local(progress.deadline, summary)}"
        + (", LATE" if progress.late else "")
    )


def _facts(summary: RouteSummary) -> dict[str, Any]:
    facts = {
        "route_id": summary.route_id,
        "name": summary.name,
        "day": summary.day.isoformat(),
        "zone": summary.zone,
        "loaded_at": utc_text(summary.loaded_at),
        "loaded_by": summary.loaded_by,
    }
    return facts | _progress_facts(summary.progress)


def _progress_facts(progress: Progress) -> dict[str, Any]:
    facts = {
        "total": progress.total,
        "read": progress.read,
        "unread": progress.unread,
        "skipped": progress.skipped,
        "left": progress.left,
        "out_of_route": progress.out_of_route,
        "to_decide": progress.to_decide,
        "per_hour": progress.per_hour,
        "deadline": utc_text(progress.deadline) if progress.deadline else None,
        "done_by": utc_text(progress.done_by.replace(microsecond=0)) if progress.done_by else None,
        "late": progress.late,
        "at_risk": progress.at_risk,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _stop_facts(stop: Stop) -> dict[str, Any]:
    order = stop.ordered.order
    facts = {
        "sequence": stop.sequence,
        "state": stop.state,
        "order_id": order.order_id,
        "expected_meter_id": order.expected_meter_id,
        "nameplate_id": order.nameplate_id,
        "method": stop.ordered.method,
        "method_used": stop.method_used,
        "by": stop.by,
        "at": utc_text(stop.at) if stop.at else None,
        "reading_id": stop.reading_id,
        "checks_failed": list(stop.checks_failed) or None,
        "accepted_reason": stop.accepted_reason,
        "codes": list(stop.codes) or None,
        "out_of_route": stop.out_of_route or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _local(at: datetime | None, summary: RouteSummary) -> str:
    return at.astimezone(zone_of(summary.zone)).strftime("%Y-%m-%d %H:%M %Z") if at is not None else "-"


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def _print(text: str) -> None:
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
