"""Look into the audit log of sessions with meters and writes to them: is it whole, and what does it say.

exit status of verify: 0 every line follows the one before it; 6 one does not (the first is named).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agent.audit_verify import verify, walk
from agent.box import audit_file_of
from agent.cli.show import table
from agent.config import load_config
from agent.errors import UsageError
from drivers.errors import printable

Kind = Literal["session", "write", "log"]
KINDS: dict[str, Kind] = {
    "session_begun": "session",
    "session": "session",
    "before": "write",
    "after": "write",
    "repaired": "log",
    "continued": "log",
    "dropped": "log",
    "set_aside": "log",
}
NOT_RECORDED = "not recorded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|list")
    verify_ = verbs.add_parser("verify", help="follow the chain through all files; exit 6 if it is broken")
    list_ = verbs.add_parser("list", help="one line a session or write: when, which meter, what, who, why, the result")
    for verb in (verify_, list_):
        verb.add_argument("--audit-log", metavar="FILE", type=Path, help="the newest file of the log")
        verb.add_argument("--config", metavar="FILE", type=Path, help="the log of this agent")
        verb.add_argument("--json", action="store_true", help="print JSON")
    list_.add_argument("--meter", metavar="ID", help="of this meter: the id that it says, or that was expected")
    list_.add_argument("--since", metavar="TIME", type=_time, help="from then on, e.g. 2026-03-01T00:00:00Z")
    list_.add_argument(
        "--kind", choices=("session", "write", "log"), help="sessions, writes, or what the log says of itself"
    )


def run(arguments: argparse.Namespace) -> int:
    path = _path(arguments)
    if arguments.verb == "verify":
        return _verify(path, as_json=arguments.json)
    listed = Listed(arguments.kind, arguments.meter, arguments.since)
    walk(path, listed.take)
    return _list(listed, as_json=arguments.json)


def _path(arguments: argparse.Namespace) -> Path:
    if arguments.audit_log is not None:
        path: Path = arguments.audit_log
        return path
    if arguments.config is None:
        raise UsageError("which audit log?", advice="give --audit-log FILE or --config FILE")
    return audit_file_of(load_config(arguments.config))


def _verify(path: Path, *, as_json: bool) -> int:
    found = verify(path)
    if as_json:
        facts: dict[str, Any] = {
            "sound": not found.broken,
            "lines": found.lines,
            "files": found.files,
            "first_seq": found.first_seq,
            "head": found.head,
            "torn_octets": found.torn,
            "set_aside": found.set_aside,
        }
        if found.broken:
            facts["broken"] = found.broken
        sys.stdout.write(json.dumps(facts) + "\n")
        return 6 if found.broken else 0
    lines = [f"{found.lines} lines in {found.files} files follow each other; the last is {found.head}"]
    if found.torn:
        lines.append(
            f"{found.torn} octets of an unfinished line at the end: a write that it was to tell of was not sent"
        )
    lines += [f"{printable(name)} was broken and put aside: look into it, and keep it" for name in found.set_aside]
    if found.broken:
        lines.append(f"the chain does NOT hold: {found.broken}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 6 if found.broken else 0


def _list(listed: Listed, *, as_json: bool) -> int:
    rows = list(listed.rows())
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=True) + "\n")
        return 0
    heads = ("seq", "at", "kind", "meter", "what", "by", "reason", "result")
    sys.stdout.write(table(heads, [tuple(map(printable, _cells(row))) for row in rows]) + "\n")
    return 0


class Listed:
    """The lines of a log that are asked for, each session and each write with what became of it."""

    def __init__(self, kind: str | None = None, meter: str | None = None, since: datetime | None = None) -> None:
        self._kind = kind
        self._meter = meter
        self._since = "" if since is None else f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        self._found: dict[int, dict[str, Any]] = {}

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line of the log."""
        kind = KINDS.get(line["event"], "log")
        if (self._kind is not None and kind != self._kind) or str(line.get("at", "")) < self._since:
            return
        begun = self._found.get(line["of"]) if isinstance(line.get("of"), int) else None
        match line["event"]:
            case "session_begun":
                self._found[line["seq"]] = {**line, "kind": kind, "result": NOT_RECORDED}
            case "before":
                self._found[line["seq"]] = {**line, "kind": kind, "outcome": NOT_RECORDED}
            case "session" if begun is not None:
                begun |= {name: value for name, value in line.items() if name not in {"seq", "prev", "event", "of"}} | {
                    "at": begun["at"],
                    "ended_at": line["at"],
                }
            case "after" if begun is not None:
                begun |= {"outcome": line.get("outcome", ""), "detail": line.get("detail", "")}
            case "session" | "after":
                pass  # its beginning is before `since`, or was dropped
            case _:
                self._found[line["seq"]] = {**line, "kind": kind}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what was asked for, oldest first."""
        for row in self._found.values():
            if self._meter is None or self._meter in {row.get("meter_id"), row.get("expected_meter_id")}:
                yield row


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return what a table shows of one row."""
    names = ("seq", "at", "kind")
    head = tuple(str(row.get(name, "")) for name in names)
    if row["kind"] == "session":
        counts = [f"{row[name]} {name}" for name in ("registers", "intervals", "events") if name in row]
        what = ", ".join(counts) or str(row.get("asked", ""))
        asker = f"for {row['asked_by']}" if row.get("asked_by") else None
        cause = row.get("order_id") or row.get("reason") or row.get("came")
        why = ", ".join(filter(None, (row.get("purpose"), asker, cause)))
        meter = row.get("meter_id") or row.get("expected_meter_id") or row.get("url", "")
        return (*head, str(meter), what, str(row.get("by", "")), why, f"{row['result']} {row.get('error', '')}".strip())
    if row["kind"] == "write":
        rest = ("meter_id", "what", "authorized_by", "reason", "outcome")
        return (*head, *(str(row.get(name, "")) for name in rest))
    return (*head, "", str(row["event"]), "", str(row.get("why", "")), str(row.get("file") or row.get("from") or ""))


def writes_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each write with what became of it; `not recorded` where its process ended before it could say."""
    listed = Listed("write")
    for line in lines:
        listed.take(line)
    return list(listed.rows())


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-03-01T00:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} does not say its zone; end it with Z for UTC")
    return at
