"""The entry point of `mrsp`: find the command, import only its module, report errors the same way everywhere."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Protocol

from agent.core_dumps import forbid_core_dumps
from drivers.errors import MrspError


class Command(Protocol):
    """A module of `agent.cli`: what every command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


@dataclass(frozen=True, slots=True)
class Entry:
    module: str
    summary: str
    example: str
    intermixed: bool = False  # takes a list of names, before, between or after its options


COMMANDS = {
    "demo": Entry("demo", "read simulated meters for real, end to end", "mrsp demo --meters 3"),
    "read": Entry("read", "visit one meter and print the reading", "mrsp read /dev/ttyUSB0 --meter-id 10012345"),
    "run": Entry("run", "the service: schedule, drivers, spool, forwarder", "mrsp run --config /etc/mrsp/mrsp.toml"),
    "config": Entry("config", "validate a configuration and say what it means", "mrsp config check mrsp.toml"),
    "doctor": Entry("doctor", "find the commonest faults of this box", "mrsp doctor --config mrsp.toml"),
    "clock": Entry("clock", "prove this box's clock", "mrsp clock --ntp time.nist.gov"),
    "spool": Entry("spool", "look into the durable queue", "mrsp spool status --config mrsp.toml"),
    "tables": Entry(
        "tables", "read and print decoded C12.19 tables", "mrsp tables /dev/ttyUSB0 ST01 ST23", intermixed=True
    ),
    "explain": Entry(
        "explain",
        "where a value comes from, step by step",
        "mrsp explain reading.json 'registers[3].value' --recording visit.rec",
        intermixed=True,
    ),
    "profile": Entry("profile", "list, show, check and propose meter family profiles", "mrsp profile list"),
    "procedure": Entry("procedure", "run a standard procedure of a meter, on the record", "mrsp procedure list"),
    "audit": Entry(
        "audit", "look into the log of sessions with meters and writes to them", "mrsp audit verify --config mrsp.toml"
    ),
    "listen": Entry(
        "listen", "listen to meters that send by themselves", "mrsp listen radio --plan plan.csv --seconds 60"
    ),
    "requests": Entry("requests", "what the MDSP asked for and was answered", "mrsp requests list --config mrsp.toml"),
    "schedule": Entry(
        "schedule", "when each meter is read, and ask for a read", "mrsp schedule show --config mrsp.toml"
    ),
    "meter": Entry(
        "meter", "the meters that are known, and how each was set up, in versions", "mrsp meter config main --json"
    ),
    "fleet": Entry(
        "fleet", "configuration and profiles as signed bundles, for many boxes", "mrsp fleet install north-7.bundle"
    ),
    "bench": Entry(
        "bench", "accuracy tests of meters with instruments", "mrsp bench check plan.toml --config mrsp.toml"
    ),
    "report": Entry(
        "report", "service figures: data received, timeliness, exceptions", "mrsp report --config mrsp.toml"
    ),
    "rules": Entry("rules", "list, show and check rule sets of the at-read checks", "mrsp rules show ubp-2000"),
    "backup": Entry(
        "backup",
        "back up, restore, take over from a dead box",
        "mrsp backup create --config mrsp.toml --output gw.backup --recipient age1…",
    ),
    "console": Entry("console", "who may log in to the console in the field", "mrsp console user add j.doe"),
    "route": Entry("route", "field routes: load, look at, export", "mrsp route load friday.csv --config mrsp.toml"),
    "keys": Entry("keys", "create and inspect the device identity", "mrsp keys init --config mrsp.toml"),
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit status (0–6, see the manual; 130 when interrupted)."""
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        from importlib.metadata import version  # noqa: PLC0415 - costs 30 ms, which no other command needs

        sys.stdout.write(f"mrsp {version('mrsp-agent')}\n")
        return 0
    entry = COMMANDS.get(argv[0])
    if entry is None:
        sys.stderr.write(f"mrsp: there is no command {argv[0]!r}; one of: {', '.join(COMMANDS)}\n")
        return 2
    command: Command = importlib.import_module(f"agent.cli.{entry.module}")
    parser = argparse.ArgumentParser(
        prog=f"mrsp {argv[0]}",
        description=command.__doc__,
        epilog=f"example: {entry.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log to standard error; twice for detail")
    command.add_arguments(parser)
    parse = parser.parse_intermixed_args if entry.intermixed else parser.parse_args
    return _guarded(command, parse(argv[1:]))


def _guarded(command: Command, arguments: argparse.Namespace) -> int:
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.basicConfig(level=levels[min(arguments.verbose, 2)], format="%(levelname)s %(name)s: %(message)s")
    try:
        return command.run(arguments)
    except MrspError as error:
        sys.stderr.write(f"mrsp: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("mrsp: interrupted; the meter was left logged off where the line allowed it\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output went away: no noise
        return 0
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        sys.stderr.write(f"mrsp: this box refused{where}: {error.strerror or error}\n")
        return 6


def _overview() -> str:
    lines = [
        "usage: mrsp COMMAND [options]",
        "",
        "A field meter-reading agent: from the bytes of a meter to the signed acknowledgement of the MDSP.",
        "",
    ]
    lines += [f"  {name:10}{entry.summary}" for name, entry in COMMANDS.items()]
    lines += ["", "mrsp COMMAND --help shows its options and an example; mrsp --version the version.", ""]
    return "\n".join(lines)


def entry() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a bar or dash that the terminal lacks is no reason to fail
    try:
        forbid_core_dumps()  # any command may hold a meter's password or a key
    except MrspError as error:
        sys.stderr.write(f"mrsp: {error}\n")
        sys.exit(error.exit_code)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
