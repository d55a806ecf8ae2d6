"""Encryption of a backup, in the format age-encryption.org/v1: any `age` program opens what is written here.

    header:  version, one stanza that wraps the file key (to an X25519 recipient, or by scrypt of a passphrase), HMAC
    payload: ChaCha20-Poly1305 in chunks of 64 KiB, each with its number and whether it is the last

A chunk is authenticated before any of it is used; chunks that are changed, moved, added or cut off do not open. All
primitives are of `cryptography`; nothing of the format is ours. Memory is constant whatever the size.
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from agent.backup import bech32
from agent.backup.errors import ArchiveRefused
from agent.errors import UsageError
from drivers.secret import Secret

CHUNK = 65_536
WORK_FACTOR = 16  # log2 N: 64 MiB and a tenth of a second; what a gateway of 512 MB can spare
MOST_WORK = 18  # what `age` uses: 256 MiB; more is refused, not tried
MOST_STANZAS = 20
_MOST_HEADER = 16_384
_TAG = 16
_INTRO = b"age-encryption.org/v1"
_ZERO = bytes(12)
_PUBLIC, _PRIVATE = "age", "age-secret-key-"
_ADVICE = "give the passphrase, or the recovery key, that it was made for"


class Lock(Protocol):
    """What an archive is encrypted to."""

    def stanza(self, file_key: bytes) -> tuple[tuple[str, ...], bytes]:
        """Return the arguments and the body of the stanza that wraps `file_key`."""


class Unlock(Protocol):
    """What opens an archive."""

    def unwrap(self, arguments: tuple[str, ...], body: bytes, *, alone: bool) -> bytes | None:
        """Return the file key, or None if the stanza is for another. `alone`: it is the only one."""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Locks and unlocks by scrypt."""

    secret: Secret
    work_factor: int = WORK_FACTOR

    def stanza(self, file_key: bytes) -> tuple[tuple[str, ...], bytes]:
        salt = os.urandom(16)
        wrapped = ChaCha20Poly1305(self._key(salt, self.work_factor)).encrypt(_ZERO, file_key, None)
        return ("scrypt", _base64(salt), str(self.work_factor)), wrapped

    def unwrap(self, arguments: tuple[str, ...], body: bytes, *, alone: bool) -> bytes | None:
        if arguments[0] != "scrypt" or len(arguments) != 3 or not alone:
            return None
        factor = arguments[2]
        if not re.fullmatch(r"[1-9][0-9]?", factor) or int(factor) > MOST_WORK:
            raise ArchiveRefused(
                f"the archive's passphrase takes 2^{factor:.10} steps of scrypt, more than the 2^{MOST_WORK} taken",
                advice="it was not made by this program; `age --decrypt` may open it on a larger machine",
            )
        return _unwrapped(self._key(_octets(arguments[1], 16), int(factor)), body)

    def _key(self, salt: bytes, factor: int) -> bytes:
        label = b"age-encryption.org/v1/scrypt"
        return Scrypt(salt=label + salt, length=32, n=1 << factor, r=8, p=1).derive(self.secret.reveal())


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public half of a recovery key: what it locks, only the private half opens."""

    public: X25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """Take `age1…`; `UsageError` otherwise."""
        try:
            return cls(X25519PublicKey.from_public_bytes(bech32.decode(_PUBLIC, text)))
        except ValueError as err:
            raise UsageError(
                f"{text!r:.80} is no recovery key's public half: {err}", advice="it begins with age1"
            ) from err

    def __str__(self) -> str:
        return bech32.encode(_PUBLIC, self.public.public_bytes_raw())

    def stanza(self, file_key: bytes) -> tuple[tuple[str, ...], bytes]:
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        key = _x25519_key(ephemeral.exchange(self.public), share, self.public)
        return ("X25519", _base64(share)), ChaCha20Poly1305(key).encrypt(_ZERO, file_key, None)


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """The private half: kept away from every box that it is to recover."""

    private: X25519PrivateKey

    @classmethod
    def generate(cls) -> RecoveryKey:
        return cls(X25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: bytes) -> RecoveryKey:
        """Take a file as `age-keygen` writes it: comments, and one line `AGE-SECRET-KEY-1…`; `UsageError` otherwise."""
        lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        try:
            (line,) = keys
            return cls(X25519PrivateKey.from_private_bytes(bech32.decode(_PRIVATE, line)))
        except ValueError as err:
            advice = "it has one line that begins with AGE-SECRET-KEY-1"
            raise UsageError("that file holds no recovery key", advice=advice) from err

    @property
    def recipient(self) -> Recipient:
        return Recipient(self.private.public_key())

    def text(self) -> bytes:
        """Return the content of a key file; secret."""
        line = bech32.encode(_PRIVATE, self.private.private_bytes_raw()).upper()
        return f"# public key: {self.recipient}\n{line}\n".encode("ascii")

    def unwrap(self, arguments: tuple[str, ...], body: bytes, *, alone: bool) -> bytes | None:  # noqa: ARG002
        if arguments[0] != "X25519" or len(arguments) != 2:
            return None
        share = _octets(arguments[1], 32)
        try:
            shared = self.private.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError as err:  # a point of low order
            raise _damaged("its header") from err
        return _unwrapped(_x25519_key(shared, share, self.recipient.public), body)

    def __repr__(self) -> str:
        return f"RecoveryKey({self.recipient})"


class Sealing:
    """Writes an encrypted file to `sink`; `close` writes the last chunk and leaves `sink` open."""

    def __init__(self, sink: BinaryIO, lock: Lock) -> None:
        self._sink = sink
        file_key, nonce = os.urandom(16), os.urandom(16)
        arguments, body = lock.stanza(file_key)
        text = _base64(body)
        lines = [text[at : at + 64] for at in range(0, len(text) + 1, 64)]  # the last one is shorter than 64
        header = b"\n".join([_INTRO, b"-> " + " ".join(arguments).encode(), "\n".join(lines).encode(), b"---"])
        sink.write(header + b" " + _base64(_mac(file_key, header)).encode() + b"\n" + nonce)
        self._cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._held = bytearray()
        self._number = 0

    def write(self, octets: bytes) -> None:
        self._held += octets
        while len(self._held) > CHUNK:  # the last chunk is a full one, or shorter; it is not known yet
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]

    def close(self) -> None:
        self._put(bytes(self._held), last=True)

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._sink.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1


class Opening:
    """Reads an encrypted file from `source`. Raises `ArchiveRefused` for one that is damaged or for another key."""

    def __init__(self, source: BinaryIO, unlock: Unlock) -> None:
        self._source = source
        file_key = _file_key(source, unlock)
        nonce = source.read(16)
        if len(nonce) != 16:
            raise _damaged("it ends after its header")
        self._cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._number = 0
        self._sealed = source.read(CHUNK + _TAG)
        self._open = b""
        self._ended = False

    def read(self, most: int) -> bytes:
        """Return up to `most` octets, at most a chunk at a time; none at the end of the file, which is then proven."""
        if not self._open and not self._ended:
            self._next_chunk()
        found, self._open = self._open[:most], self._open[most:]
        return found

    def _next_chunk(self) -> None:
        following = self._source.read(CHUNK + _TAG)
        self._ended = not following
        try:
            chunk = self._cipher.decrypt(_nonce(self._number, last=self._ended), self._sealed, None)
        except (InvalidTag, ValueError) as err:
            raise _damaged(f"chunk {self._number} does not open") from err
        if self._ended and not chunk and self._number:
            raise _damaged("its last chunk is empty")
        self._number += 1
        self._open, self._sealed = chunk, following


def _file_key(source: BinaryIO, unlock: Unlock) -> bytes:
    """Read the header up to the payload; return the file key that `unlock` opens."""
    first = _line(source, _MOST_HEADER)
    if first != _INTRO:
        raise ArchiveRefused("that is no backup of an agent", advice="give the file that `mrsp backup create` wrote")
    header = first + b"\n"
    stanzas: list[tuple[tuple[str, ...], bytes]] = []
    while True:
        line = _line(source, _MOST_HEADER - len(header))
        if line.startswith(b"--- "):
            header += b"---"
            break
        if not line.startswith(b"-> ") or len(stanzas) == MOST_STANZAS:
            raise _damaged("its header")
        arguments, body, text = tuple(line[3:].decode("ascii", "replace").split(" ")), b"", line + b"\n"
        while True:
            part = _line(source, _MOST_HEADER - len(header) - len(text))
            text += part + b"\n"
            body += part
            if len(part) < 64:
                break
        header += text
        stanzas.append((arguments, _octets(body.decode("ascii", "replace"), None)))
    for arguments, body in stanzas:
        file_key = unlock.unwrap(arguments, body, alone=len(stanzas) == 1)
        if file_key is not None:
            if not hmac.compare_digest(_mac(file_key, header), _octets(line[4:].decode("ascii", "replace"), 32)):
                raise _damaged("its header")
            return file_key
    raise ArchiveRefused("the archive does not open with this key or passphrase", advice=_ADVICE)


def _line(source: BinaryIO, most: int) -> bytes:
    line = source.readline(max(1, most))
    if not line.endswith(b"\n"):
        raise _damaged("its header")
    return line[:-1]


def _unwrapped(key: bytes, body: bytes) -> bytes | None:
    if len(body) != 16 + _TAG:
        raise _damaged("its header")
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO, body, None)
    except InvalidTag:
        return None


def _x25519_key(shared: bytes, share: bytes, recipient: X25519PublicKey) -> bytes:
    return _derived(shared, share + recipient.public_bytes_raw(), b"age-encryption.org/v1/X25519")


def _derived(key: bytes, salt: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=label).derive(key)


def _mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii").rstrip("=")


def _octets(text: str, length: int | None) -> bytes:
    """Decode base64 without padding, in its one canonical spelling."""
    try:
        octets = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as err:
        raise _damaged("its header") from err
    if _base64(octets) != text or length not in {None, len(octets)}:
        raise _damaged("its header")
    return octets


def _damaged(where: str) -> ArchiveRefused:
    return ArchiveRefused(f"the archive is damaged: {where}", advice="use another copy, or an older backup")
