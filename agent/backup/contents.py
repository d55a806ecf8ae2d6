"""What belongs to an agent: its configuration with the files that it names, its keys, its state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agent.backup.manifest import ABSOLUTE, CONFIGURATION, KEYS, RECORDINGS, STATE, is_name
from agent.clock.keeper import PROOF_FILE
from agent.config import Config
from agent.credentials import is_credential
from agent.errors import UsageError
from agent.field.photos import PHOTOS
from agent.instance import INSTANCE_FILE

#: Keys of the configuration that name a file, besides those that end with `_file`.
FILE_KEYS = frozenset({"accounts", "ca", "certificate", "key", "keys", "mdsp", "plan"})
_DIRECTORY_KEYS = frozenset({"code_set_directories", "profile_directories", "rule_set_directories", "texts"})
_SECRET_KEYS = ("password_file", "pin_file")
_PASSING = frozenset({PROOF_FILE, INSTANCE_FILE, "console-sessions.json"})  # of this box and boot alone
_PASSING_ENDS = (".lock", ".part", ".head", "-wal", "-shm", "-journal", ".restarted")
_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the agent, under the name that it gets in the backup."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Named:
    """A file that the configuration names. `secret`: a password."""

    key: str
    path: Path
    secret: bool


def named_files(config: Config) -> tuple[list[Named], list[str]]:
    """Return the files that a configuration names, and the credentials, which lie elsewhere."""
    found: list[Named] = []
    credentials: list[str] = []
    for key, value in _strings(msgspec.to_builtins(config.settings)):
        last = key.rpartition(".")[2]
        if last in _DIRECTORY_KEYS:
            found += [Named(key, path, secret=False) for path in _files(config.path(value))]
        elif last.endswith("_file") or last in FILE_KEYS:
            if is_credential(value):
                credentials.append(f"{value} ({key}): give it to the new box's service again")
            elif config.path(value).is_file():
                found.append(Named(key, config.path(value), secret=last.endswith(_SECRET_KEYS)))
    return found, credentials


def configuration_sources(file: Path, config: Config, *, passwords: bool) -> tuple[list[Source], list[str]]:
    """Return the configuration file and what it names outside the agent's directories; and what was left out."""
    found, left_out = named_files(config)
    covered = [path.resolve() for path in (config.state_directory, config.key_directory)]
    sources = {CONFIGURATION + "/" + file.name: file}
    for named in found:
        if any(named.path.resolve().is_relative_to(directory) for directory in covered):
            continue
        if named.secret and not passwords:
            left_out.append(f"{named.path} ({named.key}): a password")
            continue
        sources[_name_beside(named.path, file.parent.resolve())] = named.path
    return [Source(_checked(name, path), path) for name, path in sources.items()], left_out


def key_sources(config: Config) -> list[Source]:
    """Return the files of the key directory."""
    return list(_below(config.key_directory, KEYS))


def recording_sources(config: Config) -> list[Source]:
    """Return the recordings of the visits."""
    return list(_below(config.recording_directory, RECORDINGS))


def photo_sources(config: Config) -> list[Source]:
    """Return the photographs from the field."""
    return list(_below(config.state_directory / PHOTOS, f"{STATE}/{PHOTOS}"))


def state_sources(config: Config) -> tuple[list[Source], list[str]]:
    """Return the files of the state directory, spool and photographs not among them; and what was left out."""
    apart = (config.key_directory, config.recording_directory, config.state_directory / PHOTOS)
    sources, left_out = [], []
    for source in _below(config.state_directory, STATE):
        if any(source.path.is_relative_to(directory) for directory in apart) or source.path == config.spool_file:
            continue
        if ".damaged" in source.path.name:
            left_out.append(f"{source.path}: damaged, and of no use to the agent")
        elif source.path.name not in _PASSING and not source.path.name.endswith(_PASSING_ENDS):
            sources.append(source)
    return sources, left_out


def is_database(path: Path) -> bool:
    """Return whether a file is an SQLite database, which is not copied octet for octet."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _below(directory: Path, place: str) -> Iterator[Source]:
    for path in _files(directory):
        yield Source(_checked(f"{place}/{path.relative_to(directory).as_posix()}", path), path)


def _files(directory: Path) -> Iterator[Path]:
    """Yield the regular files below a directory, in order; hidden ones are drafts, and links lead elsewhere."""
    try:
        entries = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in entries:
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def _name_beside(path: Path, base: Path) -> str:
    """Return the name of a file that the configuration names: where it lies, seen from it, or from the root."""
    if path.is_relative_to(base) and ".." not in path.parts:
        return f"{CONFIGURATION}/{path.relative_to(base).as_posix()}"
    return f"{ABSOLUTE}/{path.absolute().resolve().relative_to('/').as_posix()}"


def _checked(name: str, path: Path) -> str:
    if not is_name(name):
        raise UsageError(
            f"{path} cannot be backed up under its name",
            advice="names are of printable ASCII, at most 100 letters, without backslash, and do not begin with a dot",
        )
    return name


def _strings(tree: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a configuration with its key; entries of lists have their list's key."""
    if isinstance(tree, str):
        yield key, tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield from _strings(value, f"{key}.{name}" if key else name)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _strings(value, key)
