"""Prove this box's clock, and say what the proof permits to be read.

Asks chrony, or the NTP servers named by --ntp, or what the configuration names. Never sets a clock.
exit status: 0 interval reads are permitted; 5 they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from agent.cli.read import clock_settings
from agent.clock.explain import clock_json, clock_text, exit_status
from agent.clock.instant import read_instant
from agent.clock.measure import prove
from agent.clock.system import SystemClock
from agent.config import load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--ntp", metavar="HOST[:PORT]", action="append", default=[], help="ask this server; repeatable")
    parser.add_argument("--config", metavar="FILE", type=Path, help="ask what this configuration names")


def run(arguments: argparse.Namespace) -> int:
    settings = clock_settings(arguments.ntp)
    if arguments.config is not None and not arguments.ntp:
        settings = load_config(arguments.config).settings.clock
    clock = SystemClock()
    proof = asyncio.run(prove(settings, clock))
    now = read_instant(clock)
    sys.stdout.write((clock_json if arguments.json else clock_text)(proof, now) + "\n")
    return exit_status(proof, now)
