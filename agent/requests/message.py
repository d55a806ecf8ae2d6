"""One request as the MDSP signed it, read with suspicion: who signed, whom it is for, what it says. Pure.

    JWS compact, header {"alg", "kid", "typ": "mdsp-request+jws"} and nothing else, payload: the fields of `Message`

What nobody of the MDSP signed, or what cannot be told from another message, is never answered: an answer is a document
of our chain, and not anybody's to order. Everything else is answered once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from agent.keys import PublicKey
from agent.seal import SealBroken, digest, open_request

MAX_REQUEST_OCTETS = 8_192  # of the JWS; a request takes some 900
MAX_ROUTE_REQUEST_OCTETS = 2_097_152  # of one with a route: some 2,000 stops
LATEST = 32_503_680_000  # the year 3000

Action = Literal["monthly", "final", "special", "revalidation", "historical", "route", "cancel"]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
_Jti = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{7,63}$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]  # since 1970, UTC (RFC 7519 NumericDate, whole)
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class NotTaken(Exception):
    """What came is no request of our MDSP to us: it is counted, and not answered. `kind` in one word."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Malformed(Exception):
    """A request of our MDSP that does not say what a request must."""


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A span of time, both ends aware."""

    begin: _Moment
    end: _Moment

    def __post_init__(self) -> None:
        if self.end <= self.begin:
            raise ValueError("`end` must be after `begin`")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a request says (version 1). Identifiers are opaque; those of site and meter must be those on record."""

    schema: Literal["mrsp.request/1"]
    jti: _Jti  # of this message: never used again
    aud: str  # the agent_id
    iat: _Seconds
    exp: _Seconds  # until when this message may be acted on; the read itself has its `deadline`
    nbf: _Seconds | None = None
    transaction_id: _Id  # of what is asked for: the same when the same is asked again
    action: Action
    sender: _Name
    receiver: _Name
    meter_id: _Name | None = None
    account_id: _Name | None = None
    service_delivery_point_id: _Name | None = None
    service_period: Period | None = None
    deadline: _Moment | None = None  # when the read is given up
    cancels: _Id | None = None  # the transaction that is taken back
    route: msgspec.Raw = msgspec.Raw()  # `mrsp.route/1`, octet for octet; not judged here

    def __post_init__(self) -> None:
        if self.exp <= max(self.iat, self.nbf or 0):
            raise ValueError("`exp` must be after `iat` and `nbf`")
        given = (self.meter_id, self.account_id, self.service_delivery_point_id, self.service_period, self.deadline)
        if self.action in {"cancel", "route"} and any(one is not None for one in given):
            raise ValueError(f"a {self.action} names no meter, no period and no deadline of its own")
        if (self.action == "cancel") != (self.cancels is not None):
            raise ValueError("a cancel, and nothing else, names the transaction that it `cancels`")
        if (self.action == "route") != bool(bytes(self.route)):
            raise ValueError("a request with the action route, and no other, brings a `route`")
        if self.action not in {"cancel", "route"} and self.meter_id is None:
            raise ValueError("`meter_id` is missing")
        if self.action == "historical" and self.service_period is None:
            raise ValueError("a historical request names the `service_period` that is wanted")

    @property
    def content(self) -> str:
        """What tells one transaction from another: a digest of everything but the envelope of this message."""
        return digest(msgspec.json.encode(msgspec.structs.replace(self, jti="-" * 8, iat=0, nbf=None, exp=1)))

    @property
    def thin(self) -> Message:
        """The same without its route, as it is remembered when the route is in the book."""
        return msgspec.structs.replace(self, route=msgspec.Raw(b"null")) if bytes(self.route) else self


@dataclass(frozen=True, slots=True)
class Authentic:
    """A message that a key of the MDSP signed for this agent, and that can be told from every other."""

    kid: str
    jti: str
    expires: int
    payload: bytes

    @property
    def digest(self) -> str:
        """Of what was signed: a repeated message has the same, however its signature is written."""
        return digest(self.payload)

    def message(self) -> Message:
        """Return what it says; raises `Malformed`."""
        try:
            return msgspec.json.decode(self.payload, type=Message)
        except (msgspec.DecodeError, ValueError, RecursionError) as err:
            raise Malformed(f"{err!s:.300}") from err


class _Envelope(msgspec.Struct, frozen=True):
    """What every message must have to be answered at all."""

    jti: _Jti
    aud: str
    exp: _Seconds


class _WithRoute(msgspec.Struct, frozen=True):
    """What may be large."""

    action: Literal["route"]


def authenticate(token: bytes, keys: Sequence[PublicKey], *, agent_id: str) -> Authentic:
    """Return a request that one of `keys` signed for this agent; raises `NotTaken`."""
    if len(token) > MAX_ROUTE_REQUEST_OCTETS:
        raise NotTaken("too_large", f"a request of {len(token)} octets; {MAX_ROUTE_REQUEST_OCTETS} are taken")
    try:
        kid, payload = open_request(token, keys)
    except SealBroken as err:
        raise NotTaken("not_authentic", str(err)) from err
    try:
        envelope = msgspec.json.decode(payload, type=_Envelope)
        large = len(token) > MAX_REQUEST_OCTETS and not _carries_route(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as err:
        raise NotTaken("unreadable", f"a request without jti, aud or exp: {err!s:.200}") from err
    if large:
        what = f"a request of {len(token)} octets; without a route {MAX_REQUEST_OCTETS} are taken"
        raise NotTaken("too_large", what)
    if envelope.aud != agent_id:
        raise NotTaken("not_for_us", f"request {envelope.jti} is for agent {envelope.aud!r:.80}")
    return Authentic(kid, envelope.jti, envelope.exp, payload)


def _carries_route(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload, type=_WithRoute)
    except msgspec.ValidationError:
        return False
    return True
