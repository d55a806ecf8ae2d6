"""`metersim instruments`: serve a meter bench until stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import get_args

from drivers.errors import UsageError
from drivers.instruments.schema import Kind
from metersim.instruments.element import Element, curve_of
from metersim.instruments.faults import faults_help, parse_faults
from metersim.instruments.meter import DEFAULT, kh_microwatthours
from metersim.instruments.serving import BenchOptions, RunningBench, running_bench
from metersim.instruments.visa_sim import definitions
from metersim.meter.command import moment, start_of, tcp_port
from metersim.meter.scenario_file import load_scenario

KINDS: tuple[Kind, ...] = get_args(Kind)
_MICRO = 10**6
_PPB_OF_PERCENT = 10**7
_ATTO_PER_WATT = 10**18


def decimal(text: str) -> Decimal:
    """Parse a plain decimal for argparse."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise argparse.ArgumentTypeError(f"{text} is no number") from None
    if not number.is_finite() or abs(number) > _MICRO:
        raise argparse.ArgumentTypeError(f"{text} is no number of this kind")
    return number


def error_point(text: str) -> tuple[int, int]:
    """Parse `AMPS=PERCENT` for argparse: a point of the error curve, in µA and parts per 10⁹."""
    amps, equals, percent = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: say AMPS=PERCENT, e.g. 30=0.35")
    return int(decimal(amps) * _MICRO), int(decimal(percent) * _PPB_OF_PERCENT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim instruments`."""
    parser.description = (
        "Serve an AC source, a reference standard and a pulse counter around one simulated meter. Their VISA resources "
        "and the meter's address are the first line of output, as JSON."
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  metersim instruments --error 30=0.35 --error 3=-0.8 --virtual\n"
        "  metersim instruments --rate 600 --creep 2.5 --fault source:latched\n"
        "  metersim instruments --profile source=fluke-5522a --visa-sim bench.yaml\n\n"
        f"faults, [INSTRUMENT:]NAME[=VALUE]:\n{faults_help()}"
    )
    parser.add_argument(
        "--scenario", default=str(DEFAULT), metavar="FILE|NAME", help="the meter (default: a bench meter)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (default 1)")
    parser.add_argument("--now", type=moment, metavar="TIME", help="virtual time at the start, RFC 3339 (default: now)")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--rate", type=int, default=1, metavar="N", help="virtual seconds in a second (default 1)")
    time.add_argument(
        "--virtual", type=decimal, nargs="?", const=Decimal(5), metavar="SECONDS",
        help="time stands still, but so much passes (5 s) when an instrument is asked how far it is",
    )  # fmt: skip
    parser.add_argument(
        "--error", type=error_point, action="append", default=[], metavar="AMPS=PERCENT",
        help="the meter's error at a current; repeatable, straight between the points",
    )  # fmt: skip
    parser.add_argument(
        "--error-half-factor",
        type=decimal,
        default=Decimal(0),
        metavar="PERCENT",
        help="more error at a power factor of 0.5",
    )
    parser.add_argument(
        "--creep", type=decimal, default=Decimal(0), metavar="WATTS", help="it registers without current"
    )
    parser.add_argument(
        "--jitter", type=int, default=500, metavar="PPM", help="of the test pulses, of one (default 500)"
    )
    parser.add_argument(
        "--standard-error", type=decimal, metavar="PERCENT", help="of the standard (default: drawn within its accuracy)"
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="KIND=NAME",
        help="another profile; KIND is source, standard, counter",
    )
    parser.add_argument(
        "--port", action="append", default=[], metavar="KIND=PORT", help="of an instrument (default: free ones)"
    )
    parser.add_argument(
        "--meter-tcp", type=tcp_port, metavar="PORT", help="the meter on a TCP port instead of a pty; 0: free"
    )
    parser.add_argument(
        "--visa-sim", type=Path, metavar="FILE", help="also write definitions of these instruments for pyvisa-sim"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help="repeatable")


def options_of(args: argparse.Namespace) -> BenchOptions:
    """Return the bench that the options ask for. Raises `UsageError`."""
    scenario = load_scenario(args.scenario)
    if args.rate < 0 or (args.virtual is not None and args.virtual <= 0):
        raise UsageError("--rate and --virtual take no negative number")
    try:
        element = Element(
            curve_of(args.error, int(args.error_half_factor * _PPB_OF_PERCENT)),
            kh_microwatthours(scenario),
            creep=int(args.creep * _ATTO_PER_WATT),
            jitter_ppm=args.jitter,
            seed=args.seed,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    own = args.standard_error
    return BenchOptions(
        scenario,
        start_of(scenario, args.now),
        element,
        args.seed,
        rate=args.rate if args.virtual is None else 0,
        step_us=0 if args.virtual is None else int(args.virtual * _MICRO),
        standard_error_ppb=None if own is None else int(own * _PPB_OF_PERCENT),
        profiles=_by_kind("--profile", args.profile),
        faults=parse_faults(args.fault),
        ports={kind: tcp_port(port) for kind, port in _by_kind("--port", args.port).items()},
        meter_port=args.meter_tcp,
    )


def _by_kind(option: str, texts: list[str]) -> dict[Kind, str]:
    found: dict[Kind, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        kind = next((kind for kind in KINDS if kind == name), None)
        if kind is None or not value:
            raise UsageError(f"{option} {text}: say KIND=…, KIND is {', '.join(KINDS)}")
        found[kind] = value
    return found


def announcement(bench: RunningBench) -> str:
    """Return what the first line of output says: resources, profiles, and how the meter is reached."""
    sockets = bench.sockets
    tree = {
        **{kind: socket.resource for kind, socket in sockets.items()},
        "meter": bench.meter.address,
        "meter_id": bench.meter.meter.meter_id,
        "profiles": {kind: socket.device.profile.name for kind, socket in sockets.items()},
    }
    return json.dumps(tree)


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises `UsageError`."""
    options = options_of(args)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with running_bench(options) as bench:
            if args.visa_sim is not None:
                text = definitions({one.resource: one.device.profile for one in bench.sockets.values()}, options.seed)
                args.visa_sim.write_text(f"{text}\n", encoding="utf-8")
            sys.stdout.write(f"{announcement(bench)}\n")
            sys.stdout.flush()
            stopping = asyncio.create_task(stopped.wait())
            await asyncio.wait({stopping, bench.meter.task}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
    except OSError as error:
        raise UsageError(f"a port or file cannot be opened: {error}", advice="take other ports, or none") from error
    finally:
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
