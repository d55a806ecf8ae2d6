"""Authenticate (C12.21 §3): both sides show that they know a key, and neither says it.

The meter gives a ticket with its answer to Identify. The client answers with the ticket enciphered, the meter with that
enciphered once more: DES in single blocks, no padding, no chaining. OpenSSL 3 has no single DES any more; triple DES
with three times the same key is the same function.

Whoever overhears ticket and cipher, or ticket and proof, can try all keys at leisure: all but the ticket is secret.
"""

from __future__ import annotations

import binascii
import contextlib
import hmac
from dataclasses import dataclass
from typing import Final

from drivers.errors import ProtocolError
from drivers.psem.credentials import Padding, padded_password
from drivers.psem.replies import Authentication, IdentifyReply, decode_authentication, encode_authentication
from drivers.psem.services import Authenticate
from drivers.secret import Secret

BLOCK: Final = 8  # octets of key, ticket, cipher and proof
DES: Final = 0
_USABLE: Final = 1  # bit 0 of the authentication type


class NotAuthentic(ProtocolError):
    """The meter did not prove that it knows the key, or cannot, though the profile requires it."""

    exit_code = 4


def key_of(password: Secret, padding: Padding) -> Secret:
    """Return the eight octets of the key: the first ones of the password, padded as it is; 16 hexadecimal digits and
    40 stand for octets. Raises `UsageError` for a password that Security could not carry either.
    """
    value = password.reveal()
    if len(value) == 2 * BLOCK:
        with contextlib.suppress(binascii.Error):
            return Secret(binascii.unhexlify(value))
    return Secret(padded_password(password, padding).reveal()[:BLOCK])


def encipher(key: Secret, block: bytes) -> bytes:
    """Return DES of one block of eight octets under a key of eight octets."""
    # On use: it costs 20 ms that a reader of passwords does not need.
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers import Cipher, modes  # noqa: PLC0415

    encryptor = Cipher(TripleDES(key.reveal() * 3), modes.ECB()).encryptor()  # noqa: S305 - one block, as C12.21 says
    return bytes(encryptor.update(block) + encryptor.finalize())


def ticket_of(reply: IdentifyReply) -> bytes:
    """Return the ticket that Authenticate can be used with; empty where the meter offers none that we can use."""
    for feature in reply.features:
        if isinstance(feature, Authentication) and feature.kind & _USABLE and feature.algorithm == DES:
            return feature.ticket if len(feature.ticket) == BLOCK else b""
    return b""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One ticket under one key: what to send, and what a meter that knows the key says to it."""

    ticket: bytes
    key_id: int
    key: Secret

    @property
    def cipher(self) -> bytes:
        """The ticket, enciphered: the client knows the key."""
        return encipher(self.key, self.ticket)

    def request(self) -> Authenticate:
        """Return what the client sends."""
        return Authenticate(Secret(bytes((self.key_id,)) + self.cipher))

    def answer(self) -> bytes:
        """Return what the meter answers, after the OK code: the cipher enciphered once more."""
        return encode_authentication(bytes((self.key_id,)) + encipher(self.key, self.cipher))

    def verify(self, payload: bytes) -> None:
        """Raise `NotAuthentic` unless `payload`, what followed the OK code, proves that the meter knows the key."""
        try:
            decode_authentication(payload)
        except ProtocolError as error:
            raise NotAuthentic(f"{error.message}, so that it proves nothing", advice=_ADVICE) from error
        if not hmac.compare_digest(payload, self.answer()):
            said = f"key {payload[1]} instead of {self.key_id}" if payload[1:2] != bytes((self.key_id,)) else ""
            why = f"its answer is for {said}" if said else "its proof is wrong"
            raise NotAuthentic(f"Authenticate: the meter does not prove that it knows the key: {why}", advice=_ADVICE)


_ADVICE: Final = (
    "it may be another meter, or somebody between: nothing is read from it; check which meter is on this line, "
    "and its key"
)
