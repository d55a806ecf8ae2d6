"""Create, certify, renew and inspect the identity of this device.

One key in a file signs every document and proves this device to the broker (TLS client). With --pkcs11-module the
document key stays on a PKCS#11 token and never leaves it; the key of TLS is in the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.cli.keys_show import status_json, status_text
from agent.clock.system import SystemClock
from agent.config import Config, load_config
from agent.errors import LocalTrouble, UsageError
from agent.identity.chain import parse_chain
from agent.identity.est import Est, credentials_of
from agent.identity.install import (
    Installed,
    cancel_rotation,
    create_identity,
    import_certificate,
    next_keys,
    settle,
    start_rotation,
)
from agent.identity.layout import CERTIFICATE_FILE
from agent.identity.present import retired_keys
from agent.identity.request import certificate_request, check_names, default_name, names_of
from agent.identity.rollover import statement
from agent.identity.status import key_status
from agent.identity.token import TokenPlace
from agent.keys import MAX_CHAIN_OCTETS, DeviceKey, load_device_key, load_tls_key
from agent.schedule import EPOCH
from agent.utc_text import utc_text


@dataclass(frozen=True, slots=True)
class _Here:
    """Whose keys, where, and when. `console`: as what browsers reach the console that shows this certificate."""

    directory: Path
    agent_id: str | None
    now: datetime
    console: tuple[str, ...] | None = None

    def request(self, key: DeviceKey, names: Sequence[str], *, documents: bool) -> bytes:
        """Return a request for the certificate of `key`; without `names`, for those that it needs."""
        agent_id, serves = self.named(), self.console is not None
        wanted = names or (default_name(agent_id), *(self.console or ()))
        return certificate_request(key, agent_id=agent_id, names=wanted, documents=documents, serves=serves)

    def named(self) -> str:
        """Return the agent_id; `UsageError` if nobody said it."""
        if self.agent_id is None:
            raise UsageError("whose certificate?", advice="give --config FILE, or --agent-id ID with --directory")
        return self.agent_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(_VERBS))
    made = {name: verbs.add_parser(name, help=text) for name, (text, _) in _VERBS.items()}
    for name, verb in made.items():
        verb.add_argument("--config", metavar="FILE", type=Path, help="take directory and agent_id from it")
        verb.add_argument("--directory", metavar="DIR", type=Path, help="the key directory")
        if name not in {"init", "status", "public"}:
            verb.add_argument("--agent-id", metavar="ID", help="with --directory: the common name of the certificate")
    init = made["init"]
    init.add_argument("--algorithm", choices=("ES256", "Ed25519"), default="ES256", help="of the key in the file")
    init.add_argument("--pkcs11-module", metavar="FILE", help="sign documents by a token: its PKCS#11 library (.so)")
    init.add_argument("--token", metavar="LABEL", help="the token's label")
    init.add_argument("--pin-file", metavar="FILE", help="0600 file with the token's PIN")
    init.add_argument("--pin-credential", metavar="NAME", help="systemd credential with the token's PIN")
    made["csr"].add_argument("--next", action="store_true", help="for the key of the rotation under way")
    made["csr"].add_argument("--documents", action="store_true", help="for the key on the token that signs documents")
    made["import"].add_argument(
        "certificate", metavar="FILE", help="PEM: the device's first, then its issuers'; - stdin"
    )
    made["status"].add_argument("--json", action="store_true", help="print JSON")
    made["status"].add_argument("--certificate", metavar="FILE", type=Path, help="default: the one beside the key")
    made["rotate"].add_argument("--cancel", action="store_true", help="give up the rotation under way")
    made["rotate"].add_argument("--algorithm", choices=("ES256", "Ed25519"), help="default: as the present key's")
    for name in ("csr", "rotate", "enroll"):
        text = (
            "subject alternative name DNS:…, IP:… or URI:… (repeatable; default: the agent_id, and the console's names)"
        )
        made[name].add_argument("--san", action="append", default=[], metavar="NAME", help=text)
    for name in ("renew", "enroll"):
        verb = made[name]
        verb.add_argument("--est", metavar="URL", required=name == "enroll", help="ask this EST server (RFC 7030)")
        verb.add_argument("--est-ca", metavar="FILE", type=Path, help="PEM: whom to trust as the EST server; required")
    made["enroll"].add_argument(
        "--est-password-file", metavar="FILE", type=Path, help="0600 file with one line USER:PASSWORD"
    )


def run(arguments: argparse.Namespace) -> int:
    return _VERBS[arguments.verb][1](_here(arguments), arguments)


def _init(here: _Here, arguments: argparse.Namespace) -> int:
    key = create_identity(here.directory, arguments.algorithm, place=_place(arguments))
    where = f"a key on the token {key.token!r}" if key.token else f"{key.path}, readable by you alone"
    _tell(f"made {where}; give the MDSP this public key:")
    sys.stdout.write(json.dumps(key.public_jwk()) + "\n")
    return 0


def _csr(here: _Here, arguments: argparse.Namespace) -> int:
    tls, documents = load_tls_key(here.directory), load_device_key(here.directory)
    if arguments.next:
        found = next_keys(here.directory)
        if found is None:
            raise LocalTrouble("no rotation is under way", advice="`mrsp keys rotate` makes the next key")
        tls, documents = found
    _print_request(here, documents if arguments.documents else tls, documents, arguments.san)
    return 0


def _import(here: _Here, arguments: argparse.Namespace) -> int:
    return _install(here, _read_chain(arguments.certificate))


def _status(here: _Here, arguments: argparse.Namespace) -> int:
    status = key_status(here.directory, now=here.now, certificate=arguments.certificate)
    sys.stdout.write(status_json(status) if arguments.json else status_text(status))
    return 6 if status.warnings else 0


def _public(here: _Here, _arguments: argparse.Namespace) -> int:
    keys = [load_device_key(here.directory).public_jwk()]
    following = next_keys(here.directory)
    keys += [following[1].public_jwk()] if following is not None else []
    keys += [dict(one.as_dict(private=False)) for one in retired_keys(here.directory)]
    unique = {str(key["kid"]): key for key in reversed(keys)}
    sys.stdout.write(json.dumps({"keys": list(reversed(unique.values()))}, indent=2) + "\n")
    return 0


def _renew(here: _Here, arguments: argparse.Namespace) -> int:
    settle(here.directory)
    key, path = load_tls_key(here.directory), here.directory / CERTIFICATE_FILE
    if not path.exists():
        raise LocalTrouble(f"there is no certificate {path} to renew", advice="`mrsp keys csr` or `mrsp keys enroll`")
    names = names_of(parse_chain(path.read_bytes())[0])
    if arguments.est is None:
        _print_request(here, key, load_device_key(here.directory), names)
        return 0
    request = here.request(key, names, documents=not _on_token(here))
    est = Est(arguments.est, _anchor(arguments), certificate=path, key=key.path)
    return _install(here, est.enroll(request, again=True))


def _enroll(here: _Here, arguments: argparse.Namespace) -> int:
    settle(here.directory)
    following = next_keys(here.directory)
    key = following[0] if following is not None else load_tls_key(here.directory)
    request = here.request(key, arguments.san, documents=not _on_token(here))
    path = here.directory / CERTIFICATE_FILE
    shown: dict[str, Any] = {}
    if arguments.est_password_file is not None:
        shown = {"login": credentials_of(arguments.est_password_file)}
    elif path.exists():
        shown = {"certificate": path, "key": load_tls_key(here.directory).path}
    return _install(here, Est(arguments.est, _anchor(arguments), **shown).enroll(request, again=False))


def _rotate(here: _Here, arguments: argparse.Namespace) -> int:
    if arguments.cancel:
        cancel_rotation(here.directory)
        _tell("the rotation is given up; the present key stays")
        return 0
    agent_id, present = here.named(), load_device_key(here.directory)
    check_names(agent_id, arguments.san)
    start_rotation(here.directory, arguments.algorithm)
    found = next_keys(here.directory)
    if found is None:
        raise LocalTrouble("the next key has vanished", advice="does another `mrsp keys` run at this moment?")
    path = here.directory / "rollover.jws"
    statement(path, present, found[1], agent_id=agent_id, now=here.now)
    _tell(
        f"made the key {found[1].kid}. Nothing changes yet:\n"
        f"1. give the MDSP {path}: the new public key, signed by the present one; the present one stays registered\n"
        "2. have the CA sign the request below, then `mrsp keys import` the certificate: from then on the new key signs"
    )
    _print_request(here, found[0], found[1], arguments.san)
    return 0


_VERBS: Mapping[str, tuple[str, Callable[[_Here, argparse.Namespace], int]]] = {
    "init": ("make the device key; prints its public half (JWK) for the MDSP", _init),
    "csr": ("print a certificate signing request (PKCS#10, PEM)", _csr),
    "import": ("check and install the certificate that the CA issued", _import),
    "status": ("keys, certificate, days left; exit 6 if something must be done", _status),
    "public": ("print every public key that signs or signed documents (JWK set)", _public),
    "renew": ("ask for a new certificate for the same key, by EST or as a request", _renew),
    "rotate": ("make the next key, and a request for it; the present one stays until the import", _rotate),
    "enroll": ("obtain a certificate from an EST server (RFC 7030) and install it", _enroll),
}


def _install(here: _Here, chain: bytes) -> int:
    done: Installed = import_certificate(here.directory, chain, agent_id=here.named(), now=here.now)
    days = (done.chain.not_after - here.now).days
    if done.unchanged:
        _tell("this certificate is installed already")
    elif done.rotated:
        _tell(
            f"the key {load_device_key(here.directory).kid} signs from now on; the one before stays for `spool verify`"
        )
    _tell(f"certificate of CN={here.agent_id}, until {utc_text(done.chain.not_after)}, in {days} days")
    return 0


def _here(arguments: argparse.Namespace) -> _Here:
    now = EPOCH + timedelta(microseconds=SystemClock().realtime_ns() // 1000)
    given: str | None = getattr(arguments, "agent_id", None)
    if arguments.config is not None:
        config = load_config(arguments.config)
        directory = arguments.directory or config.key_directory
        return _Here(directory, given or config.agent_id, now, _console_names(config))
    if arguments.directory is None:
        raise UsageError("where are the keys?", advice="give --config FILE or --directory DIR")
    return _Here(arguments.directory, given, now)


def _console_names(config: Config) -> tuple[str, ...] | None:
    """Return how browsers name the console that shows the device's certificate; None if there is none such."""
    console = config.settings.console
    if console is None or not console.tls or console.certificate is not None:
        return None
    address = () if console.address.is_unspecified else (f"IP:{console.address}",)
    return (*(f"DNS:{host}" for host in console.hosts), *address)


