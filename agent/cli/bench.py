"""Test the accuracy of a meter with instruments: check a plan, run it, look at a meter's history, show a report.

The instruments, their certificates and the most volts and amperes that a plan may ask for stand in `[bench]` of the
configuration. The source is off when the command ends, however it ends, and was asked; a process of its own sees to
that should this one be killed. docs/bench.md describes plans, figures and the report.

exit status of run: 0 pass; 1 any other verdict on the meter (the report is made all the same); 2 refused, nothing was
energised; 3 an instrument or the meter did not answer; 4 an instrument or the meter refused; 5 this box's clock is not
proven; 6 trouble on this box or on the bench: no report was made, or it is shown and could not be stored yet;
130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from agent.bench.history import TESTS_FILE
from agent.bench.keeping import MeterTestBook, NotKept
from agent.bench.plan import load_plan
from agent.bench.report.document import MeterTest
from agent.bench.report.page import Signature, as_html
from agent.bench.report.reading import read_report
from agent.bench.report.table import as_csv
from agent.cli.bench_run import STAGES, about_of, conducted, ready_of, zone_of
from agent.cli.bench_show import history_in_words, plan_in_words, report_in_words
from agent.cli.config_file import add_config
from agent.cli.interrupt import run_until_interrupted
from agent.config import Config, load_config
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.identity.present import own_public_keys
from drivers.errors import printable

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|run|history|report")
    check = verbs.add_parser("check", help="hold a plan against rules, limits, instruments and calibrations")
    run_ = verbs.add_parser("run", help="test one meter and report it")
    history = verbs.add_parser("history", help="the tests of a meter, as found and as left")
    report = verbs.add_parser("report", help="show a report as a page (HTML) or a table (CSV)")
    for verb in (check, run_):
        verb.add_argument("plan", metavar="PLAN", type=Path, help="a test plan, mrsp.bench/1")
    history.add_argument("meter", metavar="METER", help="its identification")
    report.add_argument(
        "file", metavar="FILE|ID", type=Path, help="a report: JSON, or JWS as it was signed; or its id in the history"
    )
    report.add_argument("--html", metavar="OUT", type=Path, help="write a page here, to look at and to print")
    report.add_argument("--csv", metavar="OUT", type=Path, help="write a table here")
    report.add_argument(
        "--config", metavar="FILE", type=Path, help="verify the signature with this agent's keys; whose history"
    )
    for verb in (check, run_, history):
        add_config(verb)
    for verb in (check, run_, history, report):
        verb.add_argument("--json", action="store_true", help="print JSON and nothing else")
    _add_run_arguments(run_)


def _add_run_arguments(verb: argparse.ArgumentParser) -> None:
    about = verb.add_argument_group("what the report says")
    about.add_argument("--meter-id", metavar="ID", required=True, help="the meter that is tested")
    about.add_argument("--as", dest="stage", choices=tuple(STAGES), required=True, help="how the meter is tested")
    about.add_argument("--tester", metavar="NAME", default=None, help="who tests (default: the user)")
    about.add_argument("--witness", metavar="NAME", action="append", default=[], help="who is present; repeatable")
    about.add_argument("--reason", metavar="TEXT", help="why it is tested")
    about.add_argument("--work", metavar="TEXT", help="what was adjusted, modified or replaced; needed for --as left")
    about.add_argument("--conditions", metavar="TEXT", help="anything unusual: weather, site, line voltage")
    about.add_argument("--order", metavar="ID", help="of the order")
    for name in ("customer-id", "service-delivery-point-id", "account-id", "energy-supplier-id"):
        about.add_argument(f"--{name}", metavar="ID")
    about.add_argument("--zone", metavar="ZONE", help="of the test date (default: `clock.zone`, else UTC)")
    port = verb.add_argument_group("the meter's optical port, where the plan uses it")
    port.add_argument("--url", metavar="URL", help="its line, as in `mrsp read`")
    port.add_argument("--profile", metavar="NAME", help="meter family")
    port.add_argument("--user-id", metavar="N", type=int)
    port.add_argument("--user", metavar="NAME")
    port.add_argument("--password-file", metavar="FILE")
    port.add_argument("--authorized-by", metavar="TEXT", help="who gives leave to put the meter into test mode")
    verb.add_argument(
        "--no-clock-check", action="store_true", help="take this box's clock as it is; the report says so"
    )
    verb.add_argument("--output", metavar="FILE", type=Path, help="write the report here, too, as JSON")


def run(arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "check":
            return _check(arguments)
        case "history":
            return _history(arguments)
        case "report":
            return _report(arguments)
        case _:
            return _run(arguments)


def _check(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    loaded = load_plan(arguments.plan)
    _rules, ready = ready_of(config, loaded, zone_of(config, None))
    if arguments.json:
        _print(json.dumps({"plan": loaded.plan.name, "sha256": loaded.sha256, "usable": True}))
    else:
        _print(plan_in_words(loaded, ready))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    about = about_of(arguments)
    config = load_config(arguments.config)
    loaded = load_plan(arguments.plan)
    try:
        report = asyncio.run(run_until_interrupted(conducted(arguments, config, loaded, about)))
    except NotKept as trouble:
        with suppress(LocalTrouble):  # the first trouble is the one that is told
            _made(arguments, trouble.report, whole=trouble.lost)
        raise
    except KeyboardInterrupt:
        sys.stderr.write("mrsp: the test was interrupted; what is said above of the source holds\n")
        return INTERRUPTED
    _made(arguments, report)
    return 0 if report.outcome == "pass" else 1


def _made(arguments: argparse.Namespace, report: MeterTest, *, whole: bool = False) -> None:
    """Show a report. `whole`: as JSON, whatever was asked for."""
    _print(msgspec.json.encode(report).decode() if arguments.json or whole else report_in_words(report))
    if arguments.output is not None:
        write_durably(arguments.output, msgspec.json.encode(report) + b"\n")


def _history(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)

    async def tests() -> list[MeterTest]:
        async with await MeterTestBook.open(config, create=False) as book:
            return await book.call(book.store.of, arguments.meter)

    found = asyncio.run(tests())
    if arguments.json:
        _print(json.dumps({"meter_id": arguments.meter, "tests": [msgspec.to_builtins(one) for one in found]}))
    elif not found:
        raise LocalTrouble(f"meter {arguments.meter} was not tested here")
    else:
        _print(history_in_words(found))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config) if arguments.config else None
    found = None if config is None or arguments.file.exists() else _kept(config, str(arguments.file))
    if found is not None:
        report, signature = found, Signature()
    else:
        report, signature = read_report(arguments.file, () if config is None else own_public_keys(config.key_directory))
    if arguments.html is not None:
        write_durably(arguments.html, as_html(report, signature), mode=0o644)
    if arguments.csv is not None:
        write_durably(arguments.csv, as_csv(report), mode=0o644)
    if arguments.json:
        _print(msgspec.json.encode(report).decode())
    elif arguments.html is None and arguments.csv is None:
        _print(report_in_words(report))
    return 0


def _kept(config: Config, report_id: str) -> MeterTest | None:
    """Return a report of the history, if there is one of that id."""

    async def kept() -> MeterTest | None:
        async with await MeterTestBook.open(config, create=False) as book:
            return await book.call(book.store.report, report_id)

    return asyncio.run(kept()) if (config.state_directory / TESTS_FILE).exists() else None


def _print(text: str) -> None:
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
