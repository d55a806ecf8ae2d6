"""Read and print decoded C12.19 tables of one meter, with the names of the standard, units and what numbers mean.

Tables: ST23, st60-ST63, MT16, or `all` that the meter says it has. Without names: every standard table that it has and
that can be decoded, ST64–ST67 left out. Manufacturer tables are decoded where the meter's profile describes them.
A recording (replay://FILE) is searched for the tables. ST42–ST45 hold passwords and keys: they are never read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.audit_facts import Errand
from agent.audit_sessions import SessionLog, session_of
from agent.cli.audited import add_audit_arguments, profiles_of, sessions_by_hand
from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.credentials import load_password
from agent.errors import UsageError
from drivers.base import Task
from drivers.errors import printable
from drivers.psem.inspect import Field, TableReport, inspect_tables
from drivers.psem.services import table_name
from drivers.transport.urls import ReplayAddress, parse_url

PROGRAM = "mrsp tables"
WHO = "ST05"  # says which meter it is
EVERYTHING = "all"
MANUFACTURER, MOST_NUMBER = 2048, 2039  # C12.19: manufacturer table n has the id 2048 + n
WIDEST_PATH = 48  # columns; longer ones push their line to the right
MOST_SHOWN = 32  # octets of one field beside it
_NAME = re.compile(r"(ST|MT)([0-9]{1,4})(?:-(ST|MT)?([0-9]{1,4}))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the meter's line, as in `mrsp read`")
    parser.add_argument("tables", metavar="STnn", nargs="*", help="e.g. ST01 ST23 ST60-ST63 MT16, or all")
    parser.add_argument("--raw", action="store_true", help="print the octets too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", metavar="NAME", help="meter family (default: the standard as written)")
    parser.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
    parser.add_argument("--user-id", metavar="N", type=int, help="user id of the logon")
    parser.add_argument("--user", metavar="NAME", help="user name of the logon")
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="password, in a 0600 file")
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every byte exchanged to FILE")
    add_audit_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    names = [name for name in arguments.tables if name.lower() != EVERYTHING]
    everything = len(names) < len(arguments.tables)
    numbers = [] if everything else list(dict.fromkeys(number for name in names for number in _numbers(name)))
    config = load_config(arguments.config) if arguments.config else None
    progress = ProgressLine()
    task = Task(
        url=arguments.url,
        profile=arguments.profile,
        profile_dirs=profiles_of(config, arguments.profile_dir),
        user_id=arguments.user_id,
        user=arguments.user,
        password=load_password(arguments.password_file) if arguments.password_file else None,
        record=arguments.record,
        progress=progress,
        monotonic_ns=SystemClock().boottime_ns,
    )
    recorded = isinstance(parse_url(task.url), ReplayAddress)  # then there is no session with a meter
    sessions = None if recorded else sessions_by_hand(PROGRAM, arguments.audit_log, config)
    try:
        reports = asyncio.run(run_until_interrupted(_looked(task, numbers, sessions, everything=everything)))
    finally:
        progress.close()
    if arguments.json:
        sys.stdout.write(json.dumps([_as_json(report) for report in reports], indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n\n".join(_as_text(report, raw=arguments.raw) for report in reports) + "\n")
    return max((report.exit_code for report in reports), default=0)


async def _looked(
    task: Task, numbers: Sequence[int], sessions: SessionLog | None, *, everything: bool
) -> list[TableReport]:
    named = " ".join(map(table_name, numbers)) or "tables that can be decoded"
    async with session_of(sessions, Errand(task, "all tables" if everything else named)) as session:
        reports = await inspect_tables(task, numbers, everything=everything)
        told = {field.path: field.text for report in reports if report.name == WHO for field in report.fields}
        session.looked(told.get("identification", "").strip(), [one.name for one in reports if one.octets])
        return reports


def _numbers(name: str) -> range:
    """Return the table ids of `ST23`, `MT16` or `ST60-ST63` (manufacturer table n has the id 2048 + n)."""
    found = _NAME.fullmatch(name.upper())
    if found is None or (found[3] and found[3] != found[1]):
        raise UsageError(
            f"{name!r} is not a table",
            advice="write ST23 for a standard table, MT16 for a manufacturer's, ST60-ST63 for several, or all",
        )
    first, last = int(found[2]), int(found[4] or found[2])
    if not first <= last <= MOST_NUMBER:
        raise UsageError(f"{name!r} names no table", advice=f"numbers go up to {MOST_NUMBER}, the smaller one first")
    base = MANUFACTURER if found[1] == "MT" else 0
    return range(base + first, base + last + 1)


def _as_text(report: TableReport, *, raw: bool) -> str:
    lines = [f"{report.name} {report.title}".rstrip() + (f", {len(report.octets)} octets" if report.octets else "")]
    if report.problem:
        lines.append(f"  not decoded: {report.problem}")
    width = min(max((len(field.path) for field in report.fields), default=0), WIDEST_PATH)
    lines += [_field_text(field, width, raw=raw) for field in report.fields]
    lines += [f"  remark: {remark}" for remark in report.remarks]
    if raw or (report.octets and not report.fields):
        lines += [f"  {at:6}  {report.octets[at : at + 16].hex(' ')}" for at in range(0, len(report.octets), 16)]
    return "\n".join(lines)


def _field_text(field: Field, width: int, *, raw: bool) -> str:
    """Return one line: path, value, unit, what it means, and with `raw` its place and octets."""
    meaning = f"({field.note})" if field.note else ""
    place = ""
    if raw and field.offset is not None:
        shown = field.octets[:MOST_SHOWN].hex(" ") + (" …" if len(field.octets) > MOST_SHOWN else "")
        place = f" @{field.offset}+{field.length} {shown}"
    said = " ".join(filter(None, (field.text, field.unit, meaning, place)))
    return f"  {field.path:{width}}  {printable(said)}"


def _as_json(report: TableReport) -> dict[str, object]:
    answer: dict[str, object] = {"table": report.name, "title": report.title, "octets": report.octets.hex()}
    if report.problem:
        answer["problem"] = report.problem
    answer["fields"] = [
        {"path": field.path, "value": field.text}
        | ({"unit": field.unit} if field.unit else {})
        | ({"meaning": field.note} if field.note else {})
        | ({} if field.offset is None else {"offset": field.offset, "length": field.length})
        for field in report.fields
    ]
    return answer | ({"remarks": list(report.remarks)} if report.remarks else {})
