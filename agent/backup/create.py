"""`mrsp backup create`: everything of one agent in one encrypted file, while the agent runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.backup.age import Lock, Sealing
from agent.backup.container import Written, write_end, write_member
from agent.backup.contents import (
    Source,
    configuration_sources,
    key_sources,
    photo_sources,
    recording_sources,
    state_sources,
)
from agent.backup.manifest import CONFIGURATION, MANIFEST, SCHEMA, STATE, Manifest, Member
from agent.backup.snapshot import Taken, copy_database, member_of, take_files, take_in_memory, workplace
from agent.config import Config
from agent.durable_file import sync_directory
from agent.errors import LocalTrouble, UsageError
from agent.identity.layout import CREDENTIAL
from agent.identity.present import own_public_keys
from agent.instance import generation_of
from agent.keys import DeviceKey, load_device_key
from agent.private_file import credential

AUDIT_LOG = "audit.jsonl"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup takes beyond what every one has."""

    passwords: bool = True  # the password files that the configuration names
    recordings: bool = False  # of the visits: the largest part, and no reading depends on them
    photos: bool = False  # from the field: up to 2 GiB


def create_backup(file: Path, config: Config, output: Path, lock: Lock, contents: Contents, now: datetime) -> Manifest:
    """Write a backup of the agent that `file` configures to `output` (0600), whole or not at all; return what is in it.

    The agent may run. Raises `LocalTrouble`, and `UsageError` if `output` exists.
    """
    if output.exists():
        raise UsageError(f"{output} exists already", advice="a backup is never overwritten: give another name")
    if not config.state_directory.is_dir():
        raise LocalTrouble(f"there is no state directory {config.state_directory}", advice="is this the right box?")
    with workplace(config.state_directory) as place:
        taken, left_out = _take(file, config, contents, place)
        spool = next((one.content for one in taken if one.member.name == f"{STATE}/{config.spool_file.name}"), None)
        key = load_device_key(config.key_directory)
        facts = _chain_facts(spool) if isinstance(spool, Path) else (0, "", 0)
        manifest = Manifest(
            schema=SCHEMA,
            agent_version=version("mrsp-agent"),
            created_at=now,
            agent_id=config.agent_id,
            kid=key.kid,
            key=_whereabouts(key),
            public_keys=tuple(_public(one) for one in own_public_keys(config.key_directory)),
            chain_seq=facts[0],
            chain_digest=facts[1],
            waiting=facts[2],
            generation=generation_of(config.state_directory),
            configuration=f"{CONFIGURATION}/{file.name}",
            left_out=tuple(left_out),
            members=tuple(one.member for one in taken),
        )
        _write(output, lock, manifest, taken)
    return manifest


def _take(file: Path, config: Config, contents: Contents, place: Path) -> tuple[list[Taken], list[str]]:
    """Return everything at rest; the spool last, see `agent.backup.snapshot`."""
    configuration, left_out = configuration_sources(file, config, passwords=contents.passwords)
    secrets = take_in_memory([*configuration, *key_sources(config)])
    state, more = state_sources(config)
    left_out += more
    if contents.recordings:
        state += recording_sources(config)
    else:
        left_out.append(f"{config.recording_directory}: the recordings of the visits")
    photos = photo_sources(config)
    if contents.photos:
        state += photos
    elif photos:
        left_out.append(f"{photos[0].path.parent}: the photographs from the field ({len(photos):,})")
    taken = secrets + take_files(state, place, config.state_directory / AUDIT_LOG)
    if config.spool_file.exists():
        source = Source(f"{STATE}/{config.spool_file.name}", config.spool_file)
        copy = place / "spool"
        copy_database(source.path, copy)
        taken.append(Taken(member_of(source.name, copy), copy))
    return taken, left_out


def _chain_facts(spool: Path) -> tuple[int, str, int]:
    """Return the last link, its digest, and how many documents wait."""
    try:
        with closing(sqlite3.connect(f"{spool.as_uri()}?mode=ro", uri=True)) as db:
            seq, digest = db.execute("SELECT head_seq, head_digest FROM chain").fetchone() or (0, "")
            waiting = db.execute("SELECT count(*) FROM document WHERE acked_at IS NULL").fetchone()[0]
    except sqlite3.Error as err:
        advice = "`mrsp spool verify` says what is wrong; `mrsp spool restart-chain` mends it; then make the backup"
        raise LocalTrouble(f"the spool is damaged: {err}", advice=advice) from err
    return int(seq), str(digest), int(waiting)


def _whereabouts(key: DeviceKey) -> Literal["file", "credential", "token"]:
    if key.token is not None:
        return "token"
    return "credential" if credential(CREDENTIAL) == key.path else "file"


def _public(key: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def _write(output: Path, lock: Lock, manifest: Manifest, taken: list[Taken]) -> None:
    """Write under a temporary name, sync, rename."""
    draft = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(output.parent).free < manifest.octets:
            raise LocalTrouble(f"the disk of {output} has no room for {manifest.octets:,} octets", advice="free space")
        with suppress(FileNotFoundError):
            draft.unlink()  # left by a power cut
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            sealing = Sealing(sink, lock)
            mtime = int(manifest.created_at.timestamp())
            content = msgspec.json.encode(manifest)
            first = Taken(_member(content), content)
            for one in (first, *taken):
                with one.open() as source:
                    write_member(sealing, one.member, source, mtime)
            write_end(sealing)
            sealing.close()
            sink.flush()
            os.fsync(sink.fileno())
        draft.rename(output)
        sync_directory(output.parent)
    except (OSError, Written, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        advice = "check free space, and that the disk is mounted writable"
        raise LocalTrouble(f"cannot write the backup {output}: {why}", advice=advice) from err
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _member(manifest: bytes) -> Member:
    return Member(MANIFEST, len(manifest), sha256(manifest).hexdigest())
