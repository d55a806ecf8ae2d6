"""What a bundle says of itself, signed: its version, whom it is for, and every file with size and digest. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import datetime
from importlib.metadata import version as version_of
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec

from agent.config import AgentId
from agent.fleet.errors import BundleRefused
from agent.fleet.settings import GroupName
from agent.keys import PublicKey
from agent.seal import SealBroken, digest, open_manifest, payload_of

SCHEMA: Literal["mrsp.fleet/1"] = "mrsp.fleet/1"
CONFIGURATION = "mrsp.toml"
OWN_CONFIGURATIONS = "agents"  # folder with `AGENT_ID.toml`, in place of `mrsp.toml` for that agent
MOST_FILES = 1_000
MOST_OCTETS = 8_388_608  # of all files together: profiles and rule sets are some kB each
MOST_MANIFEST_OCTETS = 524_288  # of its JWS
LATEST_VERSION = (1 << 53) - 1  # that every reader of JSON takes exactly
SUFFIXES = (".crt", ".csv", ".json", ".jwks", ".md", ".pem", ".toml", ".txt")

_LEVEL = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}"
_NAME = re.compile(rf"{_LEVEL}(?:/{_LEVEL}){{0,3}}")
_NUMBERS = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?")

Number = Annotated[int, msgspec.Meta(ge=1, le=LATEST_VERSION)]
AgentVersion = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,2}$")]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class BundleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `name`: relative, in letters, digits, `.`, `_`, `-`, at most four levels."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    octets: Annotated[int, msgspec.Meta(ge=0, le=MOST_OCTETS)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"{self.name!r} is no name of a file in a bundle")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A bundle (version 1). Without `agents` and `groups` it is for every box that trusts its key."""

    schema: Literal["mrsp.fleet/1"]
    version: Number  # a box takes only one that is higher than any it had
    made_at: Annotated[datetime, msgspec.Meta(tz=True)]
    agents: Annotated[tuple[AgentId, ...], msgspec.Meta(max_length=10_000)] = ()
    groups: Annotated[tuple[GroupName, ...], msgspec.Meta(max_length=32)] = ()
    percent: Percent = 100  # of these: a stage of the roll-out
    requires: AgentVersion | None = None  # of mrsp-agent, at least
    files: Annotated[tuple[BundleFile, ...], msgspec.Meta(min_length=1, max_length=MOST_FILES)]

    def __post_init__(self) -> None:
        names = {file.name for file in self.files}
        if len(names) != len(self.files):
            raise ValueError("a name occurs twice")
        folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
        if both := sorted(names & folders):
            raise ValueError(f"{both[0]} is a file and a folder")
        if sum(file.octets for file in self.files) > MOST_OCTETS:
            raise ValueError(f"its files are larger than {MOST_OCTETS} octets together")

    @property
    def content(self) -> str:
        """A digest of what it brings, whoever it is for: a wider stage of the same roll-out has the same."""
        return digest(msgspec.json.encode((self.version, sorted(self.files, key=lambda file: file.name))))

    def configuration_for(self, agent_id: str) -> str:
        """Return the name of the configuration that is meant for an agent. Raises `BundleRefused`."""
        names = {file.name for file in self.files}
        for name in (f"{OWN_CONFIGURATIONS}/{agent_id}.toml", CONFIGURATION):
            if name in names:
                return name
        raise refused(f"it has neither {CONFIGURATION} nor {OWN_CONFIGURATIONS}/{agent_id}.toml")


def is_name(name: str) -> bool:
    """Return whether a file in a bundle may have this name: it leads nowhere else, and is of a kind that is known."""
    return _NAME.fullmatch(name) is not None and name.endswith(SUFFIXES)


def open_signed(token: bytes, keys: Collection[PublicKey]) -> tuple[str, Manifest]:
    """Return `kid` and manifest if one of `keys` signed it. Raises `BundleRefused`."""
    try:
        kid, payload = open_manifest(token, tuple(keys))
    except SealBroken as error:
        raise BundleRefused(
            f"the bundle is not signed by a key that this box trusts: {error.message}",
            advice="`[fleet] keys` names the file of the keys",
        ) from error
    return kid, _parsed(payload)


def read_kept(token: bytes) -> Manifest:
    """Return a manifest that was verified when it came, and is kept by this box. Raises `BundleRefused`."""
    try:
        return _parsed(payload_of(token))
    except SealBroken as error:
        raise refused(error.message) from error


def place_of(version: int, agent_id: str) -> int:
    """Return where an agent stands in the roll-out of a version, 1 to 100: drawn anew for each version."""
    drawn = hashlib.sha256(f"{version} {agent_id}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % 100 + 1


def not_meant(manifest: Manifest, agent_id: str, groups: Collection[str]) -> str:
    """Say why a bundle is not for this agent, or not yet; "" if it is."""
    if manifest.agents and agent_id not in manifest.agents:
        return f"it is for other agents than {agent_id}"
    if manifest.groups and not set(manifest.groups) & set(groups):
        return f"it is for the groups {', '.join(manifest.groups)}"
    if (place := place_of(manifest.version, agent_id)) > manifest.percent:
        return f"it is for {manifest.percent} % of the boxes yet, and {agent_id} comes at {place} %"
    return ""


def refuse_older_agent(manifest: Manifest) -> None:
    """Raise `BundleRefused` if the bundle asks for a later mrsp-agent than this one."""
    if manifest.requires is not None and _numbers(version_of("mrsp-agent")) < _numbers(manifest.requires):
        raise BundleRefused(
            f"version {manifest.version} needs mrsp-agent {manifest.requires}; this is {version_of('mrsp-agent')}",
            advice="upgrade the agent first",
        )


def refused(why: str) -> BundleRefused:
    """Return the refusal of a bundle that is not as `mrsp fleet sign` makes them."""
    return BundleRefused(f"the bundle is not as it should be: {why}", advice="sign it again, and copy it again")


def _parsed(payload: bytes) -> Manifest:
    try:
        return msgspec.json.decode(payload, type=Manifest)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise refused(f"{error!s:.300}") from error


def _numbers(text: str) -> tuple[int, ...]:
    found = _NUMBERS.match(text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()
