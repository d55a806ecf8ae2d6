"""Run a standard procedure of a meter: demand reset, self read, clock, modes, flags, list pointers and others.

Each run is a write. It needs somebody who authorises it and a reason; both stand in the audit log, with the octets,
before they leave, and the outcome after. A write whose answer is lost is never repeated: ST08 and the tables that it
changes are read to find out.

exit status of run: 0 done (or the clock was right already); 1 not known, or the meter does not show it; 2 wrong
arguments; 3 no connection; 4 the meter refused, cannot do it, or is another one; 5 the clock proof forbids it;
6 trouble on this box.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.audit import AuditLog
from agent.audit_facts import Errand
from agent.audit_sessions import SessionLog
from agent.audit_sessions import who as program_and_user
from agent.box import audit_file_of
from agent.cli.audited import log_at, profiles_of
from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.cli.show import table
from agent.clock.measure import prove
from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.credentials import load_password
from agent.errors import ClockForbids, UsageError
from drivers.base import Task
from drivers.c1219.procedure_catalogue import ACTIONS, Action, action_named
from drivers.psem.run_procedure import Run, RunReport, run_procedure
from drivers.writes import ClockOrder, Journal

PROGRAM = "mrsp procedure"
OVER_S, MOST_S = Decimal(0), Decimal(600)
_STATUS = {"done": 0, "refused": 4, "failed": 1, "unknown": 1}
_WORDS = {
    "routine": "",
    "billing": "touches bills or other readers",
    "dangerous": "only with --dangerous",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|run")
    listing = verbs.add_parser("list", help="the procedures, what each does, and how it is called")
    listing.add_argument("--json", action="store_true", help="print JSON")
    run_ = verbs.add_parser(
        "run",
        help="run one procedure on one meter",
        epilog="example: mrsp procedure run /dev/ttyUSB0 demand_reset --meter-id 10012345 --authorized-by 'A. Smith'"
        " --reason 'final read, order 4711' --audit-log audit.jsonl --password-file write.password",
        allow_abbrev=False,
    )
    run_.add_argument("url", metavar="URL", help="the meter's line, as in `mrsp read`")
    run_.add_argument("name", metavar="NAME", help="e.g. demand_reset; `mrsp procedure list` shows all")
    run_.add_argument("parameters", metavar="KEY=VALUE", nargs="*", help="e.g. list=events entries=3")
    leave = run_.add_argument_group("leave to write")
    leave.add_argument("--authorized-by", metavar="TEXT", required=True, help="who gives leave")
    leave.add_argument("--reason", metavar="TEXT", required=True, help="why, e.g. the order's number")
    leave.add_argument("--audit-log", metavar="FILE", type=Path, help="where it is set down")
    leave.add_argument("--config", metavar="FILE", type=Path, help="be this agent: its audit log, clock and profiles")
    leave.add_argument("--meter-id", metavar="ID", default="", help="write to no other meter than this")
    leave.add_argument("--dangerous", action="store_true", help="you mean it: data, money or supply may be lost")
    access = run_.add_argument_group("access")
    access.add_argument("--profile", metavar="NAME", help="meter family (default: the standard as written)")
    access.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
    access.add_argument("--user-id", metavar="N", type=int, help="user id of the logon")
    access.add_argument("--user", metavar="NAME", help="user name of the logon")
    access.add_argument("--password-file", metavar="FILE", type=Path, help="password, in a 0600 file")
    clock = run_.add_argument_group("set_clock")
    clock.add_argument("--ntp", metavar="HOST[:PORT]", action="append", default=[], help="ask this server; repeatable")
    clock.add_argument("--site-zone", metavar="ZONE", help="time zone of the site, if the meter does not say")
    clock.add_argument("--over-s", metavar="S", type=_seconds, default=OVER_S, help="leave smaller errors (default 0)")
    clock.add_argument("--most-s", metavar="S", type=_seconds, default=MOST_S, help="refuse larger ones (default 600)")
    run_.add_argument("--record", metavar="FILE", type=Path, help="write every byte exchanged to FILE")
    run_.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "list":
        return _list(as_json=arguments.json)
    wanted = Run(
        action=action_named(arguments.name),
        given=_given(arguments.parameters),
        expected_meter_id=arguments.meter_id,
        dangerous=arguments.dangerous,
    )
    who, why = arguments.authorized_by.strip(), arguments.reason.strip()
    if not who or not why:
        raise UsageError("who gives leave to write to the meter, and why?", advice="--authorized-by and --reason")
    config = load_config(arguments.config) if arguments.config else None
    log = log_at(_audit_file(arguments.audit_log, config))
    leave = {"authorized_by": f"{who} (typed by uid {os.getuid()})", "reason": why}
    progress = ProgressLine(sys.stderr)
    try:
        report = asyncio.run(run_until_interrupted(_run(arguments, wanted, (log, leave), config, progress)))
    finally:
        progress.close()
    sys.stdout.write(_as_json(report) if arguments.json else _as_text(report))
    return _STATUS[report.outcome]


async def _run(
    arguments: argparse.Namespace,
    wanted: Run,
    record: tuple[AuditLog, dict[str, str]],
    config: Config | None,
    progress: ProgressLine,
) -> RunReport:
    """Run it on the record: an audit log, and who gives leave and why."""
    log, leave = record
    clock = SystemClock()
    task = Task(
        url=arguments.url,
        profile=arguments.profile,
        profile_dirs=profiles_of(config, arguments.profile_dir),
        user_id=arguments.user_id,
        user=arguments.user,
        password=load_password(arguments.password_file) if arguments.password_file else None,
        site_zone=_zone(arguments.site_zone) if arguments.site_zone else None,
        record=arguments.record,
        progress=progress,
        monotonic_ns=clock.boottime_ns,
    )
    errand = Errand(task, f"procedure {wanted.action.name}", wanted.expected_meter_id, leave["reason"])
    async with SessionLog(lambda: log, by=program_and_user(PROGRAM)).session(errand) as session:
        journal = log.journal(**leave, session=session.number)
        if wanted.action.name == "set_clock":
            task = replace(task, clock_order=await _clock_order(arguments, journal, config, clock))
        report = await run_procedure(task, wanted, journal)
        session.wrote(report.meter_id, report.outcome)
        return report


async def _clock_order(
    arguments: argparse.Namespace, journal: Journal, config: Config | None, clock: SystemClock
) -> ClockOrder:
    settings = config.settings.clock if config else ClockSettings()
    if arguments.ntp:
        try:
            settings = ClockSettings(sources=("ntp",), ntp=tuple(arguments.ntp))
        except ValueError as error:
            raise UsageError(f"--ntp: {error}") from error
    proof = await prove(settings, clock)
    if not proof.synchronized:
        raise ClockForbids(
            f"this box's own clock is not proven, the meter's is not set by it: {' '.join(proof.reasons)}",
            advice="`mrsp clock` explains it",
        )
    return ClockOrder(proof.utc_at, journal, over_s=arguments.over_s, most_s=arguments.most_s)


def _audit_file(named: Path | None, config: Config | None) -> Path:
    if named is not None:
        return named
    if config is None:
        raise UsageError(
            "nothing is written to a meter without an audit log", advice="give --audit-log FILE or --config FILE"
        )
    return audit_file_of(config)


def _given(texts: Sequence[str]) -> dict[str, str]:
    """Return the parameters by name. Raises `UsageError` for one that is no KEY=VALUE, or is there twice."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in given:
            raise UsageError(f"{text!r} is no KEY=VALUE, or one too many", advice="e.g. list=events entries=3")
        given[name] = value
    return given


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone known on this box", advice="for example America/Denver") from error


