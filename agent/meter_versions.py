"""How each meter was set up, and since when: its own configuration as numbered versions with their differences.

A good reading whose configuration (`agent.history.configuration_of`) is not that of the newest version makes the next
one; it names that reading, whose sealed document and recording prove it. One small file a meter holds the oldest kept
version whole and each later one by what changed, so that a meter that is set to and fro costs little.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec

from agent.checks.configuration_change import WHOLE
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.history import Before, Settings

_log = logging.getLogger(__name__)

MOST_VERSIONS = 100  # of one meter; the oldest go first, and the file says how many went
MOST_OCTETS = 1_048_576  # of one file: the largest configuration, every character escaped, takes some 600 kB
MOST_FILES = 20_000  # meters; those set up longest ago go first
FURTHER = " further settings"  # ends the name of what `agent.history` keeps as one digest

Sections = dict[str, Settings]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs from the version before. `old`, `new`: None where it is not there."""

    section: str
    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """How a meter was set up from `first_seen` on, the time of the read `reading_id`, by the agent's clock.

    `last_seen` is set down once a day. `changes`: from the version before; none for the oldest that is kept.
    """

    number: int
    meter_id: str
    first_seen: datetime
    last_seen: datetime
    reading_id: str
    settings: Sections
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class VersionHistory:
    """The versions of one meter that are kept, oldest first. `dropped`: how many older ones are not."""

    key: str  # as `agent.meter_record.record_key` says
    dropped: int
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The configuration that a good reading shows. `whole`: nothing of what was asked for is lost."""

    before: Before
    reading_id: str
    whole: bool


class _Kept(msgspec.Struct, frozen=True):
    """One version on the disk; a setting that is gone is null."""

    number: int
    meter_id: str
    first_seen: datetime
    last_seen: datetime
    reading_id: str
    changes: dict[str, dict[str, str | None]] = {}


class _File(msgspec.Struct, frozen=True):
    """One meter. `oldest`: the settings of the first version here."""

    key: str
    oldest: Sections
    versions: tuple[_Kept, ...]

    def newest(self) -> Sections:
        settings = self.oldest
        for kept in self.versions:
            settings = _applied(settings, kept.changes)
        return settings

    def without_oldest(self) -> _File:
        first, second, *rest = self.versions
        del first
        begun = msgspec.structs.replace(second, changes={})
        return _File(self.key, _applied(self.oldest, second.changes), (begun, *rest))


class MeterVersions:
    """A directory with one file a meter. The disk's trouble is logged only: the next good reading finds the same."""

    def __init__(self, directory: Path, *, most: int = MOST_VERSIONS, most_files: int = MOST_FILES) -> None:
        self._directory = directory
        self._most = most
        self._most_files = most_files

    def note(self, key: str, seen: Seen) -> None:
        """Make the next version if the meter is set up otherwise; to be called once the reading is in the spool."""
        if not any(seen.before.configuration.values()):
            return
        path = self._path(key)
        try:
            found = self._opened(path, key)
            noted = _noted(found, key, seen, self._most)
            if noted is not None:
                write_durably(path, _encoded(noted))
            if found is None:
                self._forget_oldest()
        except (LocalTrouble, OSError) as error:
            _log.warning("how %s is set up cannot be kept: %s", key, error)
            return
        if found is not None and noted is not None and noted.versions[-1].number != found.versions[-1].number:
            _log.warning("%s is set up otherwise than before: version %d", key, noted.versions[-1].number)

    def of(self, key: str) -> VersionHistory | None:
        """Return the versions of one meter; None if there are none. Raises `LocalTrouble` for a file of no use."""
        path = self._path(key)
        try:
            found = _decoded(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LocalTrouble(
                f"{path}: how {key} is set up cannot be read: {error}",
                advice="the next good reading puts the file aside and begins anew",
            ) from error
        return _history(found) if found.key == key else None

    def all(self) -> Iterator[VersionHistory]:
        """Yield the versions of every meter, in no order; a file that cannot be read is logged and left out."""
        for path in self._directory.glob("*.json"):
            try:
                yield _history(_decoded(path))
            except (OSError, ValueError) as error:
                _log.warning("%s: how this meter is set up cannot be read: %s", path, error)

    def _opened(self, path: Path, key: str) -> _File | None:
        """Return what is kept, or None; a file that is of no use is put aside."""
        try:
            found = _decoded(path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            aside = path.with_name(f"{path.stem}.damaged")
            path.replace(aside)
            _log.warning(
                "%s: how %s is set up cannot be read (%s): it begins anew, the file is %s", path, key, error, aside
            )
            return None
        return found if found.key == key else None

    def _path(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _forget_oldest(self) -> None:
        files = list(self._directory.glob("*.json"))
        beyond = len(files) - self._most_files
        if beyond > 0:
            for file in islice(sorted(files, key=lambda one: one.stat().st_mtime_ns), beyond):
                file.unlink(missing_ok=True)


def differences(old: Mapping[str, Settings], new: Mapping[str, Settings]) -> tuple[Change, ...]:
    """Return what differs between two configurations, by section and name."""
    return tuple(
        Change(section, name, was, now)
        for section in dict.fromkeys((*old, *new))
        for name in dict.fromkeys((*old.get(section, {}), *new.get(section, {})))
        if (was := old.get(section, {}).get(name)) != (now := new.get(section, {}).get(name))
    )


def joined(old: Sections, new: Sections, *, whole: bool) -> Sections:
    """Return how a meter is set up by what was known and what a reading shows: what that leaves out stays as it was.

    Of a section of which a meter gives all or nothing, what a `whole` reading leaves out is gone.
    """
    return {
        section: _joined(old.get(section, {}), new.get(section, {}), whole=whole and section in WHOLE)
        for section in dict.fromkeys((*old, *new))
    }


def _joined(old: Settings, new: Settings, *, whole: bool) -> Settings:
    if not new:
        return old
    if whole:
        return new
    return {name: text for name, text in old.items() if not name.endswith(FURTHER)} | new


def _noted(found: _File | None, key: str, seen: Seen, most: int) -> _File | None:
    """Return the file after a reading; None if it stays as it is."""
    before = seen.before
    at = before.read_at
    if found is None:
        return _File(key, before.configuration, (_Kept(1, before.meter_id, at, at, seen.reading_id),))
    newest, settings = found.versions[-1], found.newest()
    same_meter = newest.meter_id == before.meter_id
    now = joined(settings, before.configuration, whole=seen.whole) if same_meter else before.configuration
    changes: dict[str, dict[str, str | None]] = {}
    for change in differences(settings, now):
        changes.setdefault(change.section, {})[change.name] = change.new
    if same_meter and not changes:
        if at.date() <= newest.last_seen.date():
            return None
        again = msgspec.structs.replace(newest, last_seen=at)
        return msgspec.structs.replace(found, versions=(*found.versions[:-1], again))
    following = _Kept(newest.number + 1, before.meter_id, at, at, seen.reading_id, changes)
    grown = msgspec.structs.replace(found, versions=(*found.versions, following))
    while len(grown.versions) > most:
        grown = grown.without_oldest()
    return grown


def _encoded(file: _File) -> bytes:
    """Return the file as octets, without the oldest versions that do not fit."""
    while len(octets := msgspec.json.encode(file)) > MOST_OCTETS and len(file.versions) > 1:
        file = file.without_oldest()
    return octets


def _decoded(path: Path) -> _File:
    """Raises `OSError`, and `ValueError` for what is none of our files."""
    with path.open("rb") as file:
        content = file.read(MOST_OCTETS + 1)
    try:
        found = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not found.versions:
        raise ValueError("it has no version")
    return found


def _applied(settings: Sections, changes: dict[str, dict[str, str | None]]) -> Sections:
    sections: Sections = {}
    for section in dict.fromkeys((*settings, *changes)):
        after: dict[str, str | None] = {**settings.get(section, {}), **changes.get(section, {})}
        sections[section] = {name: text for name, text in after.items() if text is not None}
    return sections


def _history(file: _File) -> VersionHistory:
    settings, versions = file.oldest, []
    for kept in file.versions:
        after = _applied(settings, kept.changes)
        what = (kept.number, kept.meter_id, kept.first_seen, kept.last_seen, kept.reading_id)
        versions.append(Version(*what, settings=after, changes=differences(settings, after)))
        settings = after
    return VersionHistory(file.key, file.versions[0].number - 1, tuple(versions))
