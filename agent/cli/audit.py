"""Look into the audit log of writes to meters: is it whole, and what does it say.

exit status of verify: 0 every line follows the one before it; 6 one does not (the first is named).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from agent.audit_verify import entries, verify
from agent.cli.show import table
from agent.config import load_config
from agent.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|list")
    for name, text in (
        ("verify", "follow the chain through all files; exit 6 if it is broken"),
        ("list", "one line a write: when, which meter, what, who gave leave, what became of it"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--audit-log", metavar="FILE", type=Path, help="the newest file of the log")
        verb.add_argument("--config", metavar="FILE", type=Path, help="the log of this agent")
        verb.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    path = _path(arguments)
    return _verify(path, as_json=arguments.json) if arguments.verb == "verify" else _list(path, as_json=arguments.json)


def _path(arguments: argparse.Namespace) -> Path:
    if arguments.audit_log is not None:
        path: Path = arguments.audit_log
        return path
    if arguments.config is None:
        raise UsageError("which audit log?", advice="give --audit-log FILE or --config FILE")
    return load_config(arguments.config).state_directory / "audit.jsonl"


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
        }
        if found.broken:
            facts["broken"] = found.broken
        sys.stdout.write(json.dumps(facts) + "\n")
        return 6 if found.broken else 0
    lines = [f"{found.lines} lines in {found.files} files follow each other; the last is {found.head}"]
    if found.torn:
        lines.append(f"{found.torn} octets of an unfinished line at the end: what it was to tell of was not sent")
    if found.broken:
        lines.append(f"the chain does NOT hold: {found.broken}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 6 if found.broken else 0


def _list(path: Path, *, as_json: bool) -> int:
    writes = writes_of(entries(path))
    if as_json:
        sys.stdout.write(json.dumps(writes, indent=2, ensure_ascii=False) + "\n")
        return 0
    names = ("seq", "at", "meter_id", "what", "authorized_by", "reason", "outcome")
    rows = [tuple(str(write.get(name, "")) for name in names) for write in writes]
    sys.stdout.write(table(("seq", "at", "meter", "what", "by", "reason", "outcome"), rows) + "\n")
    return 0


def writes_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each write with what became of it; `not recorded` where its process ended before it could say."""
    writes: dict[int, dict[str, Any]] = {}
    for line in lines:
        if line["event"] == "before":
            writes[line["seq"]] = {**line, "outcome": "not recorded"}
        elif line["event"] == "after" and line.get("of") in writes:
            writes[line["of"]] |= {"outcome": line.get("outcome", ""), "detail": line.get("detail", "")}
    return list(writes.values())
