"""`--config` of the commands that look at the agent of this box."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

DEFAULT_CONFIG: Final = Path("/etc/mrsp/mrsp.toml")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Let the configuration be named; where the service has its own unless it is."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=DEFAULT_CONFIG, help=f"of the agent (default: {DEFAULT_CONFIG})"
    )
