"""What the MDSP says of an agent's chain: a JWS that names the last link and the last numbers that it has seen.

    header {"alg", "kid", "typ": "mdsp-head+jws"}
    payload {"agent_id", "seq", "digest", "sequences": {"reading": n, …}, "issued_at": "…Z", "exp": seconds since 1970}

`seq` is the highest link that arrived, whether or not all before it did; 0 and "" if none did. It is short-lived: what
was true yesterday would let two documents have one number.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from agent.errors import LocalTrouble, UsageError
from agent.keys import PublicKey
from agent.seal import ChainHead
from agent.spool_rows import KINDS

HEAD_TYPE = "mdsp-head+jws"
MOST_OCTETS = 65_536
MOST_NUMBER = 1 << 52
_Number = Annotated[int, msgspec.Meta(ge=0, le=MOST_NUMBER)]
_REFUSED = (JoseError, msgspec.DecodeError, ValueError, TypeError)


class StatementRefused(LocalTrouble):
    """A statement that the MDSP did not sign, or that is not for this agent, or too old."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Where the chain was at least, by somebody who should know. `sequences`: the last number of each kind."""

    head: ChainHead
    sequences: Mapping[str, int] = field(default_factory=dict)

    def sequence(self, kind: str) -> int:
        """Return the last number of a kind; where that is not said, the highest that it can be: one a link."""
        return min(self.sequences.get(kind, self.head.seq), self.head.seq) if self.sequences else self.head.seq


def stated_by_operator(seq: int, digest: str) -> Stated:
    """Take what a person read out of the MDSP's records; `UsageError` if that cannot be."""
    ok = len(digest) == 43 and digest.replace("-", "").replace("_", "").isalnum() and digest.isascii()
    if not 1 <= seq <= MOST_NUMBER or not ok:
        raise UsageError(
            "the last link is a number from 1 and its digest, 43 letters of base64url",
            advice="both are in the MDSP's records of this agent: the highest `seq`, and the SHA-256 of that JWS",
        )
    return Stated(ChainHead(seq, digest))


def read_statement(token: bytes, keys: Sequence[PublicKey], *, agent_id: str, now: datetime) -> Stated:
    """Verify the MDSP's statement of this agent's chain. Raises `StatementRefused`."""
    if len(token) > MOST_OCTETS:
        raise _refused(f"it has {len(token)} octets")
    try:
        header = msgspec.json.decode(_segment(token), type=_Header)
        candidates = [key for key in keys if header.kid in {None, key.kid}]
        said = msgspec.json.decode(_verified(token, header, candidates), type=_Head)
    except _REFUSED as err:
        raise _refused(str(err)) from err
    if said.agent_id != agent_id:
        raise _refused(f"it is of agent {said.agent_id}, not of {agent_id}")
    if said.exp <= now.timestamp():
        raise _refused("it has expired; or the clock of this box is ahead")
    if (said.seq == 0) != (said.digest == ""):
        raise _refused("it names a link without a digest, or the other way round")
    if unknown := [kind for kind in said.sequences if kind not in KINDS]:
        raise _refused(f"it counts documents of the kind {unknown[0]!r:.40}")
    return Stated(ChainHead(said.seq, said.digest), said.sequences)


class _Header(msgspec.Struct, frozen=True):
    alg: Literal["ES256", "Ed25519", "EdDSA"]
    typ: Literal["mdsp-head+jws"]
    kid: str | None = None
    crit: msgspec.UnsetType = msgspec.UNSET  # RFC 7515 §4.1.11: we understand no extension, so any is refused


class _Head(msgspec.Struct, frozen=True):
    agent_id: str
    seq: _Number
    digest: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{43})?$")]
    issued_at: datetime
    exp: _Number
    sequences: dict[str, _Number] = {}


class _Registry(jws.JWSRegistry):
    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_JWS = _Registry(algorithms=["ES256", "Ed25519"], strict_check_header=False)


def _segment(token: bytes) -> bytes:
    segment = token.split(b".", 1)[0]
    return urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def _verified(token: bytes, header: _Header, keys: Sequence[PublicKey]) -> bytes:
    found = jws.extract_compact(token, registry=_JWS)
    for key in keys:
        fits = (key.curve_name == "P-256") == (header.alg == "ES256")
        if fits and jws.validate_compact(found, key, registry=_JWS):
            return found.payload
    raise ValueError("none of the MDSP's keys signed it")


def _refused(why: str) -> StatementRefused:
    return StatementRefused(f"the MDSP's statement is refused: {why}", advice="ask the MDSP for a new one")
