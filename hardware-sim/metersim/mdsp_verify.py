"""How an MDSP judges what arrives: decrypt, verify, look at the document. Written apart from the agent, on purpose.

It shares no code with the sender, so that a mistake of one side does not hide behind the same mistake of the other.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from joserfc import jwe, jws
from joserfc._rfc7518.jwe_zips import DeflateZipModel  # no public way to another inflation limit
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.registry import HeaderParameter

MAX_PAYLOAD_OCTETS = 67_108_864
SIGNING = ("ES256", "Ed25519")
ID_FIELDS = {
    "readings": "reading_id",
    "anomalies": "anomaly_id",
    "reports": "report_id",
    "responses": "response_id",
}
AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_OUTCOMES = frozenset({"accepted", "refused", "done", "given_up", "cancelled"})
_READING_FIELDS = ("method", "purpose", "meter", "clock", "registers", "checks")
_TIMES = ("read_started_at", "read_finished_at")
_REFUSED = (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


class Refused(Exception):
    """What arrived is not acknowledged; the message says why."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One document, verified: who, which link of the agent's chain, and what it says."""

    agent_id: str
    kind: str  # the last level of the topic
    document_id: str
    sequence: int | None
    seq: int
    prev: str
    digest: str
    document: bytes
    token: bytes = field(default=b"", compare=False, repr=False)  # the JWS: the proof of all this


class Registry:
    """The agents that may deliver: `ID.jwks` (a JWK set) or `ID.jwk` (one key) in a directory, read when asked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keys(self, agent_id: str) -> KeySet:
        """Return the agent's public keys; `Refused` if it is not registered."""
        if not AGENT_ID.fullmatch(agent_id):
            raise Refused(f"{agent_id!r:.80} is no agent_id")
        for suffix in ("jwks", "jwk"):
            path = self._directory / f"{agent_id}.{suffix}"
            if path.is_file():
                return read_keys(path)
        raise Refused(f"agent {agent_id} is not registered in {self._directory}")


def read_keys(path: Path) -> KeySet:
    """Read a JWK or a JWK set; `Refused` if it is neither."""
    try:
        content = json.loads(path.read_bytes())
        listed = content.get("keys", [content])
        return KeySet([JWKRegistry.import_key(entry) for entry in listed])
    except (OSError, *_REFUSED) as err:
        raise Refused(f"{path} cannot be used: {err}") from err


def open_sealed(topic: str, payload: bytes, registry: Registry, decryption: Sequence[Key]) -> Delivered:
    """Decrypt if need be, verify the signature, check the document; `Refused` otherwise."""
    levels = topic.split("/")
    if len(levels) != 4 or levels[:2] != ["mrsp", "v1"] or levels[3] not in ID_FIELDS:
        raise Refused(f"topic {topic!r:.120} is not one of ours")
    agent_id, kind = levels[2], levels[3]
    try:
        encrypted = payload.startswith(b"{") or payload.count(b".") == 4
        token = _decrypt(payload, decryption) if encrypted else payload
        signed = jws.deserialize_compact(token, registry.keys(agent_id), registry=_SIGNED)
    except _REFUSED as err:
        raise Refused(f"agent {agent_id}: {err}") from err
    header = signed.protected
    if header["typ"] != "mrsp+jws":
        raise Refused(f"agent {agent_id}: typ {header['typ']!r:.40} is not a document's")
    if header["seq"] < 1:
        raise Refused(f"agent {agent_id}: seq {header['seq']} is not a link")
    document = _parse(signed.payload)
    document_id, sequence = _check(document, agent_id, kind)
    digest = urlsafe_b64encode(hashlib.sha256(token).digest()).decode().rstrip("=")
    return Delivered(
        agent_id, kind, document_id, sequence, header["seq"], header["prev"], digest, signed.payload, token
    )


class _SignedRegistry(jws.JWSRegistry):
    max_payload_length = MAX_PAYLOAD_OCTETS

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)  # RFC 9864: the old name, on receipt


class _Inflate(DeflateZipModel):
    MAX_SIZE = MAX_PAYLOAD_OCTETS


