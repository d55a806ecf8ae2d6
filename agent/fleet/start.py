"""A new version comes up, or the one before is taken again: by itself, at the next start.

A version is on trial until the service has run with it for a while and its spool still answers. Each start until then
is counted on the disk before anything else happens; when there were enough of them the start goes back. A service that
was ready and is told to stop has not failed, and its start does not count. A version that cannot be understood any more
goes back at once. What was done stands in the log, `mrsp fleet status` and the audit log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from agent.audit import AuditLog
from agent.box import audit_file_of
from agent.config import Config, load_own_config
from agent.errors import LocalTrouble, UsageError
from agent.fleet.effective import in_force
from agent.fleet.store import OWN, Deployment, Failure, FleetStore
from agent.only_one import running
from drivers.errors import MrspError

PROBATION_S = 60.0  # so long the service runs with a new version before that has come up

_log = logging.getLogger("agent.fleet")


def config_to_run(path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Config:
    """Return the configuration that the service starts with; to be called once a start.

    Raises `ConfigError`, `LocalTrouble` if there is none that could be used.
    """
    own = load_own_config(path)
    fleet = own.settings.fleet
    if fleet is None:
        return own
    store = FleetStore(own.state_directory)
    if running(own.state_directory) is not None:
        return in_force(own)  # this start will be refused, and says nothing about the version
    with store.held():
        found = store.deployment()
        if found.trial is not None and found.trial.starts >= fleet.attempts:
            found = _taken_back(store, own, found, f"it did not come up in {found.trial.starts} starts", now())
        try:
            config = _whole(store, own, found)
        except MrspError as error:
            if found.previous is None:
                raise
            _log.error("%s", error)
            found = _taken_back(store, own, found, str(error), now())
            config = _whole(store, own, found)
        if found.trial is not None:
            trial = msgspec.structs.replace(found.trial, starts=found.trial.starts + 1, ready=False)
            store.put(msgspec.structs.replace(found, trial=trial))
            _log.info("version %d is on trial: start %d of %d", found.current, trial.starts, fleet.attempts)
    return config


async def come_up(
    config: Config,
    answers: Callable[[], Awaitable[object]],
    now: Callable[[], datetime],
    *,
    wait_s: float = PROBATION_S,
) -> None:
    """Run beside the service: when all else has run for a while, and the spool `answers`, the version has come up."""
    store = FleetStore(config.state_directory)
    while True:
        try:
            if not await asyncio.to_thread(_on_trial, store, config):
                return None
            await asyncio.sleep(wait_s)
            await answers()
            return await asyncio.to_thread(_came_up, store, config, now())
        except LocalTrouble as error:
            _log.error("whether version %s has come up cannot be set down yet: %s", config.fleet_version, error)
            await asyncio.sleep(wait_s)


def told_to_stop(config: Config) -> None:
    """Do not count this start if the service was ready: it did not fail. To be called when it was stopped."""
    if config.fleet_version is None:
        return
    store = FleetStore(config.state_directory)
    try:
        with store.held():
            found = store.deployment()
            if found.current == config.fleet_version and found.trial is not None and found.trial.ready:
                trial = msgspec.structs.replace(found.trial, starts=found.trial.starts - 1, ready=False)
                store.put(msgspec.structs.replace(found, trial=trial))
    except LocalTrouble as error:
        _log.error("that this start does not count cannot be set down: %s", error)


def _on_trial(store: FleetStore, config: Config) -> bool:
    """Return whether the version of this process is on trial; if so, note that the service is ready with it."""
    with store.held():
        found = store.deployment()
        if found.trial is None or found.current != config.fleet_version:
            return False
        store.put(msgspec.structs.replace(found, trial=msgspec.structs.replace(found.trial, ready=True)))
    return True


def _came_up(store: FleetStore, config: Config, at: datetime) -> None:
    with store.held():
        found = store.deployment()
        if found.current != config.fleet_version or found.trial is None:
            return  # another one was installed meanwhile, and comes with the next start
        store.put(msgspec.structs.replace(found, trial=None))
    _log.info("version %d has come up", found.current)
    _audit(config, "fleet_came_up", {"to": found.current, "starts": found.trial.starts}, at)


def _taken_back(store: FleetStore, own: Config, found: Deployment, why: str, at: datetime) -> Deployment:
    """Put the version before in force. Raises `UsageError` if there is none."""
    if found.previous is None:
        raise UsageError(f"version {found.current} cannot be used: {why}", advice="there is none before")
    back = msgspec.structs.replace(
        found,
        current=found.previous,
        previous=None,
        since=at,
        trial=None,
        failure=Failure(found.current, at, why[:500]),
    )
    store.put(back)
    _log.error("version %d is taken back, version %d is in force again: %s", found.current, back.current, why)
    facts = {"from": found.current, "to": back.current, "by": "mrsp run", "why": why[:500]}
    _audit(own, "fleet_taken_back", facts, at)
    return back


def _whole(store: FleetStore, own: Config, found: Deployment) -> Config:
    """Return the configuration in force, its files as they were signed."""
    if found.current != OWN:
        store.verify(found.current)
    return in_force(own)


def _audit(
    config: Config, event: Literal["fleet_came_up", "fleet_taken_back"], facts: dict[str, object], at: datetime
) -> None:
    """Set down what was done; that the audit log cannot be written keeps no agent from coming up."""
    try:
        AuditLog.mended(audit_file_of(config), lambda: at).append(event, facts)
    except LocalTrouble as error:
        _log.error("that version %s changed cannot be set down: %s", facts["to"], error)
