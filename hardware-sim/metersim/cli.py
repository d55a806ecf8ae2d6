"""The command `metersim`: one sub-command for each simulator, imported only when it is asked for."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
from collections.abc import Awaitable, Sequence
from typing import Protocol, cast

from drivers.errors import MrspError
from metersim.precise_loop import precise_loop

#: Sub-command → (module that offers `add_arguments` and `serve`, what it does).
COMMANDS = {
    "meter": ("metersim.meter.command", "a meter on a pty or a TCP port"),
    "modem": ("metersim.modem.command", "a bank of modems, and meters behind telephone numbers"),
    "lab": ("metersim.lab.command", "a laboratory: scenarios, and what a correct reader must find in their meters"),
    "truth": ("metersim.meter.truth_command", "what a correct reader must find in such a meter"),
    "instruments": ("metersim.instruments.command", "an AC source, a standard and a counter around a meter"),
    "pages": ("metersim.pages.command", "pages of meters as audio, for multimon-ng to hear"),
    "modbus": ("metersim.modbus.command", "Modbus meters behind one line: TCP, TLS, RTU over TCP, or RTU on a pty"),
    "ntp": ("metersim.ntp", "a time server"),
    "gnss": ("metersim.gnss", "a satellite receiver on a pty, for a gpsd to listen to"),
    "radio": ("metersim.radio.command", "ERT meters on the air, for a real rtl_433 to decode"),
    "pager": ("metersim.pager.command", "a paging carrier (WCTP, SNPP) with meters behind it"),
    "mdsp": ("metersim.mdsp", "a reference MDSP: verifies, stores, acknowledges"),
    "request": ("metersim.mdsp_request", "a signed request of the MDSP to an agent"),
    "verify": ("metersim.mdsp_offline", "sealed documents and their chain, without a network"),
    "head": ("metersim.mdsp_head", "what the reference MDSP has of an agent's chain, signed"),
    "broker": ("metersim.broker", "an MQTT broker with client certificates"),
    "pki": ("metersim.pki", "keys and certificates for all of them"),
    "est": ("metersim.est", "an EST server (RFC 7030) that issues certificates to agents"),
}


class Command(Protocol):
    """What the module of a sub-command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        ...

    def serve(self, args: argparse.Namespace) -> Awaitable[int | None]:
        """Do it, until it is done or the process is stopped; return the exit status (None: 0)."""
        ...


def _usage() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<8} {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="metersim",
        description="Simulators to test meter readers against.",
        epilog=f"commands:\n{lines}\n\nexample:\n  metersim meter --scenario residential-tou --baud-pace",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command", choices=COMMANDS, metavar="COMMAND", help="one of those below; each has its own --help"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 2 for wrong arguments or a wrong scenario."""
    chosen = _usage().parse_args(argv[:1])
    try:
        command = cast(Command, importlib.import_module(COMMANDS[chosen.command][0]))
        parser = argparse.ArgumentParser(prog=f"metersim {chosen.command}")
        command.add_arguments(parser)
        args = parser.parse_intermixed_args(argv[1:])
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            return runner.run(_awaited(command.serve(args))) or 0
    except MrspError as error:
        print(f"metersim: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0


async def _awaited(command: Awaitable[int | None]) -> int | None:
    return await command


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))
