"""Sealing: a document becomes a signed link of this device's chain (JWS), encrypted to the MDSP if it has a key (JWE).

    document (UTF-8 JSON) → JWS compact {"alg", "kid", "typ": "mrsp+jws", "seq", "prev"} → JWE around it

`prev` is the base64url SHA-256 of the previous JWS (its ASCII), empty for the first: nothing can be altered, inserted
or left out between meter and MDSP unnoticed. All cryptography is `joserfc` on `cryptography`.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from agent.errors import LocalTrouble
from agent.keys import DeviceKey, PublicKey

MAX_DOCUMENT_OCTETS = 16_777_216  # 40 channels of 5-minute intervals for 60 days are some 10 MB of JSON
MAX_ACK_OCTETS = 65_536  # a thousand reading_ids
MAX_ACK_IDS = 1_000
DOCUMENT_TYPE = "mrsp+jws"
RECEIPT_TYPE = "mrsp-receipt+jws"
REQUEST_TYPE = "mdsp-request+jws"
FLEET_TYPE = "mrsp-fleet+jws"

_MAX_HEADER_OCTETS = 1_024
_Algorithm = Literal["ES256", "Ed25519", "EdDSA"]
Recipients = PublicKey | Sequence[PublicKey] | None
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
_Link = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{43})?$")]


class SealBroken(LocalTrouble):
    """A sealed document, a receipt or the chain does not verify: damaged, altered, or signed by another key."""


class AckRefused(LocalTrouble):
    """Something on the acknowledgement topic that the MDSP did not sign, or that means nothing; nothing was removed."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last link of a chain: its number and the digest of its JWS. A chain that is yet empty: 0 and ""."""

    seq: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One link of the chain. `body` is what is stored and sent: the JWS itself, or the JWE around it (`encrypted`).

    `receipt` is a JWS of ours over the link and the body's digest. It stays on this device, where a body that is
    encrypted to the MDSP, or already delivered and gone, can still be proven.
    """

    head: ChainHead
    prev: str
    body: bytes
    encrypted: bool
    receipt: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A document whose signature has been verified."""

    document: bytes
    head: ChainHead
    prev: str
    kid: str


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a receipt states: link `seq`, its JWS digest, the one before it, the document's id, digest of the body."""

    id: str
    seq: int
    digest: _Digest
    prev: _Link
    body: _Digest


class Sealer:
    """Seals documents with the device key, for the MDSP's encryption key or keys if `recipient()` returns any.

    `key` may be a function that returns the key of this moment: a new one takes over with the next document, and the
    chain goes on, for its links are digests of what was signed, whoever signed it.
    """

    def __init__(
        self, key: DeviceKey | Callable[[], DeviceKey], recipient: Callable[[], Recipients] = lambda: None
    ) -> None:
        self._key: Callable[[], DeviceKey] = (lambda: key) if isinstance(key, DeviceKey) else key
        self._recipient = recipient

    def public_key(self) -> PublicKey:
        """Return the key that verifies what this sealer signs now."""
        return self._key().public_key()

    def seal(self, document: bytes, *, document_id: str, after: ChainHead) -> Sealed:
        """Return `document` as the link that follows `after`; `LocalTrouble` if too large or a key is unusable."""
        if len(document) > MAX_DOCUMENT_OCTETS:
            raise LocalTrouble(
                f"document {document_id} has {len(document)} octets, more than the {MAX_DOCUMENT_OCTETS} that are sent",
                advice="read a shorter span of the load profile",
            )
        link = {"typ": DOCUMENT_TYPE, "seq": after.seq + 1, "prev": after.digest}
        try:
            key = self._key()
            token = _sign(key, link, document)
            recipients = _listed(self._recipient())
            body = _encrypt(token, recipients) if recipients else token.encode("ascii")
            head = ChainHead(after.seq + 1, digest(token.encode("ascii")))
            receipt = Receipt(id=document_id, seq=head.seq, digest=head.digest, prev=after.digest, body=digest(body))
            signed_receipt = _sign(key, {"typ": RECEIPT_TYPE}, msgspec.json.encode(receipt))
        except (JoseError, ValueError, TypeError) as err:
            raise LocalTrouble(f"document {document_id} cannot be sealed: {err}", advice="`mrsp keys status`") from err
        return Sealed(head, after.digest, body, bool(recipients), signed_receipt)


