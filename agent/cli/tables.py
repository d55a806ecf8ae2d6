"""Read and print decoded C12.19 tables of one meter, with the names of the standard.

Without table names: every standard table that the meter says it has and that can be decoded, ST64–ST67 left out.
Manufacturer tables (MT0, MT16 …) are printed as octets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from pathlib import Path

from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.clock.system import SystemClock
from agent.credentials import load_password
from agent.errors import UsageError
from drivers.base import Task
from drivers.psem.inspect import TableReport, inspect_tables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the meter's line, as in `mrsp read`")
    parser.add_argument("tables", metavar="STnn", nargs="*", help="e.g. ST01 ST23 MT16")
    parser.add_argument("--raw", action="store_true", help="print the octets too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", metavar="NAME", help="meter family (default: the standard as written)")
    parser.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
    parser.add_argument("--user-id", metavar="N", type=int, help="user id of the logon")
    parser.add_argument("--user", metavar="NAME", help="user name of the logon")
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="password, in a 0600 file")
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every byte exchanged to FILE")


def run(arguments: argparse.Namespace) -> int:
    numbers = [_number(name) for name in arguments.tables]
    progress = ProgressLine()
    task = Task(
        url=arguments.url,
        profile=arguments.profile,
        profile_dirs=tuple(arguments.profile_dir),
        user_id=arguments.user_id,
        user=arguments.user,
        password=load_password(arguments.password_file) if arguments.password_file else None,
        record=arguments.record,
        progress=progress,
        monotonic_ns=SystemClock().boottime_ns,
    )
    try:
        reports = asyncio.run(run_until_interrupted(inspect_tables(task, numbers)))
    finally:
        progress.close()
    if arguments.json:
        sys.stdout.write(json.dumps([_as_json(report) for report in reports], indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n\n".join(_as_text(report, raw=arguments.raw) for report in reports) + "\n")
    return max((report.exit_code for report in reports), default=0)


def _number(name: str) -> int:
    """Return the table id of `ST23` or `MT16` (manufacturer table n has the id 2048 + n)."""
    found = re.fullmatch(r"(ST|MT)([0-9]{1,4})", name.upper())
    if not found or int(found[2]) > 2039:
        raise UsageError(
            f"{name!r} is not a table", advice="write ST23 for a standard table, MT16 for a manufacturer's"
        )
    return int(found[2]) + (2048 if found[1] == "MT" else 0)


def _as_text(report: TableReport, *, raw: bool) -> str:
    lines = [f"{report.name} {report.title}".rstrip() + (f", {len(report.octets)} octets" if report.octets else "")]
    if report.problem:
        lines.append(f"  not decoded: {report.problem}")
    width = max((len(field.path) for field in report.fields), default=0)
    for field in report.fields:
        place = f"  @{field.offset}+{field.length} {field.octets.hex(' ')}" if raw and field.offset is not None else ""
        lines.append(f"  {field.path:{width}}  {field.text}{place}")
    lines += [f"  remark: {remark}" for remark in report.remarks]
    if raw or (report.octets and not report.fields):
        lines += [f"  {at:6}  {report.octets[at : at + 16].hex(' ')}" for at in range(0, len(report.octets), 16)]
    return "\n".join(lines)


def _as_json(report: TableReport) -> dict[str, object]:
    answer: dict[str, object] = {"table": report.name, "title": report.title, "octets": report.octets.hex()}
    if report.problem:
        answer["problem"] = report.problem
    answer["fields"] = [
        {"path": field.path, "value": field.text}
        | ({} if field.offset is None else {"offset": field.offset, "length": field.length})
        for field in report.fields
    ]
    return answer | ({"remarks": list(report.remarks)} if report.remarks else {})
