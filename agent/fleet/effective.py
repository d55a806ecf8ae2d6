"""The configuration that is in force on a box: its own file, or that of the version that was installed.

The box's own file says who it is and where it keeps its things; the rest is the fleet's, as soon as there is a version.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from agent.config import AgentSection, Config, Settings
from agent.errors import ConfigError, UsageError
from agent.fleet.manifest import CONFIGURATION, OWN_CONFIGURATIONS
from agent.fleet.store import OWN, FleetStore
from agent.fleet.template import fill
from drivers.toml_file import parse_toml, read_toml_text

_DEFAULT_STATE = AgentSection(agent_id="a").state_directory


def in_force(own: Config) -> Config:
    """Return the configuration that counts on the box of `own`. Raises `ConfigError`, `LocalTrouble`."""
    store = FleetStore(own.state_directory)
    version = store.deployment().current
    if version == OWN:
        return Config(own.settings, own.base, OWN)
    return configuration_in(store.files(version), own, version)


def configuration_in(directory: Path, own: Config, version: int) -> Config:
    """Return what the version in `directory` means on the box of `own`. Raises `ConfigError`."""
    file = directory / OWN_CONFIGURATIONS / f"{own.agent_id}.toml"
    if not file.exists():
        file = directory / CONFIGURATION
    fleet = own.settings.fleet
    values = {"agent_id": own.agent_id, **(fleet.values if fleet is not None else {})}
    try:
        text = fill(read_toml_text(file, what="configuration"), values, name=str(file))
        settings = parse_toml(text, Settings, name=str(file), what="configuration")
    except UsageError as error:
        raise ConfigError(error.message, advice=error.advice) from error
    return Config(_at_home(settings, own, file), directory, version)


def _at_home(settings: Settings, own: Config, file: Path) -> Settings:
    """Return the settings with the places of this box. Raises `ConfigError` if they say others."""

    def refuse(key: str, why: str) -> None:
        raise ConfigError(f"configuration {file}: `{key}`: {why}", advice="leave the key out of the bundle")

    if settings.agent.agent_id != own.agent_id:
        refuse("agent.agent_id", f'this box is {own.agent_id}; write `agent_id = "{{agent_id}}"`')
    if settings.fleet is not None:
        refuse("fleet", "whom a box trusts is said by its own file only")
    said = settings.agent.state_directory
    if said not in {_DEFAULT_STATE, str(own.state_directory)}:
        refuse("agent.state_directory", "where a box keeps its things is said by its own file only")
    places = {
        "keys.directory": (settings.keys.directory, own.settings.keys.directory, own.key_directory),
        "recordings.directory": (
            settings.recordings.directory,
            own.settings.recordings.directory,
            own.recording_directory,
        ),
    }
    for key, (theirs, ours, place) in places.items():
        if theirs is not None and theirs not in {ours, str(place)}:
            refuse(key, "where a box keeps its things is said by its own file only")
    fleet = own.settings.fleet
    return msgspec.structs.replace(
        settings,
        agent=msgspec.structs.replace(settings.agent, state_directory=str(own.state_directory)),
        keys=msgspec.structs.replace(settings.keys, directory=str(own.key_directory)),
        recordings=msgspec.structs.replace(settings.recordings, directory=str(own.recording_directory)),
        fleet=fleet and msgspec.structs.replace(fleet, keys=str(own.path(fleet.keys))),
    )
