"""Is every file of a bundle what it should be? Each of a known kind is read as the agent reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.checks.load import load_rule_set
from agent.config import Config
from agent.credentials import is_credential
from agent.errors import UsageError
from agent.fleet.manifest import CONFIGURATION, OWN_CONFIGURATIONS
from agent.routes.codes import load_codes
from drivers.modbus.library import check_map
from drivers.pager.formats import load_format_file
from drivers.profiles import check_profile

PROFILES = "profiles"
RULE_SETS = "rule_sets"
CODE_SETS = "code_sets"
REGISTER_MAPS = f"{PROFILES}/modbus"
PAGER_FORMATS = f"{PROFILES}/pager"
FOLDERS = (PROFILES, REGISTER_MAPS, PAGER_FORMATS, RULE_SETS, CODE_SETS)


def check_files(directory: Path) -> None:
    """Raise `UsageError` for the first profile, rule set or code set below `directory` that cannot be used."""
    for file in sorted(directory.rglob("*.toml")):
        folder = file.parent.relative_to(directory).as_posix()
        if folder == PROFILES:
            _refuse_mistakes(file, check_profile(file, [file.parent]).mistakes)
        elif folder == REGISTER_MAPS:
            _refuse_mistakes(file, check_map(file, [file.parents[1]]).mistakes)
        elif folder == PAGER_FORMATS:
            load_format_file(file)
        elif folder == RULE_SETS:
            load_rule_set(file.stem, [file.parent])
        elif folder == CODE_SETS:
            load_codes(file.stem, [file.parent])
        elif (folder, file.name) != (".", CONFIGURATION) and folder != OWN_CONFIGURATIONS:
            name = file.relative_to(directory).as_posix()
            raise UsageError(
                f"{name} is none of the files that a bundle has",
                advice=f"{CONFIGURATION}, or TOML in {OWN_CONFIGURATIONS}, {', '.join(FOLDERS)}",
            )


def check_named(config: Config) -> None:
    """Raise `UsageError` if a file is missing without which nothing could be forwarded."""
    forward = config.forward
    if forward is None:
        return
    for key in ("ca", "certificate", "key", "password_file"):
        file = getattr(forward, key)
        if file and not is_credential(file) and not Path(file).exists():
            raise UsageError(f"`forward.{key}`: there is no {file}", advice="put it on the box before")


def _refuse_mistakes(file: Path, mistakes: Sequence[str]) -> None:
    if mistakes:
        raise UsageError(f"profile {file.name}: {mistakes[0]}", advice="`mrsp profile check` says all of it")
