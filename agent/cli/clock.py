"""Prove this box's clock, and say what the proof permits to be read.

Asks chrony, or the NTP servers and the gpsd that are named, or what the configuration names. Never sets a clock.
exit status: 0 interval reads are permitted; 5 they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from agent.clock.explain import clock_json, clock_text, exit_status
from agent.clock.instant import read_instant
from agent.clock.keeper import PROOF_FILE, ProofKeeper
from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--ntp", metavar="HOST[:PORT]", action="append", default=[], help="ask this server; repeatable")
    parser.add_argument("--gpsd", metavar="HOST[:PORT]", help="ask this gpsd's satellite receiver (port 2947)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="ask what this configuration names")


def run(arguments: argparse.Namespace) -> int:
    keeper = _keeper(arguments, clock := SystemClock())
    proof = asyncio.run(keeper.prove())
    now = read_instant(clock)
    sys.stdout.write((clock_json if arguments.json else clock_text)(proof, now) + "\n")
    return exit_status(proof, now)


def _keeper(arguments: argparse.Namespace, clock: SystemClock) -> ProofKeeper:
    """Whom to ask; a configured agent also remembers what it measured earlier in this boot."""
    try:
        settings = ClockSettings.asking(arguments.ntp, arguments.gpsd)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if arguments.config is None:
        return ProofKeeper(settings, clock)
    config = load_config(arguments.config)
    if not arguments.ntp and arguments.gpsd is None:
        settings = config.settings.clock
    return ProofKeeper(settings, clock, config.state_directory / PROOF_FILE)
