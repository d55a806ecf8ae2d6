"""Where the files of a backup go on another box, and how they get there: beside their place first, then all at once.

Inside each directory of the agent:

    .restore/      what is being written and verified; worth nothing
    .restoring/    what is being moved into place: until it is gone the directory is not an agent's
    .replaced-N/   what was there before

The configuration is moved away first and put into place last: without it nothing runs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from agent.backup.manifest import ABSOLUTE, CONFIGURATION, KEYS, RECORDINGS, STATE, Manifest, Member
from agent.config import Config
from agent.durable_file import sync_directory
from agent.errors import LocalTrouble, UsageError

_STAGE, _MOVING, _REPLACED = ".restore", ".restoring", ".replaced"


@dataclass(frozen=True, slots=True)
class Room:
    """One directory of the agent that is restored as a whole."""

    directory: Path

    @property
    def stage(self) -> Path:
        return self.directory / _STAGE

    def occupied(self) -> bool:
        """Return whether something is there that an interrupted restore did not put there."""
        return bool(self._visible()) and not (self.directory / _MOVING).exists()

    def clear(self, *, unfinished: bool) -> None:
        """Remove what an interrupted restore left; `unfinished`: what it moved into place, too."""
        if (self.directory / _MOVING).exists():
            for path in self._visible() if unfinished else ():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            shutil.rmtree(self.directory / _MOVING)
        shutil.rmtree(self.stage, ignore_errors=True)

    def make_stage(self) -> None:
        self.stage.mkdir(mode=0o700)

    def move_in(self) -> None:
        """Move what was there aside, and what was restored into its place."""
        if old := self._visible():
            aside = unused(self.directory / _REPLACED)
            aside.mkdir(mode=0o700)
            for path in old:
                path.rename(aside / path.name)
            sync_directory(self.directory)
        moving = self.stage.rename(self.directory / _MOVING)
        for path in sorted(moving.iterdir()):
            path.rename(self.directory / path.name)
        sync_directory(self.directory)

    def finish(self) -> None:
        (self.directory / _MOVING).rmdir()
        sync_directory(self.directory)

    def _visible(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if not path.name.startswith("."))


@dataclass(slots=True)
class Layout:
    """Where everything of one backup goes: rooms, and single files (the configuration the last)."""

    config: Config
    rooms: list[Room]
    files: dict[str, Path]  # member → its place
    _made: list[Path] = field(default_factory=list)  # directories that were not there
    _open: BinaryIO | None = None

    @property
    def configuration(self) -> Path:
        return next(reversed(self.files.values()))

    def sink(self, member: Member) -> Callable[[bytes], None]:
        """Return what takes the octets of a member into its stage, and syncs them at the end."""
        path = self.staged(member.name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
        self._open = file

        def take(octets: bytes) -> None:
            if octets:
                file.write(octets)
            else:
                file.flush()
                os.fsync(file.fileno())
                file.close()

        return take

    def staged(self, name: str) -> Path:
        """Return where a member waits."""
        if name in self.files:
            return _draft(self.files[name])
        return self.stage_of(_place(self.config, name))

    def stage_of(self, path: Path) -> Path:
        """Return where a path below one of the rooms waits."""
        room = next(room for room in self.rooms if path.is_relative_to(room.directory))
        return room.stage / path.relative_to(room.directory)

    def where(self, path: Path) -> Path:
        """Return where a file waits that will be at `path`; `path` itself if it is none of the backup's."""
        if path in self.files.values():
            return _draft(path)
        return self.stage_of(path) if any(path.is_relative_to(room.directory) for room in self.rooms) else path

    def begin(self) -> None:
        """Make the stages, without what an interrupted restore left."""
        unfinished = not self.configuration.exists()
        for room in self.rooms:
            self._make(room.directory)
            room.clear(unfinished=unfinished)
            room.make_stage()
        for path in self.files.values():
            self._make(path.parent)
            _draft(path).unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the stages: nothing of the backup stays."""
        if self._open is not None:
            self._open.close()
        for room in self.rooms:
            shutil.rmtree(room.stage, ignore_errors=True)
        for path in self.files.values():
            _draft(path).unlink(missing_ok=True)
        for directory in reversed(self._made):
            with suppress(OSError):
                directory.rmdir()

    def _make(self, directory: Path) -> None:
        """Make a directory and those above it that are missing."""
        for missing in reversed([one for one in (directory, *directory.parents) if not one.exists()]):
            missing.mkdir(mode=0o700)
            self._made.append(missing)

    def commit(self) -> None:
        """Put everything into its place; the configuration, the last of the files, makes it an agent."""
        *others, configuration = self.files.values()
        if configuration.exists():
            configuration.rename(unused(configuration.with_name(f"{configuration.name}.replaced")))
        for room in self.rooms:
            _sync_tree(room.stage)
            room.move_in()
        for path in others:
            if path.exists():
                path.rename(unused(path.with_name(f"{path.name}.replaced")))
            _draft(path).rename(path)
            sync_directory(path.parent)
        for room in self.rooms:
            room.finish()
        _draft(configuration).rename(configuration)
        sync_directory(configuration.parent)


def layout(manifest: Manifest, config: Config, target: Path, *, inside: Path | None) -> Layout:
    """Return where the members of a backup go; `target` is the configuration's place. Raises `UsageError`.

    `inside`: nothing may lie elsewhere.
    """
    wanted = [config.state_directory, config.key_directory]
    if any(member.name.startswith(f"{RECORDINGS}/") for member in manifest.members):
        wanted.append(config.recording_directory)
    rooms = [one for one in wanted if not any(one != other and one.is_relative_to(other) for other in wanted)]
    files: dict[str, Path] = {}
    for member in manifest.members:
        path = target if member.name == manifest.configuration else _place(config, member.name)
        if not any(path.is_relative_to(room) for room in rooms):
            files[member.name] = path
        elif member.name == manifest.configuration:
            raise UsageError(
                f"the configuration {target} would lie in a directory of the agent's own",
                advice="give it a directory above: its state and keys are moved as a whole",
            )
    files[manifest.configuration] = files.pop(manifest.configuration)
    elsewhere = [path for path in (*rooms, *files.values()) if inside and not path.is_relative_to(inside)]
    if elsewhere:
        raise UsageError(
            f"the configuration puts {elsewhere[0]} outside of {inside}",
            advice="restore it with --config FILE: then everything goes where the configuration says",
        )
    return Layout(config, [Room(room) for room in dict.fromkeys(rooms)], files)


def refuse_occupied(found: Layout, manifest: Manifest, is_same: Callable[[Path, Member], bool]) -> None:
    """Raise `LocalTrouble` if an agent, or anything else, is where the backup would go."""
    taken = [room.directory for room in found.rooms if room.occupied()]
    by_name = {member.name: member for member in manifest.members}
    taken += [path for name, path in found.files.items() if path.exists() and not is_same(path, by_name[name])]
    if taken:
        raise LocalTrouble(
            f"something is there already: {', '.join(map(str, taken[:5]))}",
            advice="stop that agent; --replace moves what is there aside and keeps it",
        )


def unused(path: Path) -> Path:
    """Return `path-1`, `path-2` …: the first that does not exist."""
    number = 1
    while (found := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return found


def _place(config: Config, name: str) -> Path:
    place, _, rest = name.partition("/")
    directories = {
        CONFIGURATION: config.base,
        STATE: config.state_directory,
        KEYS: config.key_directory,
        RECORDINGS: config.recording_directory,
        ABSOLUTE: Path("/"),
    }
    return directories[place] / rest


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.restore")


def _sync_tree(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_dir():
            sync_directory(path)
    sync_directory(directory)
