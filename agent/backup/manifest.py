"""`manifest.json`, the first member of a backup: what it is of, and every other member with its size and digest."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any

import msgspec

from agent.backup.errors import ArchiveRefused

SCHEMA = "mrsp.backup/1"
MANIFEST = "manifest.json"
MOST_MANIFEST_OCTETS = 16_777_216
MOST_MEMBERS = 50_000  # the records of 20,000 meters, and a ledger of 400 days, fit twice
MOST_OCTETS = 1 << 40  # of one member; a larger number is no size

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

#: Where a member belongs; the first level of its name.
CONFIGURATION = "config"  # the configuration file, and what it names by relative paths: beside it
STATE = "state"  # the state directory
KEYS = "keys"  # the key directory
RECORDINGS = "recordings"  # their directory
ABSOLUTE = "absolute"  # what the configuration names by absolute paths
PLACES = (CONFIGURATION, STATE, KEYS, RECORDINGS, ABSOLUTE)
_LEVEL = re.compile(r"(?!\.)[ -.0-\[\]-~]{1,100}")  # no `.`, no `..`, nothing hidden, no separator of any system
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the backup."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=250)]
    octets: Annotated[int, msgspec.Meta(ge=0, le=MOST_OCTETS)]
    sha256: Digest


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the backup is of."""

    schema: str
    agent_version: str
    created_at: datetime
    agent_id: str
    kid: str  # of the key that signs documents
    key: Annotated[
        str, msgspec.Meta(pattern="^(file|credential|token)$")
    ]  # where its private half is; in the backup: file
    public_keys: tuple[dict[str, Any], ...]  # JWKs that verify the documents of the spool
    chain_seq: Annotated[int, msgspec.Meta(ge=0)]  # last link
    chain_digest: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{43})?$")]
    waiting: int  # documents that were not acknowledged
    generation: Annotated[int, msgspec.Meta(ge=0)]
    configuration: str  # member that is the configuration file
    left_out: tuple[str, ...]  # what the agent has and the backup has not, in words
    members: Annotated[tuple[Member, ...], msgspec.Meta(max_length=MOST_MEMBERS)]

    @property
    def octets(self) -> int:
        """Of all members."""
        return sum(member.octets for member in self.members)


def parse_manifest(octets: bytes) -> Manifest:
    """Return a checked manifest. Raises `ArchiveRefused`."""
    try:
        found = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as err:
        raise refused(f"its manifest cannot be read: {err}") from err
    if found.schema != SCHEMA:
        raise ArchiveRefused(
            f"the backup is of another format: {found.schema!r:.40}",
            advice="use the version of mrsp-agent that made it",
        )
    refuse_newer(found.agent_version)
    names = [member.name for member in found.members]
    if len(set(names)) != len(names):
        raise refused("a name occurs twice")
    for name in names:
        if not is_name(name):
            raise refused(f"it names a file {name!r:.100}, which no backup of ours has")
    if found.configuration not in names or not found.configuration.startswith(f"{CONFIGURATION}/"):
        raise refused("it has no configuration")
    return found


def is_name(name: str) -> bool:
    """Return whether `name` is one that a member may have: relative, below one of the places, nothing hidden."""
    place, *levels = name.split("/")
    return place in PLACES and bool(levels) and all(_LEVEL.fullmatch(level) for level in levels)


def refuse_newer(made_by: str) -> None:
    """Raise `ArchiveRefused` for a backup of a later version: what that wrote may mean something else here."""
    ours, theirs = (_VERSION.match(text) for text in (version("mrsp-agent"), made_by))
    if theirs is None or ours is None:
        raise refused(f"it was made by the version {made_by!r:.40}")
    if [int(part or 0) for part in theirs.groups()] > [int(part or 0) for part in ours.groups()]:
        raise ArchiveRefused(
            f"the backup was made by mrsp-agent {made_by}; this is {version('mrsp-agent')}, which is older",
            advice="install that version here, or a newer one",
        )


def refused(why: str) -> ArchiveRefused:
    """Return the refusal of an archive that is not as this program writes them."""
    return ArchiveRefused(f"the backup is not as it should be: {why}", advice="use another copy, or an older backup")
