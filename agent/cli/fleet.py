"""Configuration and profiles for many boxes as signed bundles: made here, installed there, taken back if need be.

On the operator's machine:  key, sign. On a box, as the user of the service:  install, status, rollback.
A new version comes into force with the next start of the service. If it does not come up, the one before is taken
again.

exit status of `install`: 0 installed, already installed, or not for this box (the output says which; nothing changed);
2 the configuration makes no sense here; 6 the bundle is refused. Of `status`: 1 if a version was taken back.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from agent.audit import AuditLog
from agent.audit_sessions import who
from agent.box import audit_file_of
from agent.cli.config import describe
from agent.cli.config_file import add_config
from agent.config import Config, load_own_config
from agent.errors import UsageError
from agent.fleet.install import Installed, Installer, fleet_of, read_bundle
from agent.fleet.manifest import SCHEMA
from agent.fleet.sign import sign_folder
from agent.fleet.store import OWN, FleetStore
from agent.keys import DeviceKey, create_device_key, read_key
from agent.routes.safe_text import checked
from agent.utc_text import utc_text
from drivers.errors import MrspError, printable

KEY_FILE = "fleet-key.pem"
LONGEST_REASON = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="key|sign|install|status|rollback")
    key = verbs.add_parser("key", help="make the fleet's key if there is none, and print its public half for the boxes")
    key.add_argument("directory", metavar="DIRECTORY", type=Path, help=f"holds {KEY_FILE}; made 0700 if missing")
    _add_sign(verbs.add_parser("sign", help="make a signed bundle of a folder"))
    install = verbs.add_parser("install", help="verify a bundle, check what it means here, and put it in force")
    install.add_argument("bundle", metavar="BUNDLE", type=Path)
    install.add_argument("--dry-run", action="store_true", help="verify and check all of it, and change nothing")
    status = verbs.add_parser("status", help="what is in force, what was before, and whether it came up")
    rollback = verbs.add_parser("rollback", help="put the version before in force again")
    rollback.add_argument("--reason", metavar="TEXT", required=True, help="kept in the audit log")
    for verb in (install, status, rollback):
        add_config(verb)
        verb.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_sign(sign: argparse.ArgumentParser) -> None:
    sign.add_argument("folder", metavar="FOLDER", type=Path, help="with mrsp.toml, profiles/, rule_sets/, code_sets/")
    sign.add_argument("--key", metavar="FILE", type=Path, required=True, help="the private key: see `fleet key`")
    sign.add_argument("--number", metavar="N", type=int, required=True, help="of this version: above all before it")
    sign.add_argument("--output", metavar="BUNDLE", type=Path, required=True, help="never overwritten")
    sign.add_argument("--agent", metavar="ID", action="append", default=[], help="only for this agent; again for more")
    sign.add_argument("--group", metavar="NAME", action="append", default=[], help="only for boxes of this group")
    sign.add_argument("--percent", metavar="P", type=int, default=100, help="of them, by lot; default: 100")
    sign.add_argument("--requires", metavar="VERSION", help="of mrsp-agent, at least; default: any")


def run(arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "key":
            return _key(arguments.directory)
        case "sign":
            return _sign(arguments)
        case "install":
            return _install(arguments)
        case "status":
            return _status(load_own_config(arguments.config), as_json=arguments.json)
        case _:
            return _rollback(arguments)


def _key(directory: Path) -> int:
    path = directory / KEY_FILE
    key = read_key(path) if path.exists() else create_device_key(directory, "Ed25519", name=KEY_FILE)
    _out({"keys": [key.public_jwk()]})
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    if not arguments.folder.is_dir():
        raise UsageError(f"{arguments.folder} is no folder")
    key: DeviceKey = read_key(arguments.key)
    octets = sign_folder(arguments.folder, key, _terms(arguments))
    try:
        with arguments.output.open("xb") as file:
            file.write(octets)
    except FileExistsError as error:
        raise UsageError(f"{arguments.output} exists already", advice="give another name") from error
    sys.stdout.write(f"{arguments.output}: version {arguments.number}, {len(octets)} octets, signed by {key.kid}\n")
    return 0


def _terms(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for, as the manifest says it."""
    return {
        "schema": SCHEMA,
        "version": arguments.number,
        "made_at": datetime.now(UTC).replace(microsecond=0),
        "agents": arguments.agent,
        "groups": arguments.group,
        "percent": arguments.percent,
        "requires": arguments.requires,
    }


