"""Who logs on, and the password or key: shown as rarely as can be, since many meters lock after a few tries.

Security (C12.18 §9.4) shows the password itself, Authenticate (C12.21 §3) that the key made of it is known. One that
was refused is used in neither way again.
"""

from __future__ import annotations

from typing import Final

from drivers.errors import MeterRefused, PasswordRefused
from drivers.psem.authentication import Challenge, NotAuthentic, key_of, ticket_of
from drivers.psem.codes import ResponseCode
from drivers.psem.credentials import padded_password, padded_user
from drivers.psem.failures import GivenUp
from drivers.psem.options import PsemOptions
from drivers.psem.replies import IdentifyReply
from drivers.psem.services import Logon
from drivers.secret import Secret

_SHOWN: Final = 2  # times without an answer
_WRONG: Final = frozenset({ResponseCode.ERR, ResponseCode.ISC, ResponseCode.IAR, ResponseCode.SME})


class Access:
    """User and password of one client; a password that was refused is never shown again."""

    def __init__(self, options: PsemOptions) -> None:
        self._options = options
        self._user = b""
        self._password: Secret | None = None
        self._refused: dict[Secret, MeterRefused] = {}
        self._unanswered = 0  # times that the present password was shown without an answer
        self._knows_authenticate = True
        self._key: Secret | None = None

    def use(self, password: Secret | None) -> None:
        """Take the credentials. Raises `UsageError` for those that do not fit, before anything is sent."""
        padding = self._options.password_padding
        padded = None if password is None else padded_password(password, padding)
        self._key = None if password is None else key_of(password, padding)
        if padded != self._password:
            self._unanswered = 0
        self._password = padded
        self._user = padded_user(self._options.user, self._options.user_padding)

    def logon(self) -> Logon:
        """Return the request that begins the session."""
        return Logon(self._options.user_id, self._user)

    def show(self) -> Secret | None:
        """Return the password to be shown now, if any. Raises what the meter or the line had against it before."""
        if self._password is None:
            return None
        if self._password in self._refused:
            raise self._refused[self._password]
        if self._unanswered >= _SHOWN:
            msg = "the password was shown twice and not answered"
            raise GivenUp(msg, advice="it may be wrong: it is not sent again, since many meters lock after a few tries")
        self._unanswered += 1
        return self._password

    def challenge(self, reply: IdentifyReply) -> Challenge | None:
        """Return how to Authenticate with the ticket of this Identify; None: Security shows the password instead.

        Raises `NotAuthentic` where the profile requires Authenticate, and the meter cannot.
        """
        ticket = ticket_of(reply) if self._knows_authenticate else b""
        if ticket and self._key is not None and self._options.authenticate != "never":
            return Challenge(ticket, self._options.key_id, self._key)
        if self._options.authenticate == "required":
            raise NotAuthentic(
                "the profile requires Authenticate, and the meter offers no ticket for it: the password is not sent",
                advice='authenticate = "auto" in [psem] of the profile lets Security send the password as it is',
            )
        return None

    def without_authenticate(self) -> None:
        """The meter gave a ticket, but does not know the service."""
        self._knows_authenticate = False
        self._unanswered = 0

    def accepted(self) -> None:
        """The meter let us in."""
        self._unanswered = 0

    def refused(self, refused: MeterRefused, *, with_password: bool = True) -> MeterRefused:
        """Return what to raise for a refusal; if it means that the password is wrong, it is remembered as such."""
        self._unanswered = 0
        if refused.code not in _WRONG or self._password is None:
            return refused
        wrong = PasswordRefused(
            f"{refused.message}: the {'password' if with_password else 'key or its number'} is wrong",
            code=refused.code,
            advice="it is not tried again, since many meters lock after a few tries; check password and "
            + ("padding" if with_password else "key_id"),
        )
        self._refused[self._password] = wrong
        return wrong
