"""`metersim meter`: serve simulated meters until stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime

from drivers.errors import UsageError
from metersim.meter.faults import faults_help, faults_of
from metersim.meter.fleet import serve_meters
from metersim.meter.meter_line import serve_multidrop
from metersim.meter.scenario import STANDARDS, Scenario, with_standard
from metersim.meter.scenario_file import load_scenario, scenario_names
from metersim.meter.serving import Serving

DESCRIPTION = "Serve a simulated ANSI C12.18/C12.19 meter, or many. The address is the first line of output."
DEFAULT_SCENARIO = "residential-tou"


def moment(text: str) -> datetime:
    """Parse an RFC 3339 time for argparse; a time without a zone is refused."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: say which zone, e.g. {text}Z")
    return at.astimezone(UTC)


def tcp_port(text: str) -> int:
    """Parse a port number for argparse; 0 stands for any free one."""
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return port


def meter_count(text: str) -> int:
    """Parse a number of meters for argparse."""
    count = int(text)
    if not 1 <= count <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 1000")
    return count


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `meter` and `truth` have in common: which meter, and when."""
    parser.add_argument(
        "--scenario", default=DEFAULT_SCENARIO, metavar="FILE|NAME",
        help=f"a TOML file, or one of {', '.join(scenario_names())} (default %(default)s), or of `metersim lab list`",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of loads, outages and faults (default 1)")
    parser.add_argument(
        "--now",
        type=moment,
        metavar="TIME",
        help="virtual time at the start, RFC 3339 (default: the scenario's, or its last visit, else now)",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="something that goes wrong; repeatable"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim meter`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  metersim meter --scenario commercial-4ch --baud-pace\n"
        "  metersim meter --tcp 0 --seed 7 --fault garble=0.001 --fault clock_offset=200\n"
        "  metersim meter --tcp 4001 --count 200 --scenario profile-35d --baud-pace\n"
        "  metersim meter --tcp 4001 --standard c1221 --multidrop 3\n\n"
        f"faults:\n{faults_help()}"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="serve on a pseudo-terminal (the default)")
    where.add_argument(
        "--tcp", type=tcp_port, metavar="PORT", help="serve on a TCP port of 127.0.0.1; 0 takes a free one"
    )
    parser.add_argument(
        "--count", type=meter_count, default=1, metavar="N",
        help="serve N meters, each on a line of its own, one address a line; ids, seeds and ports count up",
    )  # fmt: skip
    add_model_arguments(parser)
    parser.add_argument(
        "--freeze", action="store_true", help="the meter's time stands still: what it holds is what `truth` says"
    )
    parser.add_argument(
        "--baud-pace", action="store_true",
        help="bytes take their time at the negotiated speed, and a pty must be set to that speed",
    )  # fmt: skip
    parser.add_argument(
        "--standard", choices=tuple(STANDARDS), metavar="NAME",
        help=f"speak {' or '.join(STANDARDS)}, whatever the scenario says: services, timers, keys of the passwords",
    )  # fmt: skip
    parser.add_argument(
        "--multidrop", type=meter_count, metavar="N",
        help="N meters share the line: identity octets, ids and seeds count up; the first answers identity 0 too",
    )  # fmt: skip
    parser.add_argument("--echo", action="store_true", help="echo every byte received, as some optical probes do")


def start_of(scenario: Scenario, now: datetime | None) -> datetime:
    """When virtual time begins: as asked for, else as the scenario says, else at its last visit, else now."""
    if now is not None:
        return now
    planned = scenario.clock.start if scenario.clock else None
    return planned or next(reversed(scenario.visits), None) or datetime.now(UTC)


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises `UsageError`."""
    scenario = load_scenario(args.scenario)
    if args.standard:
        scenario = with_standard(scenario, args.standard)
    if args.multidrop and args.count > 1:
        raise UsageError("--multidrop puts all meters on one line, --count each on its own", advice="choose one")
    serving = Serving(
        scenario=scenario,
        now=start_of(scenario, args.now),
        seed=args.seed,
        tcp=args.tcp,
        faults=faults_of(scenario, args.fault),
        baud_pace=args.baud_pace,
        echo=args.echo,
        rate=0 if args.freeze else None,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        served = serve_multidrop(serving, args.multidrop) if args.multidrop else serve_meters(serving, args.count)
        async with served as meters:
            sys.stdout.writelines(f"{address}\n" for address in dict.fromkeys(meter.address for meter in meters))
            sys.stdout.flush()
            stopping = asyncio.create_task(stopped.wait())
            await asyncio.wait({stopping, *(meter.task for meter in meters)}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
    except OSError as error:
        raise UsageError(f"the line cannot be opened: {error}", advice="take another --tcp PORT, or 0") from error
    finally:
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
