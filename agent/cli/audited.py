"""Where a command sets down the session that it has with a meter: `--audit-log FILE`, or the log of `--config FILE`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from agent.audit import AuditLog
from agent.audit_sessions import SessionLog, who
from agent.box import sessions_of
from agent.config import Config


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to a command that only reads; without either of them its session is not set down."""
    group = parser.add_argument_group("on the record")
    group.add_argument("--audit-log", metavar="FILE", type=Path, help="set the session down here")
    group.add_argument("--config", metavar="FILE", type=Path, help="be this agent: its audit log and profiles")


def log_at(path: Path) -> AuditLog:
    """Open the log of `--audit-log`, made if need be. Raises `LocalTrouble`."""
    return AuditLog(path, lambda: datetime.now(UTC))


def sessions_by_hand(program: str, path: Path | None, config: Config | None) -> SessionLog | None:
    """Return what sets down the sessions of `program`: in the log at `path`, else in the agent's; None: in neither."""
    if path is not None:
        return SessionLog(lambda: log_at(path), by=who(program))
    return None if config is None else sessions_of(config, program)


def profiles_of(config: Config | None, given: list[Path]) -> tuple[Path, ...]:
    """Return the directories of profiles to go by: the agent's, then those that were given."""
    own = () if config is None else tuple(map(config.path, config.settings.agent.profile_directories))
    return (*own, *given)
