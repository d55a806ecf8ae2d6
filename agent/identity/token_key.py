"""A private key that stays on a token, in the shape that `cryptography` and `joserfc` sign with."""

from __future__ import annotations

import hashlib
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from agent.errors import LocalTrouble
from agent.identity.token import Token

Buffer = bytes | bytearray | memoryview

_HALF = 32  # octets of r and of s on P-256


class TokenPrivateKey(ec.EllipticCurvePrivateKey):
    """A P-256 key on `token`. Signs (ECDSA with SHA-256) and does nothing else: it cannot be exported."""

    def __init__(self, token: Token, identifier: bytes, public: ec.EllipticCurvePublicKey) -> None:
        self._token = token
        self._identifier = identifier
        self._public = public

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the DER signature over `data`; `LocalTrouble` if the token cannot, or answers with a wrong one."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed) or not isinstance(algorithm, hashes.SHA256):
            raise TypeError("the token signs with ECDSA over SHA-256")
        answer = self._token.sign(self._identifier, hashlib.sha256(data).digest())
        signature = encode_dss_signature(int.from_bytes(answer[:_HALF], "big"), int.from_bytes(answer[_HALF:], "big"))
        try:
            self._public.verify(signature, data, signature_algorithm)
        except InvalidSignature as err:
            raise LocalTrouble(
                "the token signed with another key than the one registered",
                advice="the key on it was replaced, or the token is faulty; `mrsp keys status`",
            ) from err
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def exchange(self, *_given: object, **_named: object) -> NoReturn:
        raise _stays()

    def private_numbers(self) -> NoReturn:
        raise _stays()

    def private_bytes(self, *_given: object, **_named: object) -> NoReturn:
        raise _stays()

    def __copy__(self) -> TokenPrivateKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> TokenPrivateKey:
        return self


def _stays() -> TypeError:
    return TypeError("the key is on a token and never leaves it")
