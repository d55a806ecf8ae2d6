"""`metersim lab`: write scenarios, look at them, and tell what a correct reader must find in their meters."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from drivers.errors import UsageError
from metersim.lab.compare import NotComparable, differences
from metersim.lab.describe import describe
from metersim.lab.document import ExpectationPart, VisitPart
from metersim.lab.expect import Laboratory
from metersim.lab.limits import RULE_SETS
from metersim.lab.profile_text import profile_text
from metersim.lab.starting import start_file
from metersim.meter.command import moment
from metersim.meter.library import names_of, shipped
from metersim.meter.scenario_file import composition
from metersim.meter.tables.image import Image

DESCRIPTION = "A laboratory for readers of meters: scenarios put together from TOML, and what must be found in them."
EXAMPLES = """examples:
  metersim lab list
  metersim lab new mine.toml --use residential-tou
  metersim lab describe rollover
  metersim lab expect mine.toml > expected.json
  metersim lab expect year-4ch --csv > intervals.csv
  metersim meter --scenario mine.toml --freeze --now 2026-02-01T17:00:00Z
  metersim lab compare mine.toml reading.json"""
_WIDTH = 96
_LARGEST = 256 * 1024 * 1024  # octets of a reading: a year of many channels has some ten million
_SHOWN = {"laboratory": "scenarios", "meter": "meters to use", "piece": "pieces to use"}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, and the files and names that it takes."""

    do: Callable[[argparse.Namespace], int | None]
    takes: tuple[str, ...]
    help: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim lab`."""
    shown = [(" ".join((name, *one.takes)), one.help) for name, one in ACTIONS.items()]
    commands = "\n".join(f"  {left:<30} {text}" for left, text in shown)
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"commands:\n{commands}\n\nFILE|NAME: a TOML file, or one of `metersim lab list`\n\n{EXAMPLES}"
    parser.add_argument("action", choices=tuple(ACTIONS), metavar="COMMAND", help="one of those below")
    parser.add_argument("names", nargs="*", metavar="FILE|NAME", help="what the command takes")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of loads, outages and faults (default 1)")
    parser.add_argument(
        "--at", type=moment, action="append", default=[], metavar="TIME", help="instead of the scenario's visits"
    )
    parser.add_argument("--rules", default="ubp-2000", choices=tuple(RULE_SETS), help="default %(default)s")
    parser.add_argument("--csv", action="store_true", help="expect: the intervals alone, one a line")
    parser.add_argument("--use", default="residential-tou", metavar="NAME", help="new: the meter (default %(default)s)")
    parser.add_argument("--name", default="laboratory", help="profile: its name (default %(default)s)")


async def serve(args: argparse.Namespace) -> int | None:
    """Run one of the commands. Raises `UsageError`."""
    action = ACTIONS[args.action]
    if len(args.names) != len(action.takes):
        wanted = " ".join(action.takes) or "nothing"
        raise UsageError(f"lab {args.action} takes {wanted}, not {' '.join(args.names) or 'nothing'}")
    try:
        status = action.do(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _expected(args: argparse.Namespace) -> tuple[Laboratory, ExpectationPart, tuple[str, ...]]:
    made = composition(args.names[0])
    lab = Laboratory.of(made, args.seed)
    return lab, lab.expect(args.at, rule_set=args.rules), tuple(file.name for file in made.files)


def _list(_args: argparse.Namespace) -> None:
    for kind, what in _SHOWN.items():
        _say([f"{what}:", *(f"  {name:<20} {_first_comment(shipped(name, kind))}" for name in names_of(kind))])


def _first_comment(text: str) -> str:
    """Return the first sentence of the comment that a file begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    sentence, _, _ = " ".join(lines).partition(". ")
    return textwrap.shorten(sentence.rstrip("."), _WIDTH, placeholder=" …")


def _new(args: argparse.Namespace) -> None:
    path = Path(args.names[0])
    start_file(path, args.use)
    _say([f"{path} is written; see `metersim lab describe {path}`"])


def _check(args: argparse.Namespace) -> None:
    lab = Laboratory.of(composition(args.names[0]), args.seed)
    for at in lab.visits(args.at):
        Image(lab.meter(at))
        _say([f"{at.isoformat().replace('+00:00', 'Z')}  can be read"])


def _describe(args: argparse.Namespace) -> None:
    _say(describe(*_expected(args)))


def _expect(args: argparse.Namespace) -> None:
    _, expected, _ = _expected(args)
    if args.csv:
        _write_csv(expected)
    else:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(expected), indent=1).decode() + "\n")


def _write_csv(expected: ExpectationPart) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("visit", "data_set", "channel", "end", "count", "value", "unit", "direction", "status"))
    for visit in expected.visits:
        for block in visit.interval_blocks:
            ends = block.ends()
            for end, count, value, words in zip(ends, block.pulses, block.values, block.status, strict=True):
                numbers = ("" if one is None else one for one in (count, value))
                where = (visit.at, block.data_set or 1, block.channel, end)
                writer.writerow((*where, *numbers, block.unit, block.direction, " ".join(words)))


def _compare(args: argparse.Namespace) -> int:
    reading = Path(args.names[1])
    found = _document(reading)
    lab = Laboratory.of(composition(args.names[0]), args.seed)
    planned = {at.astimezone(UTC) for at in args.at} <= set(lab.visits())
    expected = lab.expect(() if planned else args.at, rule_set=args.rules)
    visit = _visit_of(expected.visits, found, args.at)
    try:
        wrong = differences(visit, found)
    except NotComparable as error:
        raise UsageError(f"{reading}: {error}") from error
    _say(wrong or [f"as expected of the visit of {visit.at}"])
    return 1 if wrong else 0


def _document(path: Path) -> Any:
    """Return what a JSON file has. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST + 1)
        if len(octets) > _LARGEST:
            raise UsageError(f"{path}: larger than {_LARGEST} octets")
        return json.loads(octets)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error


def _visit_of(visits: tuple[VisitPart, ...], found: object, asked: list[datetime]) -> VisitPart:
    """Return the visit that was asked for, the only one, or that at which the clock showed what the reader saw."""
    for visit in visits:
        if asked and datetime.fromisoformat(visit.at) == asked[-1]:
            return visit
    if len(visits) == 1:
        return visits[0]
    clock = found.get("clock") if isinstance(found, dict) else None
    shown = clock.get("meter_time") if isinstance(clock, dict) else None
    for visit in visits:
        if visit.clock is not None and visit.clock.meter_time == shown:
            return visit
    raise UsageError(
        f"no visit finds the meter's clock at {shown}", advice="serve the meter with --freeze, or say --at TIME"
    )


def _profile(args: argparse.Namespace) -> None:
    sys.stdout.write(profile_text(Laboratory.of(composition(args.names[0])).scenario, args.name))


ACTIONS = {
    "list": Action(_list, (), "the scenarios that ship, and what there is to use"),
    "new": Action(_new, ("FILE",), "write a scenario file to begin from"),
    "check": Action(_check, ("FILE|NAME",), "is it whole, and can its meter be served at every visit?"),
    "describe": Action(_describe, ("FILE|NAME",), "tell it in words: what happens, and what its visits come to"),
    "expect": Action(_expect, ("FILE|NAME",), "what a correct reader must find at every visit, as JSON"),
    "compare": Action(_compare, ("FILE|NAME", "READING.json"), "a reader's document with that; status 1 if it differs"),
    "profile": Action(_profile, ("FILE|NAME",), "the firmware profile that a reader needs for its quirks"),
}
