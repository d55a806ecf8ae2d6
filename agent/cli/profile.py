"""Meter family profiles: list and show them, check a file, and propose one from a meter.

`check` exits with 0 for a profile that can be used, and with 2 for one that cannot. `learn` reads the meter (or takes a
recording, replay://FILE) and prints a proposal; it writes nothing to the meter and shows no password but the one given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.audit_facts import Errand
from agent.audit_sessions import SessionLog, session_of
from agent.cli.audited import add_audit_arguments, profiles_of, sessions_by_hand
from agent.cli.interrupt import run_until_interrupted
from agent.cli.progress import ProgressLine
from agent.cli.show import table
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.credentials import load_password
from agent.durable_file import write_durably
from agent.errors import UsageError
from agent.recordings import digest
from drivers.base import Task
from drivers.errors import MrspError, ProtocolError, TransportError
from drivers.modbus import describe as modbus
from drivers.modbus.library import check_map, is_map_file, load_maps
from drivers.pager.formats import load_format_file
from drivers.profiles import CheckReport, as_dict, check_profile, describe, load_profiles, summary
from drivers.transport.urls import ReplayAddress, parse_url

PAGER_FORMATS = "pager"  # folder of the message formats, beside the profiles
_VERBS = {
    "list": "one line a family",
    "show": "everything known about one family, and from where",
    "check": "validate a profile file and say what it means",
    "learn": "propose a profile from a meter or a recording",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(_VERBS))
    for name, text in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        verb.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more profiles")
        if name != "learn":
            verb.add_argument("--json", action="store_true", help="print JSON")
        if name == "show":
            verb.add_argument("name", metavar="NAME")
        elif name == "check":
            verb.add_argument("file", metavar="FILE", type=Path)
        elif name == "learn":
            _learn_arguments(verb)


def _learn_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("url", metavar="URL", help="the meter's line as in `mrsp read`, or replay://FILE")
    verb.add_argument("--name", metavar="NAME", default="", help="name of the profile (default: from ST01)")
    verb.add_argument("--output", metavar="FILE", type=Path, help="write the proposal to FILE, which must not exist")
    verb.add_argument("--profile", metavar="NAME", help="read with this profile's line settings")
    verb.add_argument("--tried", metavar="TEXT", default="", help="state that this is a real meter: which, who, when")
    verb.add_argument("--site-zone", metavar="ZONE", help="time zone of the site, if the meter does not say")
    verb.add_argument("--user-id", metavar="N", type=int, help="user id of the logon")
    verb.add_argument("--user", metavar="NAME", help="user name of the logon")
    verb.add_argument("--password-file", metavar="FILE", type=Path, help="password, in a 0600 file")
    verb.add_argument("--record", metavar="FILE", type=Path, help="keep the recording that the proposal rests on")
    add_audit_arguments(verb)


def run(arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "check":
            return _check(arguments)
        case "learn":
            return _learn(arguments)
        case "show":
            text = _show(arguments)
        case _:
            text = _list(arguments)
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def _show(arguments: argparse.Namespace) -> str:
    maps = load_maps(arguments.profile_dir)
    if arguments.name in maps.names:
        one = maps.find(arguments.name)
        return json.dumps(modbus.as_dict(one), indent=2, ensure_ascii=False) if arguments.json else modbus.describe(one)
    profile = load_profiles(arguments.profile_dir).find(arguments.name)
    return json.dumps(as_dict(profile), indent=2, ensure_ascii=False) if arguments.json else describe(profile)


def _list(arguments: argparse.Namespace) -> str:
    profiles, maps = load_profiles(arguments.profile_dir), load_maps(arguments.profile_dir)
    if arguments.json:
        found = [*map(as_dict, profiles), *map(modbus.as_dict, maps)]
        return json.dumps(found, indent=2, ensure_ascii=False)
    summaries = [*map(summary, profiles), *map(modbus.summary, maps)]
    rows = [{key: str(value) for key, value in one.items()} for one in summaries]
    return table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def _check(arguments: argparse.Namespace) -> int:
    if is_map_file(arguments.file):
        return _check_map(arguments)
    if arguments.file.resolve().parent.name == PAGER_FORMATS:
        load_format_file(arguments.file)  # raises what is wrong with it
        said = {"file": str(arguments.file), "valid": True, "mistakes": []}
        sys.stdout.write((json.dumps(said) if arguments.json else f"{arguments.file} can be used.") + "\n")
        return 0
    report = check_profile(arguments.file, arguments.profile_dir)
    if arguments.json:
        sys.stdout.write(json.dumps(_as_json(arguments.file, report), indent=2, ensure_ascii=False) + "\n")
        return 2 if report.mistakes else 0
    for mistake in report.mistakes:
        sys.stderr.write(f"mrsp: {mistake}\n")
    for remark in report.remarks:
        sys.stderr.write(f"remark: {remark}\n")
    if report.mistakes or report.profile is None:
        return 2
    sys.stdout.write(f"{arguments.file} can be used.\n\n{describe(report.profile)}\n")
    return 0


def _check_map(arguments: argparse.Namespace) -> int:
    report = check_map(arguments.file, arguments.profile_dir)
    if arguments.json:
        facts = {"file": str(arguments.file), "valid": not report.mistakes, "mistakes": list(report.mistakes)}
        facts["profile"] = None if report.map is None else modbus.as_dict(report.map)
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    elif report.map is not None and not report.mistakes:
        sys.stdout.write(f"{arguments.file} can be used.\n\n{modbus.describe(report.map)}\n")
    else:
        sys.stderr.writelines(f"mrsp: {mistake}\n" for mistake in report.mistakes)
    return 2 if report.mistakes else 0


def _as_json(file: Path, report: CheckReport) -> dict[str, object]:
    return {
        "file": str(file),
        "valid": not report.mistakes,
        "mistakes": list(report.mistakes),
        "remarks": list(report.remarks),
        "profile": None if report.profile is None else as_dict(report.profile),
    }


def _learn(arguments: argparse.Namespace) -> int:
    from drivers.learn import Wishes, propose  # noqa: PLC0415 - the other verbs do without a meter's code

    if arguments.output is not None and arguments.output.exists():
        raise UsageError(f"{arguments.output} exists already", advice="choose another --output, or take it away first")
    name = arguments.name or (arguments.output.stem if arguments.output is not None else "")
    wishes = Wishes(name, arguments.tried, _zone(arguments.site_zone))
    profiles = load_profiles(arguments.profile_dir)
    with tempfile.TemporaryDirectory(prefix="mrsp-learn-") as directory:
        recording, broken = _recording(arguments, Path(directory))
        try:
            proposal = propose(recording, profiles, wishes)
        except MrspError as error:
            raise broken or error from error  # what broke the visit says more
    if broken is not None:
        sys.stderr.write(f"mrsp: the visit broke, the proposal rests on what was read before: {broken}\n")
    if arguments.output is None:
        sys.stdout.write(proposal.text)
    else:
        write_durably(arguments.output, proposal.text.encode(), mode=0o644)
        sys.stdout.write(f"{arguments.output}: check it with `mrsp profile check {arguments.output}`\n")
    settings = dict.fromkeys(one.key for one in proposal.lessons if one.value is not None and one.sure != "open")
    sys.stderr.write(f"proposed settings: {', '.join(settings) or 'none, the standard does'}\n")
    return 0


def _recording(arguments: argparse.Namespace, directory: Path) -> tuple[Path, MrspError | None]:
    """Return the recording to learn from: the one that the URL names, or a new one of a visit; and what broke that."""
    address = parse_url(arguments.url)
    if isinstance(address, ReplayAddress):
        return Path(address.path), None
    config = load_config(arguments.config) if arguments.config else None
    sessions = sessions_by_hand("mrsp profile learn", arguments.audit_log, config)
    record = arguments.record or directory / "visit.rec"
    progress = ProgressLine()
    task = Task(
        url=arguments.url,
        profile=arguments.profile,
        profile_dirs=profiles_of(config, arguments.profile_dir),
        user_id=arguments.user_id,
        user=arguments.user,
        password=load_password(arguments.password_file) if arguments.password_file else None,
        progress=progress,
        monotonic_ns=SystemClock().boottime_ns,
    )
    try:
        asyncio.run(run_until_interrupted(_listened(task, record, sessions)))
    except (TransportError, ProtocolError) as error:
        if not record.exists():
            raise
        return record, error
    finally:
        progress.close()
    return record, None


async def _listened(task: Task, record: Path, sessions: SessionLog | None) -> None:
    from drivers.learn import listen  # noqa: PLC0415 - as above

    async with session_of(sessions, Errand(task, "every table, for a profile")) as session:
        await listen(task, record)
        session.looked(recording=digest(record).sha256)


def _zone(name: str | None) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"--site-zone {name!r} is not a time zone", advice="write it like America/New_York") from error
