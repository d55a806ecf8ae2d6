"""Look into the durable queue: what waits for the MDSP, and whether the chain of signatures holds."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent.cli.show import table
from agent.config import Config, load_config
from agent.keys import load_device_key
from agent.spool import Entry, Spool
from agent.spool_forecast import Forecast
from agent.utc_text import utc_text
from drivers.decimal_text import plain

Verb = Callable[[Spool, Config, argparse.Namespace], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="status|list|show|export|verify")
    for name, text in (
        ("status", "depth, age, size"),
        ("list", "one line a document"),
        ("show", "the document ID, if it is still here and readable"),
        ("export", "write every waiting document, as sealed, into a directory"),
        ("verify", "re-check every signature and the chain; exit 6 if it does not hold"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--config", metavar="FILE", type=Path, required=True)
        if name in {"status", "list", "verify"}:
            verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "list":
            verb.add_argument("--all", action="store_true", help="the acknowledged ones too")
        if name == "show":
            verb.add_argument("id", metavar="ID")
        if name == "export":
            verb.add_argument("directory", metavar="DIR", type=Path)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_with_spool(load_config(arguments.config), arguments))


async def _with_spool(config: Config, arguments: argparse.Namespace) -> int:
    verbs: dict[str, Verb] = {"status": _status, "list": _list, "show": _show, "export": _export, "verify": _verify}
    budget = config.settings.spool.budget_octets
    async with await Spool.open(config.spool_file, agent_id=config.agent_id, budget_octets=budget) as spool:
        return await verbs[arguments.verb](spool, config, arguments)


async def _status(spool: Spool, _config: Config, arguments: argparse.Namespace) -> int:
    status = await spool.status()
    facts: dict[str, Any] = {
        "agent_id": status.agent_id,
        "depth": status.depth,
        "octets": status.octets,
        "budget_octets": status.budget_octets,
        "percent": status.percent,
        "level": status.level,
        "chain_seq": status.head.seq,
    }
    if status.oldest is not None:
        facts["oldest"] = utc_text(status.oldest)
    ahead = status.forecast
    facts |= {
        name: plain(days)
        for name, days in (
            ("offline_days", ahead.days),
            ("urgent_offline_days", ahead.urgent_days),
            ("documents_per_day", ahead.documents_per_day),
        )
        if days is not None
    }
    if arguments.json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    oldest = f", the oldest since {facts['oldest']}" if status.oldest else ""
    sys.stdout.write(
        f"{status.depth} documents wait for the MDSP's acknowledgement{oldest}\n"
        f"{status.octets:,} of {status.budget_octets:,} octets used ({status.percent} %, {status.level})\n"
        f"{status.head.seq} documents sealed by {status.agent_id} so far\n{_ahead(ahead)}"
    )
    return 0


def _ahead(forecast: Forecast) -> str:
    """Say how long the box can stay without a link."""
    if forecast.days is None:
        return ""
    rate = f"{plain(forecast.documents_per_day or 0)} documents a day"
    urgent = f", safety-related reports for {plain(forecast.urgent_days)}" if forecast.urgent_days is not None else ""
    warning = "; restore the link, or raise the budget" if forecast.warns else ""
    return f"at {rate} there is room for {plain(forecast.days)} days without a link{urgent}{warning}\n"


async def _list(spool: Spool, _config: Config, arguments: argparse.Namespace) -> int:
    found: list[Entry] = []
    while batch := await spool.entries(after_seq=found[-1].seq if found else 0, delivered=arguments.all):
        found += batch
    rows = [(str(e.seq), e.kind, e.document_id, utc_text(e.added_at), str(e.octets), _fate(e)) for e in found]
    header = ("seq", "kind", "id", "added", "octets", "state")
    if arguments.json:
        sys.stdout.write(json.dumps([dict(zip(header, row, strict=True)) for row in rows]) + "\n")
    else:
        sys.stdout.write(table(header, rows) + "\n")
    return 0


def _fate(entry: Entry) -> str:
    return f"acknowledged {utc_text(entry.acked_at)}" if entry.acked_at else "waiting"


async def _show(spool: Spool, _config: Config, arguments: argparse.Namespace) -> int:
    shown = await spool.show(arguments.id)
    if shown.document is None:
        why = "it was delivered" if shown.entry.acked_at else "it is encrypted to the MDSP"
        sys.stderr.write(f"mrsp: {arguments.id} cannot be shown here: {why}\n")
        return 6
    sys.stdout.write(shown.document.decode() + "\n")
    return 0


async def _export(spool: Spool, _config: Config, arguments: argparse.Namespace) -> int:
    count = await spool.export(arguments.directory)
    sys.stderr.write(f"wrote {count} sealed documents to {arguments.directory}; they also stay in the spool\n")
    return 0


async def _verify(spool: Spool, config: Config, arguments: argparse.Namespace) -> int:
    key = load_device_key(config.key_directory)
    report = await spool.verify([key.public_key()])
    if arguments.json:
        facts: dict[str, Any] = {"sound": report.sound, "links": report.links, "documents": report.documents}
        facts["problems"] = list(report.problems)
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        verdict = "every signature and the chain hold" if report.sound else "the chain does NOT hold"
        counted = f"{report.links} links checked, {report.documents} of them with their document: {verdict}"
        sys.stdout.write("\n".join([counted, *report.problems]) + "\n")
    return 0 if report.sound else 6
