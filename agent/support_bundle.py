"""The support bundle: what somebody who helps needs to know of this box, in one zip file without secrets.

    content = support_bundle(Gathered(config, now, status=await looker.status(), log=recent.lines()))

Passwords, private keys and what is of a customer stay out: the configuration is written anew without them, nothing is
copied from the spool, the recordings and the meters' records, and each text is searched for every secret of the box
before it goes in.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sqlite3
import ssl
import stat
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from agent.backup.contents import named_files
from agent.box_status import BoxStatus
from agent.config import Config
from agent.credentials import HEXADECIMAL
from agent.errors import LocalTrouble
from agent.identity.layout import KEY_FILE, NEXT_KEY_FILE, PREVIOUS_KEY_FILE
from agent.recent_log import LogLine
from agent.redaction import Scrubber, plain_urls, redacted
from agent.utc_text import utc_text

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # that a zip file can say
MOST_SECRET_OCTETS = 4_096
MOST_ENTRIES = 1_000  # of the state directory
README = """\
Support bundle of the agent {agent_id}, made {at}.

status.json        clock, spool, link, certificate, disk, last warnings
config.json        the configuration with its defaults; secrets, customers and telephone numbers are ***
log.txt            the newest lines of the log since the service started
files.json         what is in the state directory: names, sizes, owners; no content
versions.json      this program, its libraries, Python, the system

No password, no private key and no reading is in it.
"""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a bundle is made of. `status` and `log` are of a running service, where there is one."""

    config: Config
    now: datetime
    status: BoxStatus | None = None
    log: Sequence[LogLine] = ()


def support_bundle(gathered: Gathered) -> bytes:
    """Return the bundle. Blocks for the disk. Raises `LocalTrouble` rather than let a secret out."""
    config = gathered.config
    scrubber = Scrubber(secrets_of(config))
    members: dict[str, Callable[[], str]] = {
        "README.txt": lambda: README.format(agent_id=config.agent_id, at=utc_text(gathered.now)),
        "status.json": lambda: _json(_plain(gathered.status)),
        "config.json": lambda: _json(redacted(msgspec.to_builtins(config.settings, str_keys=True))),
        "log.txt": lambda: "".join(map(_line, gathered.log)),
        "files.json": lambda: _json(_files(config.state_directory)),
        "versions.json": lambda: _json(_versions()),
    }
    moment = max(gathered.now, EARLIEST).timetuple()[:6]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, make in members.items():
            text = scrubber.scrubbed(make())
            if not scrubber.clean(text):
                raise LocalTrouble(f"{name} of the support bundle has a secret in it, and is not given out")
            archive.writestr(zipfile.ZipInfo(f"mrsp-{config.agent_id}/{name}", moment), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def secrets_of(config: Config) -> list[bytes]:
    """Return every secret of this box that is in a file: passwords, systemd credentials, private keys."""
    paths = [named.path for named in named_files(config)[0] if named.secret]
    paths += [config.key_directory / name for name in (KEY_FILE, NEXT_KEY_FILE, PREVIOUS_KEY_FILE)]
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if given and Path(given).is_dir():
        paths += sorted(Path(given).iterdir())
    found: list[bytes] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                octets = file.read(MOST_SECRET_OCTETS)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LocalTrouble(
                f"cannot read {path}, to make sure that it is not in the support bundle: {error.strerror}",
                advice="make the bundle as the user of the service",
            ) from error
        lines = [line for line in octets.splitlines() if not line.startswith(b"-----")]
        found += lines
        found += [bytes.fromhex(line.decode()) for line in lines if HEXADECIMAL.fullmatch(line)]  # a meter's password
    return found


def _line(line: LogLine) -> str:
    return f"{utc_text(line.at)} {line.level} {line.logger}: {plain_urls(line.text)}\n"


def _files(directory: Path) -> list[dict[str, object]]:
    """Return what is in the state directory; of each directory in it only how much."""
    entries: list[dict[str, object]] = []
    with os.scandir(directory) as found:
        for entry in sorted(found, key=lambda one: one.name)[:MOST_ENTRIES]:
            status = entry.stat(follow_symlinks=False)
            facts: dict[str, object] = {
                "name": entry.name,
                "mode": stat.filemode(status.st_mode),
                "owner": status.st_uid,
                "octets": status.st_size,
            }
            if entry.is_dir(follow_symlinks=False):
                facts |= dict(zip(("files", "octets"), _amount(Path(entry.path)), strict=True))
            entries.append(facts)
    return entries


def _amount(directory: Path) -> tuple[int, int]:
    files = octets = 0
    for where, _, names in os.walk(directory):
        for name in names:
            try:
                octets += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - many thousands
            except FileNotFoundError:
                continue
            files += 1
    return files, octets


@cache
def _versions() -> dict[str, object]:
    installed = {one.metadata["Name"]: one.version for one in distributions()}
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return {
        "mrsp-agent": installed.get("mrsp-agent", ""),
        "python": sys.version,
        "system": system,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "libraries": dict(sorted(installed.items())),
    }


def _plain(value: object) -> Any:
    """Return a value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return plain_urls(value) if isinstance(value, str) else value


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