def digest(octets: bytes) -> str:
    """Return the base64url SHA-256 of `octets`, without padding."""
    return urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode("ascii")


def payload_of(token: bytes) -> bytes:
    """Return the document in a JWS of our own spool, for display; nothing is verified. Raises `SealBroken`."""
    try:
        return jws.extract_compact(token, registry=_JWS).payload
    except _REFUSED as err:
        raise SealBroken(f"not a signed document: {err}") from err


def open_document(token: bytes, keys: Sequence[PublicKey]) -> Opened:
    """Verify one signed document against `keys` (chosen by `kid`); raises `SealBroken`."""
    try:
        header = _header(token, _DocumentHeader)
        payload = _verify(token, header, keys)
    except _REFUSED as err:
        raise SealBroken(f"a signed document does not verify: {err}") from err
    return Opened(payload, ChainHead(header.seq, digest(token)), header.prev, header.kid)


def open_receipt(token: bytes, keys: Sequence[PublicKey]) -> Receipt:
    """Verify one receipt against `keys`; raises `SealBroken`."""
    try:
        return msgspec.json.decode(_verify(token, _header(token, _ReceiptHeader), keys), type=Receipt)
    except _REFUSED as err:
        raise SealBroken(f"a receipt does not verify: {err}") from err


def verify_chain(tokens: Iterable[bytes], keys: Sequence[PublicKey], *, after: ChainHead | None = None) -> ChainHead:
    """Verify signatures and links of consecutive JWS that follow `after` (by default the very first); return the head.

    Memory is constant. Raises `SealBroken` that names the first link that is missing, altered or out of place.
    """
    head = after or ChainHead()
    for token in tokens:
        opened = open_document(token, keys)
        if opened.head.seq != head.seq + 1:
            raise SealBroken(f"link {head.seq + 1} of the chain is missing: {opened.head.seq} follows {head.seq}")
        if opened.prev != head.digest:
            raise SealBroken(f"link {opened.head.seq} of the chain does not follow link {head.seq} as it is here")
        head = opened.head
    return head


def verify_ack(token: bytes, keys: Sequence[PublicKey], *, agent_id: str) -> tuple[str, ...]:
    """Return the ids that the MDSP's signed acknowledgement names; `AckRefused` unless one of `keys` signed it.

    The ids are unique for ever, so an acknowledgement that is repeated, or was meant for another agent, removes
    nothing; one that names another `agent_id` is refused all the same.
    """
    if len(token) > MAX_ACK_OCTETS:
        raise AckRefused(
            f"an acknowledgement of {len(token)} octets is larger than the {MAX_ACK_OCTETS} that are taken"
        )
    try:
        ack = msgspec.json.decode(_verify(token, _header(token, _AckHeader), keys), type=_Ack)
    except _REFUSED as err:
        raise AckRefused(f"an acknowledgement does not verify: {err}") from err
    if ack.agent_id not in {None, agent_id}:
        raise AckRefused("an acknowledgement is for another agent")
    return ack.acknowledged


def open_request(token: bytes, keys: Sequence[PublicKey]) -> tuple[str, bytes]:
    """Return `kid` and payload of a request that one of `keys` signed; raises `SealBroken`. Size is the caller's."""
    return _opened(token, _RequestHeader, keys, "a request")


def sign_manifest(key: DeviceKey, payload: bytes) -> bytes:
    """Return the manifest of a fleet's bundle, signed by the fleet's key. Raises `LocalTrouble`."""
    try:
        return _sign(key, {"typ": FLEET_TYPE}, payload).encode("ascii")
    except (JoseError, ValueError, TypeError) as err:
        raise LocalTrouble(f"the bundle cannot be signed: {err}", advice="`mrsp fleet key` makes a key") from err


def open_manifest(token: bytes, keys: Sequence[PublicKey]) -> tuple[str, bytes]:
    """Return `kid` and payload of a bundle's manifest that one of `keys` signed; raises `SealBroken`."""
    return _opened(token, _FleetHeader, keys, "a manifest")


