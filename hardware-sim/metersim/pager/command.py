"""`metersim pager`: a paging carrier with meters behind it, until stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import ssl
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drivers.errors import UsageError
from drivers.pager.formats import load_format
from metersim.pager.faults import faults_help, parse_faults
from metersim.pager.gateway import Account, WctpGateway
from metersim.pager.meters import fleet
from metersim.pager.serving import Door, Pusher, serving
from metersim.pager.snpp import SnppTerminal, serving_snpp

DESCRIPTION = "Serve a strict WCTP gateway with two-way pager meters behind it. Its URL is the first line of output."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `metersim pager`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n"
        "  metersim pager --http 8080 --count 3\n"
        "  mrsp read 'wctp+http://127.0.0.1:8080/wctp?recipient=5550000001&meter=00123457'\n\n"
        f"faults:\n{faults_help()}"
    )
    parser.add_argument("--http", type=int, default=0, metavar="PORT", help="of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--snpp", type=int, metavar="PORT", help="also take pages by SNPP; the second line of output")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="serve https: certificate and key, PEM")
    parser.add_argument("--sender", default="mrsp", metavar="ID", help="of the customer (default %(default)s)")
    parser.add_argument("--code-file", type=Path, metavar="FILE", help="the customer's security code (default: none)")
    parser.add_argument("--push", metavar="URL", help="push replies to the customer, rather than wait to be polled")
    parser.add_argument("--poll-interval", type=int, default=0, metavar="S", help="refuse polls more often than this")
    parser.add_argument("--format", default="ascii-checked", metavar="NAME", help="of messages (default %(default)s)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="meters; their PINs and ids count up")
    parser.add_argument("--pin", type=int, default=5550000000, metavar="N", help="of the first (default %(default)s)")
    parser.add_argument("--meter-id", type=int, default=123456, metavar="N", help="of the first, eight digits")
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="where the meters stand (default %(default)s)")
    parser.add_argument("--silence", type=float, default=30.0, metavar="S", help="how long the fault lasts")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=N]", help="what goes wrong; repeatable")


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises `UsageError`."""
    gateway, account = carrier(args)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with AsyncExitStack() as stack:
            door = Door(gateway, silence_s=args.silence)
            url = await stack.enter_async_context(serving(door, port=args.http, tls=_tls(args.certificate)))
            lines = [f"wctp+{url}"]
            if args.snpp is not None:
                terminal = SnppTerminal(gateway.meters, lambda: datetime.now(UTC))
                lines.append(await stack.enter_async_context(serving_snpp(terminal, port=args.snpp)))
            if args.push:
                pushing = asyncio.create_task(Pusher(gateway, account, args.push).run())
                stack.callback(pushing.cancel)
            sys.stdout.writelines(f"{line}\n" for line in lines)
            sys.stdout.flush()
            await stopped.wait()
    except OSError as error:
        raise UsageError(f"the port cannot be opened: {error}", advice="take another, or 0") from error
    finally:
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def carrier(args: argparse.Namespace) -> tuple[WctpGateway, Account]:
    """Return the gateway that the options describe, and its one customer. Raises `UsageError`."""
    try:
        zone = ZoneInfo(args.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{args.zone!r} is no time zone known on this box", advice="for example UTC") from error
    if not 1 <= args.count <= 100_000:
        raise UsageError(f"--count {args.count} is not 1 to 100000")
    meters = fleet(load_format(args.format), zone, count=args.count, first_pin=args.pin, first_meter=args.meter_id)
    account = Account(args.sender, _code(args.code_file))
    faults = parse_faults(args.fault)
    gateway = WctpGateway(
        meters, {account.sender: account}, lambda: datetime.now(UTC), faults, poll_interval_s=args.poll_interval
    )
    return gateway, account


def _code(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text("utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _tls(path: Path | None) -> ssl.SSLContext | None:
    if path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(path)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{path} holds no certificate with its key: {error}") from error
    return context
