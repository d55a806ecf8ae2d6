"""The field console: who may log in, and where it is.

Accounts are kept beside the service's state; run this as its user. A change counts at once, without a restart: whoever
is removed, or given another password, is logged out.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import socket
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.config_file import add_config
from agent.cli.show import table
from agent.config import Config, load_config
from agent.console.person import ROLES
from agent.console.settings import ConsoleSettings
from agent.credentials import load_secret
from agent.errors import ConfigError, LocalTrouble, UsageError

if TYPE_CHECKING:
    from agent.console.accounts import Accounts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="user|url")
    user = verbs.add_parser("user", help="the persons who may log in")
    doing = user.add_subparsers(dest="doing", required=True, metavar="add|list|remove|password")
    add = doing.add_parser("add", help="make an account; asks for its password")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", choices=ROLES, default="reader", help="operators also see to the box (default: reader)")
    listed = doing.add_parser("list", help="every account, with its role")
    remove = doing.add_parser("remove", help="take an account away")
    remove.add_argument("name", metavar="NAME")
    password = doing.add_parser("password", help="give an account another password")
    password.add_argument("name", metavar="NAME")
    for verb in (add, password):
        verb.add_argument("--password-file", metavar="FILE", type=Path, help="0600 file with the password, one line")
    url = verbs.add_parser("url", help="where a browser finds the console, and the fingerprint that it may ask about")
    for verb in (add, listed, remove, password, url):
        add_config(verb)


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    settings = config.settings.console
    if settings is None:
        raise ConfigError(f"{arguments.config} has no [console] section", advice="add one to have a console")
    if arguments.verb == "url":
        sys.stdout.write(_places(config, settings))
        return 0
    accounts = _accounts(config, settings)
    if arguments.doing == "list":
        rows = [(one.name, one.role, one.since) for one in accounts.all()]
        sys.stdout.write((table(("name", "role", "since"), rows) if rows else "nobody may log in yet") + "\n")
    elif arguments.doing == "add":
        accounts.add(arguments.name, arguments.role, _password(arguments), datetime.now(UTC))
    elif arguments.doing == "password":
        accounts.set_password(arguments.name, _password(arguments))
    else:
        accounts.remove(arguments.name)
    return 0


def _accounts(config: Config, settings: ConsoleSettings) -> Accounts:
    from agent.console.accounts import ACCOUNTS_FILE, Accounts  # noqa: PLC0415 - needs the extra

    given = settings.accounts
    return Accounts(config.path(given) if given else config.state_directory / ACCOUNTS_FILE)


def _password(arguments: argparse.Namespace) -> str:
    """Return the password from a file, a terminal, or the first line of standard input."""
    if arguments.password_file is not None:
        return load_secret(arguments.password_file, "password of an account").reveal().decode()
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"password for {arguments.name}: ")
    if first != getpass.getpass("once more: "):
        raise UsageError("these were two different passwords; nothing was changed")
    return first


def _places(config: Config, settings: ConsoleSettings) -> str:
    """Return the URLs of the console, and of its certificate what a browser shows of it."""
    from agent.console.server import names_of, resolved, url_of  # noqa: PLC0415 - needs the extra
    from agent.console.tls import complaints  # noqa: PLC0415 - a browser's view of a certificate

    names = names_of(settings)
    hosts = names or (str(settings.address) if settings.only_here else socket.gethostname(),)
    lines = [url_of(settings, host, settings.port) for host in hosts]
    shown = resolved(config, settings).certificate
    if shown is not None:
        lines.append(f"certificate {shown}, SHA-256 {_fingerprint(Path(shown))}")
        lines += [f"warning: {complaint}" for complaint in complaints(Path(shown), names)]
    return "\n".join(lines) + "\n"


def _fingerprint(certificate: Path) -> str:
    try:
        text = certificate.read_text(encoding="ascii")
        first = ssl.PEM_cert_to_DER_cert(text[: text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)].lstrip())
    except (OSError, ValueError) as error:
        raise LocalTrouble(f"the certificate {certificate} cannot be read: {error}") from error
    return hashlib.sha256(first).digest().hex(":").upper()
