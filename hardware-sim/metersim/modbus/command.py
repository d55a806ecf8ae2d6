"""`metersim modbus`: serve simulated Modbus meters until stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import ssl
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from drivers.errors import UsageError
from drivers.modbus.library import SUNSPEC, load_maps
from metersim.modbus.faults import faults_help, parse_faults

DESCRIPTION = "Serve simulated Modbus meters of one register map. The address is the first line of output."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim modbus`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  metersim modbus --map sunspec-meter --tcp 5020\n"
        "  metersim modbus --map eastron-sdm630 --pty --unit 7 --fault busy=2\n"
        "  metersim modbus --map schneider-iem3155 --tcp 0 --units 20 --truth truth.json\n\n"
        f"faults:\n{faults_help()}"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--tcp", type=int, default=0, metavar="PORT", help="TCP port of 127.0.0.1; 0 takes a free one")
    where.add_argument("--pty", action="store_true", help="RTU on a pseudo-terminal instead")
    parser.add_argument("--rtu", action="store_true", help="RTU frames over TCP, as a serial gateway passes them on")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), type=Path, help="TLS with this certificate")
    parser.add_argument("--client-ca", metavar="FILE", type=Path, help="with --tls: want a certificate of clients")
    parser.add_argument("--map", default=SUNSPEC, metavar="NAME", help="register map (default %(default)s)")
    parser.add_argument("--profile-dir", metavar="DIR", type=Path, action="append", default=[], help="more maps")
    parser.add_argument("--model", type=int, default=203, metavar="N", help="of a SunSpec meter (default 203)")
    parser.add_argument("--unit", type=int, default=1, metavar="N", help="unit id of the first meter (default 1)")
    parser.add_argument("--units", type=int, default=1, metavar="N", help="so many meters, units counting up")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all values (default 1)")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write what a correct reader must find, as JSON")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help="repeatable")


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises `UsageError`."""
    try:
        from metersim.modbus.server import running_modbus  # noqa: PLC0415 - only where it is installed
        from metersim.modbus.world import world_of  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed", advice="pip install 'mrsp-agent[modbus]'") from error
    if not (0 <= args.tcp <= 65_535 and args.unit >= 0 and args.units >= 1 and args.unit + args.units <= 256):
        raise UsageError("--tcp takes 0 to 65535, --unit and --units may not lead past 255")
    one = load_maps(args.profile_dir).find(args.map)
    if one.sunspec is not None and not any(args.model in model.ids and model.register for model in one.model):
        raise UsageError(f"--model {args.model} is no meter of {one.name}")
    now = datetime.now(UTC).replace(tzinfo=None)
    units = range(args.unit, args.unit + args.units)
    worlds = {unit: world_of(one, seed=args.seed, unit=unit, model=args.model, now=now) for unit in units}
    if args.truth is not None:
        tree = {
            str(unit): {"meter_id": world.meter_id, "registers": [asdict(one) for one in world.truth]}
            for unit, world in worlds.items()
        }
        args.truth.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tcp = None if args.pty else args.tcp
    try:
        serving = running_modbus(worlds, faults=parse_faults(args.fault), tcp=tcp, rtu=args.rtu, tls=_tls(args))
        async with serving as running:
            sys.stdout.write(f"{running.address}\n")
            sys.stdout.flush()
            await stopped.wait()
    except OSError as error:
        raise UsageError(f"the line cannot be opened: {error}", advice="take another --tcp PORT, or 0") from error
    finally:
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*args.tls)
    if args.client_ca is not None:
        context.load_verify_locations(args.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
