"""`metersim modem`: serve a bank of simulated modems, and meters that can be called, until stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from drivers.errors import UsageError
from metersim.meter.command import DEFAULT_SCENARIO, meter_count, moment, start_of, tcp_port
from metersim.meter.faults import faults_of
from metersim.meter.fleet import nth
from metersim.meter.scenario_file import load_scenario, scenario_names
from metersim.meter.serving import Serving
from metersim.modem.bank import FIRST_NUMBER, Bank, Ports, running_bank
from metersim.modem.calling import Caller, parse_call_plan
from metersim.modem.exchange import Network
from metersim.modem.faults import call_faults_help, parse_call_faults
from metersim.modem.settings import ModemModel
from metersim.modem.site import SitePlan
from metersim.modem.window import AnswerWindow, parse_window

DESCRIPTION = (
    "Serve simulated Hayes modems and telephone lines with meters behind numbers. The first lines of output are the"
    " addresses of the modems, one a line; those after them say which number reaches which meters."
)
FIRST_SITE: Final = 5_550_100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim modem`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  metersim modem --meters 20 --fault busy:0.1 --fault drop:0.05\n"
        "  metersim modem --tcp 0 --site 5550100=residential-tou@1,minimal@2 --rate 1200\n"
        "  metersim modem --calls-in 15m --window 02:00-04:30,mon-fri,1,8\n\n"
        f"faults of calls, with their probabilities:\n{call_faults_help()}"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="modems on pseudo-terminals (the default)")
    where.add_argument(
        "--tcp", type=tcp_port, metavar="PORT", help="modems on TCP ports of 127.0.0.1 from PORT on; 0 takes free ones"
    )
    parser.add_argument("--modems", type=meter_count, default=1, metavar="N", help="how many (default 1)")
    _add_sites(parser)
    line = parser.add_argument_group("lines")
    line.add_argument(
        "--rate", type=int, choices=(300, 1200, 2400, 4800, 9600), default=2400, help="of the meters' modems (2400)"
    )
    line.add_argument("--corrects", action="store_true", help="the meters' modems know error correction")
    line.add_argument(
        "--bursts", type=_pair, default=(0.0, 0.0), metavar="MS-MS", help="pauses within packets, e.g. 100-500"
    )
    line.add_argument("--latency", type=_pair, default=(0.05, 0.15), metavar="MS-MS", help="one way (50-150)")
    line.add_argument("--ring-time", type=float, default=6.0, metavar="S", help="from ring to ring (6)")
    line.add_argument("--handshake", type=_pair, default=(2.0, 5.0), metavar="MS-MS", help="of modems (2000-5000)")
    line.add_argument(
        "--window", type=parse_window, default=AnswerWindow(), metavar="HH:MM-HH:MM[,DAYS][,IN[,OUT]]",
        help="when the meters answer, and after how many rings inside and outside (always, 1)",
    )  # fmt: skip
    line.add_argument(
        "--calls-in", action="append", default=[], metavar="EVERY|AT",
        help="meters ring the first modem: every 15m, or at TIME (repeatable)",
    )  # fmt: skip
    line.add_argument(
        "--told-in", type=_table, metavar="MTnn",
        help="table in which a reader may leave the time of the next call: U32, seconds since 1970 UTC",
    )  # fmt: skip
    line.add_argument("--fault", action="append", default=[], metavar="NAME:P", help="of calls, see below; repeatable")


def _add_sites(parser: argparse.ArgumentParser) -> None:
    sites = parser.add_argument_group("meters")
    sites.add_argument(
        "--meters", type=meter_count, default=1, metavar="N",
        help=f"so many, each on a number of its own from {FIRST_SITE} on; ids and seeds count up",
    )  # fmt: skip
    sites.add_argument(
        "--scenario", default=DEFAULT_SCENARIO, metavar="FILE|NAME",
        help=f"a TOML file, or one of {', '.join(scenario_names())} (default %(default)s)",
    )  # fmt: skip
    sites.add_argument(
        "--site", action="append", default=[], metavar="NUMBER=SCENARIO[@ID][,SCENARIO[@ID]…]",
        help="meters on this number in place of --meters, with their PSEM identities; repeatable",
    )  # fmt: skip
    sites.add_argument("--seed", type=int, default=1, metavar="N", help="of meters, calls and faults (default 1)")
    sites.add_argument("--now", type=moment, metavar="TIME", help="virtual time at the start, RFC 3339 (default: now)")
    sites.add_argument("--freeze", action="store_true", help="the meters' time stands still")
    sites.add_argument(
        "--meter-fault", action="append", default=[], metavar="NAME[=VALUE]", help="as `metersim meter --fault`"
    )


def _pair(text: str) -> tuple[float, float]:
    """Parse milliseconds from-to as seconds, for argparse."""
    low, _, high = text.partition("-")
    found = float(low) / 1000, float(high or low) / 1000
    if not 0 <= found[0] <= found[1] <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not MS-MS, ascending")
    return found


def _table(text: str) -> int:
    """Parse the name of a manufacturer's table, for argparse."""
    if not text.upper().startswith("MT") or not text[2:].isdigit() or int(text[2:]) > 2039:
        raise argparse.ArgumentTypeError(f"{text} is no table of a manufacturer, like MT40")
    return int(text[2:]) + 2048


