"""PSEM, the protocol of ANSI C12.18: sans-I/O cores for client and meter, and a thin asyncio client."""

from drivers.psem.client import PsemClient, SessionStatistics
from drivers.psem.codes import ResponseCode
from drivers.psem.meter import MeterHandler, MeterLimits, MeterSession
from drivers.psem.options import PsemOptions, Timing
from drivers.psem.replies import IdentifyReply, NegotiateReply
from drivers.psem.states import State

__all__ = [
    "IdentifyReply",
    "MeterHandler",
    "MeterLimits",
    "MeterSession",
    "NegotiateReply",
    "PsemClient",
    "PsemOptions",
    "ResponseCode",
    "SessionStatistics",
    "State",
    "Timing",
]
