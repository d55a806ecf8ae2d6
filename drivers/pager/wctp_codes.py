"""The codes of wctp-Success and wctp-Failure: what they mean, and what follows from them."""

from __future__ import annotations

from enum import Enum


class Action(Enum):
    """What to do about a code."""

    ACCEPTED = "accepted"
    RETRY = "retry later"  # nothing was accepted; the same message may be offered again, less often
    POLL_FIRST = "poll, then retry"
    REISSUE = "issue a new message"  # this one has ended without an answer
    FINAL = "final"  # the same will be refused again: a person has to look


_CODES = {
    200: (Action.ACCEPTED, "accepted"),
    210: (Action.ACCEPTED, "accepted, but this version of WCTP will not be for much longer"),
    300: (Action.FINAL, "the gateway does not support this operation"),
    301: (Action.FINAL, "the gateway cannot parse the message"),
    302: (Action.FINAL, "the gateway finds the XML invalid"),
    303: (Action.FINAL, "the gateway does not speak this version of WCTP"),
    304: (Action.POLL_FIRST, "the gateway wants to be polled first"),
    400: (Action.FINAL, "the function is not supported"),
    401: (Action.FINAL, "the sender id is not known to the gateway"),
    402: (Action.FINAL, "the security code is wrong"),
    403: (Action.FINAL, "the recipient id is not known to the gateway"),
    404: (Action.FINAL, "the authorization code of the recipient is wrong"),
    405: (Action.FINAL, "a time is not in the right format"),
    406: (Action.FINAL, "the times do not go together"),
    407: (Action.FINAL, "the delivery period makes no sense"),
    408: (Action.FINAL, "the delivery period is over already"),
    411: (Action.FINAL, "the message is too long for the device"),
    412: (Action.FINAL, "the device or the system cannot acknowledge delivery"),
    430: (Action.FINAL, "the device takes no binary message"),
    431: (Action.FINAL, "the subscriber's limit is reached"),
    432: (Action.FINAL, "the poller id or its security code is wrong"),
    500: (Action.REISSUE, "the message timed out"),
    501: (Action.REISSUE, "the message expired"),
    502: (Action.FINAL, "no further responses will come"),
    503: (Action.FINAL, "the sender is disabled"),
    504: (Action.FINAL, "the gateway does not know the message"),
    600: (Action.RETRY, "polled too often"),
    601: (Action.RETRY, "excessive polling"),
    602: (Action.RETRY, "too many messages"),
    603: (Action.RETRY, "too many messages"),
    604: (Action.RETRY, "internal error of the gateway"),
    605: (Action.RETRY, "the gateway is not available at the moment"),
}
_ADVICE = {
    303: "choose another by the option version=",
    401: "check the option sender= against the contract with the carrier",
    402: "check the password file; the carrier may have changed the code",
    403: "check the option recipient= against the device's PIN",
    411: "choose a shorter message format",
    432: "check sender= and the password file",
    503: "ask the carrier",
}


def action_of(code: int) -> Action:
    """Return what follows. Codes that are not known follow their class: 2xx, 5xx a new message, 6xx later."""
    if code in _CODES:
        return _CODES[code][0]
    return {2: Action.ACCEPTED, 6: Action.RETRY}.get(code // 100, Action.FINAL)


def meaning_of(code: int) -> str:
    """Return what a code says, in plain words."""
    if 412 <= code <= 419:
        return "the device or the system lacks what the message asks for (acknowledgement, multiple choice)"
    return _CODES[code][1] if code in _CODES else "a code that is not in the protocol"


def advice_of(code: int) -> str:
    """Return what the operator can do about a failure; nothing where there is nothing particular."""
    return _ADVICE.get(code, "")
