"""The box of a configured agent: its clock, profiles, rules, and what it keeps of meters, visits and writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.audit import AuditLog
from agent.audit_sessions import GROUP_S, Came, SessionLog, who
from agent.clock.instant import Clock
from agent.clock.keeper import PROOF_FILE, ProofKeeper
from agent.clock.untimed import UntimedReadings
from agent.config import Config
from agent.meter_record import MeterRecords
from agent.recordings import Recordings
from agent.visit import Box
from drivers.base import Progress

AUDIT_LOG = "audit.jsonl"  # its newest file, among the agent's state
SERVICE = "mrsp run"


def configured_box(
    config: Config,
    clock: Clock,
    *,
    records: MeterRecords,
    sessions: SessionLog | None = None,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> Box:
    """Return the box that `config` describes. Nothing is opened yet.

    `sessions`: where its visits are set down; by default those of the service, whose lines reach the disk by
    `SessionLog.run`.
    """
    settings = config.settings
    return Box(
        agent_id=config.agent_id,
        clock=clock,
        clock_settings=settings.clock,
        profile_dirs=tuple(map(config.path, settings.agent.profile_directories)),
        rule_set_dirs=tuple(map(config.path, settings.agent.rule_set_directories)),
        records=records,
        keeper=ProofKeeper(settings.clock, clock, config.state_directory / PROOF_FILE),
        recordings=recordings_of(config),
        audit=lambda: AuditLog(audit_file_of(config), _now),
        sessions=sessions or sessions_of(config, SERVICE, came="schedule", group_s=GROUP_S),
        keep=requests_of(config),
        progress=progress,
    )


def records_of(config: Config) -> MeterRecords:
    """Return the records of its meters that a configured agent keeps."""
    return MeterRecords(config.state_directory / "meters")


def audit_file_of(config: Config) -> Path:
    """Return the newest file of a configured agent's audit log."""
    return config.state_directory / AUDIT_LOG


def sessions_of(config: Config, program: str, *, came: Came = "by hand", group_s: float | None = None) -> SessionLog:
    """Return where a configured agent sets down the sessions that `program` has with meters."""
    file = audit_file_of(config)
    return SessionLog(lambda: AuditLog.mended(file, _now), by=who(program), came=came, group_s=group_s)


def recordings_of(config: Config) -> Recordings:
    """Return the recordings that a configured agent keeps."""
    settings = config.settings.recordings
    return Recordings(config.recording_directory, keep=settings.period, budget_octets=settings.budget_octets)


def requests_of(config: Config) -> Path:
    """Return where a configured agent keeps the requests that its drivers sent, until they are answered."""
    return config.state_directory / "requests"


def untimed_of(config: Config) -> UntimedReadings:
    """Return the readings of a configured agent that wait for their time to be known."""
    return UntimedReadings(config.state_directory / "untimed")


def _now() -> datetime:
    return datetime.now(UTC)
