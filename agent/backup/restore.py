"""`mrsp backup restore`: an agent from its backup, verified as a whole before anything is written, whole or not at all.

1  read the archive from end to end: every chunk, every digest, version, names; nothing is written
2  write it beside its places; check keys, databases, chain; let the chain go on (`agent.backup.takeover`)
3  move everything into place, the configuration last
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from agent.backup.age import Opening, Unlock
from agent.backup.check import check_databases, notes_on_audit, same_content
from agent.backup.container import Sink, read_backup
from agent.backup.errors import ArchiveRefused
from agent.backup.identity import identity_for
from agent.backup.manifest import Manifest, Member, refused
from agent.backup.places import Layout, layout, refuse_occupied
from agent.backup.takeover import Agent, Claim, Ground, carry_on, known_by, known_keys
from agent.config import Config, Settings
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.instance import INSTANCE_FILE, Instance, successor
from agent.keys import MdspKeys, import_jwk
from agent.requests.store import REQUESTS_FILE, RequestStore
from agent.seal import Sealer
from agent.spool_restart import ChainRestart
from drivers.toml_file import LARGEST, parse_toml


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a restore."""

    target: Path  # of the configuration
    claim: Claim  # what the dead box may have made, and who says so
    ground: Ground
    inside: Path | None = None  # nothing may be written elsewhere
    replace: bool = False  # move aside what is there
    new_identity: bool = False  # a key of this box, instead of the one in the backup


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `restart`: the report to the MDSP; None if the chain goes on without a gap."""

    manifest: Manifest
    config: Config
    kid: str
    instance: Instance
    restart: ChainRestart | None
    notes: tuple[str, ...]


def inspect(archive: Path, unlock: Unlock) -> tuple[Manifest, bytes]:
    """Read an archive to its end and verify all of it; return its manifest and the configuration. Writes nothing.

    Raises `ArchiveRefused`, and `LocalTrouble` if the file cannot be read.
    """
    kept: dict[str, bytearray] = {}

    def sink(member: Member) -> Callable[[bytes], None]:
        if kept or member.octets > LARGEST:
            return _drop
        return kept.setdefault(member.name, bytearray()).extend

    manifest = _read(archive, unlock, sink)
    if manifest.configuration not in kept:
        raise refused("its configuration is not its first file, or larger than any is")
    return manifest, bytes(kept[manifest.configuration])


def restore_backup(archive: Path, unlock: Unlock, wish: Wish, now: datetime) -> Restored:
    """Restore an agent. Raises `ArchiveRefused`, `LocalTrouble`, `UsageError`: then everything is as it was.

    Only where step 3 itself is cut short there is no agent yet: no configuration. To be called again.
    """
    manifest, text = inspect(archive, unlock)
    settings = parse_toml(text.decode("utf-8", "replace"), Settings, name=manifest.configuration, what="configuration")
    target = wish.target.absolute()
    config = Config(settings, target.parent.resolve())
    if config.agent_id != manifest.agent_id:
        raise refused(f"its configuration is of {config.agent_id}, its manifest of {manifest.agent_id}")
    inside = wish.inside.resolve() if wish.inside is not None else None
    places = layout(manifest, config, config.base / target.name, inside=inside)
    if not wish.replace:
        refuse_occupied(places, manifest, same_content)
    _refuse_too_large(manifest, config.base)
    try:
        places.begin()
        if _read(archive, unlock, places.sink) != manifest:
            raise ArchiveRefused("the archive has changed while it was read", advice="use another copy")
        done = _settle(places, manifest, config, wish, now)
        places.commit()
    except OSError as err:
        raise LocalTrouble(f"cannot write {err.filename}: {err.strerror}", advice="check owner and free space") from err
    finally:
        places.drop()
    return done


def _settle(places: Layout, manifest: Manifest, config: Config, wish: Wish, now: datetime) -> Restored:
    """Make of the staged files an agent that may run."""
    keys, state = places.stage_of(config.key_directory), places.stage_of(config.state_directory)
    for directory in (keys, state):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_databases(state, spool=places.stage_of(config.spool_file))
    notes = notes_on_audit(state)
    key = identity_for(keys, manifest, new=wish.new_identity)
    if wish.new_identity:
        notes.append(f"this box has a key of its own, {key.kid}: the MDSP must register it, and its CA certify it")
    mdsp: MdspKeys | None = None
    if config.settings.keys.mdsp is not None:
        path = places.where(config.path(config.settings.keys.mdsp))
        mdsp = MdspKeys(path, require_encryption=config.settings.keys.encrypt)
        mdsp.load()
    agent = Agent(
        spool=places.stage_of(config.spool_file),
        agent_id=config.agent_id,
        sealer=Sealer(key, (lambda: mdsp.load().encryption) if mdsp is not None else (lambda: None)),
        keys=known_keys(key.public_key(), [import_jwk(one) for one in manifest.public_keys]),
    )
    known = known_by(wish.claim, mdsp, agent_id=config.agent_id, now=now)
    restart = carry_on(agent, known, wish.ground, now)
    for left in state.glob(f"{agent.spool.name}.damaged-*"):
        left.unlink()  # as it was in the backup, where it stays
    _forget_requests(state, now)
    instance = successor(manifest.generation, now)
    write_durably(state / INSTANCE_FILE, msgspec.json.encode(instance))
    return Restored(manifest, config, key.kid, instance, restart, (*notes, *manifest.left_out))


def _forget_requests(state: Path, now: datetime) -> None:
    """Let the box take no request again that the lost one may have taken after the backup."""
    if (state / REQUESTS_FILE).exists():
        store = RequestStore(state / REQUESTS_FILE, create=True)
        try:
            store.forget_before(now)
        finally:
            store.close()


def _read(archive: Path, unlock: Unlock, sink: Sink) -> Manifest:
    try:
        with archive.open("rb") as file:
            return read_backup(Opening(file, unlock), sink)
    except OSError as err:
        raise LocalTrouble(f"cannot read the backup {archive}: {err.strerror}", advice="check the path") from err


def _refuse_too_large(manifest: Manifest, base: Path) -> None:
    """Raise `LocalTrouble` if the disk has no room: the spool is copied once more while its chain goes on."""
    there = next(path for path in (base, *base.parents) if path.exists())
    needed = manifest.octets * 2
    if shutil.disk_usage(there).free < needed:
        raise LocalTrouble(
            f"the disk of {base} has no room for {needed:,} octets", advice="free space, or a larger disk"
        )


def _drop(_octets: bytes) -> None:
    """Pass over what is only verified."""