def plans_of(args: argparse.Namespace) -> list[SitePlan]:
    """Return the sites that the arguments ask for. Raises `UsageError`."""
    if args.site:
        return [_site(args, text, number) for number, text in enumerate(args.site)]
    first = _serving(args, args.scenario, None)
    return [_plan(args, str(FIRST_SITE + number), (nth(first, number),)) for number in range(args.meters)]


def _site(args: argparse.Namespace, text: str, number: int) -> SitePlan:
    called, equals, meters = text.partition("=")
    if not equals or not called.isdigit() or not meters:
        advice = "write --site 5550100=residential-tou@1,minimal@2"
        raise UsageError(f"{text}: no number, or no meters", advice=advice)
    servings = []
    for place, meter in enumerate(meters.split(",")):
        scenario, _, identity = meter.partition("@")
        if identity and not (identity.isdigit() and int(identity) <= 255):
            raise UsageError(f"{text}: {identity} is no identity from 0 to 255")
        serving = _serving(args, scenario, int(identity) if identity else None)
        servings.append(replace(serving, seed=args.seed + 100 * number + place))
    return _plan(args, called, tuple(servings))


def _plan(args: argparse.Namespace, number: str, servings: tuple[Serving, ...]) -> SitePlan:
    return SitePlan(number, servings, rate=args.rate, corrects=args.corrects, window=args.window)


def _serving(args: argparse.Namespace, name: str, identity: int | None) -> Serving:
    scenario = load_scenario(name)
    if identity is not None:
        scenario = msgspec.structs.replace(scenario, psem=msgspec.structs.replace(scenario.psem, identity=identity))
    now: datetime = start_of(scenario, args.now)
    return Serving(
        scenario, now, args.seed, faults=faults_of(scenario, args.meter_fault), rate=0 if args.freeze else None
    )


def network_of(args: argparse.Namespace) -> Network:
    """Return the telephone network that the arguments ask for. Raises `UsageError`."""
    return Network(
        faults=parse_call_faults(args.fault),
        seed=args.seed,
        ring_s=args.ring_time,
        handshake_s=args.handshake,
        latency_s=args.latency,
        bursts_s=args.bursts,
    )


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises `UsageError`."""
    plans, network = plans_of(args), network_of(args)
    calls = parse_call_plan(args.calls_in, (str(FIRST_NUMBER),), told_in=args.told_in)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    ports: Ports = "pty" if args.tcp is None else "tcp"
    try:
        async with (
            running_bank(
                plans,
                modems=args.modems,
                ports=ports,
                first_port=args.tcp or 0,
                network=network,
                model=ModemModel(),
            ) as bank,
            asyncio.TaskGroup() as group,
        ):
            _tell(bank)
            callers = [
                group.create_task(Caller(site, calls).run(), name=f"calls of {site.number}")
                for site in bank.sites.values()
                if calls is not None
            ]
            await stopped.wait()
            for caller in callers:
                caller.cancel()
    except OSError as error:
        raise UsageError(f"the line cannot be opened: {error}", advice="take another --tcp PORT, or 0") from error
    finally:
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _tell(bank: Bank) -> None:
    """Print the addresses, and who can be called."""
    _lines(bank.addresses)
    _lines(
        f"{site.number} {' '.join(running.meter.meter_id for running in site.meters)}" for site in bank.sites.values()
    )
    sys.stdout.flush()


def _lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
