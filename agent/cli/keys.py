"""Create and inspect the identity of this device: the key that signs every reading."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path

from agent.clock.system import SystemClock
from agent.config import load_config
from agent.errors import UsageError
from agent.keys import KeyStatus, create_device_key, key_status
from agent.schedule import EPOCH
from agent.utc_text import utc_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="init|status")
    init = verbs.add_parser("init", help="make the device key; prints its public half (JWK) for the MDSP")
    init.add_argument("--algorithm", choices=("ES256", "Ed25519"), default="ES256")
    status = verbs.add_parser("status", help="key, certificate, days left; exit 6 if something must be done")
    status.add_argument("--json", action="store_true", help="print JSON")
    for verb in (init, status):
        verb.add_argument("--config", metavar="FILE", type=Path, help="take the key directory of this configuration")
        verb.add_argument("--directory", metavar="DIR", type=Path, help="the key directory")
    status.add_argument("--certificate", metavar="FILE", type=Path, help="default: the one beside the key")


def run(arguments: argparse.Namespace) -> int:
    directory = _directory(arguments)
    if arguments.verb == "init":
        key = create_device_key(directory, arguments.algorithm)
        sys.stderr.write(f"made {key.path}, readable by you alone; give the MDSP this public key:\n")
        sys.stdout.write(json.dumps(key.public_jwk()) + "\n")
        return 0
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1000)
    status = key_status(directory, now=now, certificate=arguments.certificate)
    sys.stdout.write(_json(status) if arguments.json else _text(status))
    return 6 if status.warnings else 0


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.directory is not None:
        directory: Path = arguments.directory
        return directory
    if arguments.config is None:
        raise UsageError("where are the keys?", advice="give --config FILE or --directory DIR")
    return load_config(arguments.config).key_directory


def _json(status: KeyStatus) -> str:
    certificate = status.certificate
    answer: dict[str, object] = {"key": str(status.path), "algorithm": status.algorithm, "kid": status.kid}
    if certificate is not None:
        answer["certificate"] = {
            "path": str(certificate.path),
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "not_after": utc_text(certificate.not_after),
            "days_left": certificate.days_left,
            "matches_key": certificate.matches_key,
        }
    return json.dumps({**answer, "warnings": list(status.warnings)}, indent=2) + "\n"


def _text(status: KeyStatus) -> str:
    certificate = status.certificate
    lines = [f"key          {status.path} ({status.algorithm})", f"kid          {status.kid}"]
    if certificate is not None:
        lines += [
            f"certificate  {certificate.path}",
            f"subject      {certificate.subject}",
            f"issuer       {certificate.issuer}",
            f"expires      {utc_text(certificate.not_after)}, in {certificate.days_left} days",
        ]
    return "\n".join([*lines, *(f"warning      {warning}" for warning in status.warnings)]) + "\n"
