"""What the MDSP asked for, and what was answered, the newest request first. What it did not sign is only in the log."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.config import load_config
from agent.requests.answer import Answer
from agent.requests.store import REQUESTS_FILE, Kept, RequestStore
from agent.utc_text import utc_text
from drivers.errors import printable

MOST = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list")
    listed = verbs.add_parser("list", help="each request, and what was last answered")
    add_config(listed)
    listed.add_argument("--limit", metavar="N", type=_limit, default=50, help="so many at most (default: 50)")
    listed.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    store = RequestStore(config.state_directory / REQUESTS_FILE, create=False)
    try:
        facts = [_facts(kept, answer) for kept, answer in store.newest(arguments.limit)]
    finally:
        store.close()
    if arguments.json:
        sys.stdout.write(json.dumps({"agent_id": config.agent_id, "requests": facts}, ensure_ascii=False) + "\n")
        return 0
    header = ("received", "transaction", "action", "meter", "sender", "answered", "detail")
    rows = [
        (
            str(one["received_at"]),
            *(str(one.get(name, "-")) for name in ("transaction_id", "action")),
            str(one.get("meter") or one.get("meter_id") or "-"),
            *(str(one.get(name, "-")) for name in ("sender", "outcome")),
            _detail(one),
        )
        for one in facts
    ]
    sys.stdout.write((table(header, rows) if rows else "the MDSP asked for nothing yet") + "\n")
    return 0


def _detail(one: dict[str, Any]) -> str:
    """Return what an answer is about: the document that was made, or why there is none."""
    made = one.get("reading_id") or one.get("report_id")
    why = ": ".join(str(one[name]) for name in ("reason", "detail") if name in one)
    return printable(str(made or why or one.get("route_id") or ""))


def _facts(kept: Kept, answer: Answer | None) -> dict[str, Any]:
    message = kept.message
    facts: dict[str, Any] = {
        "jti": kept.jti,
        "received_at": utc_text(kept.received_at),
        "key": kept.kid,
        "state": kept.state,
        "meter": kept.meter,
        "deadline": utc_text(kept.deadline) if kept.deadline else None,
        "transaction_id": message.transaction_id if message else answer.transaction_id if answer else None,
        "action": message.action if message else answer.action if answer else None,
        "sender": message.sender if message else None,
    }
    if answer is not None:
        facts |= {
            "meter_id": answer.meter_id,
            "outcome": answer.outcome,
            "reason": answer.reason,
            "detail": answer.detail,
            "reading_id": answer.reading_id,
            "route_id": answer.route_id,
            "stops": answer.stops,
            "report_id": answer.report_id,
            "duplicate": answer.duplicate or None,
        }
    return {name: value for name, value in facts.items() if value is not None}


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST}")
    return int(text)
