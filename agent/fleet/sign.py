"""`mrsp fleet sign`: a folder becomes a signed bundle, on the machine of whoever operates the fleet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import UsageError
from agent.fleet.bundle import pack
from agent.fleet.check import check_files
from agent.fleet.manifest import CONFIGURATION, MOST_FILES, MOST_OCTETS, OWN_CONFIGURATIONS, SUFFIXES, Manifest, is_name
from agent.fleet.template import places
from agent.keys import DeviceKey
from agent.seal import sign_manifest
from drivers.toml_file import parse_toml

_SECRET = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class _Any(msgspec.Struct, frozen=True):
    """Any table: a configuration is understood on the box, with its values."""


def sign_folder(folder: Path, key: DeviceKey, terms: Mapping[str, Any]) -> bytes:
    """Return the bundle of the files in `folder`. `terms`: all that its `Manifest` says besides the files.

    Raises `UsageError` for what cannot be in a bundle, or is none of the files that a bundle has.
    """
    files = {path.relative_to(folder).as_posix(): _content(folder, path) for path in _below(folder)}
    if not files:
        raise UsageError(f"there is nothing in {folder}")
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_OCTETS:
        raise UsageError(f"{folder} has more than {MOST_FILES} files, or {MOST_OCTETS} octets")
    configurations = [name for name in files if _is_configuration(name)]
    if not configurations:
        raise UsageError(f"{folder} has neither {CONFIGURATION} nor {OWN_CONFIGURATIONS}/AGENT_ID.toml")
    for name in configurations:
        text = files[name].decode("utf-8", "replace")
        for place in places(text):
            text = text.replace(f"{{{place}}}", "0")
        parse_toml(text, _Any, name=name, what="configuration")
    check_files(folder)
    listed = [
        {"name": name, "octets": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    ]
    try:
        manifest = msgspec.convert({**terms, "files": listed}, Manifest)
    except msgspec.ValidationError as error:
        raise UsageError(f"no such bundle can be signed: {error}") from error
    return pack(sign_manifest(key, msgspec.json.encode(manifest)), manifest, files)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is no file", advice="a bundle has files only: put the file itself there")
        if path.is_file():
            yield path


def _content(folder: Path, path: Path) -> bytes:
    name = path.relative_to(folder).as_posix()
    if not is_name(name) or len(name) > 100:
        raise UsageError(
            f"a bundle has no file {name!r:.200}",
            advice=f"letters, digits, `.`, `_`, `-`, at most four levels, ending in {' '.join(SUFFIXES)}",
        )
    content = path.read_bytes()
    if _SECRET.search(content):
        raise UsageError(f"{name} has a private key", advice="a bundle is signed, not secret: keys stay on the box")
    return content


def _is_configuration(name: str) -> bool:
    return name == CONFIGURATION or (name.startswith(f"{OWN_CONFIGURATIONS}/") and name.endswith(".toml"))