class _EncryptedRegistry(jwe.JWERegistry):
    max_ciphertext_length = MAX_PAYLOAD_OCTETS

    def get_zip(self, name: str) -> Any:
        super().get_zip(name)  # refuses what is not allowed
        return _Inflate()


_SIGNED = _SignedRegistry(
    algorithms=SIGNING,
    header_registry={
        "kid": HeaderParameter("Key", "str", required=True),
        "typ": HeaderParameter("Type", "str", required=True),
        "seq": HeaderParameter("Link of the chain", "int", required=True),
        "prev": HeaderParameter("Digest of the link before", "str", required=True),
    },
)
_ENCRYPTED = _EncryptedRegistry(algorithms=["ECDH-ES", "ECDH-ES+A256KW", "A256GCM", "DEF"])


def _decrypt(payload: bytes, keys: Sequence[Key]) -> bytes:
    if not keys:
        raise Refused("it is encrypted, and this MDSP has no key to decrypt")
    failure: Exception = Refused("no key decrypts it")
    for key in keys:
        try:
            protected, plaintext = _opened(payload, key)
        except Exception as err:  # noqa: BLE001  (cryptography's InvalidTag has no base of its own)
            failure = err
            continue
        if protected.get("cty") != "mrsp+jws" or plaintext is None:
            raise Refused("what was encrypted is no document")
        return plaintext
    raise Refused(f"it cannot be decrypted: {failure!r:.200}")


def _opened(payload: bytes, key: Key) -> tuple[dict[str, Any], bytes | None]:
    """Decrypt the compact form, or the part of the general JSON form that is for `key`."""
    if not payload.startswith(b"{"):
        compact = jwe.decrypt_compact(payload, key, registry=_ENCRYPTED)
        return dict(compact.protected), compact.plaintext
    whole: Any = json.loads(payload)
    ours = [one for one in whole["recipients"] if one["header"]["kid"] == key.kid]
    ours_alone: Any = {**whole, "recipients": ours}
    opened = jwe.decrypt_json(ours_alone, key, registry=_ENCRYPTED)
    return dict(opened.protected or {}), opened.plaintext


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as err:
        raise Refused(f"the document is not JSON as agreed: {err}") from err
    if not isinstance(document, dict):
        raise Refused("the document is not a JSON object")
    return document


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is a binary float; numbers that can be billed are decimal strings")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _check(document: dict[str, Any], agent_id: str, kind: str) -> tuple[str, int | None]:
    """Check what every document must say, and a reading's first level; return id and sequence."""
    document_id = document.get(ID_FIELDS[kind])
    if not isinstance(document_id, str) or not 0 < len(document_id) <= 64:
        raise Refused(f"a document of {kind} without its {ID_FIELDS[kind]}")
    if document.get("agent_id") != agent_id:
        raise Refused(f"{document_id}: agent_id {document.get('agent_id')!r:.80} on the topic of {agent_id}")
    sequence = document.get("sequence")
    if kind == "responses" and (document.get("outcome") not in _OUTCOMES or not isinstance(document.get("jti"), str)):
        raise Refused(f"{document_id}: a response without the outcome or the jti of its request")
    if kind != "readings":
        return document_id, sequence if isinstance(sequence, int) else None
    if document.get("schema") != "mrsp.reading/1":
        raise Refused(f"{document_id}: schema {document.get('schema')!r:.40} is not mrsp.reading/1")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
        raise Refused(f"{document_id}: sequence {sequence!r:.40} is not a number from 1")
    wanted = _READING_FIELDS if _time_is_unknown(document) else (*_TIMES, *_READING_FIELDS)
    if missing := [name for name in wanted if name not in document]:
        raise Refused(f"{document_id}: without {', '.join(missing)}")
    if bad := [name for name in _TIMES if name in document and not _UTC.fullmatch(str(document[name]))]:
        raise Refused(f"{document_id}: {', '.join(bad)} not in RFC 3339 UTC")
    return document_id, sequence


def _time_is_unknown(document: dict[str, Any]) -> bool:
    """Whether a reading says that its box did not know the time, and by which boot it is stamped instead."""
    clock = document.get("clock")
    return isinstance(clock, dict) and "agent_utc" not in clock and "agent_boot_id" in clock