def _opened(
    token: bytes, kind: type[_RequestHeader | _FleetHeader], keys: Sequence[PublicKey], what: str
) -> tuple[str, bytes]:
    """Return `kid` and payload; raises `SealBroken` unless one of `keys` signed it as this kind."""
    try:
        header = _header(token, kind)
        return header.kid, _verify(token, header, keys)
    except _REFUSED as err:
        raise SealBroken(f"{what} does not verify: {err}") from err


class _AckHeader(msgspec.Struct, frozen=True):
    alg: _Algorithm
    kid: str | None = None
    crit: msgspec.UnsetType = msgspec.UNSET  # RFC 7515 §4.1.11: we understand no extension, so any is refused


class _ReceiptHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: _Algorithm
    kid: str
    typ: Literal["mrsp-receipt+jws"]


class _RequestHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: _Algorithm
    kid: str
    typ: Literal["mdsp-request+jws"]


class _FleetHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: _Algorithm
    kid: str
    typ: Literal["mrsp-fleet+jws"]


class _DocumentHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: _Algorithm
    kid: str
    typ: Literal["mrsp+jws"]
    seq: Annotated[int, msgspec.Meta(ge=1)]
    prev: _Link


class _Ack(msgspec.Struct, frozen=True):
    acknowledged: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...], msgspec.Meta(max_length=MAX_ACK_IDS)
    ]
    agent_id: str | None = None


class _JwsRegistry(jws.JWSRegistry):
    """Sizes of ours, and `EdDSA` read as what it means here: Ed25519 (RFC 9864)."""

    max_header_length = _MAX_HEADER_OCTETS
    max_payload_length = MAX_DOCUMENT_OCTETS * 4 // 3 + 4

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_JWS = _JwsRegistry(algorithms=["ES256", "Ed25519"], strict_check_header=False)  # `seq` and `prev` are ours
_ENCRYPTION = ("ECDH-ES", "ECDH-ES+A256KW", "A256GCM", "DEF")
_H = TypeVar("_H")
_AnyHeader = _AckHeader | _ReceiptHeader | _RequestHeader | _FleetHeader | _DocumentHeader
_REFUSED = (JoseError, msgspec.DecodeError, ValueError, TypeError)


def _header(token: bytes, kind: type[_H]) -> _H:
    segment = token.split(b".", 1)[0]
    if len(segment) > _MAX_HEADER_OCTETS:
        raise ValueError("its header is too long")
    return msgspec.json.decode(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)), type=kind)


def _verify(token: bytes, header: _AnyHeader, keys: Sequence[PublicKey]) -> bytes:
    """Return the payload if one of `keys` signed `token`: the one that `kid` names, or any of them without a `kid`."""
    candidates = [key for key in keys if header.kid in {None, key.kid}]
    if not candidates:
        raise ValueError(f"no known key is called {header.kid!s:.60}")
    found = jws.extract_compact(token, registry=_JWS)
    for key in candidates:
        fits = (key.curve_name == "P-256") == (header.alg == "ES256")
        if fits and jws.validate_compact(found, key, registry=_JWS):
            return found.payload
    raise ValueError("the signature is not of the key that it names")


def _sign(key: DeviceKey, header: dict[str, Any], payload: bytes) -> str:
    protected = {"alg": key.algorithm, "kid": key.kid, **header}
    return jws.serialize_compact(protected, payload, key.signing_key(), registry=_JWS)


def _listed(recipients: Recipients) -> Sequence[PublicKey]:
    if recipients is None:
        return ()
    return (recipients,) if isinstance(recipients, ECKey | OKPKey) else recipients


def _encrypt(token: str, recipients: Sequence[PublicKey]) -> bytes:
    """Encrypt to one key directly (RFC 7516 §7.1, compact), or to several in the general JSON form (§7.2.1)."""
    shared = {"enc": "A256GCM", "zip": "DEF", "cty": DOCUMENT_TYPE}
    if len(recipients) == 1:
        protected = {"alg": "ECDH-ES", **shared, "kid": recipients[0].kid or ""}
        return jwe.encrypt_compact(protected, token, recipients[0], algorithms=_ENCRYPTION).encode("ascii")
    sealed = jwe.GeneralJSONEncryption(shared, token.encode("ascii"))
    for recipient in recipients:
        sealed.add_recipient({"alg": "ECDH-ES+A256KW"}, recipient)
    return msgspec.json.encode(jwe.encrypt_json(sealed, None, algorithms=_ENCRYPTION))
