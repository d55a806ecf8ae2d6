"""Run the service: visit the configured meters when they are due, keep the readings, forward them.

Ends on SIGTERM or Ctrl-C with the meters logged off; what was read stays in the spool until the MDSP acknowledged it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from agent.cli.interrupt import run_until_interrupted
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.service import Service


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the configuration (TOML)")


def run(arguments: argparse.Namespace) -> int:
    logging.getLogger("agent").setLevel(logging.INFO)  # a service tells its log what it does
    service = Service(load_config(arguments.config), SystemClock())
    try:
        asyncio.run(run_until_interrupted(service.run()))
    except KeyboardInterrupt:
        logging.getLogger("agent.service").info("stopped")
    return 0
