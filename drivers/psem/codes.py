"""Response codes of layer 7 (C12.18 §10): what each means, and what the client can do about it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from drivers.errors import MeterProtocolError, MeterRefused


class ResponseCode(IntEnum):
    """First octet of every response. C12.18 and C12.21 have 00–0A; the rest comes from C12.22-capable meters."""

    OK = 0x00
    ERR = 0x01
    SNS = 0x02
    ISC = 0x03
    ONP = 0x04
    IAR = 0x05
    BSY = 0x06
    DNR = 0x07
    DLK = 0x08
    RNO = 0x09
    ISSS = 0x0A
    SME = 0x0B
    UAT = 0x0C
    NETT = 0x0D
    NETR = 0x0E
    RQTL = 0x0F
    RSTL = 0x10
    SGNP = 0x11
    SGERR = 0x12


_MEANING: Final[dict[ResponseCode, tuple[str, str]]] = {
    ResponseCode.OK: ("done", ""),
    ResponseCode.ERR: ("refused without a reason", "check the credentials and the request; do not repeat it unchanged"),
    ResponseCode.SNS: ("service not supported", "this meter needs another service; set it in the profile"),
    ResponseCode.ISC: ("insufficient security clearance", "give the password of an access level that may do this"),
    ResponseCode.ONP: ("operation not possible", "ask for less at a time, or leave this table out"),
    ResponseCode.IAR: (
        "inappropriate action requested",
        "the meter has no such table, or not so many octets of it: check the profile against its table list",
    ),
    ResponseCode.BSY: ("device busy", "try again later"),
    ResponseCode.DNR: ("data not ready", "try again later"),
    ResponseCode.DLK: ("data locked", "another reader may hold it: try again later"),
    ResponseCode.RNO: ("renegotiation wanted", "the packets agreed on are too small: read in pieces or negotiate more"),
    ResponseCode.ISSS: ("wrong state for this service", "the meter dropped the session: log on again"),
    ResponseCode.SME: ("security mechanism error", "check the password or key"),
    ResponseCode.UAT: ("unknown called address", "address this meter directly"),
    ResponseCode.NETT: ("network time-out", "try again later"),
    ResponseCode.NETR: ("network node unreachable", "try again later"),
    ResponseCode.RQTL: ("request too large", "send less at a time"),
    ResponseCode.RSTL: ("response too large", "ask for less at a time"),
    ResponseCode.SGNP: ("segmentation not possible", "ask for less at a time"),
    ResponseCode.SGERR: ("segmentation error", "try again"),
}

BUSY: Final = frozenset({ResponseCode.BSY, ResponseCode.DNR})  # waited for, patiently
LOCKED: Final = frozenset({ResponseCode.DLK})  # waited for, shortly
TOO_MUCH: Final = frozenset(
    {ResponseCode.ONP, ResponseCode.IAR, ResponseCode.RNO, ResponseCode.RQTL, ResponseCode.RSTL, ResponseCode.SGNP}
)  # a smaller read may succeed


def known(code: int) -> ResponseCode | None:
    """Return the code as a name of C12, None for reserved and manufacturer ones."""
    try:
        return ResponseCode(code)
    except ValueError:
        return None


def describe(code: int) -> str:
    """Return name and meaning of any octet, e.g. `ISC, insufficient security clearance`."""
    named = known(code)
    if named is None:
        return f"{code:02X}H, " + ("a manufacturer's own code" if code >= 0x80 else "a reserved code")
    return f"{named.name}, {_MEANING[named][0]}"


def refusal(code: int, what: str) -> MeterRefused:
    """Build the error for a meter that answered `code` to `what` (e.g. "Logon"), with advice for the operator."""
    _, advice = _MEANING[known(code) or ResponseCode.ERR]
    return MeterRefused(f"{what}: the meter answers {describe(code)}", code=code, advice=advice)


def split_response(message: bytes, what: str) -> bytes:
    """Return what follows the OK code of a response to `what`.

    Raises `MeterRefused` for any other code, `MeterProtocolError` for an empty message or one that begins with a
    request code (20H–7FH): then the two sides are out of step.
    """
    if not message:
        msg = f"{what}: the meter answers nothing at all"
        raise MeterProtocolError(msg)
    code = message[0]
    if 0x20 <= code <= 0x7F:
        msg = f"{what}: a response that begins with a request code, {code:02X}H"
        raise MeterProtocolError(msg, advice="the probe may echo what is sent: set echo = on")
    if code != ResponseCode.OK:
        raise refusal(code, what)
    return message[1:]
