"""A PKCS#11 token (an HSM, a smart card, a TPM behind its module): makes P-256 keys that never leave it, and signs.

By `python-pkcs11`, loaded on use. One session per token and process, shared by all threads, one call at a time; opened
again once when the token was pulled out. A PIN that was refused is not tried again until its file changes: three wrong
ones lock most tokens for good.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agent.errors import LocalTrouble, UsageError
from agent.private_file import credential, read_private_file
from drivers.secret import Secret

LONGEST_PIN = 256
KEY_LABEL = "mrsp-device-key"
_ID_OCTETS = 16

_T = TypeVar("_T")


class TokenPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which token, and where its PIN is: a 0600 file, or a systemd credential by name. Exactly one of the two."""

    module: str  # the vendor's shared library, e.g. /usr/lib/softhsm/libsofthsm2.so
    label: str
    pin_file: str | None = None
    pin_credential: str | None = None

    def __post_init__(self) -> None:
        if (self.pin_file is None) == (self.pin_credential is None):
            raise ValueError("the PIN is in a file or in a systemd credential: exactly one must be named")


class Token:
    """One token, for `make_key` and `sign`. Every method raises `LocalTrouble` that names token and remedy."""

    def __init__(self, place: TokenPlace) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._session: Any = None
        self._writable = False  # the session may make keys
        self._handles: dict[bytes, Any] = {}
        self._refused_pin: bytes | None = None  # its digest

    def make_key(self) -> tuple[bytes, bytes]:
        """Make a P-256 key that cannot be taken out; return its CKA_ID and its public half (SubjectPublicKeyInfo)."""
        p11 = _library()
        identifier = os.urandom(_ID_OCTETS)

        def make(session: Any) -> bytes:
            curve = {p11.Attribute.EC_PARAMS: p11.util.ec.encode_named_curve_parameters("secp256r1")}
            parameters = session.create_domain_parameters(p11.KeyType.EC, curve, local=True)
            hidden = {p11.Attribute.SENSITIVE: True, p11.Attribute.EXTRACTABLE: False}
            public, private = parameters.generate_keypair(
                store=True,
                id=identifier,
                label=KEY_LABEL,
                mechanism=p11.Mechanism.EC_KEY_PAIR_GEN,
                private_template=hidden,
            )
            if private[p11.Attribute.EXTRACTABLE] or not private[p11.Attribute.SENSITIVE]:
                raise self._trouble("makes keys that can be taken out again", "use another token")
            spki: bytes = p11.util.ec.encode_ec_public_key(public)
            return spki

        return identifier, self._with_session(make, doing="make a key", writable=True)

    def sign(self, identifier: bytes, digest: bytes) -> bytes:
        """Return r‖s over a SHA-256 digest by the key `identifier`."""
        p11 = _library()

        def sign(session: Any) -> bytes:
            if identifier not in self._handles:
                self._handles[identifier] = session.get_key(object_class=p11.ObjectClass.PRIVATE_KEY, id=identifier)
            signature: bytes = self._handles[identifier].sign(digest, mechanism=p11.Mechanism.ECDSA)
            return signature

        return self._with_session(sign, doing="sign")

    def close(self) -> None:
        """Log out of the token."""
        with self._lock:
            if self._session is not None:
                self._drop_session()

    def _with_session(self, job: Callable[[Any], _T], *, doing: str, writable: bool = False) -> _T:
        """Run `job` with a session; once more with a new one if the old one had gone."""
        p11 = _library()
        lost = (
            p11.SessionHandleInvalid, p11.SessionClosed, p11.DeviceRemoved, p11.TokenNotPresent,
            p11.ObjectHandleInvalid, p11.KeyHandleInvalid, p11.UserNotLoggedIn, p11.DeviceError,
        )  # fmt: skip
        with self._lock, self._named_errors(doing):
            had_one = self._session is not None
            try:
                return job(self._open_session(writable=writable))
            except lost:
                self._drop_session()
                if not had_one:
                    raise
            return job(self._open_session(writable=writable))

    def _open_session(self, *, writable: bool) -> Any:
        if writable and not self._writable:
            self._drop_session()
        if self._session is None:
            p11 = _library()
            pin = self._pin()
            seen = hashlib.sha256(pin.reveal()).digest()
            if seen == self._refused_pin:
                raise self._trouble("has refused this PIN", "correct the PIN; it is not tried again, so as not to lock")
            try:
                token = p11.lib(self._place.module).get_token(token_label=self._place.label)
                self._session = token.open(rw=writable, user_pin=pin.reveal().decode())
                self._writable = writable
            except (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange):
                self._refused_pin = seen
                raise
        return self._session

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        self._handles.clear()
        if session is not None:
            try:
                session.close()
            except _library().PKCS11Error:
                return  # it had gone by itself

    def _pin(self) -> Secret:
        place = self._place
        if place.pin_credential is not None:
            path = credential(place.pin_credential)
            if path is None:
                raise self._trouble(
                    f"needs the systemd credential {place.pin_credential}, which this process was not given",
                    f"LoadCredential={place.pin_credential}:… in the unit; by hand: systemd-run -p LoadCredential=…",
                )
            octets = read_private_file(path, limit=LONGEST_PIN, advice="check the unit")
        else:
            advice = "put the PIN into that file, chmod 600"
            octets = read_private_file(Path(place.pin_file or ""), limit=LONGEST_PIN, advice=advice)
        pin = octets.removesuffix(b"\n").removesuffix(b"\r")
        try:
            pin.decode()
        except UnicodeDecodeError as err:
            raise self._trouble("has a PIN that is no UTF-8 text", "write the PIN as the token expects it") from err
        return Secret(pin)

    @contextmanager
    def _named_errors(self, doing: str) -> Iterator[None]:
        p11 = _library()
        try:
            yield
        except (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange) as err:
            raise self._trouble("refuses the PIN", "correct the PIN file before the token locks itself") from err
        except p11.PinLocked as err:
            raise self._trouble("is locked: too many wrong PINs", "unlock it with its SO PIN") from err
        except (p11.NoSuchToken, p11.TokenNotPresent) as err:
            raise self._trouble("is not there", "plug it in; check `label` in token.json") from err
        except p11.NoSuchKey as err:
            advice = "is it the right token? `mrsp keys rotate` makes a new key"
            raise self._trouble("does not hold the device key", advice) from err
        except p11.MultipleTokensReturned as err:
            raise self._trouble("is there more than once", "give each token a label of its own") from err
        except p11.PKCS11Error as err:
            what = f"cannot {doing}: {type(err).__name__} {err}".rstrip()
            raise self._trouble(what, f"check that {self._place.module} is the token's PKCS#11 module") from err

    def _trouble(self, what: str, advice: str) -> LocalTrouble:
        return LocalTrouble(f"the token {self._place.label!r} {what}", advice=advice)


_tokens: dict[TokenPlace, Token] = {}
_tokens_lock = threading.Lock()


def token_at(place: TokenPlace) -> Token:
    """Return the token at `place`: the same object for the same place, since a process logs in once."""
    with _tokens_lock:
        return _tokens.setdefault(place, Token(place))


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415  (an extra)
        import pkcs11.util.ec  # noqa: PLC0415
    except ImportError as err:
        raise UsageError(
            "keys on a PKCS#11 token need python-pkcs11", advice="pip install 'mrsp-agent[pkcs11]'"
        ) from err
    return pkcs11
