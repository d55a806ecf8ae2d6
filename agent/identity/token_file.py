"""`token.json`: where the keys that sign documents lie on a PKCS#11 token. Holds nothing secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.identity.layout import TOKEN_FILE
from agent.identity.token import TokenPlace, token_at
from agent.identity.token_key import TokenPrivateKey
from agent.private_file import read_private_file

MAX_OCTETS = 65_536
_MOST_KEYS = 3  # the present one, the next one, and one that a broken-off rotation left


class TokenKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of ours on the token. It signs while the TLS key with the thumbprint `beside` is in use."""

    id: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){1,64}$")]  # CKA_ID
    beside: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]
    jwk: dict[str, Any]  # public half


class TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `token.json`."""

    place: TokenPlace
    keys: tuple[TokenKey, ...]


def read_token_file(directory: Path) -> TokenFile | None:
    """Return what `token.json` says, or None if there is none. Raises `LocalTrouble` for one that is damaged."""
    path = directory / TOKEN_FILE
    if not path.exists():
        return None
    octets = read_private_file(path, limit=MAX_OCTETS, advice="`mrsp keys init` writes it")
    try:
        return msgspec.json.decode(octets, type=TokenFile)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as err:
        raise LocalTrouble(f"{path} is damaged: {err}", advice="restore it from a backup; it holds no secret") from err


def add_token_key(directory: Path, place: TokenPlace, *, beside: str) -> ECKey:
    """Make a key on the token that signs while the TLS key `beside` is in use; note it durably and return it."""
    identifier, spki = token_at(place).make_key()
    public = load_der_public_key(spki)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise LocalTrouble(f"the token {place.label!r} made a key of another kind", advice="use another token")
    jwk = ECKey(public, None).as_dict(private=False)
    held = read_token_file(directory)
    kept = tuple(one for one in held.keys if one.beside != beside)[-_MOST_KEYS + 1 :] if held is not None else ()
    made = TokenKey(identifier.hex(), beside, jwk)
    content = msgspec.json.format(msgspec.json.encode(TokenFile(place, (*kept, made))), indent=2)
    write_durably(directory / TOKEN_FILE, content + b"\n")
    return token_key(place, made)


def token_key(place: TokenPlace, key: TokenKey) -> ECKey:
    """Return the key as one that signs by the token; nothing is asked of the token yet."""
    try:
        public = ECKey.import_key({name: key.jwk[name] for name in ("kty", "crv", "x", "y")}).public_key
    except (JoseError, ValueError, TypeError, KeyError) as err:
        raise LocalTrouble(f"token.json holds a key that cannot be used: {err}", advice="restore it") from err
    private = TokenPrivateKey(token_at(place), bytes.fromhex(key.id), public)
    return ECKey(private, ECKey(public, None).as_dict(private=False))
