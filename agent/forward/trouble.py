"""What can go wrong on the way to the MDSP, by cause: the operator's advice and the wait before the next attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from agent.errors import MrspError


class Cause(Enum):
    """Why there is no delivery. The value is what the operator can do."""

    NAME = "check the broker's name in the configuration and the DNS of this network"
    REFUSED = "nothing listens there: check host and port, and that the broker runs"
    UNREACHABLE = "check the network of this device: link, address, route, SIM"
    SERVER_CERTIFICATE = "check `host` and `ca` in the configuration, and the clock of this device"
    CLIENT_CERTIFICATE = (
        "`mrsp keys status`: the certificate may be expired, revoked, or of a CA that the broker ignores"
    )
    NOT_TLS = "check the port: the broker's TLS listener is usually 8883"
    NOT_AUTHORISED = "ask the broker's operator to allow this agent to connect and to use its topics"
    VERSION = "set `protocol` to what the broker speaks"
    TIMED_OUT = "check the firewall; a refused client certificate can look like this too (`mrsp keys status`)"
    LOST = "the network or the broker went away; the agent tries again by itself"
    UNACKNOWLEDGED = "the broker takes the documents: see whether the MDSP runs and knows this agent's key"
    LOCAL = "`mrsp config check`, `mrsp keys status` and `mrsp spool status` look at this device"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits before attempt 2, 3, …: `first_s`, then `factor` times longer, never above `longest_s`."""

    first_s: float
    factor: float
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """Return the wait after `failures` consecutive failures (1, 2, …)."""
        return float(min(self.first_s * self.factor ** min(failures - 1, 60), self.longest_s))


_NETWORK = Backoff(1.0, 1.8, 60.0)
_PERSON = Backoff(30.0, 2.0, 300.0)  # only a person can mend it: no reason to hammer the broker

WAITS: Mapping[Cause, Backoff] = MappingProxyType(
    {
        Cause.NAME: _NETWORK,
        Cause.REFUSED: _NETWORK,
        Cause.UNREACHABLE: _NETWORK,
        Cause.SERVER_CERTIFICATE: _PERSON,
        Cause.CLIENT_CERTIFICATE: _PERSON,
        Cause.NOT_TLS: _PERSON,
        Cause.NOT_AUTHORISED: _PERSON,
        Cause.VERSION: _PERSON,
        Cause.TIMED_OUT: _NETWORK,
        Cause.LOST: _NETWORK,
        Cause.UNACKNOWLEDGED: _NETWORK,
        Cause.LOCAL: _PERSON,
    }
)


class ForwardTrouble(MrspError):
    """The MDSP cannot be reached, or does not acknowledge. Nothing is lost: the spool keeps everything."""

    exit_code = 3
    retry = True

    def __init__(self, message: str, *, cause: Cause, advice: str = "") -> None:
        super().__init__(message, advice=advice or cause.value)
        self.cause = cause