def _place(arguments: argparse.Namespace) -> TokenPlace | None:
    given = (arguments.token, arguments.pin_file, arguments.pin_credential)
    if arguments.pkcs11_module is None:
        if any(given):
            raise UsageError("which token?", advice="give --pkcs11-module FILE too: the token's PKCS#11 library")
        return None
    if arguments.token is None or (arguments.pin_file is None) == (arguments.pin_credential is None):
        raise UsageError(
            "a token needs its label and its PIN", advice="--token LABEL, and --pin-file or --pin-credential"
        )
    pin_file = str(Path(arguments.pin_file).absolute()) if arguments.pin_file else None
    module = arguments.pkcs11_module
    return TokenPlace(module=module, label=arguments.token, pin_file=pin_file, pin_credential=arguments.pin_credential)


def _print_request(here: _Here, key: DeviceKey, documents: DeviceKey, names: Any) -> None:
    agent_id = here.named()
    purpose = "TLS client and signer of documents" if key.kid == documents.kid else "TLS client"
    if key.token is not None:
        purpose = "signer of documents"
    _tell(f"request for CN={agent_id}, key {key.kid} ({purpose}):")
    both = key.kid == documents.kid
    sys.stdout.write(here.request(key, names, documents=both).decode())


def _read_chain(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_CHAIN_OCTETS + 1)
    path = Path(name)
    if not path.is_file():
        raise LocalTrouble(f"there is no certificate file {path}", advice="give the PEM file that the CA issued")
    with path.open("rb") as file:
        return file.read(MAX_CHAIN_OCTETS + 1)


def _anchor(arguments: argparse.Namespace) -> Path:
    if arguments.est_ca is None:
        raise UsageError("whom to trust as the EST server?", advice="--est-ca FILE: the certificate of its CA")
    anchor: Path = arguments.est_ca
    return anchor


def _on_token(here: _Here) -> bool:
    return load_device_key(here.directory).token is not None


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
