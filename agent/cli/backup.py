"""Back up everything of this agent into one encrypted file; restore it on another box; take over from a dead one.

A backup is encrypted to a passphrase, or to a recovery key whose private half stays elsewhere (`mrsp backup keygen`).
Its format is that of `age`: `age --decrypt ARCHIVE | tar --list` works where this program does not.

What a box that takes over must be told is what the dead one may have sealed that this one does not know, so that no
number of the chain is given twice. One of:
  --statement FILE               the MDSP's signed word (JWS)
  --last-seq N --last-digest D   the same, as a person at the MDSP reads it out
  --stopped                      the backup was made after the old box had been stopped for good
  --unknown-head                 nobody can say: the chain goes on far behind what can have been made
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.backup.age import Lock, Passphrase, Recipient, RecoveryKey, Unlock
from agent.backup.create import Contents, create_backup
from agent.backup.manifest import Manifest
from agent.backup.restore import Restored, Wish, inspect, restore_backup
from agent.backup.statement import MOST_OCTETS, stated_by_operator
from agent.backup.take_over_here import take_over_here
from agent.backup.takeover import Claim, Ground, Statement, Stopped, Unknown
from agent.clock.system import SystemClock
from agent.config import load_config
from agent.credentials import load_secret
from agent.errors import LocalTrouble, UsageError
from agent.instance import Instance
from agent.private_file import read_private_file
from agent.routes.safe_text import checked
from agent.routes.standing import LONGEST_NAME
from agent.schedule import EPOCH
from agent.spool_restart import ChainRestart
from agent.utc_text import utc_text

SHORTEST_PASSPHRASE = 12  # octets
LONGEST_REASON = 1_000
_MOST_KEY_OCTETS = 4_096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create|restore|takeover|show|keygen")
    create = verbs.add_parser("create", help="write a backup; the agent may run")
    create.add_argument("--config", metavar="FILE", type=Path, required=True)
    create.add_argument("--output", metavar="ARCHIVE", type=Path, required=True, help="never overwritten")
    _add_passphrase(create).add_argument("--recipient", metavar="age1…", help="public half of the recovery key")
    create.add_argument("--without-passwords", action="store_true", help="leave out the meters' password files")
    create.add_argument("--recordings", action="store_true", help="with the recordings of the visits")
    create.add_argument("--photos", action="store_true", help="with the photographs from the field, up to 2 GiB")
    restore = verbs.add_parser("restore", help="make this box the agent of a backup")
    restore.add_argument("archive", metavar="ARCHIVE", type=Path)
    place = restore.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", metavar="FILE", type=Path, help="where the configuration goes; the rest as it says")
    place.add_argument("--into", metavar="DIR", type=Path, help="everything below DIR, or nothing")
    _add_unlock(restore)
    restore.add_argument("--replace", action="store_true", help="move aside what is there, and keep it")
    restore.add_argument("--new-identity", action="store_true", help="make a new device key: the old box was stolen")
    takeover = verbs.add_parser("takeover", help="take over without a backup: configuration and keys are here already")
    takeover.add_argument("--config", metavar="FILE", type=Path, required=True)
    for verb in (restore, takeover):
        _add_claim(verb)
    show = verbs.add_parser("show", help="verify a backup, and say what is in it")
    show.add_argument("archive", metavar="ARCHIVE", type=Path)
    _add_unlock(show)
    show.add_argument("--json", action="store_true", help="print its manifest")
    keygen = verbs.add_parser("keygen", help="make a recovery key; prints its public half")
    keygen.add_argument("--output", metavar="FILE", type=Path, required=True, help="never overwritten")


def run(arguments: argparse.Namespace) -> int:
    verbs = {"create": _create, "restore": _restore, "takeover": _takeover, "show": _show, "keygen": _keygen}
    return verbs[arguments.verb](arguments)


def _create(arguments: argparse.Namespace) -> int:
    if arguments.recipient is not None:
        lock: Lock = Recipient.parse(arguments.recipient)
    else:
        lock = _passphrase(arguments)
        if len(lock.secret.reveal()) < SHORTEST_PASSPHRASE:
            raise UsageError(f"a passphrase has at least {SHORTEST_PASSPHRASE} octets", advice="six random words do")
    contents = Contents(
        passwords=not arguments.without_passwords, recordings=arguments.recordings, photos=arguments.photos
    )
    config = load_config(arguments.config)
    manifest = create_backup(arguments.config, config, arguments.output, lock, contents, _now())
    _tell(f"wrote {arguments.output}: {_summary(manifest)}")
    for left in manifest.left_out:
        _tell(f"not in it: {left}")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    unlock = _unlock(arguments)
    target = arguments.config
    if target is None:
        name = inspect(arguments.archive, unlock)[0].configuration.partition("/")[2]
        target = arguments.into / name
    wish = Wish(
        target=target,
        claim=_claim(arguments),
        ground=_ground(arguments),
        inside=arguments.into,
        replace=arguments.replace,
        new_identity=arguments.new_identity,
    )
    done = restore_backup(arguments.archive, unlock, wish, _now())
    _tell_restored(done, target)
    return 0


def _takeover(arguments: argparse.Namespace) -> int:
    claim, ground = _claim(arguments), _ground(arguments)
    instance, restart = take_over_here(load_config(arguments.config), claim, ground, _now())
    _tell_chain(instance, restart)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    manifest, _ = inspect(arguments.archive, _unlock(arguments))
    if arguments.json:
        import msgspec  # noqa: PLC0415 - only here

        sys.stdout.write(json.dumps(msgspec.to_builtins(manifest), indent=2) + "\n")
        return 0
    sys.stdout.write(f"whole: {_summary(manifest)}\n")
    sys.stdout.write("".join(f"{one.octets:>14,}  {one.name}\n" for one in manifest.members))
    sys.stdout.write("".join(f"not in it: {left}\n" for left in manifest.left_out))
    return 0


def _keygen(arguments: argparse.Namespace) -> int:
    key = RecoveryKey.generate()
    try:
        descriptor = os.open(arguments.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as err:
        advice = "a recovery key is never overwritten: older backups need it"
        raise LocalTrouble(f"{arguments.output} exists already", advice=advice) from err
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.text())
        file.flush()
        os.fsync(file.fileno())
    _tell(f"made {arguments.output}: keep it away from the boxes that it is to recover. Its public half:")
    sys.stdout.write(f"{key.recipient}\n")
    return 0


def _add_passphrase(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    group = parser.add_mutually_exclusive_group(required=True)
    help_ = "one line in a 0600 file, or credential:NAME"
    group.add_argument("--passphrase-file", metavar="FILE", type=Path, help=help_)
    return group


def _add_unlock(parser: argparse.ArgumentParser) -> None:
    _add_passphrase(parser).add_argument("--identity", metavar="FILE", type=Path, help="0600 file with a recovery key")


def _add_claim(parser: argparse.ArgumentParser) -> None:
    claim = parser.add_argument_group("what the box before may have made (one of)")
    claim.add_argument("--statement", metavar="FILE", type=Path, help="the MDSP's statement of this agent's chain")
    claim.add_argument("--last-seq", metavar="N", type=int, help="highest link that the MDSP has")
    claim.add_argument("--last-digest", metavar="D", help="and its digest")
    claim.add_argument("--stopped", action="store_true", help="nothing was made after the backup")
    claim.add_argument("--unknown-head", action="store_true", help="nobody can say")
    parser.add_argument("--by", metavar="NAME", default=getpass.getuser(), help="who does this; the MDSP is told")
    parser.add_argument("--reason", metavar="TEXT", default="the box was replaced", help="why; the MDSP is told")


def _claim(arguments: argparse.Namespace) -> Claim:
    by_hand = arguments.last_seq is not None or arguments.last_digest is not None
    given = [arguments.statement is not None, by_hand, arguments.stopped, arguments.unknown_head]
    if sum(given) != 1:
        raise UsageError(
            "what may the box before have made?",
            advice="one of --statement FILE, --last-seq N with --last-digest D, --stopped, --unknown-head (see --help)",
        )
    if arguments.statement is not None:
        with arguments.statement.open("rb") as file:
            return Statement(file.read(MOST_OCTETS + 1).strip())
    if by_hand:
        return stated_by_operator(arguments.last_seq or 0, arguments.last_digest or "")
    return Stopped() if arguments.stopped else Unknown()


def _ground(arguments: argparse.Namespace) -> Ground:
    by = checked(arguments.by, "--by", LONGEST_NAME)
    return Ground(by, checked(arguments.reason, "--reason", LONGEST_REASON))


def _passphrase(arguments: argparse.Namespace) -> Passphrase:
    return Passphrase(load_secret(arguments.passphrase_file, "passphrase"))


def _unlock(arguments: argparse.Namespace) -> Unlock:
    if arguments.identity is None:
        return _passphrase(arguments)
    advice = "give the file that `mrsp backup keygen` wrote"
    return RecoveryKey.parse(read_private_file(arguments.identity, limit=_MOST_KEY_OCTETS, advice=advice))


def _summary(manifest: Manifest) -> str:
    return (
        f"agent {manifest.agent_id} as it was at {utc_text(manifest.created_at)}; {len(manifest.members)} files, "
        f"{manifest.octets:,} octets; chain up to link {manifest.chain_seq}, {manifest.waiting} documents waiting; "
        f"key {manifest.kid}"
    )


def _tell_restored(done: Restored, target: Path) -> None:
    _tell(f"restored {_summary(done.manifest)}")
    for note in done.notes:
        _tell(f"note: {note}")
    _tell_chain(done.instance, done.restart)
    _tell(f"now: mrsp config check {target}; mrsp run --config {target}")


def _tell_chain(instance: Instance, restart: ChainRestart | None) -> None:
    if restart is None:
        _tell("the chain goes on where it was")
    else:
        _tell(
            f"the chain goes on at link {restart.resumes_at}; the last one known is {restart.last_known['seq']}; "
            f"{restart.carried_over} documents wait and are delivered. The MDSP is told what is missing here"
        )
    _tell(f"this box forwards as generation {instance.generation}; an older one that comes back will not")


def _now() -> datetime:
    return (EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1000)).astimezone(UTC)


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
