"""Look into the durable queue: what waits for the MDSP, and whether the chain of signatures holds."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.cli.show import table
from agent.config import Config, load_config
from agent.identity.present import own_public_keys
from agent.routes.safe_text import checked
from agent.routes.standing import LONGEST_NAME
from agent.sealing import sealer_of
from agent.spool import Entry, Spool
from agent.spool_database import REPAIR
from agent.spool_forecast import Forecast
from agent.spool_restart import ChainRestart, Leave, restart_chain
from agent.utc_text import utc_text
from drivers.decimal_text import plain

LONGEST_REASON = 1_000
Verb = Callable[[Spool, Config, argparse.Namespace], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="status|list|show|export|verify|restart-chain")
    for name, text in (
        ("status", "depth, age, size"),
        ("list", "one line a document"),
        ("show", "the document ID, if it is still here and readable"),
        ("export", "write every waiting document, as sealed, into a directory"),
        ("verify", "re-check every signature and the chain; exit 6 if it does not hold"),
        ("restart-chain", "of a damaged spool save what is readable, and go on; the MDSP is told by whose leave"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--config", metavar="FILE", type=Path, required=True)
        if name in {"status", "list", "verify", "restart-chain"}:
            verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "list":
            verb.add_argument("--all", action="store_true", help="the acknowledged ones too")
        if name == "show":
            verb.add_argument("id", metavar="ID")
        if name == "export":
            verb.add_argument("directory", metavar="DIR", type=Path)
        if name == "restart-chain":
            verb.add_argument("--by", metavar="NAME", required=True, help="who gives leave; the MDSP is told")
            verb.add_argument("--reason", metavar="TEXT", required=True, help="why; the MDSP is told")
            after = "the last link that the MDSP has, where this box may know less (default: as it knows)"
            verb.add_argument("--after", metavar="SEQ", type=int, default=0, help=after)


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    if arguments.verb == "restart-chain":
        return _restart_chain(config, arguments)
    return asyncio.run(_with_spool(config, arguments))


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
    exported = await spool.export(arguments.directory)
    sys.stderr.write(
        f"wrote {exported.written} sealed documents to {arguments.directory}; they also stay in the spool\n"
    )
    if exported.unreadable:
        links = ", ".join(map(str, exported.unreadable))
        sys.stderr.write(f"mrsp: the spool is damaged: these links cannot be read: {links}; {REPAIR}\n")
        return 6
    return 0


async def _verify(spool: Spool, config: Config, arguments: argparse.Namespace) -> int:
    report = await spool.verify(own_public_keys(config.key_directory))
    if arguments.json:
        facts: dict[str, Any] = {"sound": report.sound, "links": report.links, "documents": report.documents}
        facts["problems"] = list(report.problems)
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        verdict = "every signature and the chain hold" if report.sound else "the chain does NOT hold"
        counted = f"{report.links} links checked, {report.documents} of them with their document: {verdict}"
        sys.stdout.write("\n".join([counted, *report.problems]) + "\n")
    return 0 if report.sound else 6


def _restart_chain(config: Config, arguments: argparse.Namespace) -> int:
    by = checked(arguments.by, "--by", LONGEST_NAME)
    reason = checked(arguments.reason, "--reason", LONGEST_REASON)
    sealer, _mdsp = sealer_of(config)
    restarted = restart_chain(
        config.spool_file,
        sealer,
        Leave(by, reason, arguments.after),
        agent_id=config.agent_id,
        now=datetime.now(UTC),
        keys=own_public_keys(config.key_directory),
    )
    if arguments.json:
        facts = None if restarted.report is None else msgspec.to_builtins(restarted.report)
        kept = None if restarted.kept is None else str(restarted.kept)
        sys.stdout.write(json.dumps({"report": facts, "kept": kept}) + "\n")
        return 0
    sys.stdout.write("an earlier restart is finished now\n" if restarted.report is None else _told(restarted.report))
    if restarted.kept is not None:
        sys.stdout.write(f"the damaged file is kept as {restarted.kept}\n")
    return 0


def _told(report: ChainRestart) -> str:
    lines = [f"found: {line}" for line in report.found]
    missing = ", ".join(f"{first} to {last}" if last > first else str(first) for first, last in report.missing)
    lines += [
        f"{report.carried_over} waiting documents are carried over as they were",
        f"links {missing} are not here: delivered, lost, or never made",
        f"the chain goes on at link {report.resumes_at} with report {report.report_id}, which tells the MDSP all this",
        "what was read and is lost can be made again from the recordings: `mrsp explain`, or read the meters again",
    ]
    return "\n".join(lines) + "\n"