def _installer(arguments: argparse.Namespace, own: Config) -> Installer:
    def now() -> datetime:
        return datetime.now(UTC)

    by = who(f"mrsp fleet {arguments.verb}")
    return Installer(own, describe, lambda: AuditLog(audit_file_of(own), now), by, now)


def _install(arguments: argparse.Namespace) -> int:
    own = load_own_config(arguments.config)
    done = _installer(arguments, own).install(read_bundle(arguments.bundle), dry_run=arguments.dry_run)
    if arguments.json:
        _out({"result": done.result, "version": done.version, "why": done.why or None})
    else:
        sys.stdout.write(_said(done) + "\n")
    return 0


def _said(done: Installed) -> str:
    what = f"version {done.version}"
    match done.result:
        case "installed":
            return f"{what} is installed; it comes into force with the next start: systemctl restart mrsp"
        case "would_install":
            return f"{what} can be installed here; nothing was changed"
        case "already_installed":
            return f"{what} is installed already: {done.why}"
        case "not_for_this_box":
            return f"{what} is not installed: {done.why}"


def _rollback(arguments: argparse.Namespace) -> int:
    own = load_own_config(arguments.config)
    reason = checked(arguments.reason, "reason", LONGEST_REASON)
    target = _installer(arguments, own).rollback(reason)
    if arguments.json:
        _out({"result": "rolled_back", "version": target})
    else:
        what = "the box's own file" if target == OWN else f"version {target}"
        sys.stdout.write(f"{what} is in force again with the next start: systemctl restart mrsp\n")
    return 0


def _status(own: Config, *, as_json: bool) -> int:
    fleet = fleet_of(own)
    store = FleetStore(own.state_directory)
    found = store.deployment()
    damage = ""
    try:
        if found.current != OWN:
            store.verify(found.current)
    except MrspError as error:
        damage = str(error)
    failed = found.failure is not None and found.failure.version == found.highest
    facts: dict[str, Any] = {
        "agent_id": own.agent_id,
        "agent_version": version_of("mrsp-agent"),
        "groups": list(fleet.groups),
        "version": found.current,
        "since": utc_text(found.since.replace(microsecond=0)) if found.since else None,
        "state": "on_trial" if found.trial else "damaged" if damage else "up",
        "starts": found.trial.starts if found.trial else None,
        "previous": found.previous,
        "highest": found.highest,
        "failure": {
            "version": found.failure.version,
            "at": utc_text(found.failure.at.replace(microsecond=0)),
            "why": found.failure.why,
        }
        if found.failure
        else None,
        "damage": damage or None,
    }
    if as_json:
        _out(facts)
    else:
        sys.stdout.write("\n".join(map(printable, _lines(facts))) + "\n")
    return 6 if damage else 1 if failed else 0


def _lines(facts: dict[str, Any]) -> list[str]:
    since = f" since {facts['since']}" if facts["since"] else ""
    lines = [f"{facts['agent_id']}: {_name(facts['version'])} is in force{since}"]
    if facts["state"] == "on_trial":
        lines.append(f"it has not come up yet; starts so far: {facts['starts']}")
    if facts["damage"]:
        lines.append(facts["damage"])
    if facts["previous"] is not None:
        lines.append(f"before: {_name(facts['previous'])}, kept")
    if (failure := facts["failure"]) is not None:
        lines.append(f"version {failure['version']} was taken back at {failure['at']}: {failure['why']}")
    return lines


def _name(version: int) -> str:
    return "the box's own file" if version == OWN else f"version {version}"


def _out(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")
