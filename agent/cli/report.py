"""The agent's service figures: percent of the expected data received, timeliness, reads out of the cycle, exceptions.

A reporting day ends at 21:00 local. What the MDSP acknowledged since counts: a day looks better when it is asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.config import Config, load_config
from agent.errors import LocalTrouble, UsageError
from agent.figures import Period, reporting_day
from agent.ledger import LEDGER, Ledger, acknowledged_of
from agent.performance import Report, SharePart, figures_of, report_json, report_of
from agent.spool import Spool

LONGEST = 400  # days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--day", metavar="DAY[..DAY]", type=_days, help="2026-03-01, or 2026-03-01..2026-03-31; today by default"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON and nothing else")


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    report = asyncio.run(_report(config, arguments.day, datetime.now(UTC)))
    sys.stdout.write((json.dumps(report_json(report)) if arguments.json else show_report(report)) + "\n")
    return 0


async def _report(config: Config, days: tuple[date, date] | None, now: datetime) -> Report:
    named = config.settings.clock.zone
    zone: tzinfo = ZoneInfo(named) if named else UTC
    first, last = days or (reporting_day(now, zone),) * 2
    directory = config.state_directory / LEDGER
    ledger = Ledger(directory)
    oldest = ledger.first_day()
    if oldest is None:
        raise LocalTrouble(f"there is no ledger in {directory}", advice="`mrsp run` keeps it, from its first start on")
    if last < oldest:
        raise UsageError(f"the ledger begins on {oldest}; of {last} it tells nothing", advice="name a later day")
    try:
        budget = config.settings.spool.budget_octets
        async with await Spool.open(config.spool_file, agent_id=config.agent_id, budget_octets=budget) as spool:
            acknowledged = await acknowledged_of(spool, await ledger.waiting())
    except LocalTrouble as error:
        sys.stderr.write(f"mrsp: {error}; what the MDSP acknowledged last may not be counted\n")
        acknowledged = {}
    found = await asyncio.to_thread(figures_of, ledger, Period(first, last, zone), now, acknowledged)
    return report_of(found, agent_id=config.agent_id, made_at=now)


def show_report(report: Report) -> str:
    """Return a report as text of about 100 columns."""
    days = report.first_day if report.first_day == report.last_day else f"{report.first_day} to {report.last_day}"
    rows = [
        _row("reads received", report.meters),
        _row("accounts complete", report.accounts),
        _row(f"received by {report.deadline}", report.timeliness),
        _row(f"out of cycle, within {report.off_cycle_business_days} business days", report.off_cycle),
    ]
    parts = [
        f"{report.agent_id}, {days} ({report.zone}), as of {report.made_at}",
        table(("figure", "received", "expected", "percent"), rows),
    ]
    if report.exceptions:
        missed = [(one.reason, str(one.count), ", ".join(one.meters)) for one in report.exceptions]
        parts.append(table(("exception", "reads", "meters"), missed))
    if report.first_cycle:
        parts.append(f"left out: {report.first_cycle} reads of accounts in their first billing cycle")
    if report.meters_without_account:
        parts.append(f"{report.meters_without_account} meters belong to no account on record")
    return "\n\n".join(parts)


def _row(name: str, part: SharePart) -> tuple[str, str, str, str]:
    return name, str(part.received), str(part.expected), part.percent or "-"


def _days(text: str) -> tuple[date, date]:
    first, dots, last = text.partition("..")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-03-01, or two with `..` between") from None
    if not 0 <= (days[1] - days[0]).days < LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r}: from 1 to {LONGEST} days, the earlier one first")
    return days
