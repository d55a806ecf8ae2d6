"""The versions that a box keeps, and which of them is in force: one small file decides, and is replaced as a whole.

    fleet/state.json              what is in force, what was before, whether it has come up yet
    fleet/7/manifest.jws          a version as it was signed
    fleet/7/files/mrsp.toml …     and its files
    fleet/.incoming/              one that is being unpacked; of no account

A version is whole and on the disk before the file names it, and stays as long as the file names it. So whatever ends
the process, the version before or the new one is in force, and whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from agent.durable_file import make_directory, sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.fleet.bundle import MANIFEST, Bundle
from agent.fleet.manifest import MOST_MANIFEST_OCTETS, Manifest, read_kept, refused

FLEET = "fleet"  # in the state directory
OWN = 0  # the version that is no bundle: the file of the box itself
_STATE = "state.json"
_FILES = "files"
_INCOMING = ".incoming"
_LOCK = ".lock"
_MOST_STATE_OCTETS = 65_536


class Trial(msgspec.Struct, frozen=True):
    """The version in force has not come up yet."""

    since: datetime
    starts: int = 0  # that were begun and not ended by somebody who stopped a service that was ready
    ready: bool = False  # the last of them came so far


class Failure(msgspec.Struct, frozen=True):
    """A version that was taken back."""

    version: int
    at: datetime
    why: str


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is in force. `previous`: the last one that came up, or that a person put before; None: there is none."""

    current: int = OWN
    previous: int | None = None
    highest: int = OWN  # that was ever in force: no lower one is taken again
    content: str = ""  # of the highest, as `Manifest.content` says
    since: datetime | None = None
    trial: Trial | None = None
    failure: Failure | None = None  # the last one


class FleetStore:
    """One directory. Raises `LocalTrouble` for what the disk refuses, `BundleRefused` for files that are damaged."""

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory / FLEET

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process that changes what is in force."""
        try:
            make_directory(self._directory)
            descriptor = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._trouble(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def deployment(self) -> Deployment:
        """Return what is in force."""
        path = self._directory / _STATE
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_STATE_OCTETS), type=Deployment)
        except FileNotFoundError:
            return Deployment()
        except OSError as error:
            raise self._trouble(error) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise LocalTrouble(
                f"{path} is damaged: which version is in force is not known: {error}",
                advice=f"move {self._directory} away: then the box's own file counts; install the bundle again",
            ) from error

    def put(self, deployment: Deployment) -> None:
        """Say what is in force from now on: the one step that changes it. To be called while `held`."""
        write_durably(self._directory / _STATE, msgspec.json.encode(deployment))

    def files(self, version: int) -> Path:
        """Return the directory of a version's files."""
        return self._directory / str(version) / _FILES

    @contextmanager
    def staged(self, bundle: Bundle) -> Iterator[Path]:
        """Write a version's files where they count for nothing yet. To be used while `held`."""
        incoming = self._directory / _INCOMING
        try:
            shutil.rmtree(incoming, ignore_errors=True)
            for name, content in ((f"{_FILES}/{name}", content) for name, content in bundle.files.items()):
                _write(incoming / name, content)
            _write(incoming / MANIFEST, bundle.token)
            for directory in [incoming, *(path for path in incoming.rglob("*") if path.is_dir())]:
                sync_directory(directory)
        except OSError as error:
            raise self._trouble(error) from error
        try:
            yield incoming / _FILES
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    def keep_staged(self, version: int) -> None:
        """Keep what is `staged` as a version; it is not in force by that."""
        final = self._directory / str(version)
        try:
            shutil.rmtree(final, ignore_errors=True)  # of an installation that was cut short
            (self._directory / _INCOMING).rename(final)
            sync_directory(self._directory)
        except OSError as error:
            raise self._trouble(error) from error

    def forget_others(self) -> None:
        """Remove the versions that are neither in force nor the way back."""
        found = self.deployment()
        kept = {str(found.current), str(found.previous)}
        for path in self._directory.glob("[0-9]*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def manifest(self, version: int) -> Manifest:
        """Return the manifest of a version that is kept."""
        path = self._directory / str(version) / MANIFEST
        try:
            with path.open("rb") as file:
                return read_kept(file.read(MOST_MANIFEST_OCTETS))
        except OSError as error:
            raise refused(f"{path} cannot be read: {error.strerror}") from error

    def verify(self, version: int) -> Manifest:
        """Return the manifest of a version whose files are as they were signed."""
        manifest = self.manifest(version)
        for file in manifest.files:
            path = self.files(version) / file.name
            try:
                with path.open("rb") as opened:
                    content = opened.read(file.octets + 1)
            except OSError as error:
                raise refused(f"{path} cannot be read: {error.strerror}") from error
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise refused(f"{path} is not as it was signed")
        return manifest

    def _trouble(self, error: OSError) -> LocalTrouble:
        advice = "check free space, and that this runs as the user of the service"
        return LocalTrouble(f"cannot use {error.filename or self._directory}: {error.strerror}", advice=advice)


def _write(path: Path, content: bytes) -> None:
    """Write a file (0600) and sync it; a power cut before its directory is synced costs it, and nobody misses it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
