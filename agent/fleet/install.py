"""`mrsp fleet install` and `rollback`: a bundle is verified and understood as a whole before anything is changed.

1  signature, whom it is for, version, every digest: in memory
2  written beside what is there; the configuration checked with the new files, and every file of a known kind
3  a line in the audit log, then one small file is replaced: from then on the new version is in force

The agent takes it up with its next start, on trial (`agent.fleet.start`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from agent.audit import AuditLog
from agent.config import Config
from agent.errors import LocalTrouble, UsageError
from agent.fleet.bundle import MOST_BUNDLE_OCTETS, Bundle, unpack
from agent.fleet.check import check_files, check_named
from agent.fleet.effective import configuration_in
from agent.fleet.errors import BundleRefused
from agent.fleet.keys import load_fleet_keys
from agent.fleet.manifest import not_meant, refuse_older_agent
from agent.fleet.settings import FleetSettings
from agent.fleet.store import OWN, Deployment, FleetStore, Trial

Result = Literal["installed", "would_install", "already_installed", "not_for_this_box"]


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of a bundle. `why`: in words, unless it was installed."""

    result: Result
    version: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Installer:
    """Changes the version that is in force on one box. `check` raises what is wrong with a configuration."""

    own: Config  # the box's own file
    check: Callable[[Config], object]
    audit: Callable[[], AuditLog]
    by: str  # who installs, for the audit log
    now: Callable[[], datetime]

    def install(self, octets: bytes, *, dry_run: bool = False) -> Installed:
        """Install a bundle. Raises `BundleRefused`, `UsageError`, `LocalTrouble`; then nothing has changed."""
        fleet = fleet_of(self.own)
        self._refuse_other_user()
        bundle = unpack(octets, load_fleet_keys(self.own.path(fleet.keys)))
        manifest = bundle.manifest
        if why := not_meant(manifest, self.own.agent_id, fleet.groups):
            return Installed("not_for_this_box", manifest.version, why)
        refuse_older_agent(manifest)
        store = FleetStore(self.own.state_directory)
        with store.held():
            found = store.deployment()
            if (manifest.version, manifest.content) == (found.highest, found.content):
                return self._again(found, manifest.version)
            if manifest.version <= found.highest:
                raise BundleRefused(
                    f"version {manifest.version} is not later than version {found.highest}, which this box had",
                    advice="sign what is wanted with a higher number; `mrsp fleet rollback` goes one version back",
                )
            with store.staged(bundle) as staged:
                self._understood(bundle, staged)
                if dry_run:
                    return Installed("would_install", manifest.version)
                self._switch(store, found, bundle)
            store.forget_others()
        return Installed("installed", manifest.version)

    def rollback(self, reason: str) -> int:
        """Put the version before in force again; return its number. Raises `UsageError`, `LocalTrouble`."""
        fleet_of(self.own)
        self._refuse_other_user()
        store = FleetStore(self.own.state_directory)
        with store.held():
            found = store.deployment()
            if found.previous is None:
                raise UsageError("there is no version before", advice="`mrsp fleet status` shows what is kept")
            target = found.previous
            if target != OWN:
                store.verify(target)
            facts = {"from": found.current, "to": target, "by": self.by, "why": reason}
            self.audit().append("fleet_rolled_back", facts)
            store.put(msgspec.structs.replace(found, current=target, previous=None, since=self.now(), trial=None))
        return target

    def _again(self, found: Deployment, version: int) -> Installed:
        if found.current == version:
            return Installed("already_installed", version, "it is in force")
        why = f": {found.failure.why}" if found.failure is not None and found.failure.version == version else ""
        raise BundleRefused(
            f"version {version} was in force, and was taken back{why}",
            advice="mend it, and sign it with a higher number",
        )

    def _understood(self, bundle: Bundle, staged: Path) -> None:
        """Raise unless the configuration makes sense on this box, with the files that it brings and names."""
        bundle.manifest.configuration_for(self.own.agent_id)
        config = configuration_in(staged, self.own, bundle.manifest.version)
        check_files(staged)
        check_named(config)
        self.check(config)

    def _switch(self, store: FleetStore, found: Deployment, bundle: Bundle) -> None:
        manifest, at = bundle.manifest, self.now()
        store.keep_staged(manifest.version)
        facts = {
            "from": found.current,
            "to": manifest.version,
            "by": self.by,
            "why": f"a bundle signed by {bundle.kid}",
            "content": manifest.content,
        }
        self.audit().append("fleet_installed", facts)
        came_up = found.previous if found.trial is not None else found.current
        store.put(
            Deployment(
                current=manifest.version,
                previous=came_up,
                highest=manifest.version,
                content=manifest.content,
                since=at,
                trial=Trial(at),
                failure=found.failure,
            )
        )

    def _refuse_other_user(self) -> None:
        """Files of another user would be of no use to the service."""
        directory = self.own.state_directory
        try:
            owner = directory.stat().st_uid
        except OSError as error:
            raise LocalTrouble(f"the state directory {directory}: {error.strerror}") from error
        if owner != os.geteuid():
            raise LocalTrouble(
                f"the state directory {directory} belongs to user {owner}, not to {os.geteuid()}",
                advice="run this as the user of the service: sudo -u mrsp mrsp fleet …",
            )


def fleet_of(own: Config) -> FleetSettings:
    """Return the `[fleet]` section. Raises `UsageError` if there is none."""
    if own.settings.fleet is None:
        raise UsageError("there is no [fleet] section", advice="add one that names the fleet's `keys`: docs/fleet.md")
    return own.settings.fleet


def read_bundle(path: Path) -> bytes:
    """Return the octets of a bundle. Raises `LocalTrouble`."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BUNDLE_OCTETS + 1)
    except OSError as error:
        raise LocalTrouble(f"the bundle {path} cannot be read: {error.strerror}") from error