def _seconds(text: str) -> Decimal:
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        seconds = Decimal(-1)
    if not (seconds.is_finite() and 0 <= seconds <= 86_400):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to a day")
    return seconds


def _list(*, as_json: bool) -> int:
    offered = [action for action in ACTIONS.values() if action.danger != "withheld"]
    if as_json:
        sys.stdout.write(json.dumps([_facts(action) for action in offered], indent=2, ensure_ascii=False) + "\n")
        return 0
    rows = [(f"SP{a.procedure.number:02}", a.usage, a.effect, _remark(a)) for a in offered]
    sys.stdout.write(table(("nr", "procedure", "what it does", "remark"), rows) + "\n")
    return 0


def _facts(action: Action) -> dict[str, object]:
    return {
        "name": action.name,
        "procedure": action.procedure.number,
        "title": action.procedure.title,
        "effect": action.effect,
        "danger": action.danger,
        "confirmed": action.procedure.confirmed,
        "parameters": {parameter.name: parameter.allowed for parameter in action.takes},
    }


def _remark(action: Action) -> str:
    unsure = "" if action.procedure.confirmed else "its layout is not confirmed"
    return "; ".join(remark for remark in (_WORDS[action.danger], unsure) if remark)


def _as_text(report: RunReport) -> str:
    lines = [f"{report.title} on meter {report.meter_id or '(unnamed)'}: {report.outcome}", f"  {report.reason}"]
    if report.effect:
        lines.append(f"  {report.effect}")
    if report.clock is not None:
        lines += [f"  {interval}" for interval in report.clock.intervals]
    return "\n".join(lines) + "\n"


def _as_json(report: RunReport) -> str:
    answer: dict[str, object] = {
        "meter_id": report.meter_id,
        "procedure": report.title,
        "outcome": report.outcome,
        "reason": report.reason,
    }
    if report.code is not None:
        answer["result_code"] = report.code
    if report.effect:
        answer["effect"] = report.effect
    if report.clock is not None:
        answer["clock"] = {"outcome": report.clock.outcome, "intervals": list(report.clock.intervals)}
    return json.dumps(answer, indent=2, ensure_ascii=False) + "\n"
