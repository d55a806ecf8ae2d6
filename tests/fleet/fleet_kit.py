"""A fleet for tests: its key, a folder to sign, and a box that trusts it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from agent.audit import AuditLog
from agent.audit_verify import entries
from agent.box import audit_file_of
from agent.cli.config import describe
from agent.config import Config, load_config, load_own_config
from agent.fleet.install import Installed, Installer
from agent.fleet.manifest import SCHEMA
from agent.fleet.sign import sign_folder
from agent.fleet.store import FleetStore
from agent.keys import DeviceKey, create_device_key

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
CONFIGURATION = """\
[agent]
agent_id = "{agent_id}"
profile_directories = ["profiles"]
rule_set_directories = ["rule_sets"]

[spool]
budget_octets = %d

[[meters]]
name = "main"
url = "/dev/ttyUSB0"
expected_meter_id = "{meter}"
rule_set = "ours"
"""
RULES = 'name = "ours"\nbased_on = "ubp-2000"\ntitle = "Ours"\n'


def configuration(number: int) -> str:
    """Return the configuration of version `number`, which its budget tells."""
    return CONFIGURATION % (1_048_576 + number)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The operator's side."""

    directory: Path
    key: DeviceKey

    def sign(self, number: int, files: Mapping[str, str] | None = None, **terms: Any) -> bytes:
        """Return a signed bundle; `files` in place of, or beside, those of a good one."""
        folder = Path(mkdtemp(dir=self.directory))
        whole = {"mrsp.toml": configuration(number), "rule_sets/ours.toml": RULES, "profiles/README.md": "none yet\n"}
        for name, text in (whole | dict(files or {})).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return sign_folder(folder, self.key, {"schema": SCHEMA, "version": number, "made_at": NOW, **terms})


@dataclass(frozen=True, slots=True)
class Gateway:
    """The box's side."""

    file: Path

    @property
    def own(self) -> Config:
        return load_own_config(self.file)

    @property
    def store(self) -> FleetStore:
        return FleetStore(self.own.state_directory)

    @property
    def installer(self) -> Installer:
        own = self.own
        return Installer(own, describe, lambda: AuditLog(audit_file_of(own), lambda: NOW), "a test", lambda: NOW)

    def install(self, bundle: bytes) -> Installed:
        return self.installer.install(bundle)

    def number(self) -> int:
        """Return what the configuration in force was signed as; 0: the box's own."""
        return load_config(self.file).settings.spool.budget_octets - 1_048_576

    def events(self) -> list[tuple[str, object]]:
        return [(entry["event"], entry["to"]) for entry in entries(audit_file_of(self.own))]


def make_fleet(directory: Path) -> Fleet:
    return Fleet(directory, create_device_key(directory / "fleet-key", "Ed25519"))


def make_box(directory: Path, fleet: Fleet) -> Gateway:
    state = directory / "state"
    state.mkdir(mode=0o700, parents=True)
    jwks = directory / "fleet.jwks"
    jwks.write_text(json.dumps({"keys": [fleet.key.public_jwk()]}))
    jwks.chmod(0o644)
    file = directory / "mrsp.toml"
    file.write_text(
        f'[agent]\nagent_id = "gw-1"\nstate_directory = "{state}"\n[spool]\nbudget_octets = 1048576\n'
        '[fleet]\nkeys = "fleet.jwks"\ngroups = ["north"]\nvalues = {meter = "10012345"}\n'
    )
    return Gateway(file)
