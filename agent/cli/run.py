"""Run the service: visit the configured meters when they are due, keep the readings, forward them.

Ends on SIGTERM or Ctrl-C with the meters logged off; what was read stays in the spool until the MDSP acknowledged it.
On SIGHUP (`systemctl reload mrsp`) the configuration is read again: meters, routes, modem banks and the schedule are
taken over without dropping a read, and the log says what needs a restart.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from functools import partial
from pathlib import Path

from agent.cli.interrupt import run_until_interrupted
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.errors import ConfigError
from agent.fleet.start import config_to_run, told_to_stop
from agent.logs import FORMS, log_form, use_log
from agent.service import Service


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the configuration (TOML)")
    parser.add_argument(
        "--log", choices=FORMS, help="form of the log on standard error (default: journal under systemd, else text)"
    )


def run(arguments: argparse.Namespace) -> int:
    use_log(arguments.log or log_form(os.environ))
    logging.getLogger("agent").setLevel(logging.INFO)  # a service tells its log what it does
    config = config_to_run(arguments.config)
    service = Service(config, SystemClock(), partial(_valid, arguments.config, config.fleet_version))
    hung_up = None if sys.stdin is not None and sys.stdin.isatty() else service.reload  # a terminal that is closed
    try:
        asyncio.run(run_until_interrupted(service.run(), hung_up=hung_up))
    except KeyboardInterrupt:
        logging.getLogger("agent.service").info("stopped")
        told_to_stop(config)
    return 0


def _valid(file: Path, running: int | None) -> Config:
    """Return the configuration if everything fits that it names. Raises `MrspError`.

    `running`: the version of the fleet's that the service began with; another one comes with a start, on trial.
    """
    from agent.cli.config import describe  # noqa: PLC0415 - it knows every kind of meter; a gateway has one or two

    config = load_config(file)
    if config.fleet_version != running:
        raise ConfigError(
            f"the service runs version {running} of the fleet's, and version {config.fleet_version} is in force",
            advice="restart it; `mrsp fleet status` says more",
        )
    describe(config)
    return config
