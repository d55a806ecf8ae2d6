"""Visit one meter and print the reading.

URL is /dev/ttyUSB0, serial:///dev/ttyUSB0?baud=9600&dtr=on&rts=off&echo=auto, tcp://host:port or replay://FILE.

exit status: 0 reading obtained, every applicable check passed or verified; 1 reading obtained and printed, a check
failed; 2 wrong arguments; 3 no connection, or the line is too bad; 4 the meter refused; 5 the clock proof forbids it;
6 trouble on this box.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec

from agent.box import configured_box, records_of
from agent.cli.ask import ask_on_terminal
from agent.cli.audited import log_at, sessions_by_hand
from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.cli.show import show_reading
from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock
from agent.cmep.dialect import Dialect
from agent.config import Config, load_config
from agent.document import encode
from agent.errors import LocalTrouble, UsageError
from agent.order import Order, Purpose
from agent.reading import Reading
from agent.visit import Box, visit
from drivers.errors import MrspError
from drivers.person import Answer, Ask, Question
from drivers.visual.trouble import NotRead

PROGRAM = "mrsp read"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the meter's line")
    parser.add_argument(
        "--format", choices=("json", "cmep", "cim", "table"), help="default: table on a terminal, else json"
    )
    parser.add_argument("--profile", metavar="NAME", help="meter family (default: recognised from the meter itself)")
    parser.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
    meter = parser.add_argument_group("what is on record about the meter")
    meter.add_argument("--meter-id", metavar="ID", help="expected internal identification")
    meter.add_argument("--nameplate-id", metavar="ID", help="what you read off the nameplate")
    meter.add_argument("--no-questions", action="store_true", help="ask nothing, even at a terminal")
    meter.add_argument("--dials", metavar="N", type=int, help="digits of the register")
    meter.add_argument("--decimals", metavar="N", type=int, help="decimal places of the demand display")
    meter.add_argument(
        "--since", metavar="TIME", type=_time, help="last good read, e.g. 2026-03-01T00:00:00Z: what is newer is read"
    )
    meter.add_argument("--site-zone", metavar="ZONE", help="time zone of the site, if the meter does not say")
    access = parser.add_argument_group("access")
    access.add_argument("--user-id", metavar="N", type=int, help="user id of the logon (default: the profile's)")
    access.add_argument("--user", metavar="NAME", help="user name of the logon, at most 10 characters")
    access.add_argument("--password-file", metavar="FILE", help="password, in a file that only you can read (0600)")
    what = parser.add_argument_group("what to read, and how it is judged")
    what.add_argument("--registers-only", action="store_true", help="no load profile, no logs")
    what.add_argument("--whole-profile", action="store_true", help="all stored intervals, also those before --since")
    what.add_argument("--purpose", choices=get_args(Purpose), default="cycle", help="of this read (default: cycle)")
    what.add_argument("--rule-set", metavar="NAME", default="ubp-2000", help="of the checks (default: ubp-2000)")
    writing = parser.add_argument_group("writing to the meter, and the record of it")
    writing.add_argument("--set-clock", action="store_true", help="authorise the correction of the meter's clock")
    writing.add_argument(
        "--audit-log", metavar="FILE", type=Path, help="where the session is set down, without --config"
    )
    clock = parser.add_argument_group("clock proof")
    clock.add_argument("--ntp", metavar="HOST[:PORT]", action="append", default=[], help="ask this server; repeatable")
    clock.add_argument("--gpsd", metavar="HOST[:PORT]", help="ask the GNSS receiver of this gpsd too")
    clock.add_argument("--no-clock-check", action="store_true", help="bench only; recorded in the document")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="be this agent: its clock, and its spool, which keeps the reading"
    )
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every byte exchanged to FILE")


def run(arguments: argparse.Namespace) -> int:
    order = _order(arguments)
    config = load_config(arguments.config) if arguments.config else None
    progress = ProgressLine()
    box = _box(arguments, config, progress)
    try:
        outcome = asyncio.run(run_until_interrupted(visit(order, box, record=arguments.record)))
    except NotRead as error:
        progress.close()
        _report(config, order, error, box)
        raise
    finally:
        progress.close()
    reading, trouble = outcome.reading, None
    if config is not None and box.records is not None:
        from agent.keeping import keep_in_spool  # noqa: PLC0415 - 150 ms of cryptography, only where it is used

        try:
            reading = asyncio.run(keep_in_spool(config, order, outcome, box.records))
        except LocalTrouble as error:
            trouble = error
    dialect = config.settings.cmep if config is not None else None
    _print(reading, dialect, arguments.format or ("table" if sys.stdout.isatty() else "json"))
    if trouble is not None:
        raise trouble
    return exit_status(reading, outcome.broken)


def _report(config: Config | None, order: Order, error: NotRead, box: Box) -> None:
    """Report why a configured agent brings no reading; that it cannot is said beside it, not instead of it."""
    if config is None or box.records is None:
        return
    from agent.not_read import report_not_read_by_hand  # noqa: PLC0415 - cryptography, only where it is used

    try:
        asyncio.run(report_not_read_by_hand(config, order, error, box.records))
    except LocalTrouble as trouble:
        sys.stderr.write(f"mrsp: what was found at the meter is not reported: {trouble}\n")


def _box(arguments: argparse.Namespace, config: Config | None, progress: ProgressLine) -> Box:
    """Return the agent that reads: the configured one, or this host with what the arguments say."""
    profiles = tuple(arguments.profile_dir)
    if config is None:
        return Box(
            agent_id=socket.gethostname(),
            clock=SystemClock(),
            clock_settings=clock_settings(arguments),
            profile_dirs=profiles,
            audit=(lambda: log_at(arguments.audit_log)) if arguments.audit_log else None,
            sessions=sessions_by_hand(PROGRAM, arguments.audit_log, None),
            ask=_ask(arguments, progress),
            progress=progress,
        )
    sessions = sessions_by_hand(PROGRAM, None, config)
    box = configured_box(config, SystemClock(), records=records_of(config), sessions=sessions, progress=progress)
    settings = clock_settings(arguments) if arguments.ntp or arguments.gpsd else box.clock_settings
    return replace(
        box,
        clock_settings=settings,
        profile_dirs=(*box.profile_dirs, *profiles),
        ask=_ask(arguments, progress),
    )


def _ask(arguments: argparse.Namespace, progress: ProgressLine) -> Ask | None:
    """Return how to ask the person at the terminal; the progress line makes room for the question."""
    ask = None if arguments.no_questions else ask_on_terminal()
    if ask is None:
        return None

    async def asked(question: Question) -> Answer:
        progress.close()
        return await ask(question)

    return asked


def _print(reading: Reading, dialect: Dialect | None, kind: str) -> None:
    """Print a reading; what CMEP or IEC 61968-9 cannot say of it is named on standard error."""
    if kind == "table":
        sys.stdout.write(show_reading(reading))
    elif kind == "json":
        sys.stdout.buffer.write(encode(reading) + b"\n")  # UTF-8, whatever the terminal's encoding
    else:
        from agent import cim, cmep  # noqa: PLC0415 - only where they are asked for

        if kind == "cmep":
            lines = cmep.rendered(reading, dialect or cmep.Dialect(), made_at=datetime.now(UTC))
            content, left_out = lines.text.encode(), lines.left_out
        else:
            document = cim.rendered(reading)
            content, left_out = document.xml, document.left_out
        sys.stdout.buffer.write(content)
        sys.stderr.writelines(f"mrsp: not in the {kind} document: {what}\n" for what in left_out)
    sys.stdout.flush()


def exit_status(reading: Reading, broken: Exception | None) -> int:
    """Return 0, 1 for a failed check, or the status of what ended the visit early (said on standard error)."""
    if broken is not None:
        sys.stderr.write(f"mrsp: the visit ended early, what was whole is kept: {broken}\n")
        return broken.exit_code if isinstance(broken, MrspError) else 3
    return 1 if any(check.outcome == "fail" for check in reading.checks) else 0


def clock_settings(arguments: argparse.Namespace) -> ClockSettings:
    """Return the settings of a command without a configuration: chrony, or the sources named instead."""
    try:
        return ClockSettings.asking(arguments.ntp, arguments.gpsd)
    except ValueError as error:
        raise UsageError(f"--ntp, --gpsd: {error}") from error


def _order(arguments: argparse.Namespace) -> Order:
    """Check the arguments by the rules of an order, so that both say the same."""
    given = {
        "url": arguments.url,
        "purpose": arguments.purpose,
        "expected_meter_id": arguments.meter_id,
        "nameplate_id": arguments.nameplate_id,
        "profile": arguments.profile,
        "dials": arguments.dials,
        "decimals": arguments.decimals,
        "last_read_at": arguments.since,
        "registers_only": arguments.registers_only,
        "whole_profile": arguments.whole_profile,
        "set_clock": arguments.set_clock,
        "clock_check": not arguments.no_clock_check,
        "user_id": arguments.user_id,
        "user": arguments.user,
        "password_file": arguments.password_file,
        "rule_set": arguments.rule_set,
        "site": {"zone": arguments.site_zone} if arguments.site_zone else {},
    }
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, Order)
    except msgspec.ValidationError as error:
        raise UsageError(str(error).replace("$.", "--").replace("`", "")) from error


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-03-01T00:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} does not say its zone; end it with Z for UTC")
    return at.astimezone(UTC)
